/* The classes of pictures: how much each counts, and, of several labels, what is to be learnt and
 * how good it is. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "train/trainer.h"

vgg_status vgg_trainer_create_targets(vgg_trainer *trainer, vgg_error *error) {
    size_t values, bytes = SIZE_MAX;
    if (!trainer->several)
        return VGG_OK;
    if (vgg_size_mul(trainer->options.batch, trainer->network->options.classes, &values) &&
        vgg_size_mul(values, sizeof *trainer->targets, &bytes))
        trainer->targets = vgg_malloc(bytes);
    return trainer->targets != NULL ? VGG_OK
                                    : vgg_fail_memory(error, "the labels of a batch", bytes);
}

void vgg_trainer_set_targets(vgg_trainer *trainer, const size_t *items, const size_t *classes,
                             size_t count) {
    size_t class_count = trainer->network->options.classes;
    memset(trainer->targets, 0, count * class_count * sizeof *trainer->targets);
    for (size_t n = 0; n < count; n++) {
        const size_t *labels = &classes[n];
        size_t found =
            items == NULL ? 1 : vgg_dataset_item_classes(trainer->train, items[n], &labels);
        for (size_t l = 0; l < found; l++) {
            trainer->targets[n * class_count + labels[l]] = 1;
        }
    }
}

/* Picture n is mixed with the one as far from the end: both are done together. */
void vgg_trainer_mix_targets(vgg_trainer *trainer, size_t count) {
    size_t classes = trainer->network->options.classes;
    for (size_t n = 0; n < (count + 1) / 2; n++) {
        size_t partner = count - 1 - n;
        float *one = trainer->targets + n * classes, *other = trainer->targets + partner * classes;
        float share = trainer->shares[n], partner_share = trainer->shares[partner];
        for (size_t c = 0; c < classes; c++) {
            float a = one[c], b = other[c];
            one[c] = share * a + (1 - share) * b;
            other[c] = partner_share * b + (1 - partner_share) * a;
        }
    }
}

/* Where a class has no pictures, or has all of several labels, as if one were or were not of it. */
static double weight_of(const vgg_trainer *trainer, double with, double all, double classes) {
    double pictures = fmax(with, 1);
    return trainer->several ? fmax(all - with, 1) / pictures : all / (classes * pictures);
}

vgg_status vgg_trainer_weigh_classes(vgg_trainer *trainer, vgg_error *error) {
    if (!trainer->options.balance_loss)
        return VGG_OK;
    if (trainer->train == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a loss that is balanced needs a data set, whose classes it counts");
    size_t classes = trainer->network->options.classes, all = vgg_dataset_count(trainer->train);
    trainer->class_weights = vgg_calloc(classes, sizeof *trainer->class_weights);
    size_t *counts = vgg_calloc(classes, sizeof *counts);
    vgg_status status = VGG_OK;
    if (trainer->class_weights == NULL || counts == NULL)
        status = vgg_fail_memory(error, "the weights of the classes", classes * sizeof *counts);
    for (size_t i = 0; status == VGG_OK && i < all; i++) {
        const size_t *labels;
        size_t found = vgg_dataset_item_classes(trainer->train, i, &labels);
        for (size_t l = 0; l < found; l++) {
            counts[labels[l]]++;
        }
    }
    for (size_t c = 0; status == VGG_OK && c < classes; c++) {
        trainer->class_weights[c] =
            (float)weight_of(trainer, (double)counts[c], (double)all, (double)classes);
    }
    vgg_free(counts);
    return status;
}

bool vgg_trainer_labels_are_right(const float *logits, const float *targets, size_t classes) {
    for (size_t c = 0; c < classes; c++) {
        if ((logits[c] >= 0) != (targets[c] >= 0.5f))
            return false;
    }
    return true;
}

vgg_status vgg_trainer_renew_label_scores(vgg_trainer *trainer, vgg_error *error) {
    vgg_label_scores_free(trainer->label_scores);
    trainer->label_scores = NULL;
    if (!trainer->several)
        return VGG_OK;
    return vgg_label_scores_create(vgg_model_class_names(trainer->model),
                                   trainer->network->options.classes, &trainer->label_scores,
                                   error);
}

/* The figures of the trainer's scores in place of those of one class. */
static vgg_status put_labels(const vgg_trainer *trainer, vgg_eval_result *found, vgg_error *error) {
    vgg_label_figures figures = {.struct_size = sizeof figures};
    vgg_status status = vgg_label_scores_figures(trainer->label_scores, &figures, error);
    found->top1 = found->top5 = (double)NAN;
    found->loss = figures.loss;
    found->mean_average_precision = figures.mean_average_precision;
    found->exact_match = figures.exact_match;
    return status;
}

vgg_status vgg_trainer_eval_result(const vgg_trainer *trainer, const vgg_hits *hits,
                                   vgg_eval_result *result, vgg_error *error) {
    double images = (double)hits->images;
    if (hits->images == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "not one of the %zu pictures could be read",
                        hits->skipped);
    vgg_eval_result found = {.struct_size = sizeof found,
                             .images = hits->images,
                             .skipped = hits->skipped,
                             .top1 = (double)hits->top1 / images,
                             .top5 = (double)hits->top5 / images,
                             .loss = hits->loss / images,
                             .mean_average_precision = (double)NAN,
                             .exact_match = (double)NAN};
    vgg_status status = trainer->several ? put_labels(trainer, &found, error) : VGG_OK;
    if (status != VGG_OK)
        return status;
    return vgg_result_write(result, &found, sizeof found, "vgg_eval_result", error);
}
