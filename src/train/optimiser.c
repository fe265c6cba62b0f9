#include "train/optimiser.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "nn/plan.h"

static const vgg_optimiser_row *const rows[] = {
    [VGG_OPTIMISER_SGD] = &vgg_optimiser_sgd,
};
#define ROWS (sizeof rows / sizeof *rows)

const char *vgg_optimiser_name(vgg_optimiser_kind kind) {
    return (size_t)kind < ROWS ? rows[kind]->name : NULL;
}

vgg_status vgg_optimiser_find(vgg_optimiser_kind kind, const vgg_optimiser_row **row,
                              vgg_error *error) {
    if ((size_t)kind >= ROWS)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "optimiser %d, expected 0 to %zu", (int)kind,
                        ROWS - 1);
    *row = rows[kind];
    return VGG_OK;
}

void vgg_optimiser_options_init(vgg_optimiser_options *options, size_t size) {
    vgg_optimiser_options defaults = {.struct_size = size};
    for (size_t i = 0; i < ROWS; i++) {
        vgg_settings_init(rows[i]->numbers, &defaults);
    }
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- making ---- */

/* Values of their own, zeros where there were none, for the layers of `network` that `trained` does
 * not freeze. */
static vgg_status own_values(vgg_network *network, const vgg_network *trained, vgg_error *error) {
    for (size_t l = 0; l < network->layer_count; l++) {
        const vgg_layer *layer = &network->layers[l];
        size_t count = trained->layers[l].frozen ? 0 : layer->tensors;
        for (size_t i = layer->first_tensor; i < layer->first_tensor + count; i++) {
            if (vgg_network_own(network, i) == NULL)
                return vgg_fail_memory(error, network->tensors[i].info.name,
                                       network->tensors[i].info.count * sizeof(float));
        }
    }
    return VGG_OK;
}

static vgg_status create_copies(vgg_optimiser *optimiser, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t k = 0; status == VGG_OK && k < VGG_COPIES_MAX; k++) {
        if (optimiser->row->copies[k] == NULL)
            break;
        status = vgg_network_create(vgg_network_describe(optimiser->network), &optimiser->copies[k],
                                    error);
        if (status == VGG_OK)
            status = own_values(optimiser->copies[k], optimiser->network, error);
    }
    return status;
}

vgg_status vgg_optimiser_of_row(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                                vgg_network *network, vgg_plan *plan, vgg_optimiser **out,
                                vgg_error *error) {
    vgg_status status = vgg_settings_check(row->numbers, options, error);
    if (status != VGG_OK)
        return status;
    if (plan->training != network)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the optimiser's plan does not train its network: expected one of "
                        "vgg_plan_create_training");
    if (plan->options.defer_linear && row->update_deferred == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s needs stored gradients, and its plan was made with defer_linear",
                        row->name);
    vgg_optimiser *optimiser = vgg_calloc(1, sizeof *optimiser);
    if (optimiser == NULL)
        return vgg_fail_memory(error, "an optimiser", sizeof *optimiser);
    *optimiser = (vgg_optimiser){.row = row, .options = *options, .network = network, .plan = plan};
    status = create_copies(optimiser, error);
    if (status == VGG_OK)
        status = own_values(network, network, error);
    if (status != VGG_OK) {
        vgg_optimiser_free(optimiser);
        return status;
    }
    *out = optimiser;
    return VGG_OK;
}

vgg_status vgg_optimiser_create(vgg_network *network, vgg_plan *plan,
                                const vgg_optimiser_options *given, vgg_optimiser **optimiser,
                                vgg_error *error) {
    vgg_optimiser_options options;
    vgg_optimiser_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_optimiser_options", error);
    const vgg_optimiser_row *row = NULL;
    if (status == VGG_OK)
        status = vgg_optimiser_find(options.kind, &row, error);
    if (status != VGG_OK)
        return status;
    return vgg_optimiser_of_row(row, &options, network, plan, optimiser, error);
}

void vgg_optimiser_free(vgg_optimiser *optimiser) {
    if (optimiser == NULL)
        return;
    for (size_t k = 0; k < VGG_COPIES_MAX; k++) {
        vgg_network_free(optimiser->copies[k]);
    }
    vgg_free(optimiser);
}

size_t vgg_optimiser_bytes(const vgg_optimiser_row *row) {
    size_t copies = 0;
    while (copies < VGG_COPIES_MAX && row->copies[copies] != NULL) {
        copies++;
    }
    return copies * sizeof(float);
}

/* ---- one step ---- */

vgg_status vgg_optimiser_step(vgg_optimiser *optimiser, double rate, vgg_error *error) {
    vgg_plan *plan = optimiser->plan;
    bool deferred = plan->options.defer_linear;
    if (!(rate >= 0 && isfinite(rate)))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "learning rate %g, expected 0 or more", rate);
    if (deferred && plan->passes == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a step of a plan with defer_linear needs a backward pass of its own");
    for (size_t i = 0; i < optimiser->network->tensor_count; i++) {
        const float *gradient = vgg_plan_gradient(plan, i);
        if (gradient != NULL)
            optimiser->row->update(optimiser, i, gradient, rate);
    }
    if (deferred)
        optimiser->row->update_deferred(optimiser, rate);
    vgg_plan_begin_step(plan);
    optimiser->network->version++;
    return VGG_OK;
}
