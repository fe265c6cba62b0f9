/* Trains a small VGG on arrays that it makes itself, stripes that lie or stand; prints the loss.
 *   cc train_arrays.c $(pkg-config --cflags --libs vgg) -o train_arrays
 *   ./train_arrays */
#include <stdio.h>
#include <stdlib.h>

#include <vgg/vgg.h>

enum { SIDE = 16, BATCH = 32, STEPS = 10, EPOCHS = 5 };

static float inputs[BATCH][SIDE][SIDE]; /* (N, 1, H, W) */
static size_t classes[BATCH];

/* Stripes of a random class, with noise. */
static void draw_batch(void) {
    for (size_t n = 0; n < BATCH; n++) {
        classes[n] = (size_t)rand() % 2;
        int phase = rand() % 4;
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                int along = phase + (classes[n] == 0 ? y : x);
                float stripe = along / 2 % 2 == 0 ? 1.0f : -1.0f;
                inputs[n][y][x] = stripe + 2.0f * (float)rand() / (float)RAND_MAX - 1.0f;
            }
        }
    }
}

static vgg_status make_model(vgg_model **model, vgg_error *error) {
    vgg_network *network = NULL;
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = "8,M,16,M/16";
    options.batch_norm = true;
    options.classes = 2;
    options.channels = 1;
    options.height = options.width = SIDE;
    vgg_status status = vgg_network_create(&options, &network, error);
    if (status == VGG_OK)
        status = vgg_network_initialise(network, "glorot", 0, error);
    if (status == VGG_OK)
        status = vgg_model_create(network, NULL, NULL, model, error);
    if (status != VGG_OK)
        vgg_network_free(network);
    return status;
}

static vgg_status train(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = VGG_OK;
    double loss = 0;
    for (size_t step = 0; status == VGG_OK && step < EPOCHS * STEPS; step++) {
        draw_batch();
        status = vgg_trainer_step(trainer, &inputs[0][0][0], classes, BATCH, &loss, error);
        if (status == VGG_OK && step % STEPS == STEPS - 1) {
            printf("epoch %zu: loss %.4f\n", step / STEPS + 1, loss);
            status = vgg_trainer_finish_epoch(trainer, error);
        }
    }
    return status;
}

int main(void) {
    vgg_error error;
    vgg_model *model = NULL;
    vgg_trainer *trainer = NULL;
    vgg_train_options options;
    vgg_train_options_init(&options, sizeof options);
    options.batch = BATCH;
    vgg_status status = make_model(&model, &error);
    if (status == VGG_OK)
        status = vgg_trainer_create(model, NULL, NULL, &options, &trainer, &error);
    if (status == VGG_OK)
        status = train(trainer, &error);
    if (status != VGG_OK)
        fprintf(stderr, "train_arrays: %s\n", error.message);
    vgg_trainer_free(trainer);
    vgg_model_free(model);
    return status == VGG_OK ? 0 : 1;
}
