/* Searching for pictures that look like another, and showing them. */
#ifndef VGG_SERVE_SEARCH_H
#define VGG_SERVE_SEARCH_H

#include "cli/serve/request.h"

/* /search: see vgg_serve_route. */
void vgg_serve_search_begin(vgg_serve_request *request);
bool vgg_serve_search_prepare(vgg_serve_job *job);

/* /pictures/#, a picture of the index, small: likewise. */
void vgg_serve_shown_begin(vgg_serve_request *request);
bool vgg_serve_shown_prepare(vgg_serve_job *job);

/* Of both. */
void vgg_serve_search_finish(vgg_serve_job *job);

#endif
