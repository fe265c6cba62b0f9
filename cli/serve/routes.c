#include "cli/serve/routes.h"

#include <string.h>

#include "cli/serve/health.h"
#include "cli/serve/plain.h"

static const vgg_serve_route routes[] = {
    {"GET", "/health", vgg_serve_health, NULL, NULL},
    {"POST", "/predict", vgg_serve_plain_begin, vgg_serve_plain_prepare, vgg_serve_plain_finish},
};
#define ROUTES (sizeof routes / sizeof *routes)

void vgg_serve_route_request(vgg_serve_request *request, const char *method) {
    const vgg_serve_route *other = NULL;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ROUTES && request->route == NULL; i++) {
        if (strcmp(routes[i].path, request->url) != 0)
            continue;
        if (strcmp(routes[i].method, method) == 0)
            request->route = &routes[i];
        else
            other = &routes[i];
    }
    if (request->route != NULL) {
        request->route->begin(request);
        return;
    }
    if (other != NULL) {
        request->allow = other->method;
        vgg_serve_fail(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%.64s takes %s, not %.16s",
                       request->url, other->method, method);
        return;
    }
    vgg_serve_fail(request, MHD_HTTP_NOT_FOUND,
                   "nothing is served at %.64s; POST a picture to /predict", request->url);
}
