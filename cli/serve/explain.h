/* What in a picture speaks for a class, laid over it. */
#ifndef VGG_SERVE_EXPLAIN_H
#define VGG_SERVE_EXPLAIN_H

#include "cli/serve/request.h"

/* /explain?class=N&method=METHOD&model=NAME&heat=false: see vgg_serve_route. */
void vgg_serve_explain_begin(vgg_serve_request *request);
bool vgg_serve_explain_prepare(vgg_serve_job *job);
void vgg_serve_explain_finish(vgg_serve_job *job);

#endif
