/* The training steps that vgg bench --train measures. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench.h"
#include "vgg/loss.h"
#include "vgg/plan.h"

/* Any that are spread over the classes and the same in every process. */
static void draw_labels(vgg_cli_bench_trainer *trainer) {
    uint32_t state = 1;
    for (size_t i = 0; i < trainer->batch; i++) {
        state = state * 1664525u + 1013904223u; /* as the inputs are drawn */
        trainer->classes[i] = (state >> 8) % trainer->class_count;
    }
}

static vgg_status out_of_memory(size_t batch, vgg_error *error) {
    error->status = VGG_ERROR_MEMORY;
    snprintf(error->message, sizeof error->message,
             "out of memory for the labels and the gradient of batch %zu", batch);
    return error->status;
}

vgg_status vgg_cli_bench_trainer_create(vgg_cli_bench_trainer *trainer, vgg_network *network,
                                        vgg_plan *plan, size_t batch, vgg_error *error) {
    *trainer = (vgg_cli_bench_trainer){
        .plan = plan, .batch = batch, .class_count = vgg_network_describe(network)->classes};
    vgg_optimiser_options options;
    vgg_optimiser_options_init(&options, sizeof options);
    options.momentum = VGG_CLI_BENCH_MOMENTUM;
    options.weight_decay = VGG_CLI_BENCH_WEIGHT_DECAY;
    vgg_status status = vgg_optimiser_create(network, plan, &options, &trainer->optimiser, error);
    if (status != VGG_OK)
        return status;
    trainer->classes = calloc(batch, sizeof *trainer->classes);
    trainer->gradient = calloc(batch, trainer->class_count * sizeof *trainer->gradient);
    if (trainer->classes == NULL || trainer->gradient == NULL)
        return out_of_memory(batch, error);
    draw_labels(trainer);
    return VGG_OK;
}

void vgg_cli_bench_trainer_free(vgg_cli_bench_trainer *trainer) {
    vgg_optimiser_free(trainer->optimiser);
    free(trainer->classes);
    free(trainer->gradient);
}

vgg_status vgg_cli_bench_trainer_step(vgg_cli_bench_trainer *trainer, const float *inputs,
                                      float *logits, vgg_error *error) {
    vgg_plan_set_dropout(trainer->plan, 0, trainer->steps++);
    double begun = vgg_cli_now();
    vgg_status status = vgg_plan_forward(trainer->plan, inputs, trainer->batch, logits, error);
    trainer->forward_seconds = vgg_cli_now() - begun;
    if (status != VGG_OK)
        return status;
    vgg_cross_entropy(logits, trainer->classes, trainer->batch, trainer->class_count,
                      trainer->gradient);
    begun = vgg_cli_now();
    status = vgg_plan_backward(trainer->plan, trainer->gradient, NULL, error);
    if (status == VGG_OK)
        status = vgg_optimiser_step(trainer->optimiser, VGG_CLI_BENCH_RATE, error);
    /* A GPU is done when it knows how long it took. */
    vgg_op_info info = {.struct_size = sizeof info};
    if (status == VGG_OK)
        status = vgg_plan_op(trainer->plan, 0, &info, error);
    trainer->backward_seconds = vgg_cli_now() - begun;
    return status;
}
