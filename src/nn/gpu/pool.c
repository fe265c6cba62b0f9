#include "nn/gpu/pool.h"

#include <pthread.h>

#include "base/memory.h"

/* As many plans as an evaluation has at once, of its sizes and views. */
#define IDLE_DEVICES 4
/* Of VGG-19 at some sizes, or in training and in evaluation. */
#define IDLE_CONVS 256

static struct {
    pthread_mutex_t lock;
    gpu_opened *idle; /* that given back last first */
    size_t count;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- convolutions ---- */

static bool is_same(const vgg_gpu_conv_shape *a, const vgg_gpu_conv_shape *b) {
    return a->pass == b->pass && a->precision == b->precision && a->images == b->images &&
           a->height == b->height && a->width == b->width && a->out_height == b->out_height &&
           a->out_width == b->out_width && a->inputs == b->inputs && a->outputs == b->outputs &&
           a->kernel == b->kernel && a->padding == b->padding && a->relu == b->relu;
}

vgg_gpu_result vgg_gpu_take_conv(gpu_opened *opened, const vgg_gpu_conv_shape *shape,
                                 gpu_conv **out) {
    for (gpu_conv **at = &opened->idle; *at != NULL; at = &(*at)->next) {
        if (!is_same(&(*at)->shape, shape))
            continue;
        *out = *at;
        *at = (*at)->next;
        return VGG_GPU_OK;
    }
    gpu_conv *conv = vgg_calloc(1, sizeof *conv);
    if (conv == NULL)
        return VGG_GPU_NO_MEMORY;
    conv->shape = *shape;
    vgg_gpu_result result = opened->calls->conv_make(opened->gpu, shape, &conv->conv, &conv->needs);
    if (result == VGG_GPU_OK)
        *out = conv;
    else
        vgg_free(conv);
    return result;
}

/* Frees those behind the first `keep`. */
static void free_convs(gpu_opened *opened, size_t keep) {
    gpu_conv **at = &opened->idle;
    for (size_t i = 0; i < keep && *at != NULL; i++) {
        at = &(*at)->next;
    }
    while (*at != NULL) {
        gpu_conv *conv = *at;
        *at = conv->next;
        opened->calls->conv_free(opened->gpu, conv->conv);
        vgg_free(conv);
    }
}

void vgg_gpu_give_back_conv(gpu_opened *opened, gpu_conv *conv) {
    conv->next = opened->idle;
    opened->idle = conv;
    free_convs(opened, IDLE_CONVS);
}

/* ---- devices ---- */

static void close_device(gpu_opened *opened) {
    free_convs(opened, 0);
    opened->calls->close(opened->gpu);
    vgg_free(opened);
}

/* Of these calls; NULL: of any. */
static gpu_opened *take_idle(const vgg_gpu_calls *calls) {
    pthread_mutex_lock(&pool.lock);
    gpu_opened **at = &pool.idle;
    while (*at != NULL && calls != NULL && (*at)->calls != calls) {
        at = &(*at)->next;
    }
    gpu_opened *opened = *at;
    if (opened != NULL) {
        *at = opened->next;
        pool.count--;
    }
    pthread_mutex_unlock(&pool.lock);
    return opened;
}

vgg_gpu_result vgg_gpu_pool_take(const vgg_gpu_calls *calls, gpu_opened **out, char *said,
                                 size_t size) {
    *out = take_idle(calls);
    if (*out != NULL)
        return VGG_GPU_OK;
    gpu_opened *opened = vgg_calloc(1, sizeof *opened);
    if (opened == NULL)
        return VGG_GPU_NO_MEMORY;
    opened->calls = calls;
    vgg_gpu_result result = calls->open(&opened->gpu, said, size);
    if (result == VGG_GPU_OK)
        *out = opened;
    else
        vgg_free(opened);
    return result;
}

void vgg_gpu_pool_give_back(gpu_opened *opened, bool sound) {
    pthread_mutex_lock(&pool.lock);
    bool keeps = sound && pool.count < IDLE_DEVICES;
    if (keeps) {
        opened->next = pool.idle;
        pool.idle = opened;
        pool.count++;
    }
    pthread_mutex_unlock(&pool.lock);
    if (!keeps)
        close_device(opened);
}

void vgg_gpu_pool_clear(void) {
    for (gpu_opened *opened = take_idle(NULL); opened != NULL; opened = take_idle(NULL)) {
        close_device(opened);
    }
}
