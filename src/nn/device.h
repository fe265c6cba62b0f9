/* Devices: what a plan is computed on, a row per kind. A plan goes through its row for all that
 * touches its memory, and so does an optimiser for what it does to weights: nothing outside the row
 * knows which device it is.
 *
 * Addresses: what a row hands out (take, place, gradient_place) is memory of the device, and only
 * the row's own functions read or write there. What callers of a plan give and get (inputs, logits,
 * taps and gradients of them, and what vgg_plan_gradient shows) is memory of the host.
 *
 * Values of networks: a device with memory of its own trains copies there. It takes the host's
 * values where their network's version says that they have changed, and its own come back by
 * `fetch`; who changes values on the host while the device has newer ones fetches those first.
 */
#ifndef VGG_NN_DEVICE_H
#define VGG_NN_DEVICE_H

#include "nn/plan.h"

/* A forward pass of plan->count images. */
typedef struct vgg_forward_pass {
    size_t first, end;   /* the ops that run: first, ..., end - 1 */
    const float *values; /* what flows into op `first` */
    float *const *taps;  /* as in vgg_plan_forward_taps, or NULL */
    float *logits;       /* or NULL where the pass does not come to them */
    float *reached;      /* becomes what flows into op `end`, or NULL */
} vgg_forward_pass;

/* One step of AdamW: the moments of the gradient, and what their bias and the decay make of the
 * rate. */
typedef struct vgg_adamw_task {
    size_t count;
    float *values, *mean, *square;
    const float *gradient;
    float keep, beta1, rest1, beta2, rest2, step, root, epsilon;
} vgg_adamw_task;

/* kept = keep * kept + take * value; with `back`, then value = kept. */
typedef struct vgg_blend_task {
    size_t count;
    float *kept, *values;
    float keep, take;
    bool back;
} vgg_blend_task;

typedef struct vgg_device_row {
    const char *name;
    size_t lanes; /* channels of a map, in what flows, are a multiple of so many */

    /* ---- making a plan ---- */

    /* Decides how to do each op, which buffers there are and where they lie; takes no memory for
     * running. */
    vgg_status (*compile)(vgg_plan *plan, const vgg_graph *graph, vgg_error *error);
    /* Bytes of the device's memory that are left. */
    size_t (*available)(const vgg_plan *plan);
    /* Memory of the device, or NULL. */
    void *(*take)(vgg_plan *plan, size_t bytes);
    void (*give_back)(vgg_plan *plan, void *memory); /* NULL: nothing */
    void (*clear)(vgg_plan *plan, void *memory, size_t bytes);
    /* What running needs besides the plan's memory. */
    vgg_status (*open)(vgg_plan *plan, vgg_error *error);
    void (*close)(vgg_plan *plan); /* also of a plan that was not opened */

    /* ---- running it ---- */

    /* Makes the constants anew: those of the values, or of running statistics alone. */
    vgg_status (*refresh)(vgg_plan *plan, bool values, vgg_error *error);
    vgg_status (*forward)(vgg_plan *plan, const vgg_forward_pass *pass, vgg_error *error);
    /* From op `first` down to op `end`. In a plan with taps op `end` itself runs only where the
     * gradient of the input is wanted. */
    vgg_status (*backward)(vgg_plan *plan, const vgg_tap_pass *pass, size_t first, size_t end,
                           vgg_error *error);
    /* vgg_plan_find_blown, of plan->count images. */
    vgg_blown (*find_blown)(vgg_plan *plan, const vgg_forward_pass *pass);
    /* What does an op, for people; NULL: what its kind does on any device. */
    const char *(*algorithm)(const vgg_plan *plan, const vgg_planned_op *op);
    /* Somebody asks how long ops take: waits for what the last passes took, and measures those to
     * come. */
    void (*know_times)(const vgg_plan *plan);

    /* ---- training ---- */

    /* An optimiser keeps a copy of the plan's network, whose values own their memory, and frees it.
     */
    vgg_status (*adopt)(vgg_plan *plan, vgg_network *copy, vgg_error *error);
    void (*forget)(vgg_plan *plan, vgg_network *copy);
    /* Makes the host's values of the plan's network, or of such a copy, those of the device. */
    vgg_status (*fetch)(vgg_plan *plan, const vgg_network *network, vgg_error *error);
    /* Where the values of a tensor are trained: of the plan's network, or of a copy of it that an
     * optimiser keeps. NULL for one that has none of its own. Whoever asks moves them. */
    float *(*place)(vgg_plan *plan, const vgg_network *network, size_t tensor);
    /* Where a plan's gradient of a tensor is; NULL for one that has none. */
    float *(*gradient_place)(const vgg_plan *plan, size_t tensor);
    /* The same for the host to read, as it is now. */
    const float *(*gradient)(const vgg_plan *plan, size_t tensor);
    /* Before a step: whether the gradients, times the plan's loss scale, were not too large for how
     * the device stores them. NULL: that cannot be. */
    vgg_status (*check_gradients)(vgg_plan *plan, bool *finite, vgg_error *error);
    /* These three may wait until updates are finished, as long as they are of one kind: until then
     * no two may be of the same values. */
    void (*sgd)(vgg_plan *plan, const vgg_sgd_task *task);
    void (*adamw)(vgg_plan *plan, const vgg_adamw_task *task);
    void (*blend)(vgg_plan *plan, const vgg_blend_task *task);
    void (*finish_updates)(vgg_plan *plan); /* NULL: none wait */
    /* The sum of the squares of each chunk of VGG_CHUNK values; `sums` is memory of the host. */
    void (*square_sums)(vgg_plan *plan, const float *values, size_t count, double *sums);
    void (*scale)(vgg_plan *plan, float *values, size_t count, float factor);
    void (*add)(vgg_plan *plan, const float *from, float *to, size_t count); /* to += from */
    void (*copy)(vgg_plan *plan, const float *from, float *to, size_t count);
    /* The step of SGD for the linear layers of a deferred plan that trains, from all images of the
     * step. `velocity` is an optimiser's copy of the network. */
    void (*update_linear)(vgg_plan *plan, const vgg_network *velocity, vgg_sgd_rates rates);
} vgg_device_row;

extern const vgg_device_row vgg_device_cpu, vgg_device_gpu;

#endif
