/* Data sets of labelled pictures, and the loader that turns one into batches. */
#ifndef VGG_DATA_H
#define VGG_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/image.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An ordered list of pictures, each with the number of its class. Reading from it changes nothing,
 * so any number of threads may share one. */
typedef struct vgg_dataset vgg_dataset;

typedef struct vgg_dataset_options {
    size_t struct_size;         /* set by vgg_dataset_options_init */
    double validation_split;    /* share of each class set aside for validation, in [0, 1), when the
                                 * data has no validation part of its own; 0: none. At least one
                                 * picture of a class goes to either side; a lone one to train */
    uint64_t seed;              /* chooses which pictures those are */
    const char *const *classes; /* the class names to use, in this order, instead of those that the
                                 * data names; a class of the data that is not among them is an
                                 * error, one of these that the data lacks is not. NULL: the
                                 * data's own, of which there must be two at least */
    size_t class_count;
    const char *temporary_folder; /* where a compressed archive is unpacked, into a nameless file;
                                   * NULL: /tmp */
    vgg_warning_callback *warn;   /* default NULL. Hears what is left out, in one line:
                                   * "photos: left out: 4 .txt, 2 hidden files, folder extra/" */
    void *warn_user;
    const char *const *class_ids; /* other names by which the data may call the `classes`, as many
                                   * and in the same order, such as the WordNet ids of ImageNet's
                                   * (vgg_imagenet_class_ids). Default NULL */
    const char *split;   /* the split that was recorded, vgg_dataset_parts.split: used in place of
                          * validation_split and seed. "none" sets nothing aside. Default NULL */
    bool several_labels; /* pictures may have several labels, or none, where a table gives one of
                          * them several ("cat;dog"): see vgg_dataset_several_labels. Default
                          * false: such a table is an error */
} vgg_dataset_options;

VGG_API void vgg_dataset_options_init(vgg_dataset_options *options, size_t size);

/* What was opened. Start with {.struct_size = sizeof parts}; vgg_dataset_parts_free releases what
 * it holds. A part may be taken out by setting its member to NULL. */
typedef struct vgg_dataset_parts {
    size_t struct_size;      /* set by the caller */
    vgg_dataset *train;      /* to learn from: all of the data when it has no parts and no split is
                              * asked for; NULL: there is none */
    vgg_dataset *validation; /* to choose a model by: the data's own, or the split; NULL */
    vgg_dataset *test;       /* to measure the chosen model on; NULL */
    char *split;    /* what was set aside, to be kept with a model (as its note "split") and given
                     * to vgg_dataset_options.split; NULL: the data's own validation part, or
                     * nothing, validates */
    char *left_out; /* "left out: ..." in one line; NULL: everything was used */
    size_t split_known; /* pictures at the bounds of vgg_dataset_options.split that are there, of
                         * one for each class; 0: the data is not what was split */
} vgg_dataset_parts;

/* Opens whatever data set is at `path`, told apart by looking:
 *   a folder with a folder of pictures per class, or with such folders in parts beneath, which are
 *     called train, val, test or the like in any case (training, valid, validation, dev, testing,
 *     seg_train, test_set, ...);
 *   a folder with a table labels.csv beside or above the pictures, or a .csv file itself: lines of
 *     a picture and its label, with a line of names first or not, and a column of parts or not;
 *   a tar of any of these, also compressed with gzip, bzip2 or xz, or a zip (what is compressed is
 *     unpacked into a nameless temporary file);
 *   Tiny ImageNet, whose val/ has its classes in val_annotations.txt;
 *   ImageNet's validation pictures, in such folders, or in one with LOC_val_solution.csv, val.txt
 *     or a ground-truth file in it or above it;
 *   MNIST: a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, and the same with
 *     t10k-, plain or .gz, the test part;
 *   CIFAR-10 (data_batch_1.bin ..., test_batch.bin) or CIFAR-100 (train.bin, test.bin; the fine
 *     labels), in their binary version.
 *
 * Classes of folders and tables are in the order of their names as bytes, pictures likewise; those
 * of MNIST and CIFAR are in the order of their labels. A picture belongs to the class of the first
 * folder below the data or its part, however deep it lies. Left out, and counted in `left_out`, are
 * files whose names do not end like a picture's that this library reads, hidden ones, what systems
 * leave behind (@eaDir, __MACOSX), folders beside parts, classes without pictures in a part that is
 * not trained on, and a test part without classes. Links are followed, but to folders not inside
 * of a class; in a tar, hard links only. The data may lie in the one and only folder of the folder
 * or archive that is opened.
 *
 * A split is drawn by a hash of the seed, the class and the picture's name in its class. Within a
 * class the smallest hashes are set aside, as many as the share says, and the bound between them
 * and the others is part of the record `split`: opened with it, the data keeps each picture on its
 * side, whatever pictures were added or removed. A record "order share=X seed=K" is the split of
 * libvgg 0.1.0, which goes by the places of the pictures and sets none aside where there is a test
 * part; with " test=validation" behind it that part validates, as it did.
 *
 * Errors name the thing: nothing at the path, no class folder, an empty class, one class only, a
 * validation class that train does not have, a truncated IDX or CIFAR file at its byte, a table's
 * line, a picture with several labels where they are not asked for. */
VGG_API vgg_status vgg_dataset_open_parts(const char *path, const vgg_dataset_options *options,
                                          vgg_dataset_parts *parts, vgg_error *error);
/* Frees the parts and texts, and makes them NULL. */
VGG_API void vgg_dataset_parts_free(vgg_dataset_parts *parts);

/* The same for train and validation alone; either pointer may be NULL when that part is not wanted.
 * A test part is not opened: VGG_ERROR_NOT_FOUND when there is no other. For data without a train
 * part, such as a folder that has only validation/, *train is NULL. */
VGG_API vgg_status vgg_dataset_open(const char *path, const vgg_dataset_options *options,
                                    vgg_dataset **train, vgg_dataset **validation,
                                    vgg_error *error);
VGG_API void vgg_dataset_free(vgg_dataset *dataset);

VGG_API size_t vgg_dataset_count(const vgg_dataset *dataset);
VGG_API size_t vgg_dataset_class_count(const vgg_dataset *dataset);
/* The name of a class, which belongs to the data set; NULL when there is no such class. */
VGG_API const char *vgg_dataset_class_name(const vgg_dataset *dataset, size_t class_index);
/* What an item is called in messages: a path, "archive.tar: path" or "file.gz: picture 17". It
 * belongs to the data set; NULL when there is no such item. */
VGG_API const char *vgg_dataset_item_name(const vgg_dataset *dataset, size_t item);
/* The number of an item's class, of several the first that the table names; SIZE_MAX when it has
 * none, or when there is no such item. */
VGG_API size_t vgg_dataset_item_class(const vgg_dataset *dataset, size_t item);

/* Whether a picture of the data may have several labels, or none. All parts of the data agree. */
VGG_API bool vgg_dataset_several_labels(const vgg_dataset *dataset);
/* The numbers of all classes of an item, in the order of the table: returns how many, and *classes
 * becomes a list of them, which belongs to the data set. 0 when there is no such item. */
VGG_API size_t vgg_dataset_item_classes(const vgg_dataset *dataset, size_t item,
                                        const size_t **classes);

/* What the data set consists of: for each class the number of its pictures in counts[class], and in
 * sums[class] a number made of their names (within their folder) and sizes, in their order; with
 * `contents` of all their bytes too, which are read. Both arrays have vgg_dataset_class_count
 * elements. Data sets with the same counts and sums have the same pictures, wherever they lie.
 * `progress` (may be NULL) is called after each picture; returning false stops with
 * VGG_ERROR_STOPPED. */
VGG_API vgg_status vgg_dataset_fingerprint(const vgg_dataset *dataset, bool contents,
                                           size_t *counts, uint64_t *sums,
                                           vgg_progress_callback *progress, void *user,
                                           vgg_error *error);

/* What is known of the pictures without decoding them all. */
typedef struct vgg_dataset_info {
    size_t struct_size;   /* set by the caller */
    const char *kind;     /* "folder", "tar", "zip", "MNIST IDX", "CIFAR-10", "CIFAR-100" */
    size_t channels;      /* 1 or 3 */
    size_t width, height; /* the same for all pictures, or 0 when they differ */
    size_t pictures, classes;
} vgg_dataset_info;

/* Exact for MNIST and CIFAR. Of a folder or archive up to 16 pictures, evenly spread, are decoded:
 * there are 3 channels when one of them has 3, and a size when all of those have the same. */
VGG_API vgg_status vgg_dataset_describe(const vgg_dataset *dataset, vgg_dataset_info *info,
                                        vgg_error *error);

/* Decodes one picture; the caller releases it with vgg_image_free. */
VGG_API vgg_status vgg_dataset_read(const vgg_dataset *dataset, size_t item, vgg_image *image,
                                    vgg_error *error);
/* The same, reduced as vgg_image_decode_reduced does it. */
VGG_API vgg_status vgg_dataset_read_reduced(const vgg_dataset *dataset, size_t item, size_t least,
                                            vgg_image *image, vgg_error *error);

/* The same with options, which may be NULL. */
VGG_API vgg_status vgg_dataset_read_with(const vgg_dataset *dataset, size_t item,
                                         const vgg_decode_options *options, vgg_image *image,
                                         vgg_error *error);

/* ---- loader ---- */

/* Walks through a data set once per epoch and hands out batches of inputs, decoded and preprocessed
 * ahead of time by other threads. The batches are a function of the data, the options and the
 * epoch; the number of threads changes only the speed. While vgg_loader_next waits for a batch, the
 * calling thread decodes as well; with an executor in place of threads, all is decoded there,
 * through the executor. One thread at a time may use a loader. A child process made by fork cannot
 * use one that it inherited, which is an error of vgg_loader_start and vgg_loader_next; it may free
 * it. */
typedef struct vgg_loader vgg_loader;

/* Called for each picture that cannot be read, in the order of the data, from within
 * vgg_loader_next. Return false to stop: vgg_loader_next then fails with the picture's error. */
typedef bool vgg_skip_callback(void *user, const char *name, const vgg_error *why);

/* Gives the input of a picture in place of reading, decoding and preprocessing it:
 * vgg_loader_options .values floats. `view` is the number by which a random view of it would be
 * drawn: `index` of vgg_preprocess_augmented. Called on any thread of the loader, for several
 * pictures at once. A picture for which it returns VGG_ERROR_FORMAT counts as one that cannot be
 * read; any other error ends the epoch. */
typedef vgg_status vgg_loader_fill(void *user, size_t item, uint64_t epoch, uint64_t view,
                                   float *input, vgg_error *error);

typedef struct vgg_loader_options {
    size_t struct_size; /* set by vgg_loader_options_init */
    size_t batch;       /* pictures per batch, default 32 */
    size_t workers;     /* threads of its own that decode, default 0: shared_threads do, and where
                         * there are none, one of its own per processor */
    size_t ahead;       /* batches prepared in advance, default 4 */
    bool shuffle;       /* a new order each epoch, default false */
    bool drop_last;     /* leave out a last batch that is not full, default false */
    const vgg_augment *augment; /* NULL: the centre view of the whole picture, no chance involved.
                                 * Otherwise large JPEGs are decoded at a reduced size, no less than
                                 * twice what is resized to (vgg_image_decode_reduced) */
    uint64_t seed;              /* chooses the order and the views, default 0 */
    vgg_skip_callback *skipped; /* NULL: pictures that cannot be read are skipped in silence, but
                                 * counted in the batch */
    void *user;
    vgg_threads *shared_threads; /* they decode when they have nothing to compute, and must outlive
                                  * the loader. Default NULL */
    bool balance; /* an epoch has as many pictures of each class, or nearly, in a new order: those
                   * of small classes several times, each time in another view.
                   * VGG_ERROR_UNSUPPORTED where pictures may have several. Default false */
    vgg_warning_callback *warn; /* as in vgg_decode_options, called in the order of the data from
                                 * within vgg_loader_next. Default NULL */
    void *warn_user;
    vgg_loader_fill *fill; /* default NULL: pictures are read. Otherwise `augment` is not used */
    void *fill_user;
    size_t values; /* floats of an input that `fill` gives; default 0: as the preprocessing says */
} vgg_loader_options;

VGG_API void vgg_loader_options_init(vgg_loader_options *options, size_t size);

/* The data set and everything that the options point to must outlive the loader; `preprocess` and
 * `augment` are copied. A loader holds (ahead + 1) x batch inputs in memory, the batch in the
 * caller's hands included, and one decoded picture per thread. VGG_ERROR_MEMORY when that is more
 * than can be had. */
VGG_API vgg_status vgg_loader_create(const vgg_dataset *dataset, const vgg_preprocess *preprocess,
                                     const vgg_loader_options *options, vgg_loader **loader,
                                     vgg_error *error);
VGG_API void vgg_loader_free(vgg_loader *loader);

/* Begins an epoch at its batch number `first_batch` (0 to begin at the beginning), dropping what
 * was prepared of the one before. */
VGG_API vgg_status vgg_loader_start(vgg_loader *loader, uint64_t epoch, size_t first_batch,
                                    vgg_error *error);

/* Batches in an epoch. */
VGG_API size_t vgg_loader_batch_count(const vgg_loader *loader);

/* Inputs of channels x height x width floats one after another, and their classes and items. A
 * batch has fewer pictures than asked for when it is the last one or when some could not be read;
 * it may even be empty. Everything belongs to the loader and is valid until its next call. */
typedef struct vgg_batch {
    size_t struct_size; /* set by the library */
    size_t count;       /* of inputs */
    size_t skipped;     /* pictures that could not be read */
    const float *inputs;
    const size_t *classes; /* count class numbers, as of vgg_dataset_item_class */
    const size_t *items;   /* count item numbers of the data set */
    double waited;         /* seconds until vgg_loader_next had it: waiting and decoding */
} vgg_batch;

/* The next batch; *batch is NULL at the end of the epoch. After an error the epoch is over, and
 * vgg_loader_start begins the next. */
VGG_API vgg_status vgg_loader_next(vgg_loader *loader, const vgg_batch **batch, vgg_error *error);

/* ---- pictograms ---- */

/* A data set that needs no download: ten kinds of pictogram (circle, square, triangle, ring, cross,
 * star, heart, arrow, moon, house) under random colour, place, size, rotation, clutter and noise.
 */
#define VGG_PICTOGRAM_CLASSES 10
/* The name of a class; NULL when there is no such class. */
VGG_API const char *vgg_pictogram_name(size_t class_index);
/* Draws number `index` of class 0..9 for a seed, RGB, size x size with a size from 8 to 4096. */
VGG_API vgg_status vgg_pictogram_draw(size_t class_index, size_t size, uint64_t seed,
                                      uint64_t index, vgg_image *image, vgg_error *error);

/* Writes pictograms of `size` x `size` as PNG files, folder/train/<class>/NNNN.png and
 * folder/validation/<class>/NNNN.png, as many of each class as said. No picture of one part is in
 * the other. `progress` (may be NULL) is called after each picture; returning false stops with
 * VGG_ERROR_STOPPED. */
VGG_API vgg_status vgg_pictogram_write(const char *folder, size_t train_per_class,
                                       size_t validation_per_class, size_t size, uint64_t seed,
                                       vgg_progress_callback *progress, void *user,
                                       vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
