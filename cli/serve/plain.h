/* The plain protocol: pictures in, the JSON of `vgg predict` out. */
#ifndef VGG_SERVE_PLAIN_H
#define VGG_SERVE_PLAIN_H

#include "cli/serve/request.h"

/* /predict?top=K&model=NAME&logits: see vgg_serve_route. */
void vgg_serve_plain_begin(vgg_serve_request *request);
bool vgg_serve_plain_prepare(vgg_serve_job *job);
void vgg_serve_plain_finish(vgg_serve_job *job);

#endif
