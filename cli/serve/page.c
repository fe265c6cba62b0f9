#include "cli/serve/page.h"

#include <stdlib.h>
#include <string.h>

#include "cli/serve/web.h"

static void answer(vgg_serve_request *request, const char *type, const unsigned char *bytes,
                   size_t size) {
    char *text = malloc(size);
    if (text != NULL)
        memcpy(text, bytes, size);
    vgg_serve_answer(request, MHD_HTTP_OK, type, text, size);
}

void vgg_serve_page(vgg_serve_request *request) {
    request->policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src blob: data:; frame-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'";
    answer(request, "text/html; charset=utf-8", vgg_serve_web_page, vgg_serve_web_page_size);
}

void vgg_serve_page_style(vgg_serve_request *request) {
    answer(request, "text/css; charset=utf-8", vgg_serve_web_style, vgg_serve_web_style_size);
}

void vgg_serve_page_script(vgg_serve_request *request) {
    answer(request, "text/javascript; charset=utf-8", vgg_serve_web_script,
           vgg_serve_web_script_size);
}

void vgg_serve_page_inside(vgg_serve_request *request) {
    answer(request, "text/javascript; charset=utf-8", vgg_serve_web_inside,
           vgg_serve_web_inside_size);
}

void vgg_serve_openapi(vgg_serve_request *request) {
    answer(request, "application/json", vgg_serve_web_openapi, vgg_serve_web_openapi_size);
}
