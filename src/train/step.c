/* One step: forward and backward, in parts and micro-batches, and the optimiser's update. */
#include <math.h>

#include "base/memory.h"
#include "nn/plan.h"
#include "nn/rank.h"
#include "train/trainer.h"

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

/* Where part `part` begins; that of number `parts` is the end. */
static size_t begin_of(const vgg_division *division, size_t part) {
    return division->grain * (division->count / division->grain * part / division->parts);
}

/* The loss of the pictures from..to-1 of a step. */
static vgg_loss_task loss_task(const vgg_trainer *trainer, const vgg_lesson *step, size_t from,
                               size_t to) {
    bool mixed = step->others != NULL;
    return (vgg_loss_task){.count = to - from,
                           .class_count = trainer->network->options.classes,
                           .logits = trainer->logits,
                           .classes = step->classes + from,
                           .others = mixed ? step->others + from : NULL,
                           .shares = mixed ? step->shares + from : NULL,
                           .targets = step->targets != NULL
                                          ? step->targets + from * trainer->network->options.classes
                                          : NULL,
                           .weights = trainer->class_weights,
                           .whole = step->weight,
                           .gradient = trainer->gradient};
}

/* Adds what the pictures from..to-1 of a step of `whole` say to its gradients and to the progress.
 */
static vgg_status learn_micro_batch(vgg_trainer *trainer, const vgg_lesson *step, size_t from,
                                    size_t to, size_t whole, vgg_error *error) {
    vgg_progress *progress = &trainer->progress;
    const float *inputs = step->inputs + from * trainer->input;
    vgg_loss_task task = loss_task(trainer, step, from, to);
    vgg_status status = vgg_plan_forward_from(trainer->plan, trainer->first_op, inputs, task.count,
                                              trainer->logits, error);
    if (status != VGG_OK)
        return status;
    double loss = trainer->loss->part(&trainer->options, &task);
    if (!isfinite(loss))
        return vgg_trainer_fail_loss(trainer, inputs, task.count, error);
    progress->loss += loss * (double)whole;
    for (size_t n = 0; n < task.count; n++) {
        size_t classes = task.class_count;
        const float *row = trainer->logits + n * classes;
        progress->hits +=
            task.targets != NULL
                ? vgg_trainer_labels_are_right(row, task.targets + n * classes, classes)
                : vgg_rank(row, classes, task.classes[n]) == 0;
    }
    return vgg_plan_backward(trainer->plan, trainer->gradient, NULL, error);
}

/* The pictures begin..end-1 of a step of `whole`, in micro-batches that differ by at most one
 * picture. */
static vgg_status learn_part(vgg_trainer *trainer, const vgg_lesson *step, size_t begin, size_t end,
                             size_t whole, vgg_error *error) {
    size_t count = end - begin, pieces = (count + trainer->most - 1) / trainer->most;
    vgg_status status = VGG_OK;
    for (size_t piece = 0; status == VGG_OK && piece < pieces; piece++) {
        size_t from = begin + count * piece / pieces, to = begin + count * (piece + 1) / pieces;
        status = learn_micro_batch(trainer, step, from, to, whole, error);
    }
    return status;
}

/* All parts; the plan has the sum of their gradients in the end. */
static vgg_status learn_parts(vgg_trainer *trainer, const vgg_lesson *step,
                              const vgg_division *division, vgg_error *error) {
    vgg_plan *plan = trainer->plan;
    vgg_status status = VGG_OK;
    for (size_t part = 0; status == VGG_OK && part < division->parts; part++) {
        size_t begin = begin_of(division, part);
        vgg_plan_begin_part(plan, begin);
        status =
            learn_part(trainer, step, begin, begin_of(division, part + 1), division->count, error);
        if (status == VGG_OK)
            vgg_part_sums_add(&trainer->sums, plan->gradients_of, part, division->parts);
    }
    return status;
}

/* The optimiser's step, told where the run is. */
static vgg_status update(vgg_trainer *trainer, vgg_error *error) {
    vgg_optimiser *optimiser = trainer->optimiser;
    size_t steps = trainer->loader == NULL ? 0 : vgg_loader_batch_count(trainer->loader);
    double step = steps > 0 ? (double)(trainer->progress.step + 1) / (double)steps : 0;
    uint64_t skipped = vgg_optimiser_skipped(optimiser);
    optimiser->steps = trainer->progress.updates;
    optimiser->done = fmin(vgg_trainer_done(trainer, step), 1);
    optimiser->options.momentum = vgg_trainer_momentum(trainer);
    vgg_status status = vgg_optimiser_step(optimiser, vgg_trainer_rate(trainer), error);
    if (vgg_optimiser_skipped(optimiser) == skipped)
        trainer->progress.updates++;
    return status;
}

vgg_status vgg_trainer_learn(vgg_trainer *trainer, const vgg_lesson *given, double *loss,
                             vgg_error *error) {
    vgg_progress *progress = &trainer->progress;
    vgg_division division = vgg_trainer_divide(trainer, given->count);
    if (division.count == 0)
        return VGG_OK;
    const vgg_progress before = *progress;
    vgg_lesson step = *given;
    vgg_loss_task all = loss_task(trainer, &step, 0, division.count);
    step.weight = vgg_loss_weight(&all);
    vgg_plan_set_dropout(trainer->plan, trainer->options.seed, progress->updates);
    bool pictures = trainer->first_op == 0; /* and not what frozen layers made of them */
    trainer->inputs = pictures ? step.inputs : NULL;
    trainer->input_count = pictures ? division.count : 0;
    vgg_status status = learn_parts(trainer, &step, &division, error);
    if (status != VGG_OK) {
        *progress = before;
        return status;
    }
    if (loss != NULL)
        *loss = (progress->loss - before.loss) / (double)division.count;
    progress->images += division.count;
    progress->ended = false;
    trainer->unsaved = true;
    trainer->stepped = true;
    status = update(trainer, error);
    if (status == VGG_OK)
        status = vgg_trainer_check_loss(trainer, given->inputs, division.count, error);
    return status;
}
