#include "cli/serve/cors.h"

#include <string.h>

#include "cli/message.h"

/* "https://example.org", "http://127.0.0.1:8000"; "null" is that of files and sandboxes. */
static bool is_origin(const char *text) {
    static const char scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+.-";
    static const char host[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    size_t length = strspn(text, scheme);
    if (strcmp(text, "*") == 0 || strcmp(text, "null") == 0)
        return true;
    if (length == 0 || strncmp(text + length, "://", 3) != 0)
        return false;
    const char *rest = text + length + 3;
    return *rest != '\0' && rest[strspn(rest, host)] == '\0';
}

bool vgg_serve_cors_check(const vgg_cli_texts *origins) {
    for (size_t i = 0; i < origins->count; i++) {
        if (is_origin(origins->values[i]))
            continue;
        vgg_cli_complain("serve",
                         "--cors %s: expected what browsers send as the origin of a page, such as "
                         "https://example.org, in small letters and without a path, or *",
                         origins->values[i]);
        return false;
    }
    return true;
}

const char *vgg_serve_cors_origin(const vgg_serve_request *request) {
    const vgg_cli_texts *allowed = &request->server->origins;
    const char *origin = vgg_serve_request_header(request, MHD_HTTP_HEADER_ORIGIN);
    for (size_t i = 0; origin != NULL && i < allowed->count; i++) {
        if (strcmp(allowed->values[i], "*") == 0 || strcmp(allowed->values[i], origin) == 0)
            return origin;
    }
    return NULL;
}

void vgg_serve_cors_answer(const vgg_serve_request *request, struct MHD_Response *response) {
    const char *origin = vgg_serve_cors_origin(request);
    if (request->server->origins.count > 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Origin");
    if (origin == NULL)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(response, "Access-Control-Expose-Headers",
                            "X-Request-Id, Retry-After, Inference-Header-Content-Length");
    if (strcmp(request->method, MHD_HTTP_METHOD_OPTIONS) != 0)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST");
    MHD_add_response_header(
        response, "Access-Control-Allow-Headers",
        "Authorization, Content-Type, X-Request-Id, Inference-Header-Content-Length");
    MHD_add_response_header(response, "Access-Control-Max-Age", "600");
}
