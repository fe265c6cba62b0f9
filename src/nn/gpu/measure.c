/* What a GPU reaches at most: products of matrices, and copies in its memory. */
#include "nn/gpu/measure.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "nn/gpu/plugin.h"

/* Sides of matrices, and bytes of a copy: more is tried as long as a run takes less than that. */
#define SIDE_LEAST 256
#define SIDE_MOST 8192
#define COPY_LEAST ((size_t)1 << 20)
#define COPY_MOST ((size_t)1 << 30)
#define SECONDS 1e-3
#define REPEATS 5
/* Numbers that are uploaded again and again. */
#define PATTERN 4096

typedef struct meter {
    const vgg_gpu_calls *calls;
    vgg_gpu *gpu;
    vgg_gpu_moment *begin, *end;
    vgg_gpu_precision precision;
    size_t bytes; /* of an element */
    void *a, *b, *c, *workspace;
    vgg_gpu_product *product;
    vgg_gpu_product_task task;
    size_t copied;
} meter;

static void free_work(meter *m) {
    void *const memory[] = {m->a, m->b, m->c, m->workspace};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        m->calls->give_back(m->gpu, memory[i]);
    }
    if (m->product != NULL)
        m->calls->product_free(m->gpu, m->product);
    m->a = m->b = m->c = m->workspace = NULL;
    m->product = NULL;
}

/* Between 1/2 and 1 in size and of either sign: products of zeros take less power, and then are
 * faster than any that mean something. */
static uint32_t draw_bits(const meter *m, size_t i) {
    uint32_t number = (uint32_t)vgg_random_u64(0, 0, i), sign = number & 0x80000000u;
    if (m->bytes == sizeof(float))
        return sign | 0x3f000000u | (number & 0x7fffffu);
    uint32_t narrow =
        m->precision == VGG_GPU_F16 ? 0x3800u | (number & 0x3ffu) : 0x3f00u | (number & 0x7fu);
    return sign >> 16 | narrow;
}

static vgg_gpu_result fill(meter *m, void *memory, size_t count) {
    char pattern[PATTERN * sizeof(float)];
    vgg_gpu_result result = VGG_GPU_OK;
    for (size_t i = 0; i < PATTERN; i++) {
        uint32_t bits = draw_bits(m, i);
        uint16_t narrow = (uint16_t)bits;
        memcpy(pattern + i * m->bytes, m->bytes == sizeof narrow ? (void *)&narrow : (void *)&bits,
               m->bytes);
    }
    for (size_t done = 0; result == VGG_GPU_OK && done < count; done += PATTERN) {
        size_t part = vgg_size_min(PATTERN, count - done);
        result =
            m->calls->upload(m->gpu, (char *)memory + done * m->bytes, pattern, part * m->bytes);
    }
    return result;
}

static vgg_gpu_result multiply(meter *m) {
    return m->calls->product_run(m->gpu, m->product, &m->task);
}

static vgg_gpu_result copy(meter *m) {
    return m->calls->copy(m->gpu, m->b, m->a, m->copied);
}

/* The least seconds of some runs, after one that is not timed. */
static vgg_gpu_result time_runs(meter *m, vgg_gpu_result (*run)(meter *m), double *least) {
    vgg_gpu_result result = run(m);
    *least = HUGE_VAL;
    for (size_t i = 0; result == VGG_GPU_OK && i < REPEATS; i++) {
        double seconds = 0;
        result = m->calls->moment_note(m->gpu, m->begin);
        if (result == VGG_GPU_OK)
            result = run(m);
        if (result == VGG_GPU_OK)
            result = m->calls->moment_note(m->gpu, m->end);
        if (result == VGG_GPU_OK)
            result = m->calls->wait(m->gpu);
        if (result == VGG_GPU_OK)
            result = m->calls->moment_between(m->gpu, m->begin, m->end, &seconds);
        *least = fmin(*least, seconds);
    }
    return result;
}

/* Two square matrices and what becomes of them, in whole rows. */
static vgg_gpu_result prepare_product(meter *m, size_t side) {
    size_t workspace = 0, bytes = side * side * m->bytes;
    const vgg_gpu_product_shape shape = {.precision = m->precision,
                                         .rows = side,
                                         .columns = side,
                                         .depth = side,
                                         .turned_b = true,
                                         .a_stride = side,
                                         .b_stride = side,
                                         .c_stride = side};
    vgg_gpu_result result = m->calls->product_make(m->gpu, &shape, &m->product, &workspace);
    if (result != VGG_GPU_OK)
        return result;
    m->a = m->calls->take(m->gpu, bytes);
    m->b = m->calls->take(m->gpu, bytes);
    m->c = m->calls->take(m->gpu, bytes);
    m->workspace = workspace > 0 ? m->calls->take(m->gpu, workspace) : NULL;
    if (m->a == NULL || m->b == NULL || m->c == NULL || (workspace > 0 && m->workspace == NULL))
        return VGG_GPU_NO_MEMORY;
    m->task = (vgg_gpu_product_task){
        .a = m->a, .b = m->b, .c = m->c, .factor = 1, .workspace = m->workspace};
    result = fill(m, m->a, side * side);
    return result == VGG_GPU_OK ? fill(m, m->b, side * side) : result;
}

static vgg_gpu_result measure_products(meter *m, double *gflops) {
    vgg_gpu_result result = VGG_GPU_OK;
    double seconds = 0;
    for (size_t side = SIDE_LEAST; result == VGG_GPU_OK && side <= SIDE_MOST && seconds < SECONDS;
         side *= 2) {
        result = prepare_product(m, side);
        if (result == VGG_GPU_OK)
            result = time_runs(m, multiply, &seconds);
        if (result == VGG_GPU_OK)
            *gflops = fmax(*gflops, 2e-9 * pow((double)side, 3) / seconds);
        free_work(m);
    }
    return result;
}

static vgg_gpu_result measure_copies(meter *m, double *gbps) {
    vgg_gpu_result result = VGG_GPU_OK;
    double seconds = 0;
    for (m->copied = COPY_LEAST;
         result == VGG_GPU_OK && m->copied <= COPY_MOST && seconds < SECONDS; m->copied *= 4) {
        m->a = m->calls->take(m->gpu, m->copied);
        m->b = m->calls->take(m->gpu, m->copied);
        result = m->a != NULL && m->b != NULL ? m->calls->clear(m->gpu, m->a, m->copied)
                                              : VGG_GPU_NO_MEMORY;
        if (result == VGG_GPU_OK)
            result = time_runs(m, copy, &seconds);
        /* Read and written. What the caches hold is faster. */
        if (result == VGG_GPU_OK)
            *gbps = 2e-9 * (double)m->copied / seconds;
        free_work(m);
    }
    return result;
}

static vgg_gpu_result measure(meter *m, vgg_machine *found) {
    vgg_gpu_result result = m->calls->moment_make(m->gpu, &m->begin);
    if (result == VGG_GPU_OK)
        result = m->calls->moment_make(m->gpu, &m->end);
    if (result == VGG_GPU_OK)
        result = measure_products(m, &found->peak_gflops);
    if (result == VGG_GPU_OK)
        result = measure_copies(m, &found->read_gbps);
    return result;
}

static void close_meter(meter *m) {
    if (m->begin != NULL)
        m->calls->moment_free(m->gpu, m->begin);
    if (m->end != NULL)
        m->calls->moment_free(m->gpu, m->end);
    m->calls->close(m->gpu);
}

vgg_status vgg_gpu_measure(vgg_precision precision, vgg_machine *found, vgg_error *error) {
    static const vgg_gpu_precision precisions[] = {[VGG_PRECISION_F32] = VGG_GPU_F32,
                                                   [VGG_PRECISION_BF16] = VGG_GPU_BF16,
                                                   [VGG_PRECISION_TF32] = VGG_GPU_TF32,
                                                   [VGG_PRECISION_F16] = VGG_GPU_F16};
    char said[VGG_ERROR_TEXT] = "out of memory";
    meter m = {.precision = precisions[precision]};
    m.bytes = precision == VGG_PRECISION_BF16 || precision == VGG_PRECISION_F16 ? sizeof(uint16_t)
                                                                                : sizeof(float);
    vgg_status status = vgg_gpu_calls_find(&m.calls, error);
    if (status != VGG_OK)
        return status;
    vgg_gpu_result result = m.calls->open(&m.gpu, said, sizeof said);
    if (result != VGG_GPU_OK)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "the GPU cannot be used: %s", said);
    result = measure(&m, found);
    if (result == VGG_GPU_NO_MEMORY)
        status = vgg_fail(error, VGG_ERROR_MEMORY, "out of memory of the GPU to measure it with");
    else if (result != VGG_GPU_OK)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED, "the GPU cannot be measured: %s",
                          m.calls->said(m.gpu));
    close_meter(&m);
    return status;
}
