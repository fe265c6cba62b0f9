/* Uses every part of the library and says what came of it. test_other_sizes.py compiles it against
 * headers whose structs are shorter or longer than the library's. With LONGER, those end in
 * `double later[4]`, and "sizes FOLDER NAME" sets one of it in the options of that name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vgg/vgg.h>

#ifdef LONGER
static void require(int holds, const char *what) {
    if (!holds) {
        printf("%s does not hold\n", what);
        exit(1);
    }
}

#define SET_LATER(name, options) (options).later[3] = strcmp(refused, name) == 0 ? 1 : 0
#define CHECK_LATER(info) require((info).later[0] == 0 && (info).later[3] == 0, #info)
#else
#define SET_LATER(name, options) (void)refused
#define CHECK_LATER(info) (void)(info)
#endif

static const char *folder, *refused;
static vgg_error error;

static void check(vgg_status status) {
    if (status != VGG_OK) {
        printf("%s: %s\n", vgg_status_name(status), error.message);
        exit(status == VGG_ERROR_ARGUMENT ? 3 : 1);
    }
}

static const char *in(const char *name) {
    static char path[4][1024];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static vgg_model *make_model(void) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    SET_LATER("network_options", options);
    options.arch = "8,M/16";
    options.classes = VGG_PICTOGRAM_CLASSES;
    options.height = options.width = 16;
    vgg_network *network = NULL;
    check(vgg_network_create(&options, &network, &error));
    check(vgg_network_initialise(network, "kaiming", 1, &error));
    vgg_layer_info layer = {.struct_size = sizeof layer};
    check(vgg_network_layer(network, 0, &layer, &error));
    CHECK_LATER(layer);
    vgg_tensor_info tensor = {.struct_size = sizeof tensor};
    check(vgg_network_tensor(network, 0, &tensor, &error));
    CHECK_LATER(tensor);
    printf("%s %zu, %s %zu\n", layer.name, layer.output[2], tensor.name, tensor.shape[0]);
    vgg_preprocess preprocess;
    vgg_preprocess_init(&preprocess, sizeof preprocess);
    /* Its deviations, which the shorter struct lacks, are the defaults. */
    check(vgg_preprocess_preset("paper", 3, 16, 16, &preprocess, &error));
    CHECK_LATER(preprocess);
    SET_LATER("preprocess", preprocess);
    vgg_model *model = NULL;
    check(vgg_model_create(network, &preprocess, NULL, &model, &error));
    return model;
}

static bool hear(void *user, const vgg_train_event *event) {
    int *epochs = user;
    *epochs += event->type == VGG_EVENT_EPOCH;
    return true;
}

static void train(vgg_model *model, const vgg_dataset *data) {
    vgg_augment augment;
    vgg_augment_init(&augment, sizeof augment);
    SET_LATER("augment", augment);
    vgg_train_options options;
    vgg_train_options_init(&options, sizeof options);
    SET_LATER("train_options", options);
    int epochs = 0;
    options.epochs = 2;
    options.augment = &augment;
    options.callback = hear;
    options.user = &epochs;
    vgg_train_result result = {.struct_size = sizeof result};
    check(vgg_train(model, data, NULL, &options, &result, &error));
    CHECK_LATER(result);
    printf("%d epochs, %zu skipped\n", epochs, result.skipped);
}

static void load_batches(const vgg_model *model, const vgg_dataset *data) {
    vgg_loader_options options;
    vgg_loader_options_init(&options, sizeof options);
    SET_LATER("loader_options", options);
    vgg_loader *loader = NULL;
    const vgg_batch *batch = NULL;
    check(vgg_loader_create(data, vgg_model_preprocess(model), &options, &loader, &error));
    check(vgg_loader_start(loader, 0, 0, &error));
    for (size_t count = 0;; count += batch->count) {
        check(vgg_loader_next(loader, &batch, &error));
        if (batch == NULL) {
            printf("%zu pictures\n", count);
            break;
        }
    }
    vgg_loader_free(loader);
}

static void use(const vgg_model *model, const vgg_dataset *data) {
    vgg_predictor_options options;
    vgg_predictor_options_init(&options, sizeof options);
    SET_LATER("predictor_options", options);
    vgg_predictor *predictor = NULL;
    vgg_prediction best[2];
    vgg_image image = {0};
    size_t found;
    check(vgg_predictor_create(model, &options, &predictor, &error));
    check(vgg_dataset_read(data, 3, &image, &error));
    check(vgg_predict_image(predictor, &image, 2, best, &found, &error));
    printf("%zu %.6f %zu %.6f\n", best[0].index, best[0].logit, best[1].index, best[1].logit);
    vgg_image_free(&image);
    vgg_predictor_free(predictor);
    vgg_eval_options evaluating;
    vgg_eval_options_init(&evaluating, sizeof evaluating);
    SET_LATER("eval_options", evaluating);
    vgg_eval_result result = {.struct_size = sizeof result};
    check(vgg_evaluate(model, data, &evaluating, &result, &error));
    CHECK_LATER(result);
    printf("%zu evaluated, %.4f\n", result.images, result.top1);
}

static vgg_model *save_and_load(vgg_model *model) {
    vgg_save_options saving;
    vgg_save_options_init(&saving, sizeof saving);
    SET_LATER("save_options", saving);
    check(vgg_model_save_as(model, in("model.safetensors"), &saving, &error));
    vgg_model_free(model);
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    SET_LATER("model_options", options);
    options.arch = "8,M/16";
    check(vgg_model_load(in("model.safetensors"), &options, &model, &error));
    vgg_inspection *inspection = NULL;
    check(vgg_inspect_file(in("model.safetensors"), NULL, &inspection, &error));
    const vgg_inspected_file *file = vgg_inspection_file(inspection);
    printf("%s, %zu tensors, %s\n", file->format, file->tensors,
           vgg_inspection_tensor(inspection, 1)->name);
    vgg_inspection_free(inspection);
    return model;
}

int main(int argc, char **argv) {
    folder = argv[1];
    refused = argc > 2 ? argv[2] : "";
    check(vgg_pictogram_write(in("data"), 4, 1, 16, 1, NULL, NULL, &error));
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    SET_LATER("dataset_options", options);
    vgg_dataset *data = NULL;
    check(vgg_dataset_open(in("data"), &options, &data, NULL, &error));
    vgg_dataset_info info = {.struct_size = sizeof info};
    check(vgg_dataset_describe(data, &info, &error));
    CHECK_LATER(info);
    printf("%s\n", info.kind);
    vgg_model *model = make_model();
    vgg_network_options described;
    vgg_struct_copy(&described, sizeof described, vgg_network_describe(vgg_model_network(model)));
    CHECK_LATER(described);
    printf("%s\n", described.arch);
    train(model, data);
    load_batches(model, data);
    model = save_and_load(model);
    use(model, data);
    vgg_model_free(model);
    vgg_dataset_free(data);
    return 0;
}
