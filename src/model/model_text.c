/* What a model is, without its values, as text: a line for each key that a model file would have,
 * with its value behind a blank, and one for the number of classes. No value has an end of line. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/description.h"
#include "model/model.h"

static const char classes_key[] = "classes";

vgg_status vgg_model_describe(const vgg_model *model, char **out, vgg_error *error) {
    vgg_notes said = {0};
    vgg_text text = {0};
    const vgg_network_options *network = vgg_network_describe(model->network);
    bool complete = vgg_description_write(network, vgg_model_output(model), model->temperature,
                                          vgg_model_preprocess(model), &model->labels, &said);
    vgg_text_add(&text, "%s %zu\n", classes_key, network->classes);
    for (size_t i = 0; complete && i < said.count; i++) {
        vgg_text_add(&text, "%s %s\n", said.items[i].key, said.items[i].value);
    }
    vgg_notes_free(&said);
    char *lines = vgg_text_take(&text);
    if (!complete || lines == NULL) {
        vgg_free(lines);
        return vgg_fail_memory(error, "the description of a model", 1024);
    }
    *out = lines;
    return VGG_OK;
}

/* The lines as a file's metadata; false when memory ran out. `text` is changed. */
static bool read_lines(char *text, vgg_notes *said) {
    bool complete = true;
    for (char *line = text, *end; complete && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        char *value = strchr(line, ' ');
        if (value == NULL)
            continue;
        *value++ = '\0';
        complete = vgg_notes_set(said, line, value);
    }
    return complete;
}

static vgg_status make(const vgg_description *said, size_t classes, vgg_model **model,
                       vgg_error *error) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = said->arch;
    options.layout = said->layout;
    options.batch_norm = said->batch_norm;
    options.padding = said->padding;
    options.dropout = said->dropout;
    options.channels = said->channels;
    options.height = said->height;
    options.width = said->width;
    options.classes = classes;
    vgg_network *network = NULL;
    vgg_status status = vgg_network_create(&options, &network, error);
    if (status != VGG_OK)
        return status;
    const char *const *names = (const char *const *)said->labels.names;
    status = vgg_model_create(network, said->has_preprocess ? &said->preprocess : NULL,
                              said->labels.count == classes ? names : NULL, model, error);
    if (status != VGG_OK) {
        vgg_network_free(network);
        return status;
    }
    (*model)->temperature = said->temperature;
    return vgg_model_set_output(*model, said->output, error);
}

vgg_status vgg_model_create_described(const char *text, vgg_model **model, vgg_error *error) {
    static const char what[] = "the description of a model";
    vgg_notes said = {0};
    vgg_description description = {0};
    char *lines = vgg_text_copy(text);
    vgg_status status = VGG_OK;
    if (lines == NULL || !read_lines(lines, &said))
        status = vgg_fail_memory(error, what, strlen(text));
    if (status == VGG_OK)
        status = vgg_description_read(&said, what, &description, error);
    const char *classes = vgg_notes_find(&said, classes_key);
    if (status == VGG_OK && (!description.present || classes == NULL))
        status =
            vgg_fail(error, VGG_ERROR_FORMAT, "%s: is not what vgg_model_describe makes", what);
    if (status == VGG_OK)
        status = make(&description, strtoull(classes, NULL, 10), model, error);
    vgg_description_free(&description);
    vgg_notes_free(&said);
    vgg_free(lines);
    return status;
}
