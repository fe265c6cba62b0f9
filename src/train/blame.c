/* What is said of a training that went wrong: where, and in which layer first. */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/plan.h"
#include "train/trainer.h"

/* Room for the words about a layer. */
#define WORDS 160

static const char advice[] = "a lower rate, batch norm or another initialisation may help";

vgg_status vgg_trainer_fail_not_finite(const vgg_trainer *trainer, const char *what,
                                       vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_NUMERIC,
                    "%s not a finite number in epoch %zu, step %zu, with learning rate %g; %s",
                    what, trainer->progress.epoch + 1, trainer->progress.step + 1,
                    vgg_trainer_rate(trainer), advice);
}

/* The highest layer whose weights are not finite, which gradients reach first; the number of
 * layers: all are. */
static size_t broken_layer(const vgg_network *network) {
    size_t layer = network->layer_count;
    for (size_t l = 0; l < network->layer_count; l++) {
        const vgg_layer *at = &network->layers[l];
        for (size_t t = at->first_tensor; t < at->first_tensor + at->tensors; t++) {
            const vgg_tensor *tensor = &network->tensors[t];
            for (size_t i = 0; tensor->values != NULL && i < tensor->info.count; i++) {
                if (!isfinite(tensor->values[i]))
                    layer = l;
            }
        }
    }
    return layer;
}

/* Says which layer it was, computing the pictures again. */
static void describe(vgg_trainer *trainer, const float *inputs, size_t count, char words[WORDS]) {
    const vgg_network *network = trainer->network;
    vgg_network_settle(network, NULL);
    size_t broken = broken_layer(network);
    words[0] = '\0';
    if (broken < network->layer_count) {
        snprintf(words, WORDS, "; the gradients of %s blew up in the step before",
                 network->layers[broken].name);
        return;
    }
    vgg_blown blown =
        vgg_plan_find_blown(trainer->plan, trainer->first_op, inputs, count, trainer->logits);
    if (blown.layer == VGG_NO_LAYER)
        return;
    const char *name = network->layers[blown.layer].name;
    if (isinf(blown.most))
        snprintf(words, WORDS, "; the first activations to blow up are those of %s", name);
    else
        snprintf(words, WORDS, "; activations grow most in %s, to %.2g", name, blown.most);
}

vgg_status vgg_trainer_fail_loss(vgg_trainer *trainer, const float *inputs, size_t count,
                                 vgg_error *error) {
    char words[WORDS];
    describe(trainer, inputs, count, words);
    return vgg_fail(error, VGG_ERROR_NUMERIC,
                    "the loss is not a finite number in epoch %zu, step %zu, with learning rate "
                    "%g%s; %s",
                    trainer->progress.epoch + 1, trainer->progress.step + 1,
                    vgg_trainer_rate(trainer), words, advice);
}

/* A network that guesses has a loss of ln(classes), of several labels ln(2). One whose mean is so
 * many times that after so many steps of an epoch is lost. */
#define LOST_FACTOR 30
#define LOST_STEPS 20

vgg_status vgg_trainer_check_loss(vgg_trainer *trainer, const float *inputs, size_t count,
                                  vgg_error *error) {
    const vgg_progress *progress = &trainer->progress;
    size_t ways = trainer->several ? 2 : vgg_size_max(trainer->network->options.classes, 2);
    double guessing = log((double)ways);
    double mean = progress->images > 0 ? progress->loss / (double)progress->images : 0;
    if (progress->step + 1 < LOST_STEPS || mean <= LOST_FACTOR * guessing)
        return VGG_OK;
    char words[WORDS];
    describe(trainer, inputs, vgg_size_min(count, trainer->most), words);
    return vgg_fail(error, VGG_ERROR_NUMERIC,
                    "the loss is %.3g on average up to epoch %zu, step %zu, with learning rate %g, "
                    "where guessing gives %.3f%s; %s",
                    mean, progress->epoch + 1, progress->step + 1, vgg_trainer_rate(trainer),
                    guessing, words, advice);
}
