#include "cli/serve/health.h"

#include <string.h>

void vgg_serve_health(vgg_serve_request *request) {
    bool draining = atomic_load(&request->server->draining);
    const char *text = draining ? "{\"status\": \"stopping\"}\n" : "{\"status\": \"ok\"}\n";
    vgg_serve_answer(request, draining ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
                     "application/json", strdup(text), strlen(text));
}
