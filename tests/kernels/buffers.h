/* Memory and numbers for the tests of kernels.
 *
 * A guarded buffer starts on a cache line and ends within one cache line of a page that cannot be
 * touched; such a page lies before it too. What is left between the pages and the buffer is filled
 * with NaN, which spoils the result of a kernel that reads it, and checked for writes; with
 * AddressSanitizer every touch of it is an error. The buffers live until vgg_guarded_free(). */
#ifndef VGG_TESTS_KERNELS_BUFFERS_H
#define VGG_TESTS_KERNELS_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* ---- guarded buffers ---- */

/* Filled with poison: for floats a NaN with bits of its own, for bytes a value above 3. */
float *vgg_guarded_floats(size_t count);
uint8_t *vgg_guarded_bytes(size_t count);

vgg_choice *vgg_guarded_choices(size_t count);

/* A guarded copy, and one of absolute values, of a whole guarded buffer; NULL of NULL. */
void *vgg_guarded_copy(const void *data);
float *vgg_guarded_absolute(const float *values);

/* From now on a write to the buffer ends the test. */
void vgg_guarded_lock(const void *data);

size_t vgg_guarded_size(const void *data); /* in bytes */

/* Fills bytes with the poison of values of `size` bytes, and asks whether a value is still that. */
void vgg_poison(void *data, size_t bytes, size_t size);
bool vgg_poisoned(const void *value, size_t size);

/* Fails the test when something was written around a buffer. */
void vgg_guarded_check(void);

void vgg_guarded_free(void);

/* ---- the test that runs ---- */

/* What the test tries, as in "3 -> 17 channels of 5 x 7", for the messages. */
__attribute__((format(printf, 1, 2))) void vgg_describe(const char *format, ...);

void vgg_describe_conv(const vgg_conv_shape *shape);

/* The kernel and tier that run at the moment, or NULL; a crash is reported with them. */
void vgg_running(const char *kernel, const char *tier);

/* Fails the test with a message that begins with tier, kernel, description and seed. */
__attribute__((format(printf, 3, 4), noreturn)) void
vgg_kernel_fail(const char *kernel, const char *tier, const char *format, ...);

/* Ends each cmocka test: reports a crash and frees the buffers. */
int vgg_teardown(void **state);

/* ---- random numbers ---- */

/* Takes the seed from VGG_TEST_SEED, or a fixed one, and prints it. */
void vgg_draw_start(void);

size_t vgg_draw(size_t low, size_t high); /* low..high, both included */
bool vgg_draw_chance(size_t one_in);
double vgg_draw_real(double low, double high);

/* 1..40, half of the time next to a multiple of a block. */
size_t vgg_draw_channels(void);

/* A convolution of at most so many images, height and width; a few of 1 x 1, a few of plain input.
 */
vgg_conv_shape vgg_draw_conv(size_t images, size_t height, size_t width);
/* Gives a 3x3 convolution any padding; the output becomes large enough to have an input. */
void vgg_draw_crop(vgg_conv_shape *shape);
/* Pixels of its input. */
size_t vgg_conv_in_pixels(const vgg_conv_shape *shape);

/* Ranges of units, begin[i] to end[i], that together are all units, in the order to do them in. */
enum { VGG_MOST_RANGES = 16 };
typedef struct vgg_ranges {
    size_t count, begin[VGG_MOST_RANGES], end[VGG_MOST_RANGES];
} vgg_ranges;

/* Cuts the units into at most `most` ranges, of one unit or more each, and shuffles these. */
vgg_ranges vgg_draw_ranges(size_t units, size_t most);

/* Of either sign and between 1/2 and 1 in size, so that every product of two is at least 1/4: no
 * term of a sum is small enough to be missed unnoticed. */
float vgg_draw_value(void);

/* Guarded arrays of such values: plain; blocked, with zeros beyond the channels. */
float *vgg_draw_floats(size_t count);
float *vgg_draw_blocked(size_t images, size_t channels, size_t pixels);

/* What a max-pool to that many pixels may have chosen: zeros beyond the channels. */
vgg_choice *vgg_draw_choices(size_t images, size_t channels, size_t pixels);

/* Where (image, channel, pixel) is in a blocked activation. */
size_t vgg_blocked_at(size_t channels, size_t pixels, size_t image, size_t channel, size_t pixel);

#endif
