/* libFuzzer's entry for pictures: any bytes are a picture, whole and reduced, from which a
 * network's input is made, or an error with a message. What a file of this size may take is
 * scripts/fuzz.sh's to say, by libFuzzer's limits on memory and time. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vgg/image.h"

enum { SIDE = 8, REDUCED = 16 };

static void insist(bool holds) {
    if (!holds)
        abort();
}

static volatile float sink;

static void look_at(const vgg_image *image) {
    static float input[SIDE * SIDE];
    vgg_preprocess preprocess;
    vgg_error error = {0};
    insist(image->width >= 1 && image->width <= VGG_IMAGE_MAX_SIDE && image->height >= 1 &&
           image->height <= VGG_IMAGE_MAX_SIDE &&
           image->width * image->height <= VGG_IMAGE_MAX_PIXELS);
    insist(image->channels == 1 || image->channels == 3);
    vgg_preprocess_init(&preprocess, sizeof preprocess);
    insist(vgg_preprocess_preset("unit", 1, SIDE, SIDE, &preprocess, &error) == VGG_OK);
    insist(vgg_preprocess_image(&preprocess, image, input, &error) == VGG_OK);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        insist(input[i] >= 0 && input[i] <= 1);
        sink = input[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    vgg_image image = {0}, reduced = {0};
    vgg_error error = {0};
    vgg_status status = vgg_image_decode(data, size, "fuzzed", &image, &error);
    if (status == VGG_OK)
        look_at(&image);
    else
        insist(error.status == status && error.message[0] != '\0' && image.pixels == NULL);
    vgg_image_free(&image);
    if (size < 2 || data[0] != 0xff || data[1] != 0xd8) /* JPEGs alone are reduced */
        return 0;
    if (vgg_image_decode_reduced(data, size, "fuzzed", REDUCED, &reduced, &error) == VGG_OK)
        look_at(&reduced);
    vgg_image_free(&reduced);
    return 0;
}
