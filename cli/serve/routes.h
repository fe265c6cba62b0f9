/* What is served under which path. */
#ifndef VGG_SERVE_ROUTES_H
#define VGG_SERVE_ROUTES_H

#include "cli/serve/request.h"

/* Finds the request's route, or answers that there is none. */
void vgg_serve_route_request(vgg_serve_request *request, const char *method);

#endif
