#include "cli/views.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"

const char *vgg_cli_scales_text(const size_t *sides, size_t count, char text[8 * VGG_SCALES_MOST]) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += (size_t)snprintf(text + length, 8 * VGG_SCALES_MOST - length, "%s%zu",
                                   i > 0 ? "," : "", sides[i]);
    }
    return count > 0 ? text : NULL;
}

static const char *const protocols[] = {"center", "flip", "dense", "crops", "dense+crops", NULL};

vgg_cli_option vgg_cli_views_option(const char **value) {
    return (vgg_cli_option){
        .type = VGG_CLI_CHOICE,
        .name = "protocol",
        .argument = "VIEWS",
        .value = value,
        .choices = protocols,
        .help = "center: the middle; flip: that and its mirror; dense: the whole picture and its "
                "mirror, linear layers as convolutions; crops: a grid of 5x5 and their mirrors; or "
                "dense+crops: the mean of both. Probabilities of views are averaged"};
}

vgg_cli_option vgg_cli_scale_option(const char **value) {
    return (vgg_cli_option){
        .type = VGG_CLI_TEXT,
        .name = "scale",
        .argument = "Q,...",
        .value = value,
        .help = "short sides that pictures are resized to, one after the other; probabilities are "
                "averaged. S is that of the model's preprocessing: S-32,S,S+32",
        .fallback = "S"};
}

/* One scale, at *at, which is put behind it. */
static bool read_scale(const char **at, long *value, bool *relative) {
    char *end;
    *relative = **at == 'S';
    *at += *relative;
    *value = 0;
    if (*relative && (**at == ',' || **at == '\0'))
        return true;
    if (*relative ? **at != '+' && **at != '-' : **at < '0' || **at > '9')
        return false;
    bool digit = !*relative || ((*at)[1] >= '0' && (*at)[1] <= '9');
    errno = 0;
    *value = strtol(*at, &end, 10);
    bool read = digit && end > *at && errno == 0;
    *at = end;
    return read && *value >= -VGG_IMAGE_MAX_SIDE && *value <= VGG_IMAGE_MAX_SIDE &&
           (*relative || *value > 0);
}

bool vgg_cli_scales_read(const char *command, const char *text, vgg_cli_scales *scales) {
    *scales = (vgg_cli_scales){0};
    if (text == NULL)
        return true;
    const char *at = text;
    bool more = true;
    while (more && scales->count < VGG_SCALES_MOST &&
           read_scale(&at, &scales->values[scales->count], &scales->relative[scales->count])) {
        scales->count++;
        more = *at == ',';
        at += more;
        if (!more && *at == '\0')
            return true;
    }
    vgg_cli_complain(command,
                     "--scale: found \"%s\", expected up to %d short sides with commas between "
                     "them, such as 256,384,512 or S-32,S,S+32",
                     text, VGG_SCALES_MOST);
    return false;
}

bool vgg_cli_scales_of(const char *command, const vgg_cli_scales *scales, const char *path,
                       const vgg_model *model, size_t sides[VGG_SCALES_MOST]) {
    size_t own = vgg_model_preprocess(model)->resize;
    for (size_t i = 0; i < scales->count; i++) {
        long side = scales->values[i] + (scales->relative[i] ? (long)own : 0);
        if (scales->relative[i] && own == 0) {
            vgg_cli_complain(command,
                             "--scale: S is the short side of the model's preprocessing, and %s "
                             "has none; expected numbers",
                             path);
            return false;
        }
        if (side <= 0 || side > VGG_IMAGE_MAX_SIDE) {
            vgg_cli_complain(command, "--scale: S is %zu for %s, and S%+ld is no short side", own,
                             path, scales->values[i]);
            return false;
        }
        sides[i] = (size_t)side;
    }
    return true;
}

void vgg_cli_models_take(vgg_cli_option options[VGG_CLI_MODEL_OPTIONS], vgg_cli_texts *paths) {
    for (size_t i = 0; i < VGG_CLI_MODEL_OPTIONS; i++) {
        if (strcmp(options[i].name, "model") == 0) {
            options[i].type = VGG_CLI_TEXTS;
            options[i].value = paths;
        }
    }
}

int vgg_cli_models_open(const char *command, const vgg_cli_model_source *source,
                        const char *const *paths, size_t count, vgg_cli_models *models) {
    int status = VGG_CLI_OK;
    for (size_t i = 0; status == VGG_CLI_OK && i < count; i++) {
        vgg_cli_model_source one = *source;
        one.path = models->paths[i] = paths[i];
        status = vgg_cli_model_open(command, &one, &models->models[i]);
        models->count += status == VGG_CLI_OK;
    }
    return status;
}

void vgg_cli_models_close(vgg_cli_models *models) {
    for (size_t i = 0; i < models->count; i++) {
        vgg_model_free(models->models[i]);
    }
    *models = (vgg_cli_models){0};
}

int vgg_cli_predictor_create(const char *command, const vgg_cli_viewing *views,
                             const vgg_cli_models *models, vgg_predictor **predictor) {
    vgg_cli_scales scales;
    vgg_predictor *made = NULL;
    vgg_status status = VGG_OK;
    vgg_error error;
    bool fine = vgg_cli_scales_read(command, views->scale, &scales);
    for (size_t i = 0; fine && status == VGG_OK && i < models->count; i++) {
        size_t sides[VGG_SCALES_MOST];
        char text[8 * VGG_SCALES_MOST];
        vgg_predictor_options options;
        vgg_predictor_options_init(&options, sizeof options);
        options.threads = views->threads;
        options.batch = views->batch;
        options.exact = views->exact;
        options.protocol = vgg_protocol_named(views->protocol);
        options.precision = vgg_precision_named(views->computing.precision);
        options.device = vgg_device_named(views->computing.device);
        fine = vgg_cli_scales_of(command, &scales, models->paths[i], models->models[i], sides);
        options.scales = fine ? vgg_cli_scales_text(sides, scales.count, text) : NULL;
        if (fine)
            status = i == 0 ? vgg_predictor_create(models->models[i], &options, &made, &error)
                            : vgg_predictor_add(made, models->models[i], &options, &error);
        if (status != VGG_OK)
            vgg_cli_complain(command, "%s: %s", models->paths[i], error.message);
    }
    if (fine && status == VGG_OK) {
        *predictor = made;
        return VGG_CLI_OK;
    }
    vgg_predictor_free(made);
    return fine ? vgg_cli_exit_status(status) : VGG_CLI_USAGE;
}

json_t *vgg_cli_views_json(const vgg_cli_viewing *views, size_t models) {
    return json_pack("{s:s, s:o, s:s, s:s, s:I}", "protocol", views->protocol, "scales",
                     vgg_cli_json_text(views->scale), "device", views->computing.device,
                     "precision", views->computing.precision, "models", (json_int_t)models);
}
