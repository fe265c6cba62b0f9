/* The files of web/, which are part of the program. */
#ifndef VGG_CLI_REPORT_WEB_H
#define VGG_CLI_REPORT_WEB_H

#include <stddef.h>

extern const unsigned char vgg_cli_web_style[], vgg_cli_web_script[];
extern const size_t vgg_cli_web_style_size, vgg_cli_web_script_size;

#endif
