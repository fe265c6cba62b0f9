/* Pages of other origins, which browsers keep from asking unless they are allowed to (CORS). */
#ifndef VGG_SERVE_CORS_H
#define VGG_SERVE_CORS_H

#include "cli/serve/request.h"

/* Whether all of them are origins as browsers send them, or "*"; complained about otherwise. */
bool vgg_serve_cors_check(const vgg_cli_texts *origins);

/* The origin of the request, where it may ask; NULL: it has none, or may not. */
const char *vgg_serve_cors_origin(const vgg_serve_request *request);

/* Tells the browser so, with the answer. */
void vgg_serve_cors_answer(const vgg_serve_request *request, struct MHD_Response *response);

#endif
