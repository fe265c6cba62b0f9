#include "train/loss.h"

#include <math.h>

#include "base/error.h"
#include "vgg/loss.h"

static double weight_of(const vgg_loss_task *task, size_t class) {
    return task->weights != NULL ? (double)task->weights[class] : 1;
}

/* How much of picture n is of its own class. */
static double share_of(const vgg_loss_task *task, size_t n) {
    return task->others != NULL ? (double)task->shares[n] : 1;
}

static double picture_weight(const vgg_loss_task *task, size_t n) {
    double share = share_of(task, n), own = weight_of(task, task->classes[n]);
    return share == 1 ? own : share * own + (1 - share) * weight_of(task, task->others[n]);
}

double vgg_loss_weight(const vgg_loss_task *task) {
    double sum = 0;
    if (task->weights == NULL || task->targets != NULL)
        return (double)task->count;
    for (size_t n = 0; n < task->count; n++) {
        sum += picture_weight(task, n);
    }
    return sum;
}

/* What the loss wants of class c of picture n, times the weight of the class. */
static double target_of(const vgg_loss_task *task, double smoothing, size_t n, size_t c) {
    double share = share_of(task, n), target = smoothing / (double)task->class_count;
    if (c == task->classes[n])
        target += (1 - smoothing) * share;
    if (share != 1 && c == task->others[n])
        target += (1 - smoothing) * (1 - share);
    return target * weight_of(task, c);
}

/* With p the softmax, the loss of a picture is the sum of -t_c log p_c over targets t, and its
 * gradient p_c times the sum of t, less t_c. */
static double soft_picture(const vgg_loss_task *task, double smoothing, size_t n) {
    const float *row = task->logits + n * task->class_count;
    double targets = 0, loss = 0, largest = (double)row[0], sum = 0;
    for (size_t c = 1; c < task->class_count; c++) {
        largest = (double)row[c] > largest ? (double)row[c] : largest;
    }
    for (size_t c = 0; c < task->class_count; c++) {
        sum += exp((double)row[c] - largest);
    }
    double total = largest + log(sum);
    for (size_t c = 0; c < task->class_count; c++) {
        double target = target_of(task, smoothing, n, c);
        targets += target;
        loss += target * (total - (double)row[c]);
    }
    for (size_t c = 0; c < task->class_count; c++) {
        double likely = exp((double)row[c] - total);
        task->gradient[n * task->class_count + c] =
            (float)((targets * likely - target_of(task, smoothing, n, c)) / task->whole);
    }
    return loss;
}

static double cross_entropy(const vgg_train_options *options, const vgg_loss_task *task) {
    double smoothing = options->label_smoothing, loss = 0;
    if (smoothing == 0 && task->others == NULL && task->weights == NULL)
        return vgg_cross_entropy_part(task->logits, task->classes, task->count, task->class_count,
                                      (size_t)task->whole, task->gradient);
    for (size_t n = 0; n < task->count; n++) {
        loss += soft_picture(task, smoothing, n);
    }
    return loss / task->whole;
}

/* The mean over classes of -(w t log p + (1 - t) log(1 - p)), with p the sigmoid of the logit x, t
 * the target and w the weight of having the class: BCEWithLogitsLoss with w as its pos_weight.
 * Smoothing moves targets towards one half, as Keras's BinaryCrossentropy has it. */
static double binary_cross_entropy(const vgg_train_options *options, const vgg_loss_task *task) {
    double smoothing = options->label_smoothing, loss = 0;
    double whole = task->whole * (double)task->class_count;
    for (size_t i = 0; i < task->count * task->class_count; i++) {
        double x = (double)task->logits[i], weight = weight_of(task, i % task->class_count);
        double target = (double)task->targets[i] * (1 - smoothing) + smoothing / 2;
        double having = weight * target, all = having + 1 - target;
        double softplus = fmax(-x, 0) + log1p(exp(-fabs(x)));
        loss += (1 - target) * x + all * softplus;
        task->gradient[i] = (float)((all / (1 + exp(-x)) - having) / whole);
    }
    return loss / whole;
}

static const vgg_setting smoothing_numbers[] = {
    {"label smoothing", offsetof(vgg_train_options, label_smoothing), 0, VGG_RANGE_FRACTION},
};

#define SMOOTHING_NUMBERS (sizeof smoothing_numbers / sizeof *smoothing_numbers)

static const vgg_loss_row rows[] = {
    [VGG_LOSS_CROSS_ENTROPY] = {.name = "cross-entropy",
                                .numbers = {smoothing_numbers, SMOOTHING_NUMBERS},
                                .part = cross_entropy},
    [VGG_LOSS_BINARY_CROSS_ENTROPY] = {.name = "binary-cross-entropy",
                                       .numbers = {smoothing_numbers, SMOOTHING_NUMBERS},
                                       .part = binary_cross_entropy},
};
#define ROWS (sizeof rows / sizeof *rows)

const vgg_loss_row *vgg_loss_row_at(vgg_loss loss) {
    return (size_t)loss < ROWS ? &rows[loss] : NULL;
}

const char *vgg_loss_name(vgg_loss loss) {
    const vgg_loss_row *row = vgg_loss_row_at(loss);
    return row == NULL ? NULL : row->name;
}

void vgg_loss_defaults(vgg_train_options *options) {
    for (size_t i = 0; i < ROWS; i++) {
        vgg_settings_init(rows[i].numbers, options);
    }
}

vgg_status vgg_loss_check(const vgg_train_options *options, vgg_error *error) {
    const vgg_loss_row *row = vgg_loss_row_at(options->loss);
    if (row == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "loss %d, expected 0 to %zu", (int)options->loss,
                        ROWS - 1);
    return vgg_settings_check(row->numbers, options, error);
}
