#include "cli/serve/routes.h"

#include <stdio.h>
#include <string.h>

#include "cli/serve/about.h"
#include "cli/serve/cors.h"
#include "cli/serve/explain.h"
#include "cli/serve/infer.h"
#include "cli/serve/page.h"
#include "cli/serve/plain.h"
#include "cli/serve/run.h"
#include "cli/serve/search.h"

static const vgg_serve_route routes[] = {
    {"GET", true, "/", vgg_serve_page, NULL, NULL},
    {"GET", true, "/serve.css", vgg_serve_page_style, NULL, NULL},
    {"GET", true, "/serve.js", vgg_serve_page_script, NULL, NULL},
    {"GET", true, "/serve_inside.js", vgg_serve_page_inside, NULL, NULL},
    {"GET", true, "/page.json", vgg_serve_page_facts, NULL, NULL},
    {"GET", false, "/report.html", vgg_serve_report_begin, vgg_serve_report_prepare,
     vgg_serve_report_finish},
    {"GET", true, "/health", vgg_serve_health, NULL, NULL},
    {"GET", true, "/openapi.json", vgg_serve_openapi, NULL, NULL},
    {"GET", false, "/metrics", vgg_serve_metrics_page, NULL, NULL},
    {"POST", false, "/predict", vgg_serve_plain_begin, vgg_serve_plain_prepare,
     vgg_serve_plain_finish},
    {"POST", false, "/explain", vgg_serve_explain_begin, vgg_serve_explain_prepare,
     vgg_serve_explain_finish},
    {"POST", false, "/search", vgg_serve_search_begin, vgg_serve_search_prepare,
     vgg_serve_search_finish},
    {"GET", false, "/pictures/#", vgg_serve_shown_begin, vgg_serve_shown_prepare,
     vgg_serve_search_finish},
    {"GET", false, "/v2", vgg_serve_about_server, NULL, NULL},
    {"GET", true, "/v2/health/live", vgg_serve_is_live, NULL, NULL},
    {"GET", true, "/v2/health/ready", vgg_serve_is_ready, NULL, NULL},
    {"GET", false, "/v2/models", vgg_serve_about_models, NULL, NULL},
    {"GET", false, "/v2/models/*", vgg_serve_about_model, NULL, NULL},
    {"GET", false, "/v2/models/*/versions/#", vgg_serve_about_model, NULL, NULL},
    {"GET", false, "/v2/models/*/ready", vgg_serve_is_ready, NULL, NULL},
    {"GET", false, "/v2/models/*/versions/#/ready", vgg_serve_is_ready, NULL, NULL},
    {"POST", false, "/v2/models/*/infer", vgg_serve_infer_begin, vgg_serve_infer_prepare,
     vgg_serve_infer_finish},
    {"POST", false, "/v2/models/*/versions/#/infer", vgg_serve_infer_begin, vgg_serve_infer_prepare,
     vgg_serve_infer_finish},
};
#define ROUTES (sizeof routes / sizeof *routes)

/* Words of a path that a route leaves open. */
typedef struct words {
    const char *model, *version; /* NULL: it names none */
    size_t model_length, version_length;
} words;

static bool matches(const char *pattern, const char *path, words *found) {
    *found = (words){0};
    while (*pattern != '\0') {
        size_t length = strcspn(path, "/");
        if (*pattern == '*') {
            found->model = path;
            found->model_length = length;
        } else if (*pattern == '#') {
            found->version = path;
            found->version_length = length;
        } else if (*pattern != *path) {
            return false;
        } else {
            length = 1;
        }
        if (length == 0)
            return false;
        pattern++;
        path += length;
    }
    return *path == '\0';
}

/* Finds the model that the path names; false: that was answered. */
static bool find_model(vgg_serve_request *request, const words *found) {
    char number[32];
    if (found->model == NULL)
        return true;
    vgg_serve_model *model =
        vgg_serve_models_find(&request->server->models, found->model, found->model_length);
    if (model == NULL) {
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "there is no model %.*s; /v2/models lists them",
                       found->model_length < 64 ? (int)found->model_length : 64, found->model);
        return false;
    }
    request->job.model = model;
    if (found->version == NULL)
        return true;
    vgg_serve_version *version = vgg_serve_version_acquire(model);
    int length = snprintf(number, sizeof number, "%zu", version->number);
    /* Kept, so that it answers whatever is loaded while the body comes. */
    request->job.version = version;
    if ((size_t)length == found->version_length &&
        memcmp(number, found->version, found->version_length) == 0)
        return true;
    vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "of %s there is version %s, no other", model->name,
                   number);
    return false;
}

/* Whether the request has a key, where one is needed; else that was answered. */
static bool may_ask(vgg_serve_request *request) {
    const vgg_serve_keys *keys = &request->server->keys;
    const char *header = vgg_serve_request_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    if (keys->count == 0 || request->route->open || vgg_serve_keys_fit(keys, header))
        return true;
    vgg_serve_fail(request, MHD_HTTP_UNAUTHORIZED,
                   header == NULL ? "a key is needed: Authorization: Bearer KEY"
                                  : "the key is none of those that are known");
    return false;
}

void vgg_serve_route_request(vgg_serve_request *request, const char *method) {
    const vgg_serve_route *other = NULL;
    words found = {0};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ROUTES && request->route == NULL; i++) {
        if (!matches(routes[i].path, request->url, &found))
            continue;
        if (strcmp(routes[i].method, method) == 0)
            request->route = &routes[i];
        else
            other = &routes[i];
    }
    if (request->route != NULL) {
        if (may_ask(request) && find_model(request, &found))
            request->route->begin(request);
        return;
    }
    if (other != NULL && strcmp(method, MHD_HTTP_METHOD_OPTIONS) == 0 &&
        vgg_serve_cors_origin(request) != NULL) {
        vgg_serve_answer(request, MHD_HTTP_NO_CONTENT, "text/plain", strdup(""), 0);
        return;
    }
    if (other != NULL) {
        request->allow = strcmp(other->method, "GET") == 0 ? "GET, HEAD" : other->method;
        vgg_serve_fail(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%.64s takes %s, not %.16s",
                       request->url, request->allow, method);
        return;
    }
    vgg_serve_fail(request, MHD_HTTP_NOT_FOUND,
                   "nothing is served at %.64s; /openapi.json says what is", request->url);
}
