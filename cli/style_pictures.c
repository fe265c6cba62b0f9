/* The pictures that vgg style is told of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/standard_input.h"
#include "cli/style.h"

const char vgg_cli_style_content[] = "content", vgg_cli_style_noise[] = "noise";

static bool read_picture(const char *path, vgg_image *image) {
    vgg_error error;
    vgg_status status = vgg_cli_load_image(path, image, &error);
    if (status != VGG_OK)
        vgg_cli_complain("style", "%s", error.message);
    return status == VGG_OK;
}

/* PICTURE:WEIGHT, unless there is a file of that name. The path is freed by the caller. Returns the
 * exit status. */
static int split(const char *word, double *weight, char **path) {
    const vgg_cli_option option = {
        .type = VGG_CLI_NUMBER, .name = "style", .value = weight, .maximum = 1e6, .above = true};
    const char *colon = strrchr(word, ':');
    *weight = 1;
    size_t length = strlen(word);
    if (colon != NULL && access(word, F_OK) != 0) {
        if (!vgg_cli_option_store(&option, colon + 1)) {
            vgg_cli_complain("style",
                             "--style: \"%s\": expected PICTURE or PICTURE:WEIGHT, with a weight "
                             "above 0 up to 1000000",
                             word);
            return VGG_CLI_USAGE;
        }
        length = (size_t)(colon - word);
    }
    *path = strndup(word, length);
    if (*path != NULL)
        return VGG_CLI_OK;
    vgg_cli_complain("style", "out of memory for the name of a file");
    return VGG_CLI_FAILURE;
}

static int read_style(const char *word, vgg_image *image, vgg_style_source *source) {
    char *path = NULL;
    int status = split(word, &source->weight, &path);
    if (status == VGG_CLI_OK && !read_picture(path, image))
        status = VGG_CLI_FAILURE;
    source->image = image;
    free(path);
    return status;
}

/* Its long side is that of the options, but not above that of the content picture. */
static void fit(const vgg_image *content, size_t size, size_t *height, size_t *width) {
    size_t most = content->height > content->width ? content->height : content->width;
    size_t side = size < most ? size : most;
    *height = (content->height * side + most / 2) / most;
    *width = (content->width * side + most / 2) / most;
    *height += *height == 0 ? 1 : 0;
    *width += *width == 0 ? 1 : 0;
}

int vgg_cli_style_read(const vgg_cli_style_options *o, vgg_cli_style_pictures *pictures) {
    bool drawn =
        strcmp(o->start, vgg_cli_style_content) != 0 && strcmp(o->start, vgg_cli_style_noise) != 0;
    if (!read_picture(o->content, &pictures->content) ||
        (drawn && !read_picture(o->start, &pictures->start)))
        return VGG_CLI_FAILURE;
    int status = VGG_CLI_OK;
    for (size_t i = 0; status == VGG_CLI_OK && i < o->styles.count; i++) {
        status = read_style(o->styles.values[i], &pictures->styles[i], &pictures->sources[i]);
    }
    if (status == VGG_CLI_OK)
        fit(&pictures->content, o->size, &pictures->height, &pictures->width);
    return status;
}

void vgg_cli_style_forget(vgg_cli_style_pictures *pictures) {
    vgg_image_free(&pictures->content);
    vgg_image_free(&pictures->start);
    for (size_t i = 0; i < VGG_CLI_TEXTS_MOST; i++) {
        vgg_image_free(&pictures->styles[i]);
    }
}
