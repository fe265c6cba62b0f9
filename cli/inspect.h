/* What the parts of `vgg inspect` share. */
#ifndef VGG_CLI_INSPECT_H
#define VGG_CLI_INSPECT_H

#include <stdbool.h>

#include "vgg/inspect.h"

void vgg_cli_inspect_text(const char *path, const vgg_inspection *inspection);

/* False when memory ran out. */
bool vgg_cli_inspect_json(const char *path, const vgg_inspection *inspection);

#endif
