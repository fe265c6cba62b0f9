/* Prints the five likeliest classes of a picture.
 *   cc predict.c $(pkg-config --cflags --libs vgg) -o predict
 *   ./predict model.safetensors photo.jpg */
#include <stdio.h>

#include <vgg/vgg.h>

int main(int argc, char **argv) {
    vgg_error error;
    vgg_model *model = NULL;
    vgg_predictor *predictor = NULL;
    vgg_prediction best[5];
    size_t found = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: predict MODEL IMAGE\n");
        return 2;
    }
    vgg_status status = vgg_model_load(argv[1], NULL, &model, &error);
    if (status == VGG_OK)
        status = vgg_predictor_create(model, NULL, &predictor, &error);
    if (status == VGG_OK)
        status = vgg_predict_file(predictor, argv[2], 5, best, &found, &error);
    for (size_t i = 0; i < found; i++) {
        printf("%5.1f %%  %s\n", 100 * best[i].probability,
               best[i].label != NULL ? best[i].label : "(a class without a name)");
    }
    if (status != VGG_OK)
        fprintf(stderr, "predict: %s\n", error.message);
    vgg_predictor_free(predictor);
    vgg_model_free(model);
    return status == VGG_OK ? 0 : 1;
}
