/* MNIST's and CIFAR's files, whole and damaged. */
#include "data_files.h"

#include <zlib.h>

/* ---- IDX ---- */

static size_t put_numbers(uint8_t *to, const uint32_t *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t b = 0; b < 4; b++) {
            to[4 * i + b] = (uint8_t)(numbers[i] >> (24 - 8 * b));
        }
    }
    return 4 * count;
}

/* Pictures of 3 rows and 2 columns, whose samples count up from the number of the picture; `extra`
 * bytes more or fewer than the header says. */
static size_t make_pictures(uint8_t *bytes, uint32_t count, int extra) {
    size_t size = put_numbers(bytes, (uint32_t[]){0x803, count, 3, 2}, 4);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < 6; j++) {
            bytes[size++] = (uint8_t)(i + j);
        }
    }
    return (size_t)((int)size + extra);
}

static size_t make_labels(uint8_t *bytes, uint32_t count, uint32_t classes, int extra) {
    size_t size = put_numbers(bytes, (uint32_t[]){0x801, count}, 2);
    for (uint32_t i = 0; i < count; i++) {
        bytes[size++] = (uint8_t)(i % classes);
    }
    return (size_t)((int)size + extra);
}

static void write_gzip(const char *name, const void *bytes, size_t size) {
    make_parents(at(name));
    gzFile file = gzopen(at(name), "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void write_idx(const char *pictures, uint32_t count, const char *labels, uint32_t classes) {
    uint8_t bytes[1024] = {0};
    void (*write)(const char *, const void *, size_t) =
        strstr(pictures, ".gz") != NULL ? write_gzip : write_bytes;
    write(pictures, bytes, make_pictures(bytes, count, 0));
    write(labels, bytes, make_labels(bytes, count, classes, 0));
}

static void check_mnist(const char *folder) {
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error error;
    vgg_dataset_info info = {.struct_size = sizeof info};
    assert_ok(vgg_dataset_open_parts(at(folder), NULL, &parts, &error), error);
    const vgg_dataset *train = parts.train;
    assert_null(parts.validation);
    assert_int_equal(vgg_dataset_count(train), 20);
    assert_int_equal(vgg_dataset_count(parts.test), 5);
    assert_int_equal(vgg_dataset_class_count(train), 4);
    assert_int_equal(vgg_dataset_class_count(parts.test), 4);
    assert_string_equal(vgg_dataset_class_name(train, 3), "3");
    assert_int_equal(vgg_dataset_item_class(train, 7), 3);
    assert_contains(vgg_dataset_item_name(train, 17), ": picture 17");
    assert_ok(vgg_dataset_describe(train, &info, &error), error);
    assert_string_equal(info.kind, "MNIST IDX");
    assert_true(info.channels == 1 && info.width == 2 && info.height == 3);
    vgg_image image = {0};
    assert_ok(vgg_dataset_read(train, 17, &image, &error), error);
    assert_true(image.width == 2 && image.height == 3 && image.channels == 1);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(image.pixels[i], 17 + i);
    }
    vgg_image_free(&image);
    vgg_dataset_parts_free(&parts);
}

static void mnist_in_all_spellings(void **state) {
    (void)state;
    write_idx("m/train-images-idx3-ubyte", 20, "m/train-labels-idx1-ubyte", 4);
    write_idx("m/t10k-images-idx3-ubyte", 5, "m/t10k-labels-idx1-ubyte", 3);
    check_mnist("m");
    write_idx("mz/train-images.idx3-ubyte.gz", 20, "mz/train-labels.idx1-ubyte.gz", 4);
    write_idx("mz/t10k-images-idx3-ubyte.gz", 5, "mz/t10k-labels-idx1-ubyte.gz", 3);
    check_mnist("mz");
}

static void mnist_test_part_alone_and_split(void **state) {
    (void)state;
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error error;
    write_idx("mt/t10k-images-idx3-ubyte", 6, "mt/t10k-labels-idx1-ubyte", 3);
    write_bytes("mt/notes.html", "x", 1);
    assert_ok(vgg_dataset_open_parts(at("mt"), NULL, &parts, &error), error);
    assert_null(parts.train);
    assert_int_equal(vgg_dataset_class_count(parts.test), 3);
    assert_string_equal(parts.left_out, "left out: 1 .html");
    vgg_dataset_parts_free(&parts);
    write_idx("ms/train-images-idx3-ubyte", 20, "ms/train-labels-idx1-ubyte", 4);
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.validation_split = 0.2;
    assert_ok(vgg_dataset_open(at("ms"), &options, &train, &validation, &error), error);
    assert_int_equal(vgg_dataset_count(train), 16);
    assert_int_equal(vgg_dataset_count(validation), 4);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

/* A folder whose pictures or labels are these bytes, the other file being right. */
static void expect_bad_idx(const void *pictures, size_t picture_bytes, const void *labels,
                           size_t label_bytes, bool gzip, vgg_status status, const char *text) {
    static int number;
    char folder[32], name[96];
    snprintf(folder, sizeof folder, "bad%d", number++);
    void (*write)(const char *, const void *, size_t) = gzip ? write_gzip : write_bytes;
    snprintf(name, sizeof name, "%s/train-images-idx3-ubyte%s", folder, gzip ? ".gz" : "");
    write(name, pictures, picture_bytes);
    snprintf(name, sizeof name, "%s/train-labels-idx1-ubyte%s", folder, gzip ? ".gz" : "");
    write(name, labels, label_bytes);
    expect_failure(at(folder), NULL, status, text);
}

static void damaged_mnist_is_named_at_its_byte(void **state) {
    (void)state;
    uint8_t p[256], l[64], q[256];
    size_t ps = make_pictures(p, 20, 0), ls = make_labels(l, 20, 4, 0);
    expect_bad_idx(p, ps - 5, l, ls, false, VGG_ERROR_FORMAT, "ends at byte 131; expected 136");
    expect_bad_idx(p, 40, l, ls, false, VGG_ERROR_FORMAT,
                   "ends at byte 40; its header says that it has 20 pictures of 2 x 3");
    expect_bad_idx(p, ps - 5, l, ls, true, VGG_ERROR_FORMAT,
                   "ends at byte 131; expected 136 for 20 pictures of 2 x 3");
    expect_bad_idx(p, ps - 16, l, ls, false, VGG_ERROR_FORMAT, "ends at byte 120; expected 136");
    expect_bad_idx(p, 7, l, ls, false, VGG_ERROR_FORMAT, "ends at byte 7; expected 16");
    expect_bad_idx(p, 0, l, ls, false, VGG_ERROR_FORMAT, "ends at byte 0; expected 16");
    p[ps] = 0;
    expect_bad_idx(p, ps + 1, l, ls, false, VGG_ERROR_FORMAT, "goes on after byte 136");
    expect_bad_idx(p, ps, l, ls - 1, false, VGG_ERROR_FORMAT, "ends at byte 27; expected 28");
    expect_bad_idx(p, ps, l, make_labels(l, 19, 4, 0), false, VGG_ERROR_FORMAT,
                   "has 19 labels; expected 20");
    ls = make_labels(l, 20, 4, 0);
    expect_bad_idx(l, ls, l, ls, false, VGG_ERROR_FORMAT,
                   "starts with 0x00000801; expected 0x00000803 for IDX pictures");
    expect_bad_idx(p, ps, p, ps, false, VGG_ERROR_FORMAT, "expected 0x00000801 for IDX labels");
    put_numbers(q, (uint32_t[]){0x803, 1, 20000, 10001}, 4);
    expect_bad_idx(q, 16, l, ls, true, VGG_ERROR_UNSUPPORTED,
                   "has pictures of 10001 x 20000, more than the limit of 200000000 pixels");
    put_numbers(q, (uint32_t[]){0x803, 0xffffffffu, 30000, 6000}, 4);
    expect_bad_idx(q, 16, l, ls, true, VGG_ERROR_FORMAT,
                   "at the latest; its header says that it has 4294967295");
    put_numbers(q, (uint32_t[]){0x803, 0xffffffffu, 0xffffffffu, 0xffffffffu}, 4);
    expect_bad_idx(q, 16, l, ls, false, VGG_ERROR_FORMAT, "expected sides from 1 to");
    put_numbers(q, (uint32_t[]){0x803, 20, 0, 2}, 4);
    expect_bad_idx(q, 16, l, ls, false, VGG_ERROR_FORMAT, "expected sides from 1 to");
    put_numbers(q, (uint32_t[]){0x803, 0, 3, 2}, 4);
    expect_bad_idx(q, 16, l, ls, false, VGG_ERROR_FORMAT, "holds 0 pictures");
    ls = make_labels(l, 20, 1, 0);
    expect_bad_idx(p, ps, l, ls, false, VGG_ERROR_FORMAT, "has one class only (0)");
}

static void missing_and_cut_mnist_files(void **state) {
    (void)state;
    uint8_t bytes[256];
    write_bytes("half/train-images-idx3-ubyte", bytes, make_pictures(bytes, 20, 0));
    expect_failure(at("half"), NULL, VGG_ERROR_NOT_FOUND, "half: has no train-labels-idx1-ubyte");
    write_idx("cut/train-images-idx3-ubyte.gz", 20, "cut/train-labels-idx1-ubyte.gz", 4);
    assert_int_equal(truncate(at("cut/train-images-idx3-ubyte.gz"), 25), 0);
    expect_failure(at("cut"), NULL, VGG_ERROR_FORMAT, "cut/train-images-idx3-ubyte.gz: ends at");
}

/* ---- CIFAR ---- */

#define PLANE 1024

/* `records` records of which record i has label (first + i) % classes, and red i, green 50, blue
 * 100. */
static void write_cifar(const char *name, size_t labels, size_t records, size_t classes,
                        int extra) {
    size_t record = labels + 3 * PLANE;
    uint8_t *bytes = calloc(records + 1, record);
    assert_non_null(bytes);
    for (size_t i = 0; i < records; i++) {
        bytes[i * record + labels - 1] = (uint8_t)(i % classes);
        for (int c = 0; c < 3; c++) {
            memset(bytes + i * record + labels + (size_t)c * PLANE, c == 0 ? (int)i : 50 * c,
                   PLANE);
        }
    }
    write_bytes(name, bytes, (size_t)((int)(records * record) + extra));
    free(bytes);
}

static void cifar_10(void **state) {
    (void)state;
    write_cifar("c/data_batch_1.bin", 1, 12, 10, 0);
    write_cifar("c/data_batch_2.bin", 1, 3, 10, 0);
    write_cifar("c/test_batch.bin", 1, 4, 10, 0);
    vgg_dataset *train = NULL;
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error error;
    vgg_dataset_info info = {.struct_size = sizeof info};
    assert_ok(vgg_dataset_open_parts(at("c"), NULL, &parts, &error), error);
    train = parts.train;
    assert_int_equal(vgg_dataset_count(train), 15);
    assert_int_equal(vgg_dataset_count(parts.test), 4);
    assert_int_equal(vgg_dataset_class_count(parts.test), 10);
    assert_int_equal(vgg_dataset_item_class(train, 13), 1);
    assert_contains(vgg_dataset_item_name(train, 13), "data_batch_2.bin: picture 1");
    assert_ok(vgg_dataset_describe(train, &info, &error), error);
    assert_string_equal(info.kind, "CIFAR-10");
    assert_true(info.channels == 3 && info.width == 32 && info.height == 32);
    vgg_image image = {0};
    assert_ok(vgg_dataset_read(train, 11, &image, &error), error);
    for (size_t i = 0; i < PLANE; i++) {
        assert_true(image.pixels[3 * i] == 11 && image.pixels[3 * i + 1] == 50 &&
                    image.pixels[3 * i + 2] == 100);
    }
    vgg_image_free(&image);
    vgg_dataset_parts_free(&parts);
    const char names[] = "air\r\nauto\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    write_bytes("c/batches.meta.txt", names, sizeof names - 1);
    assert_ok(vgg_dataset_open(at("c"), NULL, &train, NULL, &error), error);
    assert_string_equal(vgg_dataset_class_name(train, 0), "air");
    assert_string_equal(vgg_dataset_class_name(train, 9), "truck");
    vgg_dataset_free(train);
    write_bytes("c/batches.meta.txt", names, 9);
    expect_failure(at("c"), NULL, VGG_ERROR_FORMAT, "batches.meta.txt: has 2 names; expected 10");
}

static void cifar_100(void **state) {
    (void)state;
    write_cifar("h/train.bin", 2, 100, 100, 0);
    write_cifar("h/test.bin", 2, 2, 100, 0);
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_error error;
    assert_ok(vgg_dataset_open(at("h"), NULL, &train, &validation, &error), error);
    assert_int_equal(vgg_dataset_class_count(train), 100);
    assert_int_equal(vgg_dataset_item_class(train, 99), 99);
    assert_int_equal(first_sample(train, 99), 99);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

/* Opening must not wait for somebody who writes into a pipe. */
static void idx_files_must_be_plain_files(void **state) {
    (void)state;
    write_idx("pipes/train-images-idx3-ubyte", 20, "pipes/train-labels-idx1-ubyte", 4);
    const char *pictures = at("pipes/train-images-idx3-ubyte");
    assert_int_equal(remove(pictures), 0);
    assert_int_equal(mkfifo(pictures, 0600), 0);
    expect_failure(at("pipes"), NULL, VGG_ERROR_IO,
                   "train-images-idx3-ubyte: is a pipe, expected a file");
    assert_int_equal(remove(pictures), 0);
    assert_int_equal(symlink("/dev/zero", pictures), 0);
    expect_failure(at("pipes"), NULL, VGG_ERROR_IO, "is a device, expected a file");
    assert_int_equal(remove(pictures), 0);
    assert_int_equal(mkdir(pictures, 0700), 0);
    expect_failure(at("pipes"), NULL, VGG_ERROR_IO, "is a folder, expected a file");
}

static void damaged_cifar_is_named_at_its_byte(void **state) {
    (void)state;
    write_cifar("b1/data_batch_1.bin", 1, 3, 10, -1);
    expect_failure(at("b1"), NULL, VGG_ERROR_FORMAT,
                   "data_batch_1.bin: ends at byte 9218, 3072 bytes into record 2");
    write_cifar("b2/data_batch_1.bin", 1, 0, 10, 0);
    expect_failure(at("b2"), NULL, VGG_ERROR_FORMAT, "data_batch_1.bin: ends at byte 0");
    write_cifar("b3/data_batch_1.bin", 1, 12, 12, 0);
    expect_failure(at("b3"), NULL, VGG_ERROR_FORMAT,
                   "has label 10 at byte 30730 (record 10); expected 0 to 9");
    write_cifar("b4/data_batch_1.bin", 1, 2, 10, 0);
    write_cifar("b4/data_batch_3.bin", 1, 2, 10, 0);
    expect_failure(at("b4"), NULL, VGG_ERROR_NOT_FOUND,
                   "has no data_batch_2.bin beside data_batch_3.bin");
    write_cifar("b5/train.bin", 2, 2, 100, 1);
    expect_failure(at("b5"), NULL, VGG_ERROR_FORMAT, "1 bytes into record 2; expected a multiple");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mnist_in_all_spellings),
        cmocka_unit_test(mnist_test_part_alone_and_split),
        cmocka_unit_test(damaged_mnist_is_named_at_its_byte),
        cmocka_unit_test(missing_and_cut_mnist_files),
        cmocka_unit_test(idx_files_must_be_plain_files),
        cmocka_unit_test(cifar_10),
        cmocka_unit_test(cifar_100),
        cmocka_unit_test(damaged_cifar_is_named_at_its_byte),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
