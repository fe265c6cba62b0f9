#include "train/optimiser.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "nn/device.h"

static const vgg_optimiser_row *const rows[] = {
    [VGG_OPTIMISER_SGD] = &vgg_optimiser_sgd,
    [VGG_OPTIMISER_NESTEROV] = &vgg_optimiser_nesterov,
    [VGG_OPTIMISER_ADAMW] = &vgg_optimiser_adamw,
};
#define ROWS (sizeof rows / sizeof *rows)

/* Of all kinds. */
static const vgg_setting numbers[] = {
    {"clip", offsetof(vgg_optimiser_options, clip), 0, VGG_RANGE_NOT_NEGATIVE},
    {"ema", offsetof(vgg_optimiser_options, ema), 0, VGG_RANGE_FRACTION},
    {"lookahead keep", offsetof(vgg_optimiser_options, lookahead_keep), 0.5, VGG_RANGE_FRACTION},
    {"bias rate", offsetof(vgg_optimiser_options, bias_rate), 1, VGG_RANGE_POSITIVE},
    {"head rate", offsetof(vgg_optimiser_options, head_rate), 1, VGG_RANGE_POSITIVE},
    {"logit scale", offsetof(vgg_optimiser_options, logit_scale), 1, VGG_RANGE_POSITIVE},
};
static const vgg_setting_list number_list = {numbers, sizeof numbers / sizeof *numbers};

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
    vgg_settings_init(number_list, &defaults);
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
    vgg_plan *plan = optimiser->plan;
    vgg_status status = VGG_OK;
    for (size_t k = 0; status == VGG_OK && k < VGG_COPIES_MAX; k++) {
        if (optimiser->row->copies[k] == NULL)
            break;
        status = vgg_network_create(vgg_network_describe(optimiser->network), &optimiser->copies[k],
                                    error);
        if (status == VGG_OK)
            status = own_values(optimiser->copies[k], optimiser->network, error);
        if (status == VGG_OK)
            status = plan->device->adopt(plan, optimiser->copies[k], error);
    }
    return status;
}

/* A further copy of the row under that name; returns its number. */
static size_t add_copy(vgg_optimiser_row *row, const char *name) {
    size_t copy = 0;
    while (row->copies[copy] != NULL) {
        copy++;
    }
    row->copies[copy] = name;
    return copy;
}

static vgg_status create_rules(vgg_optimiser *optimiser, vgg_error *error) {
    const vgg_network *network = optimiser->network;
    size_t sums = optimiser->options.clip > 0 ? vgg_clip_sums(network) : 0;
    optimiser->rules = vgg_calloc(network->tensor_count, sizeof *optimiser->rules);
    if (sums > 0)
        optimiser->sums = vgg_calloc(sums, sizeof *optimiser->sums);
    if (optimiser->rules == NULL || (sums > 0 && optimiser->sums == NULL))
        return vgg_fail_memory(error, "an optimiser", sums * sizeof *optimiser->sums);
    vgg_rules_fill(optimiser->row, &optimiser->options, network, optimiser->rules);
    return VGG_OK;
}

static vgg_status check(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                        const vgg_network *network, const vgg_plan *plan, vgg_error *error) {
    vgg_status status = vgg_settings_check(row->numbers, options, error);
    if (status == VGG_OK)
        status = vgg_settings_check(number_list, options, error);
    if (status != VGG_OK)
        return status;
    if (plan->training != network)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the optimiser's plan does not train its network: expected one of "
                        "vgg_plan_create_training");
    if (plan->options.defer_linear && !vgg_rules_defer(row, options, network))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s with these options needs stored gradients, and its plan was made with "
                        "defer_linear",
                        row->name);
    return VGG_OK;
}

vgg_status vgg_optimiser_of_row(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                                vgg_network *network, vgg_plan *plan, vgg_optimiser **out,
                                vgg_error *error) {
    vgg_status status = check(row, options, network, plan, error);
    if (status != VGG_OK)
        return status;
    vgg_optimiser *optimiser = vgg_calloc(1, sizeof *optimiser);
    if (optimiser == NULL)
        return vgg_fail_memory(error, "an optimiser", sizeof *optimiser);
    *optimiser = (vgg_optimiser){.own_row = *row,
                                 .options = *options,
                                 .network = network,
                                 .plan = plan,
                                 .slow = VGG_NO_COPY,
                                 .average = VGG_NO_COPY};
    optimiser->row = &optimiser->own_row;
    if (options->lookahead > 0)
        optimiser->slow = add_copy(&optimiser->own_row, "slow");
    if (options->ema > 0)
        optimiser->average = add_copy(&optimiser->own_row, "average");
    status = create_copies(optimiser, error);
    if (status == VGG_OK)
        status = own_values(network, network, error);
    if (status == VGG_OK)
        status = create_rules(optimiser, error);
    if (status != VGG_OK) {
        vgg_optimiser_free(optimiser);
        return status;
    }
    vgg_loss_scale_begin(&plan->loss_scale);
    vgg_optimiser_begin(optimiser);
    *out = optimiser;
    return VGG_OK;
}

/* The caller's options, complete, and their row. */
static vgg_status read_options(const vgg_optimiser_options *given, vgg_optimiser_options *options,
                               const vgg_optimiser_row **row, vgg_error *error) {
    vgg_optimiser_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_optimiser_options", error);
    return status == VGG_OK ? vgg_optimiser_find(options->kind, row, error) : status;
}

vgg_status vgg_optimiser_create(vgg_network *network, vgg_plan *plan,
                                const vgg_optimiser_options *given, vgg_optimiser **optimiser,
                                vgg_error *error) {
    vgg_optimiser_options options;
    const vgg_optimiser_row *row = NULL;
    vgg_status status = read_options(given, &options, &row, error);
    if (status != VGG_OK)
        return status;
    return vgg_optimiser_of_row(row, &options, network, plan, optimiser, error);
}

bool vgg_optimiser_defers(const vgg_network *network, const vgg_optimiser_options *given) {
    vgg_optimiser_options options;
    const vgg_optimiser_row *row = NULL;
    return read_options(given, &options, &row, NULL) == VGG_OK &&
           vgg_rules_defer(row, &options, network);
}

void vgg_optimiser_free(vgg_optimiser *optimiser) {
    if (optimiser == NULL)
        return;
    for (size_t k = 0; k < VGG_COPIES_MAX; k++) {
        vgg_network *copy = optimiser->copies[k];
        if (copy != NULL && copy->kept != NULL)
            copy->kept->device->forget(copy->kept, copy);
        vgg_network_free(copy);
    }
    vgg_free(optimiser->rules);
    vgg_free(optimiser->sums);
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

/* Moves the loss scale by what the gradients are. */
static vgg_status check_gradients(vgg_plan *plan, bool *finite, vgg_error *error) {
    if (plan->device->check_gradients == NULL || !plan->loss_scale.moves)
        return VGG_OK;
    vgg_status status = plan->device->check_gradients(plan, finite, error);
    return status == VGG_OK ? vgg_loss_scale_move(&plan->loss_scale, *finite, error) : status;
}

size_t vgg_optimiser_skipped(const vgg_optimiser *optimiser) {
    return optimiser->plan->loss_scale.skipped;
}

vgg_status vgg_optimiser_step(vgg_optimiser *optimiser, double rate, vgg_error *error) {
    vgg_plan *plan = optimiser->plan;
    bool deferred = plan->options.defer_linear;
    if (!(rate >= 0 && isfinite(rate)))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "learning rate %g, expected 0 or more", rate);
    if (deferred && plan->passes == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a step of a plan with defer_linear needs a backward pass of its own");
    bool finite = true;
    vgg_status status = check_gradients(plan, &finite, error);
    if (status == VGG_OK && !finite) {
        vgg_plan_begin_step(plan);
        return VGG_OK;
    }
    if (status == VGG_OK && optimiser->options.clip > 0)
        status = vgg_clip_gradients(optimiser, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i < optimiser->network->tensor_count; i++) {
        const float *gradient = plan->device->gradient_place(plan, i);
        if (gradient != NULL && !optimiser->rules[i].fixed)
            optimiser->row->update(optimiser, i, gradient, rate * optimiser->rules[i].rate);
    }
    vgg_optimiser_finish_updates(optimiser);
    if (deferred)
        optimiser->row->update_deferred(optimiser, rate);
    vgg_plan_begin_step(plan);
    optimiser->steps++;
    vgg_averages_step(optimiser);
    vgg_network_forget_all_int8(optimiser->network);
    optimiser->network->version++;
    return VGG_OK;
}
