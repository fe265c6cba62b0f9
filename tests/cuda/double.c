/* The double's table of calls. */
#include "double.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What was asked between record_begin and record_end. */
typedef enum kind { COPY, CLEAR, CONV, PRODUCT, KERNEL, MOMENT } kind;

typedef struct asked {
    kind kind;
    void *to;
    const void *from;
    size_t bytes; /* or units */
    vgg_gpu_conv *conv;
    vgg_gpu_product *product;
    vgg_gpu_kernel kernel;
    void *task;
    struct asked *next;
} asked;

struct vgg_gpu_record {
    asked *first, **end;
};

/* What was sent and has not come. */
typedef struct parcel {
    void *to;
    const void *from;
    size_t bytes;
    vgg_gpu_moment *sent;
    struct parcel *next;
} parcel;

struct vgg_gpu {
    vgg_gpu_record *recording;
    parcel *parcels;
    char said[64];
};

struct vgg_gpu_conv {
    vgg_gpu_conv_shape shape;
};

struct vgg_gpu_product {
    vgg_gpu_product_shape shape;
};

struct vgg_gpu_moment {
    double seconds;
};

static size_t calls_made, failing_call, things, convs, sends, launches[vgg_gpu_kernel_count];
static size_t refused_pinned;
static vgg_gpu_result failing_result;

size_t vgg_double_fail(size_t call, vgg_gpu_result result) {
    size_t made = calls_made;
    calls_made = 0;
    failing_call = call;
    failing_result = result;
    return made;
}

size_t vgg_double_things(void) {
    return things;
}

size_t vgg_double_convs(void) {
    return convs;
}

size_t vgg_double_launches(vgg_gpu_kernel kernel) {
    return launches[kernel];
}

size_t vgg_double_sends(void) {
    return sends;
}

/* Counts a call; what it is to fail with. */
static vgg_gpu_result count(vgg_gpu *gpu) {
    calls_made++;
    if (calls_made != failing_call)
        return VGG_GPU_OK;
    if (gpu != NULL)
        snprintf(gpu->said, sizeof gpu->said, "call %zu fails", calls_made);
    return failing_result;
}

static void *make(size_t bytes) {
    void *thing = calloc(1, bytes);
    if (thing == NULL)
        abort();
    things++;
    return thing;
}

static void unmake(void *thing) {
    things--;
    free(thing);
}

/* ---- the device ---- */

static vgg_gpu_result open_double(vgg_gpu **gpu, char *said, size_t size) {
    vgg_gpu_result result = count(NULL);
    if (result != VGG_GPU_OK) {
        snprintf(said, size, "call %zu fails", calls_made);
        return result;
    }
    *gpu = make(sizeof **gpu);
    return VGG_GPU_OK;
}

static void close_double(vgg_gpu *gpu) {
    while (gpu->parcels != NULL) {
        parcel *lost = gpu->parcels;
        gpu->parcels = lost->next;
        free(lost);
    }
    unmake(gpu);
}

static const char *name(const vgg_gpu *gpu) {
    (void)gpu;
    return "a double on the processor";
}

static const char *said(const vgg_gpu *gpu) {
    return gpu->said;
}

static vgg_gpu_result wait_double(vgg_gpu *gpu) {
    return count(gpu);
}

/* ---- memory ---- */

static size_t left(vgg_gpu *gpu) {
    (void)gpu;
    return vgg_double_left();
}

static void *take(vgg_gpu *gpu, size_t bytes) {
    if (count(gpu) != VGG_GPU_OK)
        return NULL;
    vgg_double_enter();
    void *memory = vgg_double_take(bytes);
    vgg_double_leave();
    return memory;
}

static void give_back(vgg_gpu *gpu, void *memory) {
    (void)gpu;
    if (memory == NULL)
        return;
    vgg_double_enter();
    vgg_double_give_back(memory);
    vgg_double_leave();
}

void vgg_double_refuse_pinned(size_t number) {
    refused_pinned = number;
}

static void *take_pinned(vgg_gpu *gpu, size_t bytes) {
    if (refused_pinned > 0 && --refused_pinned == 0) {
        refused_pinned = 1;
        return NULL;
    }
    return count(gpu) == VGG_GPU_OK ? make(bytes) : NULL;
}

static void give_back_pinned(vgg_gpu *gpu, void *memory) {
    (void)gpu;
    if (memory != NULL)
        unmake(memory);
}

static vgg_gpu_result upload(vgg_gpu *gpu, void *to, const void *from, size_t bytes) {
    vgg_gpu_result result = count(gpu);
    if (result != VGG_GPU_OK)
        return result;
    vgg_double_enter();
    vgg_double_check_host(from, bytes);
    vgg_double_check_device(to, bytes);
    memcpy(to, from, bytes);
    vgg_double_leave();
    return VGG_GPU_OK;
}

static vgg_gpu_result download(vgg_gpu *gpu, void *to, const void *from, size_t bytes) {
    vgg_gpu_result result = count(gpu);
    if (result != VGG_GPU_OK)
        return result;
    vgg_double_enter();
    vgg_double_check_host(to, bytes);
    vgg_double_check_device(from, bytes);
    memcpy(to, from, bytes);
    vgg_double_leave();
    return VGG_GPU_OK;
}

/* ---- beside the queue ---- */

/* Nothing comes before somebody waits for it, so that memory which changes too early is seen. */
static vgg_gpu_result send(vgg_gpu *gpu, void *to, const void *from, size_t bytes,
                           vgg_gpu_moment *sent) {
    vgg_gpu_result result = count(gpu);
    if (result != VGG_GPU_OK)
        return result;
    sends++;
    vgg_double_check_host(from, bytes);
    parcel **end = &gpu->parcels, *more = malloc(sizeof *more);
    if (more == NULL)
        abort();
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *more = (parcel){to, from, bytes, sent, NULL};
    *end = more;
    return VGG_GPU_OK;
}

/* All up to the last that has the moment. */
static void deliver(vgg_gpu *gpu, const vgg_gpu_moment *sent) {
    size_t wanted = 0, number = 0;
    for (const parcel *at = gpu->parcels; at != NULL; at = at->next) {
        number++;
        wanted = at->sent == sent ? number : wanted;
    }
    for (; wanted > 0; wanted--) {
        parcel *first = gpu->parcels;
        gpu->parcels = first->next;
        vgg_double_enter();
        vgg_double_check_device(first->to, first->bytes);
        memcpy(first->to, first->from, first->bytes);
        vgg_double_leave();
        free(first);
    }
}

static vgg_gpu_result wait_for(vgg_gpu *gpu, vgg_gpu_moment *sent) {
    vgg_gpu_result result = count(gpu);
    if (result == VGG_GPU_OK)
        deliver(gpu, sent);
    return result;
}

/* ---- what can be recorded ---- */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void perform(const asked *what) {
    vgg_double_enter();
    switch (what->kind) {
    case COPY:
        vgg_double_check_device(what->from, what->bytes);
        vgg_double_check_device(what->to, what->bytes);
        memmove(what->to, what->from, what->bytes);
        break;
    case CLEAR:
        vgg_double_check_device(what->to, what->bytes);
        memset(what->to, 0, what->bytes);
        break;
    case CONV:
        vgg_double_conv(&what->conv->shape, what->task);
        break;
    case PRODUCT:
        vgg_double_product(&what->product->shape, what->task);
        break;
    case KERNEL:
        vgg_double_launch(what->kernel, what->task, what->bytes);
        break;
    case MOMENT:
        ((vgg_gpu_moment *)what->to)->seconds = now();
        break;
    }
    vgg_double_leave();
}

/* Does it, or records it with a copy of its task. */
static vgg_gpu_result ask(vgg_gpu *gpu, asked what, size_t task_bytes) {
    vgg_gpu_result result = count(gpu);
    if (result != VGG_GPU_OK)
        return result;
    if (gpu->recording == NULL) {
        perform(&what);
        return VGG_GPU_OK;
    }
    asked *kept = malloc(sizeof *kept);
    void *task = malloc(task_bytes + 1);
    if (kept == NULL || task == NULL)
        abort();
    *kept = what;
    if (task_bytes > 0)
        memcpy(task, what.task, task_bytes);
    kept->task = task;
    *gpu->recording->end = kept;
    gpu->recording->end = &kept->next;
    return VGG_GPU_OK;
}

static vgg_gpu_result clear(vgg_gpu *gpu, void *memory, size_t bytes) {
    return ask(gpu, (asked){.kind = CLEAR, .to = memory, .bytes = bytes}, 0);
}

static vgg_gpu_result copy(vgg_gpu *gpu, void *to, const void *from, size_t bytes) {
    return ask(gpu, (asked){.kind = COPY, .to = to, .from = from, .bytes = bytes}, 0);
}

static vgg_gpu_result conv_make(vgg_gpu *gpu, const vgg_gpu_conv_shape *shape, vgg_gpu_conv **conv,
                                vgg_gpu_conv_needs *needs) {
    vgg_gpu_result result = count(gpu);
    if (result != VGG_GPU_OK)
        return result;
    if (shape->inputs % VGG_GPU_LANES != 0 || shape->outputs % VGG_GPU_LANES != 0)
        abort();
    convs++;
    *conv = make(sizeof **conv);
    (*conv)->shape = *shape;
    needs->workspace = 64;
    needs->narrow = shape->precision == VGG_GPU_F16;
    needs->words = "double";
    return VGG_GPU_OK;
}

static vgg_gpu_result conv_run(vgg_gpu *gpu, vgg_gpu_conv *conv, const vgg_gpu_conv_task *task) {
    return ask(gpu, (asked){.kind = CONV, .conv = conv, .task = (void *)(uintptr_t)task},
               sizeof *task);
}

static void conv_free(vgg_gpu *gpu, vgg_gpu_conv *conv) {
    (void)gpu;
    unmake(conv);
}

static vgg_gpu_result product_make(vgg_gpu *gpu, const vgg_gpu_product_shape *shape,
                                   vgg_gpu_product **product, size_t *workspace) {
    vgg_gpu_result result = count(gpu);
    if (result != VGG_GPU_OK)
        return result;
    *product = make(sizeof **product);
    (*product)->shape = *shape;
    *workspace = 128;
    return VGG_GPU_OK;
}

static vgg_gpu_result product_run(vgg_gpu *gpu, vgg_gpu_product *product,
                                  const vgg_gpu_product_task *task) {
    return ask(gpu, (asked){.kind = PRODUCT, .product = product, .task = (void *)(uintptr_t)task},
               sizeof *task);
}

static void product_free(vgg_gpu *gpu, vgg_gpu_product *product) {
    (void)gpu;
    unmake(product);
}

static vgg_gpu_result launch(vgg_gpu *gpu, vgg_gpu_kernel kernel, const void *task, size_t units) {
    launches[kernel]++;
    return ask(
        gpu,
        (asked){.kind = KERNEL, .kernel = kernel, .bytes = units, .task = (void *)(uintptr_t)task},
        vgg_double_task_bytes(kernel));
}

/* ---- repeating ---- */

static vgg_gpu_result record_begin(vgg_gpu *gpu) {
    vgg_gpu_result result = count(gpu);
    if (result != VGG_GPU_OK)
        return result;
    gpu->recording = make(sizeof *gpu->recording);
    gpu->recording->end = &gpu->recording->first;
    return VGG_GPU_OK;
}

static void record_free(vgg_gpu *gpu, vgg_gpu_record *record) {
    (void)gpu;
    while (record->first != NULL) {
        asked *what = record->first;
        record->first = what->next;
        free(what->task);
        free(what);
    }
    unmake(record);
}

static vgg_gpu_result record_end(vgg_gpu *gpu, vgg_gpu_record **record) {
    vgg_gpu_result result = count(gpu);
    if (gpu->recording == NULL)
        abort();
    if (result == VGG_GPU_OK)
        *record = gpu->recording;
    else
        record_free(gpu, gpu->recording);
    gpu->recording = NULL;
    return result;
}

static vgg_gpu_result record_run(vgg_gpu *gpu, vgg_gpu_record *record) {
    vgg_gpu_result result = count(gpu);
    for (const asked *what = record->first; result == VGG_GPU_OK && what != NULL;
         what = what->next) {
        perform(what);
    }
    return result;
}

/* ---- time ---- */

static vgg_gpu_result moment_make(vgg_gpu *gpu, vgg_gpu_moment **moment) {
    vgg_gpu_result result = count(gpu);
    if (result == VGG_GPU_OK)
        *moment = make(sizeof **moment);
    return result;
}

static vgg_gpu_result moment_note(vgg_gpu *gpu, vgg_gpu_moment *moment) {
    return ask(gpu, (asked){.kind = MOMENT, .to = moment}, 0);
}

static vgg_gpu_result moment_between(vgg_gpu *gpu, vgg_gpu_moment *from, vgg_gpu_moment *to,
                                     double *seconds) {
    *seconds = to->seconds - from->seconds;
    return count(gpu);
}

static void moment_free(vgg_gpu *gpu, vgg_gpu_moment *moment) {
    (void)gpu;
    unmake(moment);
}

static const vgg_gpu_calls table = {
    .version = VGG_GPU_CALLS_VERSION,
    .open = open_double,
    .close = close_double,
    .name = name,
    .said = said,
    .wait = wait_double,
    .left = left,
    .take = take,
    .give_back = give_back,
    .take_pinned = take_pinned,
    .give_back_pinned = give_back_pinned,
    .send = send,
    .queue_after = wait_for,
    .sent_wait = wait_for,
    .clear = clear,
    .copy = copy,
    .upload = upload,
    .download = download,
    .moment_make = moment_make,
    .moment_note = moment_note,
    .moment_between = moment_between,
    .moment_free = moment_free,
    .record_begin = record_begin,
    .record_end = record_end,
    .record_run = record_run,
    .record_free = record_free,
    .conv_make = conv_make,
    .conv_run = conv_run,
    .conv_free = conv_free,
    .product_make = product_make,
    .product_run = product_run,
    .product_free = product_free,
    .launch = launch,
};

const vgg_gpu_calls *vgg_double_calls(void) {
    return &table;
}
