/* Networks read off the names and shapes of other people's files. The files are as large as the
 * real ones but hold no data: their values are holes. */
#include <unistd.h>

#include "model_files.h"

typedef enum naming { TORCHVISION, TIMM, DATA_PARALLEL, SHIFTED } naming;

/* Two modules of torchvision's classifier in three other spellings: timm's, and that of checkpoints
 * whose dropout comes first. */
static const struct {
    const char *torchvision, *timm, *shifted;
} modules[] = {
    {"classifier.0.", "pre_logits.fc1.", "classifier.1."},
    {"classifier.3.", "pre_logits.fc2.", "classifier.4."},
    {"classifier.6.", "head.fc.", "classifier.6."},
};

static void spell(const char *name, naming style, char out[2 * VGG_TENSOR_NAME]) {
    const char *prefix = style == DATA_PARALLEL ? "module." : "";
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(modules[i].torchvision);
        if ((style == TIMM || style == SHIFTED) &&
            strncmp(name, modules[i].torchvision, length) == 0) {
            prefix = style == TIMM ? modules[i].timm : modules[i].shifted;
            name += length;
            break;
        }
    }
    snprintf(out, 2 * VGG_TENSOR_NAME, "%s%.47s", prefix, name);
}

static void add_tensor(header_text *header, const vgg_tensor_info *info, naming style) {
    char name[2 * VGG_TENSOR_NAME];
    size_t dimensions = info->dimensions, shape[4] = {1, 1, 1, 1};
    memcpy(shape, info->shape, dimensions * sizeof *shape);
    spell(info->name, style, name);
    if (style == TIMM && strncmp(name, "pre_logits.", 11) == 0 && dimensions == 2) {
        size_t side = strstr(name, "fc1") != NULL ? 7 : 1;
        shape[1] /= side * side;
        shape[2] = shape[3] = side;
        dimensions = 4;
    }
    header_tensor(header, name, "F32", 4, shape, dimensions);
    if (strstr(name, ".running_var") != NULL) {
        strcpy(strstr(name, ".running_var"), ".num_batches_tracked");
        header_tensor(header, name, "I64", 8, NULL, 0);
    }
}

static void write_network(const char *path, const vgg_network *network, naming style) {
    header_text header;
    header_begin(&header, NULL);
    for (size_t i = 0; i < vgg_network_tensor_count(network); i++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_int_equal(vgg_network_tensor(network, i, &info, NULL), VGG_OK);
        add_tensor(&header, &info, style);
    }
    header_write(&header, path);
}

/* Writes the network's tensors, opens the file and looks at the architecture that was recognised.
 */
static void assert_recognised(const vgg_network *network, naming style,
                              const vgg_model_options *options, const char *arch) {
    const char *path = in_folder("recognise.safetensors");
    const vgg_network_options *made = vgg_network_describe(network);
    write_network(path, network, style);
    vgg_model *model;
    vgg_error error;
    assert_ok(vgg_model_load(path, options, &model, &error), error);
    unlink(path);
    const vgg_network_options *found = vgg_network_describe(vgg_model_network(model));
    assert_string_equal(found->arch, arch);
    assert_int_equal(found->batch_norm, made->batch_norm);
    assert_int_equal(found->classes, made->classes);
    assert_int_equal(found->channels, made->channels);
    assert_int_equal(found->layout, made->layout);
    assert_null(vgg_model_preprocess(model));
    assert_null(vgg_model_class_names(model));
    size_t count = vgg_network_tensor_count(network);
    assert_int_equal(vgg_network_tensor_count(vgg_model_network(model)), count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(vgg_network_values(vgg_model_network(model), i));
    }
    vgg_model_free(model);
}

static void test_table(void **state) {
    (void)state;
    const vgg_architecture *row;
    size_t rows = 0;
    for (; (row = vgg_architecture_at(rows)) != NULL; rows++) {
        for (naming style = TORCHVISION; style <= SHIFTED; style++) {
            for (int batch_norm = 0; batch_norm < 2; batch_norm++) {
                vgg_network *network =
                    make_network(row->name, VGG_LAYOUT_TORCHVISION, batch_norm != 0, 1000, 3, 224);
                assert_recognised(network, style, NULL, row->name);
                vgg_network_free(network);
            }
        }
    }
    assert_int_equal(rows, 6);
}

/* The indices that torchvision gives VGG-16, from its published files and not from our network. */
static void test_torchvision_indices(void **state) {
    (void)state;
    static const size_t indices[13] = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28};
    static const size_t channels[13] = {64,  64,  128, 128, 256, 256, 256,
                                        512, 512, 512, 512, 512, 512};
    static const size_t linears[4] = {512 * 7 * 7, 4096, 4096, 1000};
    header_text header;
    char name[64];
    header_begin(&header, NULL);
    for (size_t i = 0; i < 13; i++) {
        size_t shape[4] = {channels[i], i == 0 ? 3 : channels[i - 1], 3, 3};
        snprintf(name, sizeof name, "features.%zu.weight", indices[i]);
        header_tensor(&header, name, "F32", 4, shape, 4);
        snprintf(name, sizeof name, "features.%zu.bias", indices[i]);
        header_tensor(&header, name, "F32", 4, shape, 1);
    }
    for (size_t i = 0; i < 3; i++) {
        size_t shape[2] = {linears[i + 1], linears[i]};
        snprintf(name, sizeof name, "classifier.%zu.weight", 3 * i);
        header_tensor(&header, name, "F32", 4, shape, 2);
        snprintf(name, sizeof name, "classifier.%zu.bias", 3 * i);
        header_tensor(&header, name, "F32", 4, shape, 1);
    }
    const char *path = in_folder("vgg16.safetensors");
    header_write(&header, path);
    vgg_model *model;
    vgg_error error;
    assert_ok(vgg_model_load(path, NULL, &model, &error), error);
    assert_string_equal(vgg_network_describe(vgg_model_network(model))->arch, "D");
    assert_int_equal(vgg_network_parameters(vgg_model_network(model)), 138357544);
    vgg_model_free(model);
    unlink(path);
}

static void assert_asked(const vgg_network *network, const vgg_model_options *options,
                         const char *part) {
    const char *path = in_folder("asked.safetensors");
    write_network(path, network, TORCHVISION);
    vgg_model *model = NULL;
    vgg_error error = {0};
    assert_int_equal(vgg_model_load(path, options, &model, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, part);
    unlink(path);
}

/* Without an architecture that is told, `recognised`, or a question where that is NULL; with it the
 * one that was made. */
static void assert_written(const char *made, vgg_layout layout, bool batch_norm, size_t side,
                           const char *recognised) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.layout = layout;
    options.height = options.width = side;
    vgg_network *network = make_network(made, layout, batch_norm, 10, 1, side);
    if (recognised != NULL)
        assert_recognised(network, TORCHVISION, &options, recognised);
    else
        assert_asked(network, &options, "what it shows fits several networks; say which");
    options.arch = made;
    assert_recognised(network, TORCHVISION, &options, made);
    vgg_network_free(network);
}

static void test_written(void **state) {
    (void)state;
    assert_written("32,32,M,64,64,M/256", VGG_LAYOUT_PAPER, false, 28, "32,32,M,64,64,M/256");
    assert_written("32,32,M,64,64,M/256", VGG_LAYOUT_PAPER, true, 28, "32,32,M,64,64,M/256");
    /* One pool of two places. */
    assert_written("32,M,1x1:64/256,128", VGG_LAYOUT_PAPER, true, 28, NULL);
    assert_written("8,M,16", VGG_LAYOUT_PAPER, false, 12, NULL);
    /* Torchvision's pool hides how many there are before it. */
    assert_written("8,M,16,M", VGG_LAYOUT_TORCHVISION, false, 12, NULL);
    assert_written("64,M,128,M,256,256,M,512,512,M,512,512,M/512", VGG_LAYOUT_PAPER, false, 32,
                   "64,M,128,M,256,256,M,512,512,M,512,512,M/512");
    assert_written("A", VGG_LAYOUT_PAPER, true, 64, "A");
}

/* ---- what cannot be read off, or does not fit ---- */

/* A file of network `made`, in which the tensor `name` has another first size (0: is left out), and
 * to which the tensor `extra` is added; opened with an architecture or without. */
typedef struct misfit {
    const char *made, *arch, *name;
    size_t first_size;
    const char *extra, *part;
    vgg_status status;
} misfit;

static const misfit misfits[] = {
    {"8,L,M,8,M", NULL, NULL, 0, NULL, "--arch 8,L,M,8,M", VGG_ERROR_UNSUPPORTED},
    {"8,M,M,M,8,M", NULL, NULL, 0, NULL, "fits several networks", VGG_ERROR_UNSUPPORTED},
    {"M,8,M", NULL, NULL, 0, NULL,
     "by their numbers 1 modules without tensors stand before its first convolution",
     VGG_ERROR_UNSUPPORTED},
    {"8,8,M,8,M", "8,8,M,16,M", NULL, 0, NULL,
     "tensor \"features.5.weight\" of %s has shape 8x8x3x3, expected 16x8x3x3", VGG_ERROR_SHAPE},
    {"8,M/16", "8,M/16", "features.0.bias", 4, NULL,
     "tensor \"features.0.bias\" of %s has shape 4, expected 8", VGG_ERROR_SHAPE},
    {"8,M/16", "8,M/16", "classifier.0.bias", 0, NULL,
     "lacks tensors of architecture 8,M/16: \"classifier.0.bias\"", VGG_ERROR_FORMAT},
    {"8,M", "8,8,8,M", NULL, 0, NULL,
     "\"features.2.weight\", \"features.2.bias\", \"features.4.weight\" and 1 more",
     VGG_ERROR_FORMAT},
    {"8,8,8,M", "8,M", NULL, 0, NULL,
     "has tensors that do not belong to architecture 8,M: \"features.2.weight\", "
     "\"features.2.bias\", \"features.4.weight\" and 1 more",
     VGG_ERROR_FORMAT},
    {"8,M", "8,M", NULL, 0, "optimizer.step", "architecture 8,M: \"optimizer.step\"",
     VGG_ERROR_FORMAT},
    {"8,M", NULL, "features.0.weight", 0, NULL, "is no weight of a convolution", VGG_ERROR_FORMAT},
    {"8,M", NULL, "classifier.0.weight", 0, NULL, "has no classifier", VGG_ERROR_UNSUPPORTED},
    {"8,M", "8,M,Q", NULL, 0, NULL, "Q", VGG_ERROR_ARGUMENT},
};

static void write_misfit(const char *path, const misfit *wrong) {
    vgg_network *network = make_network(wrong->made, VGG_LAYOUT_TORCHVISION, false, 5, 3, 32);
    header_text header;
    header_begin(&header, NULL);
    for (size_t i = 0; i < vgg_network_tensor_count(network); i++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_int_equal(vgg_network_tensor(network, i, &info, NULL), VGG_OK);
        bool named = wrong->name != NULL && strcmp(info.name, wrong->name) == 0;
        if (named)
            info.shape[0] = wrong->first_size;
        if (!named || wrong->first_size > 0)
            add_tensor(&header, &info, TORCHVISION);
    }
    if (wrong->extra != NULL)
        header_tensor(&header, wrong->extra, "F32", 4, NULL, 0);
    header_write(&header, path);
    vgg_network_free(network);
}

static void test_misfits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        const char *path = in_folder("misfit.safetensors");
        write_misfit(path, &misfits[i]);
        vgg_model_options options;
        vgg_model_options_init(&options, sizeof options);
        options.arch = misfits[i].arch;
        options.layout = VGG_LAYOUT_TORCHVISION;
        options.height = options.width = 32;
        vgg_model *model = NULL;
        vgg_error error = {0};
        vgg_status status = vgg_model_load(path, &options, &model, &error);
        unlink(path);
        char part[512];
        const char *place = strstr(misfits[i].part, "%s");
        snprintf(part, sizeof part, "%.*s%s%s", (int)(place != NULL ? place - misfits[i].part : 0),
                 misfits[i].part, place != NULL ? path : "",
                 place != NULL ? place + 2 : misfits[i].part);
        if (status != misfits[i].status)
            fail_msg("status %d for \"%s\", message \"%s\"", (int)status, part, error.message);
        assert_contains(error.message, part);
        assert_null(model);
    }
}

static void test_kernel_of_five(void **state) {
    (void)state;
    const size_t convolution[4] = {8, 3, 5, 5}, linear[2] = {4, 8 * 49};
    header_text header;
    header_begin(&header, NULL);
    header_tensor(&header, "features.0.weight", "F32", 4, convolution, 4);
    header_tensor(&header, "classifier.0.weight", "F32", 4, linear, 2);
    const char *path = in_folder("five.safetensors");
    header_write(&header, path);
    vgg_model *model;
    vgg_error error;
    assert_int_equal(vgg_model_load(path, NULL, &model, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "has a kernel of 5x5, expected 3x3 or 1x1");
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_torchvision_indices),
        cmocka_unit_test(test_written),        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_kernel_of_five),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
