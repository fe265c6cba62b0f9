/* A file of features while it is written. */
#ifndef VGG_FEATURES_FILE_H
#define VGG_FEATURES_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "base/sink.h"
#include "formats/containers/npy_head.h"
#include "vgg/features.h"

/* Longest name of a picture, in bytes. */
#define VGG_FEATURE_NAME 65536

/* What the list of the pictures begins with. */
#define VGG_FEATURE_LIST "vgg features, list of pictures 1"
typedef struct vgg_feature_head {
    char what[sizeof VGG_FEATURE_LIST - 1]; /* 32 bytes */
    uint64_t facts;
} vgg_feature_head;

/* A record of it begins with this; the picture's name follows. */
typedef struct vgg_feature_record {
    uint32_t mark, length;
} vgg_feature_record;
#define VGG_FEATURE_READ 0x64616572u
#define VGG_FEATURE_UNREAD 0x64726e75u

typedef enum vgg_feature_format {
    VGG_FEATURES_NPY,
    VGG_FEATURES_NPZ,
    VGG_FEATURES_SAFETENSORS,
    VGG_FEATURES_CSV,
} vgg_feature_format;

/* A file beside OUT. */
typedef struct vgg_feature_part {
    char *path;
    FILE *stream;
} vgg_feature_part;

struct vgg_feature_file {
    char *path;
    vgg_feature_format format;
    size_t layers;
    vgg_tap_info *infos;           /* of the features of each */
    char (*names)[VGG_LAYER_NAME]; /* of the layers */
    uint64_t facts;                /* a sum of what the features follow from */
    vgg_feature_part list;         /* OUT.part: a record for each picture */
    vgg_feature_part *parts;       /* OUT.0.part and so on: VGG_NPY_HEAD bytes, then rows */
    vgg_feature_part texts;        /* .npz: OUT.names.part, the names while OUT is written */
    bool begun;                    /* what lies beside OUT is of this file alone */
    size_t held, passed;           /* pictures when it was opened, and those passed over since */
    size_t count, rows;            /* pictures, and those that could be read */
    size_t named;                  /* pictures of vgg_feature_next_name since the first record */
    long end;                      /* of OUT.part, behind its last record */
    char *name;                    /* room for a picture's */
};

/* ---- parts.c ---- */

/* Goes to the first record. */
vgg_status vgg_feature_list_begin(vgg_feature_file *file, vgg_error *error);
/* Reads the next record into file->name; false when it is not whole. */
bool vgg_feature_list_next(vgg_feature_file *file, bool *readable);
/* The next picture that could be read, into file->name; *more is false behind the last of
 * file->rows. A list that has fewer is an error. */
vgg_status vgg_feature_next_name(vgg_feature_file *file, bool *more, vgg_error *error);

/* A part, all of it, in memory as it is needed. Start with {0}. */
typedef struct vgg_feature_map {
    unsigned char *bytes;
    size_t size;
} vgg_feature_map;

vgg_status vgg_feature_map_part(const vgg_feature_part *part, size_t size, vgg_feature_map *map,
                                vgg_error *error);
/* Writes the head of a layer's array into its part, and maps it. */
vgg_status vgg_feature_map_layer(const vgg_feature_file *file, size_t layer, vgg_feature_map *map,
                                 vgg_error *error);
void vgg_feature_unmap(vgg_feature_map *map);

/* (N, C, H, W) or (N, features); returns how many sizes that are. */
size_t vgg_feature_shape(const vgg_feature_file *file, size_t layer, size_t shape[4]);

/* ---- the formats ---- */

vgg_status vgg_feature_write_npz(vgg_feature_file *file, vgg_sink *sink, vgg_error *error);

/* Makes OUT of the parts, which are flushed. */
vgg_status vgg_feature_file_write(vgg_feature_file *file, vgg_error *error);

#endif
