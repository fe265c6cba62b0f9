/* The page at /, which asks this server and no other. All of these are `begin` of a
 * vgg_serve_route. */
#ifndef VGG_SERVE_PAGE_H
#define VGG_SERVE_PAGE_H

#include "cli/serve/request.h"

void vgg_serve_page(vgg_serve_request *request);        /* / */
void vgg_serve_page_style(vgg_serve_request *request);  /* /serve.css */
void vgg_serve_page_script(vgg_serve_request *request); /* /serve.js */
void vgg_serve_page_inside(vgg_serve_request *request); /* /serve_inside.js */
void vgg_serve_openapi(vgg_serve_request *request);     /* /openapi.json */

#endif
