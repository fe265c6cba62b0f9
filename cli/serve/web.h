/* The files of web/ that the server hands out, which are part of the program. */
#ifndef VGG_SERVE_WEB_H
#define VGG_SERVE_WEB_H

#include <stddef.h>

extern const unsigned char vgg_serve_web_page[], vgg_serve_web_style[], vgg_serve_web_script[],
    vgg_serve_web_inside[], vgg_serve_web_openapi[];
extern const size_t vgg_serve_web_page_size, vgg_serve_web_style_size, vgg_serve_web_script_size,
    vgg_serve_web_inside_size, vgg_serve_web_openapi_size;

#endif
