#include "cli/left_out.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/message.h"
#include "vgg/image.h"

void vgg_cli_left_out_add(vgg_cli_left_out *left_out, const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t i = 0;
    if (dot == NULL || (slash != NULL && dot < slash) ||
        strlen(dot) >= sizeof left_out->endings[0].ending) {
        left_out->others++;
        return;
    }
    while (i < left_out->count && strcasecmp(left_out->endings[i].ending, dot) != 0) {
        i++;
    }
    if (i == VGG_CLI_ENDINGS) {
        left_out->others++;
        return;
    }
    if (i == left_out->count)
        strcpy(left_out->endings[left_out->count++].ending, dot);
    left_out->endings[i].count++;
}

void vgg_cli_left_out_note(const vgg_cli_left_out *left_out, const char *command) {
    char text[VGG_CLI_ENDINGS * 96 + 64] = "left out: ";
    size_t length = strlen(text), start = length;
    for (size_t i = 0; i < left_out->count; i++) {
        const char *ending = left_out->endings[i].ending, *missing = vgg_image_name_missing(ending);
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%zu %s",
                                   length > start ? ", " : "", left_out->endings[i].count, ending);
        if (missing != NULL)
            length += (size_t)snprintf(text + length, sizeof text - length,
                                       " (this libvgg was built without %.24s)", missing);
    }
    if (left_out->others > 0)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%zu other file%s",
                                   length > start ? ", " : "", left_out->others,
                                   left_out->others > 1 ? "s" : "");
    if (length > start)
        vgg_cli_note((void *)command, text);
}
