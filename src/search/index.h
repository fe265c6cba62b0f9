/* An index inside. */
#ifndef VGG_SEARCH_INDEX_H
#define VGG_SEARCH_INDEX_H

#include "base/threads.h"
#include "kernels/kernels.h"
#include "vgg/index.h"

/* Side of the small grey pictures. */
#define VGG_INDEX_THUMBNAIL 48
#define VGG_INDEX_SAMPLES ((size_t)VGG_INDEX_THUMBNAIL * VGG_INDEX_THUMBNAIL)
/* Layers that a row is made of at most. */
#define VGG_INDEX_LAYERS 16

/* What a picture's file was like when its row was made. */
typedef struct vgg_index_stamp {
    uint64_t size, seconds, nanoseconds; /* the latter two of the time of its change */
    uint64_t sum;                        /* XXH64 of its bytes */
} vgg_index_stamp;

typedef struct vgg_index_entry {
    char *name;
    vgg_index_stamp stamp;
    bool unread;     /* while updating: nothing is known of it, or there is something newer */
    size_t replaces; /* while updating: 1 more than the number of the picture whose place it takes
                      * when it is computed; 0: none */
} vgg_index_entry;

/* Start with {0}. */
typedef struct vgg_index_table {
    vgg_index_entry *entries;
    float *rows;          /* (capacity, features) */
    unsigned char *greys; /* (capacity, VGG_INDEX_SAMPLES) */
    size_t count, capacity;
} vgg_index_table;

struct vgg_index {
    const vgg_model *model;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    const vgg_kernels *kernels;
    vgg_extractor *extractor;
    uint64_t fingerprint;
    char *layers, *scales; /* the latter NULL: the preprocessing's own */
    vgg_feature_pool pool;
    vgg_protocol protocol;
    size_t features;
    vgg_index_table table;
    size_t *by_name;             /* (count): numbers of the pictures in the order of their names */
    float *zeros, *similarities; /* (room) and (queries, room) of a search */
    size_t room, queries;
};

/* ---- index.c ---- */

/* An index without pictures. `options` are complete; `fingerprint` is the model's. */
vgg_status vgg_index_make(const vgg_model *model, uint64_t fingerprint,
                          const vgg_index_options *options, vgg_index **index, vgg_error *error);
/* Joins the features of a picture to a row of length 1. */
void vgg_index_join(const vgg_index *index, const float *const *values, float *row);

/* ---- names.c ---- */

/* The numbers of pictures of a table by their names, while it grows. Start with {0}. */
typedef struct vgg_index_names {
    size_t *places; /* (capacity): 1 more than a number; 0: free */
    size_t count, capacity;
} vgg_index_names;

/* Whether a picture of the table that was added has that name. */
bool vgg_index_names_have(const vgg_index_names *names, const vgg_index_table *table,
                          const char *name);
/* Adds the last picture of the table, whose name is not there yet. */
vgg_status vgg_index_names_add(vgg_index_names *names, const vgg_index_table *table,
                               vgg_error *error);
void vgg_index_names_free(vgg_index_names *names);

/* ---- table.c ---- */

/* Room for one picture more, behind the others, with its name; the rest is to be filled in. */
vgg_status vgg_index_table_add(vgg_index_table *table, size_t features, const char *name,
                               vgg_error *error);
/* Copies a picture of one table behind those of another. */
vgg_status vgg_index_table_copy(vgg_index_table *to, const vgg_index_table *from, size_t picture,
                                size_t features, vgg_error *error);
void vgg_index_table_free(vgg_index_table *table);
/* Room for the order of so many names; what is there stays when there is none. */
vgg_status vgg_index_reserve_names(vgg_index *index, size_t count, vgg_error *error);
/* Sorts the names again, after the table has changed; there is room for their order. */
void vgg_index_sort(vgg_index *index);

/* ---- file.c ---- */

/* Writes the pictures of two tables, of which the second may be NULL, behind each other, those
 * that are not unread. */
vgg_status vgg_index_write(const vgg_index *index, const vgg_index_table *first,
                           const vgg_index_table *second, const char *path, vgg_error *error);

/* What a file says that rows are made of; texts lie in it. */
typedef struct vgg_index_facts {
    uint64_t fingerprint;
    char *layers, *scales;
    vgg_feature_pool pool;
    vgg_protocol protocol;
} vgg_index_facts;

/* ---- nearest.c ---- */

/* Similarities of `count` rows, features floats each, with all pictures: (count, pictures) floats
 * that belong to the index. */
vgg_status vgg_index_compare(vgg_index *index, const float *rows, size_t count,
                             const float **similarities, vgg_error *error);

/* The nearest `top` but for picture `except`: numbers, nearest first; returns how many. */
size_t vgg_index_nearest(const float *similarities, size_t pictures, size_t top, size_t except,
                         size_t *numbers);

/* ---- alike.c ---- */

/* A small picture made ready to be laid over others. */
typedef struct vgg_alike {
    float fine[VGG_INDEX_SAMPLES];       /* less its coarse structure */
    float coarse[VGG_INDEX_SAMPLES / 4]; /* at half the side */
} vgg_alike;

void vgg_alike_prepare(const unsigned char *grey, vgg_alike *out);
/* How much the two are alike where they lie best over each other, -1 to 1. */
double vgg_alike_compare(const vgg_alike *a, const vgg_alike *b);

#endif
