/* A GPU as a device of plans: what its row (row.c) is made of. The plan's ops and buffers are those
 * of plan.h; what a GPU needs besides stands here.
 *
 * Convolutions and products always run on the plan's whole batch, so that they are prepared once
 * and an image's numbers do not depend on how many came with it; kernels of our own run on the
 * images that there are. What lies in the places of the others is garbage that nobody reads, and
 * zero where a sum over images would see it. */
#ifndef VGG_NN_GPU_GPU_H
#define VGG_NN_GPU_GPU_H

#include "nn/compiler.h"
#include "nn/device.h"
#include "nn/gpu/pool.h"

/* What an op needs on a GPU besides what vgg_planned_op says. */
typedef struct gpu_op {
    vgg_gpu_element element; /* of its output */
    gpu_conv *convs[3];      /* convolution: by pass; NULL where it is not wanted */
    vgg_gpu_product *forward, *data, *weights; /* linear */
    size_t workspace, back_workspace;          /* bytes at the end of scratch and back_scratch */
    size_t columns;                            /* linear: of its sums, whole lanes */
    bool packs; /* linear: multiplies a copy of its weights in whole lanes */
} gpu_op;

/* Copies of a network's values in the device's memory. */
typedef struct gpu_mirror {
    const vgg_network *network;
    vgg_network *trained; /* the same where the device may move its values, else NULL */
    float **at;           /* per tensor; NULL: none */
    unsigned long version, statistics; /* of the network's values that it holds */
    bool filled;
    struct gpu_mirror *next;
} gpu_mirror;

/* A recorded forward pass of so many images. */
#define GPU_RECORDS 2
typedef struct gpu_recorded {
    size_t count;
    vgg_gpu_record *record;
} gpu_recorded;

/* Moments around the ops of a pass: one before the first, one behind each. */
typedef struct gpu_times {
    vgg_gpu_moment **moments; /* NULL: not measured */
    size_t first, end;        /* of the ops that were measured last; first == end: none */
} gpu_times;

/* Pinned memory of the host that inputs go through. */
#define GPU_PLACES 2
typedef struct gpu_place {
    void *memory;
    vgg_gpu_moment *sent;
    bool used; /* something was sent from there */
} gpu_place;

typedef struct gpu_inputs {
    gpu_place places[GPU_PLACES];
    size_t bytes, next;   /* of a place; which has its turn */
    vgg_gpu_moment *last; /* of what was sent last */
    bool tried;           /* to have the places */
} gpu_inputs;

/* What is done to values between two steps, of up to so many tensors at once. */
#define GPU_UPDATES 128
typedef enum gpu_update_kind { GPU_SGD, GPU_ADAMW, GPU_BLEND } gpu_update_kind;
typedef struct gpu_update_table {
    size_t ends[GPU_UPDATES];
    char tasks[GPU_UPDATES * sizeof(vgg_gpu_adamw_task)]; /* of a kind, of which this is largest */
} gpu_update_table;

typedef struct gpu_updates {
    gpu_update_kind kind;
    size_t count;                       /* that wait */
    gpu_update_table table, *on_device; /* the latter NULL where it was not tried, or in vain */
    bool tried;
} gpu_updates;

typedef struct gpu_state {
    const vgg_gpu_calls *calls;
    gpu_opened *opened;
    vgg_gpu *gpu; /* that */
    gpu_op *ops;
    vgg_gpu_precision precision;
    vgg_gpu_element element; /* of activations */
    size_t staging;          /* buffer: floats that go to the host or come from there, but inputs */
    size_t sums;             /* buffer: partial sums */
    size_t update;           /* buffer, deferred: the gradient of one linear layer */
    vgg_gpu_product **updates; /* deferred: per op, its gradient from all images of a step */
    size_t update_workspace;   /* bytes at the end of `update` */
    size_t *values;            /* per tensor: where its values lie in the constants */
    gpu_mirror own;            /* of the plan's network: in the constants */
    gpu_mirror *copies;        /* of networks that an optimiser keeps */
    float *gradient;           /* of the host: what vgg_plan_gradient shows */
    gpu_updates updates_waiting;
    double *square_sums; /* of the device */
    size_t square_count;
    gpu_recorded records[GPU_RECORDS];
    size_t next_record;
    bool eager;      /* a first pass was run without recording it */
    bool unrecorded; /* recording failed */
    bool watched;    /* somebody asks for the times of ops: they are recorded, too */
    gpu_inputs inputs;
    gpu_times forward, backward;
    vgg_gpu_result result; /* of the first call that failed since somebody was told */
    char said[160];
} gpu_state;

static inline gpu_state *vgg_gpu_state(const vgg_plan *plan) {
    return plan->state;
}

static inline gpu_op *vgg_gpu_op_of(const vgg_plan *plan, const vgg_planned_op *op) {
    return &vgg_gpu_state(plan)->ops[op - plan->ops];
}

static inline size_t vgg_gpu_lanes(size_t channels) {
    return VGG_GPU_GROUPS(channels) * VGG_GPU_LANES;
}

/* Channels of whole blocks, as maps of the host may have them. */
static inline size_t vgg_gpu_whole_blocks(size_t channels) {
    return (channels + VGG_GPU_BLOCK - 1) / VGG_GPU_BLOCK * VGG_GPU_BLOCK;
}

static inline size_t vgg_gpu_element_bytes(vgg_gpu_element element) {
    return element == VGG_GPU_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
}

/* ---- queue.c, state.c ---- */

/* Notes how a call went; what failed first is told by the next vgg_gpu_tell. */
void vgg_gpu_note(gpu_state *state, vgg_gpu_result result);
/* A status for what failed since the last time, in words. */
vgg_status vgg_gpu_tell(vgg_plan *plan, vgg_error *error);
void vgg_gpu_launch(vgg_plan *plan, vgg_gpu_kernel kernel, const void *task, size_t units);
/* A pass of an op's convolution. */
void vgg_gpu_run_conv(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_pass pass,
                      const vgg_gpu_conv_task *task);

vgg_status vgg_gpu_open_state(vgg_plan *plan, size_t ops, vgg_error *error);
void vgg_gpu_close(vgg_plan *plan);

/* ---- compile.c, gradients.c ---- */

vgg_status vgg_gpu_compile(vgg_plan *plan, const vgg_graph *graph, vgg_error *error);
void vgg_gpu_compile_backward(plan_compiler *compiler);

/* ---- shapes.c ---- */

/* Values of the plan's whole batch at all places that an image has. */
size_t vgg_gpu_values(plan_compiler *compiler, size_t channels, size_t pixels);
/* A buffer for so many of an extent, in lanes. */
size_t vgg_gpu_add_map(plan_compiler *compiler, vgg_extent extent, vgg_gpu_element element);
/* Prepares a pass of an op's convolution; bytes of its work space. */
size_t vgg_gpu_make_conv(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_pass pass);
vgg_gpu_conv_shape vgg_gpu_shape_of(const vgg_plan *plan, const vgg_planned_op *op,
                                    vgg_gpu_pass pass);

/* ---- mirrors.c ---- */

/* The device's values of a network, those of the host where it has newer ones; NULL for a network
 * that the plan does not know. */
gpu_mirror *vgg_gpu_mirror(vgg_plan *plan, const vgg_network *network);
vgg_status vgg_gpu_adopt(vgg_plan *plan, vgg_network *network, vgg_error *error);
void vgg_gpu_forget(vgg_plan *plan, vgg_network *network);
vgg_status vgg_gpu_fetch(vgg_plan *plan, const vgg_network *network, vgg_error *error);
float *vgg_gpu_place(vgg_plan *plan, const vgg_network *network, size_t tensor);
/* Values of a tensor of an op's layer. */
float *vgg_gpu_tensor(vgg_plan *plan, size_t layer, size_t which);
void vgg_gpu_free_mirrors(vgg_plan *plan);

/* ---- tasks.c: what the tasks of an op have in common forward and backward ---- */

vgg_gpu_pool_task vgg_gpu_pool_task_of(const vgg_plan *plan, const vgg_planned_op *op);
vgg_gpu_lrn_task vgg_gpu_lrn_task_of(const vgg_plan *plan, const vgg_planned_op *op);
vgg_gpu_flatten_task vgg_gpu_flatten_task_of(const vgg_plan *plan, const vgg_planned_op *op);
vgg_gpu_dropout vgg_gpu_dropout_of(const vgg_plan *plan, const vgg_planned_op *op);
/* Of what lies in a buffer, to another. */
vgg_gpu_dropout_task vgg_gpu_dropout_task_of(vgg_plan *plan, const vgg_planned_op *op, size_t from,
                                             size_t to);

/* ---- inputs.c ---- */

/* Copies inputs of so many bytes to the plan's buffer for them; `from` may change at once. */
void vgg_gpu_send_inputs(vgg_plan *plan, const float *from, size_t bytes);
/* Whether all that was sent has come. */
bool vgg_gpu_free_inputs(gpu_state *state);

/* ---- refresh.c ---- */

vgg_status vgg_gpu_refresh(vgg_plan *plan, bool values, vgg_error *error);

/* ---- forward.c, backward.c, norm.c ---- */

void vgg_gpu_forward_op(vgg_plan *plan, vgg_planned_op *op);
void vgg_gpu_backward_op(vgg_plan *plan, vgg_planned_op *op);
void vgg_gpu_norm_forward(vgg_plan *plan, const vgg_planned_op *op);
void vgg_gpu_norm_backward(vgg_plan *plan, const vgg_planned_op *op);
void vgg_gpu_fold_norm(vgg_plan *plan, const vgg_planned_op *op);
/* Floats that the partial sums over a map take. */
size_t vgg_gpu_sums_floats(size_t positions, size_t channels);
/* The sum per channel of a map of `positions` to `to`, times the factor, added to it or in its
 * place. */
void vgg_gpu_channel_sums(vgg_plan *plan, const void *map, size_t positions, size_t channels,
                          float *to, float factor, bool add);

/* ---- passes.c ---- */

/* What does a pass of an op, for people. */
const char *vgg_gpu_algorithm(const vgg_plan *plan, const vgg_planned_op *op);
void vgg_gpu_know_times(const vgg_plan *plan);

vgg_status vgg_gpu_forward(vgg_plan *plan, const vgg_forward_pass *pass, vgg_error *error);
vgg_status vgg_gpu_backward(vgg_plan *plan, const vgg_tap_pass *pass, size_t first, size_t end,
                            vgg_error *error);
/* The largest magnitude among values of the device, infinite when one is not finite. */
double vgg_gpu_largest(vgg_plan *plan, const void *from, vgg_gpu_element element, size_t count);
vgg_blown vgg_gpu_find_blown(vgg_plan *plan, const vgg_forward_pass *pass);

/* ---- updates.c ---- */

/* Does a task of that kind, of `count` values, at the latest when updates are finished. */
void vgg_gpu_update(vgg_plan *plan, gpu_update_kind kind, const void *task, size_t count);
void vgg_gpu_finish_updates(vgg_plan *plan);

/* ---- learn.c ---- */

float *vgg_gpu_gradient_place(const vgg_plan *plan, size_t tensor);
const float *vgg_gpu_gradient(const vgg_plan *plan, size_t tensor);
vgg_status vgg_gpu_check_gradients(vgg_plan *plan, bool *finite, vgg_error *error);
void vgg_gpu_sgd(vgg_plan *plan, const vgg_sgd_task *task);
void vgg_gpu_adamw(vgg_plan *plan, const vgg_adamw_task *task);
void vgg_gpu_blend(vgg_plan *plan, const vgg_blend_task *task);
void vgg_gpu_square_sums(vgg_plan *plan, const float *values, size_t count, double *sums);
void vgg_gpu_scale(vgg_plan *plan, float *values, size_t count, float factor);
void vgg_gpu_add(vgg_plan *plan, const float *from, float *to, size_t count);
void vgg_gpu_copy(vgg_plan *plan, const float *from, float *to, size_t count);
void vgg_gpu_update_linear(vgg_plan *plan, const vgg_network *velocity, vgg_sgd_rates rates);

#endif
