/* What a GPU does for a plan: one table of calls. A plugin fills it with those of CUDA's libraries,
 * and tests with a double of them on the host. It is all that the two sides know of each other.
 *
 * Whatever a call does to memory of the device it does in the order of the calls; only `wait`,
 * `left` and `download` wait for what was asked before. What is sent has an order of its own.
 * Addresses of the device mean something in calls alone.
 */
#ifndef VGG_NN_GPU_CALLS_H
#define VGG_NN_GPU_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/gpu/kernels.h"

/* A plugin of another version is refused: the first word changes with this header and kernels.h. */
#define VGG_GPU_CALLS_VERSION "2 " VGG_VERSION

typedef enum vgg_gpu_result {
    VGG_GPU_OK = 0,
    VGG_GPU_NO_MEMORY,
    VGG_GPU_FAILED, /* `said` has why */
} vgg_gpu_result;

/* A device that was opened, with a queue of work of its own. */
typedef struct vgg_gpu vgg_gpu;
/* Work that was recorded, to be repeated by one call. */
typedef struct vgg_gpu_record vgg_gpu_record;
/* A moment in the queue. */
typedef struct vgg_gpu_moment vgg_gpu_moment;
/* A convolution or a product of matrices that was prepared. */
typedef struct vgg_gpu_conv vgg_gpu_conv;
typedef struct vgg_gpu_product vgg_gpu_product;

/* How numbers are multiplied; sums are float32 in all of them. The operands of tf32 are stored as
 * float32. */
typedef enum vgg_gpu_precision {
    VGG_GPU_F32,
    VGG_GPU_TF32,
    VGG_GPU_BF16,
    VGG_GPU_F16,
} vgg_gpu_precision;

/* The three passes of a convolution. x: (images, height, width, inputs), y: (images, out_height,
 * out_width, outputs), w: (outputs, kernel, kernel, inputs); inputs and outputs are whole lanes. */
typedef enum vgg_gpu_pass {
    VGG_GPU_FORWARD, /* x, w, bias -> y, with ReLU where asked for */
    VGG_GPU_DATA,    /* y, w -> x */
    VGG_GPU_FILTER,  /* x, y -> w */
} vgg_gpu_pass;

typedef struct vgg_gpu_conv_shape {
    vgg_gpu_pass pass;
    vgg_gpu_precision precision;
    size_t images, height, width, out_height, out_width;
    size_t inputs, outputs, kernel, padding;
    bool relu; /* FORWARD */
} vgg_gpu_conv_shape;

/* What a prepared convolution needs and gives. */
typedef struct vgg_gpu_conv_needs {
    size_t workspace;  /* bytes */
    bool narrow;       /* FILTER: w in the precision's element; else in float32 */
    const char *words; /* what does it, for people; lives as long as the convolution */
} vgg_gpu_conv_needs;

typedef struct vgg_gpu_conv_task {
    void *x, *w, *y;   /* as the pass says what is read and what is written */
    const float *bias; /* FORWARD: (outputs) */
    void *workspace;
} vgg_gpu_conv_task;

/* c (rows, columns) = a (rows, depth) b (depth, columns) + keep c, all in rows of `stride` numbers;
 * with `turned_a` a is stored as (depth, rows), with `turned_b` b as (columns, depth). */
typedef struct vgg_gpu_product_shape {
    vgg_gpu_precision precision; /* of a and b */
    size_t rows, columns, depth;
    bool turned_a, turned_b;
    size_t a_stride, b_stride, c_stride;
    bool wide; /* c in float32; else in the precision's element */
} vgg_gpu_product_shape;

typedef struct vgg_gpu_product_task {
    const void *a, *b;
    void *c;
    float factor, keep; /* c = factor a b + keep c; keep is 0 or 1 */
    void *workspace;
} vgg_gpu_product_task;

typedef struct vgg_gpu_calls {
    const char *version;

    /* ---- the device ---- */

    /* On a failure `said`, of `size` characters, has why. */
    vgg_gpu_result (*open)(vgg_gpu **gpu, char *said, size_t size);
    void (*close)(vgg_gpu *gpu);
    const char *(*name)(const vgg_gpu *gpu);
    /* Why the last call failed. */
    const char *(*said)(const vgg_gpu *gpu);
    vgg_gpu_result (*wait)(vgg_gpu *gpu);

    /* ---- memory ---- */

    size_t (*left)(vgg_gpu *gpu); /* bytes that may still be taken */
    /* Memory of the device, aligned to 256 bytes, or NULL. */
    void *(*take)(vgg_gpu *gpu, size_t bytes);
    void (*give_back)(vgg_gpu *gpu, void *memory); /* NULL: nothing */
    /* Memory of the host that copies go fastest from and to, or NULL. */
    void *(*take_pinned)(vgg_gpu *gpu, size_t bytes);
    void (*give_back_pinned)(vgg_gpu *gpu, void *memory);
    /* From pinned memory beside the queue, in the order of such calls; notes the moment when it is
     * done, until when the memory stays as it is. */
    vgg_gpu_result (*send)(vgg_gpu *gpu, void *to, const void *from, size_t bytes,
                           vgg_gpu_moment *sent);
    /* What is asked for from here on is done when that was sent. */
    vgg_gpu_result (*queue_after)(vgg_gpu *gpu, vgg_gpu_moment *sent);
    /* The caller waits for it. */
    vgg_gpu_result (*sent_wait)(vgg_gpu *gpu, vgg_gpu_moment *sent);
    vgg_gpu_result (*clear)(vgg_gpu *gpu, void *memory, size_t bytes);
    vgg_gpu_result (*copy)(vgg_gpu *gpu, void *to, const void *from, size_t bytes);
    /* From memory of the host, which may change when the call returns, unless it is pinned: then
     * when the queue has come to it. */
    vgg_gpu_result (*upload)(vgg_gpu *gpu, void *to, const void *from, size_t bytes);
    vgg_gpu_result (*download)(vgg_gpu *gpu, void *to, const void *from, size_t bytes);

    /* ---- time ---- */

    vgg_gpu_result (*moment_make)(vgg_gpu *gpu, vgg_gpu_moment **moment);
    /* While work is recorded, each run of the record notes it. */
    vgg_gpu_result (*moment_note)(vgg_gpu *gpu, vgg_gpu_moment *moment);
    /* Seconds between two that the queue has passed. */
    vgg_gpu_result (*moment_between)(vgg_gpu *gpu, vgg_gpu_moment *from, vgg_gpu_moment *to,
                                     double *seconds);
    void (*moment_free)(vgg_gpu *gpu, vgg_gpu_moment *moment);

    /* ---- repeating ---- */

    /* What is asked between the two is not done but recorded: copies on the device, convolutions,
     * products, kernels. */
    vgg_gpu_result (*record_begin)(vgg_gpu *gpu);
    vgg_gpu_result (*record_end)(vgg_gpu *gpu, vgg_gpu_record **record);
    vgg_gpu_result (*record_run)(vgg_gpu *gpu, vgg_gpu_record *record);
    void (*record_free)(vgg_gpu *gpu, vgg_gpu_record *record);

    /* ---- computing ---- */

    vgg_gpu_result (*conv_make)(vgg_gpu *gpu, const vgg_gpu_conv_shape *shape, vgg_gpu_conv **conv,
                                vgg_gpu_conv_needs *needs);
    vgg_gpu_result (*conv_run)(vgg_gpu *gpu, vgg_gpu_conv *conv, const vgg_gpu_conv_task *task);
    void (*conv_free)(vgg_gpu *gpu, vgg_gpu_conv *conv);
    vgg_gpu_result (*product_make)(vgg_gpu *gpu, const vgg_gpu_product_shape *shape,
                                   vgg_gpu_product **product, size_t *workspace);
    vgg_gpu_result (*product_run)(vgg_gpu *gpu, vgg_gpu_product *product,
                                  const vgg_gpu_product_task *task);
    void (*product_free)(vgg_gpu *gpu, vgg_gpu_product *product);
    /* A kernel of kernels.h on units 0..units-1 of the task that belongs to it. */
    vgg_gpu_result (*launch)(vgg_gpu *gpu, vgg_gpu_kernel kernel, const void *task, size_t units);
} vgg_gpu_calls;

/* What a plugin exports under the name "vgg_cuda_plugin". */
typedef const vgg_gpu_calls *vgg_cuda_plugin_entry(void);

#endif
