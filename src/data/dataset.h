/* What a data set is made of inside: items, the source that their bytes come from, and the parts
 * (train, validation, test) that an opener produces. */
#ifndef VGG_DATA_DATASET_H
#define VGG_DATA_DATASET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "data/part_names.h"
#include "data/passed.h"
#include "vgg/data.h"

typedef struct vgg_item {
    char *name; /* for messages; in a folder also the path to open */
    size_t key; /* where in it begins what the picture is called within its class or file, wherever
                 * the data lies */
    size_t class_index; /* that it is split and counted by: the first of several; 0 without any */
    size_t *labels;     /* NULL: class_index alone; else all of its label_count classes, or none */
    size_t label_count;
    size_t offset, size; /* bytes in the source; a folder needs neither */
} vgg_item;

/* Where the pictures come from. The parts of one data set share a source and count as its owners.
 * Each kind puts this struct first in its own; read, which takes what vgg_dataset_read_with
 * does, must be callable from any thread. */
typedef struct vgg_source {
    atomic_size_t owners;
    vgg_status (*read)(const struct vgg_source *source, const vgg_item *item,
                       const vgg_decode_options *options, vgg_image *image, vgg_error *error);
    /* The bytes of any file of folders or an archive, freed by the caller; more than `limit` are
     * refused. NULL for pictures that lie decoded in memory. */
    vgg_status (*load)(const struct vgg_source *source, const vgg_item *item, size_t limit,
                       unsigned char **bytes, size_t *size, vgg_error *error);
    void (*free)(struct vgg_source *source);
    /* The sum (base/checksum.h) over a picture that lies decoded in memory; NULL where load is not.
     */
    uint64_t (*sum)(const struct vgg_source *source, const vgg_item *item);
} vgg_source;

void vgg_source_release(vgg_source *source);

struct vgg_dataset {
    vgg_source *source;
    const char *kind;
    char *name;                     /* for messages: the path, or "archive.tar: train" */
    size_t channels, width, height; /* of every picture; 0 where only decoding can tell */
    bool several;                   /* a picture may have several labels, or none */
    char **classes;
    size_t class_count, class_capacity;
    bool numbered; /* the classes are called by their numbers in a list, from 0 on */
    vgg_item *items;
    size_t count, capacity;
};

/* An empty data set that becomes one more owner of the source; name is copied. */
vgg_status vgg_dataset_create(vgg_source *source, const char *kind, const char *name,
                              vgg_dataset **dataset, vgg_error *error);
/* Takes a name by copy. */
vgg_status vgg_dataset_add_class(vgg_dataset *dataset, const char *name, vgg_error *error);
/* Takes over item.name and item.labels, also when it fails; a NULL name counts as memory that ran
 * out. */
vgg_status vgg_dataset_add_item(vgg_dataset *dataset, vgg_item item, vgg_error *error);
/* Renumbers the classes so that class i is called names[i]. A class that is not among the names is
 * an error, which calls the owner of the names `owner` ("the model", "train"). */
vgg_status vgg_dataset_use_classes(vgg_dataset *dataset, const char *const *names, size_t count,
                                   const char *owner, vgg_error *error);

/* Calls a class that goes by ids[i], and is not among the names, names[i]. */
vgg_status vgg_dataset_rename_classes(vgg_dataset *dataset, const char *const *ids,
                                      const char *const *names, size_t count, vgg_error *error);

/* What an opener found; any part may be NULL. Openers may leave parts behind when they fail:
 * whoever passed the struct in frees them with vgg_parts_clear. */
typedef struct vgg_parts {
    vgg_dataset *train, *validation, *test;
    vgg_passed passed;
    bool several; /* set by the caller: pictures with several labels, or none, are no error */
} vgg_parts;

void vgg_parts_clear(vgg_parts *parts);

/* The part of that kind, which is none of VGG_PART_NONE. */
vgg_dataset **vgg_parts_part(vgg_parts *parts, vgg_part_kind kind);

/* Opens whatever is at the path; see vgg_dataset_open_parts. */
vgg_status vgg_parts_open(const char *path, const char *temporary, vgg_parts *parts,
                          vgg_error *error);

/* `table` is the name of the table of labels in the folder that says what is in it, or NULL. */
vgg_status vgg_folder_open(const char *path, const char *table, vgg_parts *parts, vgg_error *error);
/* A tar or zip archive. `compression` is "gzip", "bzip2" or "xz", for a tar that is unpacked into
 * the folder `temporary`, "zip" for a zip, of which the pictures are, or NULL. */
vgg_status vgg_archived_open(const char *path, const char *compression, const char *temporary,
                             vgg_parts *parts, vgg_error *error);
/* *found is false, and nothing is opened, when the folder has no such files. */
vgg_status vgg_idx_open(const char *folder, vgg_parts *parts, bool *found, vgg_error *error);
vgg_status vgg_cifar_open(const char *folder, vgg_parts *parts, bool *found, vgg_error *error);

/* Whether a file of such a folder is of the data set. */
bool vgg_idx_uses(const char *name);
bool vgg_cifar_uses(const char *name);

/* True when a block of 512 bytes is the header of a tar archive. */
bool vgg_is_tar_header(const unsigned char block[512]);

#endif
