/* What TensorBoard shows of a training: its event file, and what is told to it. */
#ifndef VGG_TRAIN_BOARD_H
#define VGG_TRAIN_BOARD_H

#include <stdint.h>
#include <stdio.h>

#include "base/text.h"
#include "vgg/image.h"

/* ---- board_file.c: messages of protocol buffers, and the file ---- */

/* Each adds a field to a message, which is bytes; memory that ran out shows in message->failed. */
void vgg_message_whole(vgg_text *message, unsigned field, uint64_t value);
void vgg_message_double(vgg_text *message, unsigned field, double value);
void vgg_message_float(vgg_text *message, unsigned field, float value);
void vgg_message_bytes(vgg_text *message, unsigned field, const void *bytes, size_t size);
void vgg_message_doubles(vgg_text *message, unsigned field, const double *values, size_t count);
/* Another message, which is freed. */
void vgg_message_within(vgg_text *message, unsigned field, vgg_text *inner);

typedef struct vgg_board_file {
    FILE *stream;
    char *path;
} vgg_board_file;

/* A new file in the folder, which is made where it is missing. first: the number of the first step
 * that it will have; what earlier files have of it and later ones does not count any more. */
vgg_status vgg_board_file_open(vgg_board_file *file, const char *folder, uint64_t first,
                               vgg_error *error);
void vgg_board_file_close(vgg_board_file *file);
/* Writes what board_summary.c added, and frees it. Nothing when that is empty. */
vgg_status vgg_board_file_write(vgg_board_file *file, uint64_t step, vgg_text *summary,
                                vgg_error *error);

/* ---- board_summary.c: values of a step ---- */

void vgg_summary_scalar(vgg_text *summary, const char *tag, double value);
/* Values that are finite numbers; others are left out. */
void vgg_summary_histogram(vgg_text *summary, const char *tag, const float *values, size_t count);
vgg_status vgg_summary_image(vgg_text *summary, const char *tag, const vgg_image *image,
                             vgg_error *error);

#endif
