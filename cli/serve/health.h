/* Whether the server is there. */
#ifndef VGG_SERVE_HEALTH_H
#define VGG_SERVE_HEALTH_H

#include "cli/serve/request.h"

/* /health: 200, and 503 while the server is being stopped. */
void vgg_serve_health(vgg_serve_request *request);

#endif
