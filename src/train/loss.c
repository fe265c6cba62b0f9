#include "train/loss.h"

#include "base/error.h"
#include "vgg/loss.h"

static double cross_entropy(const vgg_train_options *options, const float *logits,
                            const size_t *classes, size_t count, size_t class_count, size_t whole,
                            float *gradient) {
    (void)options;
    return vgg_cross_entropy_part(logits, classes, count, class_count, whole, gradient);
}

static const vgg_loss_row rows[] = {
    [VGG_LOSS_CROSS_ENTROPY] = {.name = "cross-entropy", .part = cross_entropy},
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
