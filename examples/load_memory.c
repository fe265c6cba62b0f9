/* Loads a model from bytes in memory and classifies a picture that is pixels in memory.
 *   cc load_memory.c $(pkg-config --cflags --libs vgg) -o load_memory
 *   ./load_memory model.safetensors pixels.rgb 16 16
 * The numbers are width and height; pixels.rgb holds width * height * 3 bytes: rows from the top,
 * red, green, blue. */
#include <stdio.h>
#include <stdlib.h>

#include <vgg/vgg.h>

/* The whole file; NULL when it cannot be read. A program may have the bytes from anywhere. */
static unsigned char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;
    long length = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    if (length > 0) {
        rewind(file);
        *size = (size_t)length;
        bytes = malloc(*size);
        if (bytes != NULL && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file != NULL)
        fclose(file);
    if (bytes == NULL)
        fprintf(stderr, "load_memory: cannot read %s\n", path);
    return bytes;
}

/* The bytes of the model stay where they are until the model is freed. */
static vgg_status classify(const unsigned char *bytes, size_t size, const vgg_image *image,
                           vgg_error *error) {
    vgg_model *model = NULL;
    vgg_predictor *predictor = NULL;
    vgg_prediction best[5];
    size_t found = 0;
    vgg_status status = vgg_model_load_memory(bytes, size, "model", NULL, &model, error);
    if (status == VGG_OK)
        status = vgg_predictor_create(model, NULL, &predictor, error);
    if (status == VGG_OK)
        status = vgg_predict_image(predictor, image, 5, best, &found, error);
    for (size_t i = 0; i < found; i++) {
        printf("%5.1f %%  class %zu  %s\n", 100 * best[i].probability, best[i].index,
               best[i].label != NULL ? best[i].label : "");
    }
    vgg_predictor_free(predictor);
    vgg_model_free(model);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: load_memory MODEL PIXELS WIDTH HEIGHT\n");
        return 2;
    }
    vgg_error error;
    size_t size = 0, count = 0;
    vgg_image image = {.width = strtoul(argv[3], NULL, 10),
                       .height = strtoul(argv[4], NULL, 10),
                       .channels = 3,
                       .pixels = read_all(argv[2], &count)};
    unsigned char *bytes = read_all(argv[1], &size);
    vgg_status status = VGG_ERROR_IO;
    if (image.width == 0 || count / 3 / image.width < image.height) {
        fprintf(stderr, "load_memory: %s has too few pixels\n", argv[2]);
    } else if (bytes != NULL) {
        status = classify(bytes, size, &image, &error);
        if (status != VGG_OK)
            fprintf(stderr, "load_memory: %s\n", error.message);
    }
    free(image.pixels);
    free(bytes);
    return status == VGG_OK ? 0 : 1;
}
