/* libFuzzer's entry for data sets. The first byte says what the rest is: a file of its own (a tar,
 * compressed or not, or a zip), two files of MNIST or CIFAR, parted where the next two bytes say,
 * or a table of labels beside pictures. What is opened is split, described and read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "vgg/data.h"

/* Pictures of a data set that are read. */
enum { READ = 4 };

static void read_part(const vgg_dataset *part) {
    vgg_error error = {0};
    vgg_dataset_info info = {.struct_size = sizeof info};
    if (part == NULL)
        return;
    insist(vgg_dataset_class_count(part) >= 1);
    (void)vgg_dataset_describe(part, &info, &error);
    for (size_t i = 0; i < vgg_dataset_count(part) && i < READ; i++) {
        vgg_image image = {0};
        insist(vgg_dataset_item_class(part, i) < vgg_dataset_class_count(part));
        vgg_status status = vgg_dataset_read(part, i, &image, &error);
        insist(status == VGG_OK ? image.pixels != NULL : error.message[0] != '\0');
        vgg_image_free(&image);
    }
}

static void open_path(const char *path) {
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error error = {0};
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.validation_split = 0.25;
    options.temporary_folder = "/dev/shm";
    vgg_status status = vgg_dataset_open_parts(path, &options, &parts, &error);
    if (status != VGG_OK)
        insist(error.status == status && error.message[0] != '\0' && parts.train == NULL &&
               parts.validation == NULL && parts.test == NULL);
    read_part(parts.train);
    read_part(parts.validation);
    read_part(parts.test);
    if (parts.split != NULL) { /* what is recorded opens the same again */
        vgg_dataset_parts again = {.struct_size = sizeof again};
        options.split = parts.split;
        insist(vgg_dataset_open_parts(path, &options, &again, &error) == VGG_OK);
        insist(vgg_dataset_count(parts.train) == vgg_dataset_count(again.train) &&
               strcmp(parts.split, again.split) == 0);
        vgg_dataset_parts_free(&again);
    }
    vgg_dataset_parts_free(&parts);
}

/* A table in a part of its own, beside three pictures and a part to train on. */
static void open_table(const char *folder, const char *name, const uint8_t *data, size_t size) {
    static const char *const pictures[] = {"train/cat/1.pgm", "train/dog/1.pgm", "val/a/1.pgm",
                                           "val/2.pgm", "val/a/3.pgm"};
    char path[128];
    static const char *const folders[] = {"",           "/train", "/train/cat",
                                          "/train/dog", "/val",   "/val/a"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", folder, folders[i]);
        mkdir(in_folder(path), 0700);
    }
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, pictures[i]);
        write_file(path, (const uint8_t *)"P2 2 1 9 1 2", 12);
    }
    snprintf(path, sizeof path, "%s/val/%s", folder, name);
    write_file(path, data, size);
    open_path(in_folder(folder));
    snprintf(path, sizeof path, "%s/val", folder);
    open_path(in_folder(path));
}

static void open_pair(const char *folder, const char *first, const char *second,
                      const uint8_t *data, size_t size) {
    if (size < 2)
        return;
    char name[96];
    size_t parting = (size_t)data[0] << 8 | data[1];
    data += 2;
    size -= 2;
    parting = parting < size ? parting : size;
    mkdir(in_folder(folder), 0700);
    snprintf(name, sizeof name, "%s/%s", folder, first);
    write_file(name, data, parting);
    snprintf(name, sizeof name, "%s/%s", folder, second);
    write_file(name, data + parting, size - parting);
    open_path(in_folder(folder));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    switch (data[0] % 6) {
    case 0:
        write_file("file", data + 1, size - 1);
        open_path(in_folder("file"));
        break;
    case 1:
        open_pair("mnist", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", data + 1,
                  size - 1);
        break;
    case 2:
        open_pair("packed", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", data + 1,
                  size - 1);
        break;
    case 4:
        open_table("table", "labels.csv", data + 1, size - 1);
        break;
    case 5:
        open_table("tiny", "val_annotations.txt", data + 1, size - 1);
        break;
    default:
        open_pair("cifar", "data_batch_1.bin", "batches.meta.txt", data + 1, size - 1);
        break;
    }
    return 0;
}
