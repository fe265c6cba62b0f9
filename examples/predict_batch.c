/* Prints the likeliest class of each of many pictures. They are decoded ahead and computed in
 * batches; a picture that cannot be read stops nothing.
 *   cc predict_batch.c $(pkg-config --cflags --libs vgg) -o predict_batch
 *   ./predict_batch model.safetensors photo.jpg photo.jpg photo.jpg */
#include <stdbool.h>
#include <stdio.h>

#include <vgg/vgg.h>

/* What the callbacks need: the pictures not handed out yet, and how many could not be read. */
typedef struct work {
    char **paths; /* ends with NULL */
    vgg_picture picture;
    size_t failed;
} work;

static const vgg_picture *next_picture(void *user) {
    work *w = user;
    w->picture.path = *w->paths++;
    return w->picture.path != NULL ? &w->picture : NULL;
}

/* Called for each picture, in order. */
static bool print_result(void *user, const vgg_predict_result *result) {
    work *w = user;
    if (result->error != NULL) {
        fprintf(stderr, "predict_batch: %s\n", result->error->message);
        w->failed++;
        return true;
    }
    const vgg_prediction *best = result->best;
    printf("%s: class %zu, %s, %.0f %%\n", result->name, best->index,
           best->label != NULL ? best->label : "which has no name", 100 * best->probability);
    return true;
}

int main(int argc, char **argv) {
    vgg_error error;
    vgg_model *model = NULL;
    vgg_predictor *predictor = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: predict_batch MODEL IMAGE...\n");
        return 2;
    }
    work pictures = {.paths = argv + 2};
    vgg_picture_init(&pictures.picture, sizeof pictures.picture);
    vgg_predictor_options options;
    vgg_predictor_options_init(&options, sizeof options);
    options.batch = 16;
    vgg_status status = vgg_model_load(argv[1], NULL, &model, &error);
    if (status == VGG_OK)
        status = vgg_predictor_create(model, &options, &predictor, &error);
    if (status == VGG_OK)
        status = vgg_predict_many(predictor, next_picture, 1, print_result, &pictures, &error);
    if (status != VGG_OK)
        fprintf(stderr, "predict_batch: %s\n", error.message);
    vgg_predictor_free(predictor);
    vgg_model_free(model);
    return status == VGG_OK && pictures.failed == 0 ? 0 : 1;
}
