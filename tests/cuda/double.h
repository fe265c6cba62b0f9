/* A double of the device: the table of calls done on the host. Its memory can be touched in calls
 * alone, is not zero when it is new, is counted, and ends where a test says; each call can be made
 * to fail. Operands are rounded as the precision says, sums are float32 or wider. Misuse ends the
 * test program. */
#ifndef VGG_TESTS_DOUBLE_H
#define VGG_TESTS_DOUBLE_H

#include "nn/gpu/calls.h"

const vgg_gpu_calls *vgg_double_calls(void);

/* Call number `call` from now, counted from 1, fails with the result; 0: none. Returns how many
 * there were since the last time. */
size_t vgg_double_fail(size_t call, vgg_gpu_result result);

/* Convolutions that were made so far, runs of a kernel, and what was sent from pinned memory. */
size_t vgg_double_convs(void);
size_t vgg_double_launches(vgg_gpu_kernel kernel);
size_t vgg_double_sends(void);

/* From now on there is no pinned memory but for number-1 blocks; 0: there is. */
void vgg_double_refuse_pinned(size_t number);

/* Blocks and bytes of the device's memory in use, and everything that was made and not freed. */
size_t vgg_double_blocks(void);
size_t vgg_double_bytes(void);
size_t vgg_double_things(void);
/* The device has so many bytes; by default 8 GiB. */
void vgg_double_limit(size_t bytes);

/* ---- for its own files ---- */

void vgg_double_conv(const vgg_gpu_conv_shape *shape, const vgg_gpu_conv_task *task);
void vgg_double_product(const vgg_gpu_product_shape *shape, const vgg_gpu_product_task *task);
void vgg_double_launch(vgg_gpu_kernel kernel, const void *task, size_t units);
size_t vgg_double_task_bytes(vgg_gpu_kernel kernel);

/* Memory: to be touched between the two; taken and given back between them. */
void vgg_double_enter(void);
void vgg_double_leave(void);
void *vgg_double_take(size_t bytes);
void vgg_double_give_back(void *memory);
size_t vgg_double_left(void);
/* Ends the program where the bytes are not in one block of the device, or are at all. */
void vgg_double_check_device(const void *memory, size_t bytes);
void vgg_double_check_host(const void *memory, size_t bytes);

#endif
