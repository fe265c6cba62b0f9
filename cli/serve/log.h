/* The access log: a line of JSON on standard output for each request. */
#ifndef VGG_SERVE_LOG_H
#define VGG_SERVE_LOG_H

#include "cli/serve/request.h"

/* Says what became of a request; complete: its answer was sent to its end. A line that standard
 * output does not take at once is left out, and counted. */
void vgg_serve_log_request(const vgg_serve_request *request, bool complete, double seconds);

#endif
