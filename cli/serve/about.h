/* What there is: the server, its models, and whether they are ready (the Open Inference Protocol
 * v2). All of these are `begin` of a vgg_serve_route. */
#ifndef VGG_SERVE_ABOUT_H
#define VGG_SERVE_ABOUT_H

#include "cli/serve/request.h"

void vgg_serve_about_server(vgg_serve_request *request); /* /v2 */
void vgg_serve_about_model(vgg_serve_request *request);  /* /v2/models/NAME */
void vgg_serve_about_models(vgg_serve_request *request); /* /v2/models: an array of all */
void vgg_serve_is_live(vgg_serve_request *request);      /* /v2/health/live */
void vgg_serve_is_ready(vgg_serve_request *request);     /* /v2/health/ready, and of a model */
void vgg_serve_health(vgg_serve_request *request);       /* /health */
void vgg_serve_metrics_page(vgg_serve_request *request); /* /metrics */

#endif
