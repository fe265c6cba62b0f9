/* Files of records of floats that took long to compute: a sum of each, and a number made of all
 * that they follow from, by which whoever finds the file knows whether they are the wanted ones.
 * Behind the records stand the sums and a foot. A file comes to be under its name when it is
 * complete. */
#ifndef VGG_BASE_RECORDS_H
#define VGG_BASE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/* Whose records a file has: their order and what they follow from are another for each. */
typedef enum vgg_records_kind {
    VGG_RECORDS_OF_TRAINING, /* both images of pictures, and validation */
    VGG_RECORDS_OF_DATASET,  /* one of each picture */
} vgg_records_kind;

/* Start with {0}. */
typedef struct vgg_records {
    char *path; /* that it was opened with */
    vgg_records_kind kind;
    size_t count, bytes;    /* records, and bytes of the file */
    uint64_t *sums;         /* of the records */
    bool ready;             /* they can be read */
    int file;               /* while they are ready */
    size_t next;            /* the record that is written next */
    vgg_file_writer writer; /* while they are written */
} vgg_records;

/* Says how many records there are, and their bytes in all. */
vgg_status vgg_records_plan(vgg_records *records, vgg_records_kind kind, size_t count, size_t bytes,
                            vgg_error *error);
void vgg_records_free(vgg_records *records);

/* Makes the records ready when the file has them and they follow from `origin`. *own, which may be
 * NULL: a file is there, and it is one of records of this kind. VGG_ERROR_ARGUMENT when it is one
 * of another kind, which stays. */
vgg_status vgg_records_open(vgg_records *records, const char *path, uint64_t origin, bool *own,
                            vgg_error *error);

/* Begins the file whose path vgg_records_open had. VGG_ERROR_IO where the disk has no room for it.
 */
vgg_status vgg_records_create(vgg_records *records, vgg_error *error);
/* Adds a record of so many floats. NULL: it is none, as its values could not be had. */
vgg_status vgg_records_add(vgg_records *records, const float *values, size_t count,
                           vgg_error *error);
/* Ends the file when `status` is VGG_OK, and else leaves none; returns the first failure. */
vgg_status vgg_records_finish(vgg_records *records, uint64_t origin, vgg_status status,
                              vgg_error *error);

/* Leaves none in place of ending it. */
void vgg_records_abandon(vgg_records *records);

/* Whether a record has values. */
bool vgg_records_have(const vgg_records *records, size_t record);
/* Reads one of `count` floats that lies `offset` bytes into the file. VGG_ERROR_IO when it is not
 * what was written. */
vgg_status vgg_records_read(const vgg_records *records, size_t record, size_t offset, float *values,
                            size_t count, vgg_error *error);

#endif
