#include "pictures.h"

#include <dirent.h>
#include <ftw.h>
#include <unistd.h>

#include "base/file.h"
#include "nets.h"

vgg_dataset *train_part, *validation_part;

static char folder[] = "/tmp/vgg-train-XXXXXX";

int open_pictures(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL ||
        vgg_pictogram_write(in_folder("data"), TRAIN_PICTURES / 10, VALIDATION_PICTURES / 10, 20, 1,
                            NULL, NULL, NULL) != VGG_OK)
        return 1;
    return vgg_dataset_open(in_folder("data"), NULL, &train_part, &validation_part, NULL) != VGG_OK;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

int close_pictures(void **state) {
    (void)state;
    vgg_dataset_free(train_part);
    vgg_dataset_free(validation_part);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *in_folder(const char *name) {
    static char buffers[128][128];
    static size_t next;
    char *buffer = buffers[next++ % 128];
    snprintf(buffer, sizeof buffers[0], "%s/%s", folder, name);
    return buffer;
}

/* ---- files ---- */

void assert_exists(const char *path, bool missing) {
    if ((access(path, F_OK) != 0) != missing)
        fail_msg("%s %s", path, missing ? "is there" : "is missing");
}

static unsigned char *read_bytes(const char *path, size_t *size) {
    unsigned char *bytes = NULL;
    vgg_error error;
    assert_ok(vgg_file_read(path, (size_t)64 << 20, &bytes, size, &error), error);
    return bytes;
}

void assert_same_file(const char *left, const char *right) {
    size_t left_size, right_size;
    unsigned char *left_bytes = read_bytes(left, &left_size);
    unsigned char *right_bytes = read_bytes(right, &right_size);
    if (left_size != right_size || memcmp(left_bytes, right_bytes, left_size) != 0)
        fail_msg("%s (%zu bytes) and %s (%zu bytes) differ", left, left_size, right, right_size);
    free(left_bytes);
    free(right_bytes);
}

char *read_text(const char *path) {
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    char *text = malloc(size + 1);
    assert_non_null(text);
    memcpy(text, bytes, size);
    text[size] = '\0';
    free(bytes);
    return text;
}

void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

size_t count_entries(const char *path) {
    DIR *entries = opendir(path);
    assert_non_null(entries);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(entries);
    return count;
}

void open_parts(const char *path, vgg_dataset **train, vgg_dataset **validation) {
    vgg_error error;
    assert_ok(vgg_dataset_open(path, NULL, train, validation, &error), error);
}

/* ---- models ---- */

vgg_model *make_model(const char *arch, size_t classes, bool batch_norm, double dropout) {
    vgg_network_options options = net_options(arch, classes, 3, SIDE);
    options.batch_norm = batch_norm;
    options.dropout = dropout;
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 3);
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    vgg_model *model = NULL;
    vgg_error error;
    assert_ok(vgg_preprocess_preset("torchvision", 3, SIDE, SIDE, &preprocess, &error), error);
    assert_ok(vgg_model_create(network, &preprocess, NULL, &model, &error), error);
    return model;
}

vgg_model *usual_model(bool batch_norm) {
    return make_model("8,M,12,M/16", 10, batch_norm, batch_norm ? 0.5 : 0);
}

void fill_tensor(vgg_model *model, const char *name, float value) {
    vgg_network *network = vgg_model_mutable_network(model);
    size_t tensor = vgg_network_find_tensor(network, name);
    size_t count = tensor_info(network, tensor).count;
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        values[i] = value;
    }
    vgg_error error;
    assert_ok(vgg_network_set_values(network, tensor, values, count, &error), error);
    free(values);
}

vgg_train_options usual_training(const char *into) {
    vgg_train_options options;
    vgg_train_options_init(&options, sizeof options);
    options.epochs = 2;
    options.batch = 5;
    options.seed = 11;
    options.threads = 1;
    options.workers = 1;
    options.folder = into;
    return options;
}
