/* One step: forward and backward, in parts and micro-batches, and the optimiser's update. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/plan.h"
#include "nn/rank.h"
#include "train/trainer.h"

vgg_status vgg_trainer_fail_not_finite(const vgg_trainer *trainer, const char *what,
                                       vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_NUMERIC,
                    "%s not a finite number in epoch %zu, step %zu, with learning rate %g; a lower "
                    "rate, batch norm or another initialisation may help",
                    what, trainer->progress.epoch + 1, trainer->progress.step + 1,
                    vgg_trainer_rate(trainer));
}

/* A batch norm cannot learn from one picture alone, such as the last of an epoch, or of a batch
 * whose micro-batches have two: it is left out. Micro-batches of one are the caller's wish. */
vgg_division vgg_trainer_divide(const vgg_trainer *trainer, size_t count) {
    bool together = trainer->network->options.batch_norm && trainer->most > 1;
    vgg_division division = {.grain = together && trainer->most == 2 ? 2 : 1};
    size_t least = together ? 2 : 1;
    division.count = count < least ? 0 : count / division.grain * division.grain;
    division.parts = vgg_size_min(trainer->options.parts, division.count / least);
    return division;
}

size_t vgg_division_begin(const vgg_division *division, size_t part) {
    return division->grain * (division->count / division->grain * part / division->parts);
}

/* Adds what `count` pictures of a step of `whole` say to its gradients and to the progress. */
static vgg_status learn_micro_batch(vgg_trainer *trainer, const float *inputs,
                                    const size_t *classes, size_t count, size_t whole,
                                    vgg_error *error) {
    vgg_progress *progress = &trainer->progress;
    size_t class_count = trainer->network->options.classes;
    vgg_status status = vgg_plan_forward(trainer->plan, inputs, count, trainer->logits, error);
    if (status != VGG_OK)
        return status;
    double loss = trainer->loss->part(&trainer->options, trainer->logits, classes, count,
                                      class_count, whole, trainer->gradient);
    if (!isfinite(loss))
        return vgg_trainer_fail_not_finite(trainer, "the loss is", error);
    progress->loss += loss * (double)whole;
    for (size_t n = 0; n < count; n++) {
        progress->hits += vgg_rank(trainer->logits + n * class_count, class_count, classes[n]) == 0;
    }
    return vgg_plan_backward(trainer->plan, trainer->gradient, NULL, error);
}

/* The pictures begin..end-1 of a step of `whole`, in micro-batches that differ by at most one
 * picture. */
static vgg_status learn_part(vgg_trainer *trainer, const float *inputs, const size_t *classes,
                             size_t begin, size_t end, size_t whole, vgg_error *error) {
    const vgg_network_options *network = &trainer->network->options;
    size_t image = network->channels * network->height * network->width;
    size_t count = end - begin, pieces = (count + trainer->most - 1) / trainer->most;
    vgg_status status = VGG_OK;
    for (size_t piece = 0; status == VGG_OK && piece < pieces; piece++) {
        size_t from = begin + count * piece / pieces, to = begin + count * (piece + 1) / pieces;
        status = learn_micro_batch(trainer, inputs + from * image, classes + from, to - from, whole,
                                   error);
    }
    return status;
}

/* All parts; the plan has the sum of their gradients in the end. */
static vgg_status learn_parts(vgg_trainer *trainer, const float *inputs, const size_t *classes,
                              const vgg_division *division, vgg_error *error) {
    vgg_plan *plan = trainer->plan;
    vgg_status status = VGG_OK;
    for (size_t part = 0; status == VGG_OK && part < division->parts; part++) {
        size_t begin = vgg_division_begin(division, part);
        vgg_plan_begin_part(plan, begin);
        status = learn_part(trainer, inputs, classes, begin, vgg_division_begin(division, part + 1),
                            division->count, error);
        if (status == VGG_OK)
            vgg_part_sums_add(&trainer->sums, plan->threads, plan->gradients_of, part,
                              division->parts);
    }
    return status;
}

vgg_status vgg_trainer_learn(vgg_trainer *trainer, const float *inputs, const size_t *classes,
                             size_t count, double *loss, vgg_error *error) {
    vgg_progress *progress = &trainer->progress;
    vgg_division division = vgg_trainer_divide(trainer, count);
    if (division.count == 0)
        return VGG_OK;
    const vgg_progress before = *progress;
    vgg_plan_set_dropout(trainer->plan, trainer->options.seed, progress->updates);
    vgg_status status = learn_parts(trainer, inputs, classes, &division, error);
    if (status != VGG_OK) {
        *progress = before;
        return status;
    }
    if (loss != NULL)
        *loss = (progress->loss - before.loss) / (double)division.count;
    progress->images += division.count;
    progress->updates++;
    return vgg_optimiser_step(trainer->optimiser, vgg_trainer_rate(trainer), error);
}
