/* The options of a training: defaults from the tables, and what cannot be. */
#include "base/options.h"
#include "base/error.h"
#include "nn/device_find.h"
#include "train/trainer.h"

static const vgg_setting numbers[] = {
    {"learning rate", offsetof(vgg_train_options, rate), 0.005, VGG_RANGE_POSITIVE},
    {"momentum of batch normalisation", offsetof(vgg_train_options, norm_momentum), 0.1,
     VGG_RANGE_SHARE},
    {"mixup", offsetof(vgg_train_options, mixup), 0, VGG_RANGE_SHARE},
    {"cutmix", offsetof(vgg_train_options, cutmix), 0, VGG_RANGE_SHARE},
    {"minutes between checkpoints", offsetof(vgg_train_options, save_minutes), 10,
     VGG_RANGE_NOT_NEGATIVE},
};
static const vgg_setting_list number_list = {numbers, sizeof numbers / sizeof *numbers};

void vgg_train_options_init(vgg_train_options *options, size_t size) {
    vgg_train_options defaults = {.struct_size = size,
                                  .epochs = 10,
                                  .batch = 32,
                                  .shuffle = true,
                                  .parts = 1,
                                  .patience = 10,
                                  .cycle_momentum = true};
    vgg_optimiser_options optimiser;
    vgg_optimiser_options_init(&optimiser, sizeof optimiser);
    defaults.momentum = optimiser.momentum;
    defaults.weight_decay = optimiser.weight_decay;
    vgg_settings_init(number_list, &defaults);
    vgg_schedule_defaults(&defaults);
    vgg_loss_defaults(&defaults);
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status check_counts(const vgg_train_options *options, vgg_error *error) {
    if (options->epochs == 0 || options->batch == 0 || options->batch > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%zu epochs of batches of %zu, expected at least 1 of 1 to 65536",
                        options->epochs, options->batch);
    if (options->parts > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu parts, expected 1 to 65536",
                        options->parts);
    if (vgg_precision_name(options->precision) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "precision %d, expected f32, bf16, tf32 or f16",
                        (int)options->precision);
    if (options->resume && options->folder == NULL && options->run == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "nothing to resume: no folder is given");
    return VGG_OK;
}

vgg_status vgg_train_options_read(const vgg_train_options *given, vgg_train_options *options,
                                  vgg_error *error) {
    vgg_train_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_train_options", error);
    if (status == VGG_OK)
        status = check_counts(options, error);
    if (status == VGG_OK)
        status = vgg_device_settle(&options->device, error);
    if (status == VGG_OK)
        status = vgg_settings_check(number_list, options, error);
    if (status == VGG_OK)
        status = vgg_schedule_check(options, error);
    if (status == VGG_OK)
        status = vgg_loss_check(options, error);
    if (options->micro_batch == 0 || options->micro_batch > options->batch)
        options->micro_batch = options->batch;
    if (options->parts == 0)
        options->parts = 1;
    return status;
}
