/* libFuzzer's entry for pictures: any bytes are a picture, whole and reduced, from which a
 * network's input is made, or an error with a message. What a file of this size may take is
 * scripts/fuzz.sh's to say, by libFuzzer's limits on memory and time. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vgg/image.h"

enum { SIDE = 8, INPUT = 3 * SIDE * SIDE, REDUCED = 16 };

static void insist(bool holds) {
    if (!holds)
        abort();
}

static volatile float sink;

static vgg_preprocess usual(void) {
    vgg_preprocess preprocess;
    vgg_error error = {0};
    vgg_preprocess_init(&preprocess, sizeof preprocess);
    insist(vgg_preprocess_preset("unit", 3, SIDE, SIDE, &preprocess, &error) == VGG_OK);
    return preprocess;
}

/* The input that is made of the picture. */
static const float *look_at(const vgg_image *image) {
    static float input[INPUT];
    const vgg_preprocess preprocess = usual();
    vgg_error error = {0};
    insist(image->width >= 1 && image->width <= VGG_IMAGE_MAX_SIDE && image->height >= 1 &&
           image->height <= VGG_IMAGE_MAX_SIDE &&
           image->width * image->height <= VGG_IMAGE_MAX_PIXELS);
    insist(image->channels == 1 || image->channels == 3);
    insist(vgg_preprocess_image(&preprocess, image, input, &error) == VGG_OK);
    for (size_t i = 0; i < INPUT; i++) {
        insist(input[i] >= 0 && input[i] <= 1);
        sink = input[i];
    }
    return input;
}

/* Both ways to an input are one: `expected`, or NULL for a picture that is refused. */
static void take_at_once(const uint8_t *data, size_t size, const float *expected) {
    static float input[INPUT];
    const vgg_preprocess preprocess = usual();
    vgg_error error = {0};
    vgg_status status =
        vgg_preprocess_encoded(&preprocess, data, size, "fuzzed", NULL, input, &error);
    insist((status == VGG_OK) == (expected != NULL));
    insist(status != VGG_OK || memcmp(input, expected, sizeof input) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    vgg_image image = {0}, reduced = {0};
    vgg_error error = {0};
    vgg_status status = vgg_image_decode(data, size, "fuzzed", &image, &error);
    if (status != VGG_OK)
        insist(error.status == status && error.message[0] != '\0' && image.pixels == NULL);
    take_at_once(data, size, status == VGG_OK ? look_at(&image) : NULL);
    vgg_image_free(&image);
    if (size < 2 || data[0] != 0xff || data[1] != 0xd8) /* JPEGs alone are reduced */
        return 0;
    if (vgg_image_decode_reduced(data, size, "fuzzed", REDUCED, &reduced, &error) == VGG_OK)
        look_at(&reduced);
    vgg_image_free(&reduced);
    return 0;
}
