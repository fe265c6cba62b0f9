/* The views that `vgg eval` and `vgg predict` compute: --protocol, --scale, and several models. */
#ifndef VGG_CLI_VIEWS_H
#define VGG_CLI_VIEWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "vgg/predict.h"

/* Short sides as they are written: 256, or what is added to S, that of the model's preprocessing.
 * count 0: not given. */
typedef struct vgg_cli_scales {
    size_t count;
    long values[VGG_SCALES_MOST];
    bool relative[VGG_SCALES_MOST]; /* to S */
} vgg_cli_scales;

typedef struct vgg_cli_viewing {
    const char *protocol, *scale; /* the options' values */
    vgg_cli_computing computing;
    size_t threads;
    size_t batch; /* views that are computed at once, at most; 0: as the predictor chooses */
    bool exact;
} vgg_cli_viewing;

/* --protocol with all views of pictures; the default is vgg_cli_protocols[0]. */
vgg_cli_option vgg_cli_views_option(const char **value);
vgg_cli_option vgg_cli_scale_option(const char **value);

/* Reads the value of --scale; NULL: not given. False, which is complained about. */
bool vgg_cli_scales_read(const char *command, const char *text, vgg_cli_scales *scales);
/* The sides for a model, as many as there are scales. False, which is complained about, when they
 * follow from a short side that its preprocessing does not have. */
bool vgg_cli_scales_of(const char *command, const vgg_cli_scales *scales, const char *path,
                       const vgg_model *model, size_t sides[VGG_SCALES_MOST]);

/* The sides with commas between them; NULL for none. A side has five digits at most. */
const char *vgg_cli_scales_text(const size_t *sides, size_t count, char text[8 * VGG_SCALES_MOST]);

/* Models that were opened together; start with {0}. */
typedef struct vgg_cli_models {
    size_t count;
    const char *paths[VGG_CLI_TEXTS_MOST];
    vgg_model *models[VGG_CLI_TEXTS_MOST];
} vgg_cli_models;

/* Takes --model in the table of model options as often as it is given. */
void vgg_cli_models_take(vgg_cli_option options[VGG_CLI_MODEL_OPTIONS], vgg_cli_texts *paths);
/* Opens them as vgg_cli_model_open does; returns the exit status. vgg_cli_models_close also after a
 * failure. */
int vgg_cli_models_open(const char *command, const vgg_cli_model_source *source,
                        const char *const *paths, size_t count, vgg_cli_models *models);
void vgg_cli_models_close(vgg_cli_models *models);

/* A predictor of all of them. Returns the exit status. */
int vgg_cli_predictor_create(const char *command, const vgg_cli_viewing *views,
                             const vgg_cli_models *models, vgg_predictor **predictor);

/* What they say of a measuring, as a JSON object: "protocol", "scales" as they were written,
 * "device", "precision", and how many models are averaged, "models". NULL when memory ran out. */
json_t *vgg_cli_views_json(const vgg_cli_viewing *views, size_t models);

#endif
