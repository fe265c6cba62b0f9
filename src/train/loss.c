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
    if (task->weights == NULL)
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

static const vgg_setting cross_entropy_numbers[] = {
    {"label smoothing", offsetof(vgg_train_options, label_smoothing), 0, VGG_RANGE_FRACTION},
};

static const vgg_loss_row rows[] = {
    [VGG_LOSS_CROSS_ENTROPY] = {.name = "cross-entropy",
                                .numbers = {cross_entropy_numbers,
                                            sizeof cross_entropy_numbers /
                                                sizeof *cross_entropy_numbers},
                                .part = cross_entropy},
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
