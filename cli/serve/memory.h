/* What the server may take in the end. */
#ifndef VGG_SERVE_MEMORY_H
#define VGG_SERVE_MEMORY_H

#include "cli/serve/server.h"

/* Says, in one line, what memory is planned for what. */
void vgg_serve_memory_say(const vgg_serve_server *server, const vgg_serve_work_options *work);

#endif
