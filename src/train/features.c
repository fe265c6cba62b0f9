/* The file of features: its size, whether it is this training's, and reading it. */
#include "train/features.h"

#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "nn/device_find.h"
#include "nn/plan.h"
#include "train/checkpoint.h"
#include "train/views.h"

#define NAME "features.cache"

/* How many records a part has. */
static size_t count_records(const vgg_cached_part *part) {
    return part->dataset == NULL ? 0 : part->passes * vgg_dataset_count(part->dataset);
}

/* ---- its size ---- */

/* Puts the records of a part behind all others, of which there are so many. */
static bool place(vgg_cached_part *part, size_t *records, size_t *bytes) {
    size_t more;
    part->first = *records;
    part->offset = *bytes;
    *records += count_records(part);
    return vgg_size_mul(count_records(part), part->values, &more) &&
           vgg_size_mul(more, sizeof(float), &more) && vgg_size_add(*bytes, more, bytes);
}

static vgg_status check_views(const vgg_trainer *trainer, vgg_error *error) {
    const vgg_train_options *options = &trainer->options;
    const char *view = vgg_views_beside_flip(&trainer->augment);
    if (view == NULL && (options->mixup > 0 || options->cutmix > 0))
        view = options->mixup > 0 ? "mixup" : "cutmix";
    if (view == NULL)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "cached features are those of a picture and its mirror image; the view \"%s\" "
                    "makes others, expected no view but flips",
                    view);
}

static vgg_plan_options eval_options(const vgg_trainer *trainer) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = trainer->most;
    options.shared_threads = trainer->threads;
    options.precision = trainer->options.precision;
    options.device = trainer->options.device;
    return options;
}

vgg_status vgg_trainer_eval_plan(const vgg_trainer *trainer, vgg_plan **plan, vgg_error *error) {
    vgg_plan_options options = eval_options(trainer);
    return vgg_plan_create(trainer->network, &options, plan, error);
}

static vgg_status plan_file(vgg_trainer *trainer, vgg_error *error) {
    vgg_features *features = &trainer->features;
    vgg_plan_options eval = eval_options(trainer);
    features->wanted = true;
    features->both = (vgg_augment){.struct_size = sizeof features->both};
    features->both.flip = features->both.alternate = true;
    features->train = (vgg_cached_part){.dataset = trainer->train,
                                        .passes = trainer->augment.flip ? 2 : 1,
                                        .values = trainer->input};
    features->validation = (vgg_cached_part){.dataset = trainer->validation, .passes = 1};
    vgg_status status = VGG_OK;
    if (trainer->validation != NULL)
        status =
            vgg_plan_measure_frozen(trainer->network, &eval, &features->validation.values, error);
    if (status != VGG_OK)
        return status;
    size_t records = 0, bytes = 0;
    if (!place(&features->train, &records, &bytes) ||
        !place(&features->validation, &records, &bytes))
        return vgg_fail_memory(error, "cached features", SIZE_MAX);
    return vgg_records_plan(&features->file, VGG_RECORDS_OF_TRAINING, records, bytes, error);
}

vgg_status vgg_trainer_plan_features(vgg_trainer *trainer, vgg_error *error) {
    const vgg_network_options *network = &trainer->network->options;
    trainer->input = network->channels * network->height * network->width;
    if (!trainer->options.cache_features)
        return VGG_OK;
    if (trainer->train == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "features are cached of a data set, and there is none");
    if (trainer->folder == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "features are cached in the folder of a run, and there is none");
    vgg_status status = check_views(trainer, error);
    if (status != VGG_OK)
        return status;
    size_t frozen = vgg_plan_frozen_ops(trainer->plan);
    if (frozen == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "features are cached of frozen layers at the beginning of the network, and "
                        "there are none");
    trainer->first_op = frozen;
    trainer->input = vgg_plan_values_at(trainer->plan, frozen);
    return plan_file(trainer, error);
}

size_t vgg_trainer_feature_bytes(const vgg_trainer *trainer) {
    return trainer->features.file.bytes;
}

/* ---- whose it is ---- */

static void add_text(vgg_checksum *sum, const char *text) {
    vgg_checksum_add(sum, text, strlen(text) + 1);
}

/* The network, the preprocessing and the values of what is frozen. */
static vgg_status add_model(vgg_checksum *sum, const vgg_trainer *trainer, vgg_error *error) {
    const vgg_network *network = trainer->network;
    char *text = NULL;
    vgg_status status = vgg_model_describe(trainer->model, &text, error);
    if (status != VGG_OK)
        return status;
    add_text(sum, text);
    vgg_string_free(text);
    for (size_t l = 0; l < network->layer_count; l++) {
        const vgg_layer *layer = &network->layers[l];
        vgg_checksum_add(sum, &l, layer->frozen ? sizeof l : 0);
        for (size_t t = layer->first_tensor;
             layer->frozen && t < layer->first_tensor + layer->tensors; t++) {
            const vgg_tensor *tensor = &network->tensors[t];
            vgg_checksum_add(sum, tensor->values, tensor->info.count * sizeof(float));
        }
    }
    return VGG_OK;
}

static vgg_status add_data(vgg_checksum *sum, const vgg_trainer *trainer,
                           const vgg_cached_part *part, vgg_error *error) {
    if (part->dataset == NULL)
        return VGG_OK;
    size_t classes = vgg_dataset_class_count(part->dataset);
    size_t *counts = vgg_calloc(classes, sizeof *counts);
    uint64_t *sums = vgg_calloc(classes, sizeof *sums);
    vgg_status status = VGG_OK;
    if (counts == NULL || sums == NULL)
        status = vgg_fail_memory(error, "the fingerprint of the data", classes * sizeof *sums);
    if (status == VGG_OK)
        status = vgg_dataset_fingerprint(part->dataset, trainer->options.check_data, counts, sums,
                                         trainer->options.check_data ? vgg_trainer_checked : NULL,
                                         (void *)(uintptr_t)trainer, error);
    if (status == VGG_OK) {
        vgg_checksum_add(sum, counts, classes * sizeof *counts);
        vgg_checksum_add(sum, sums, classes * sizeof *sums);
        vgg_checksum_add(sum, &part->passes, sizeof part->passes);
        vgg_checksum_add(sum, &part->values, sizeof part->values);
    }
    vgg_free(counts);
    vgg_free(sums);
    return status;
}

/* Of all that the records follow from, the choice of algorithms by the batch included. */
static vgg_status find_origin(const vgg_trainer *trainer, uint64_t *origin, vgg_error *error) {
    const vgg_features *features = &trainer->features;
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    add_text(&sum, vgg_version());
    add_text(&sum, vgg_tier_rounding(vgg_cpu_tier(), trainer->options.precision));
    add_text(&sum, vgg_precision_name(trainer->options.precision));
    add_text(&sum, vgg_device_name(trainer->options.device));
    vgg_checksum_add(&sum, &trainer->most, sizeof trainer->most);
    vgg_checksum_add(&sum, &trainer->options.seed, sizeof trainer->options.seed);
    vgg_status status = add_model(&sum, trainer, error);
    if (status == VGG_OK)
        status = add_data(&sum, trainer, &features->train, error);
    if (status == VGG_OK)
        status = add_data(&sum, trainer, &features->validation, error);
    *origin = vgg_checksum_end(&sum);
    return status;
}

/* ---- opening ---- */

vgg_status vgg_trainer_open_features(vgg_trainer *trainer, uint64_t *origin, vgg_error *error) {
    vgg_run_name path;
    vgg_status status = find_origin(trainer, origin, error);
    if (status != VGG_OK)
        return status;
    return vgg_records_open(&trainer->features.file, vgg_run_path(trainer->run, NAME, path),
                            *origin, NULL, error);
}

void vgg_trainer_remove_features(vgg_trainer *trainer) {
    vgg_run_name path;
    if (trainer->run != NULL)
        unlink(vgg_run_path(trainer->run, NAME, path));
}

/* ---- reading ---- */

vgg_status vgg_trainer_read_features(const vgg_trainer *trainer, const vgg_cached_part *part,
                                     size_t record, float *values, vgg_error *error) {
    const vgg_records *file = &trainer->features.file;
    size_t offset = part->offset + record * part->values * sizeof *values;
    if (vgg_records_have(file, part->first + record))
        return vgg_records_read(file, part->first + record, offset, values, part->values, error);
    return vgg_fail(
        error, VGG_ERROR_FORMAT, "%s: could not be read when features were made",
        vgg_dataset_item_name(part->dataset, record % vgg_dataset_count(part->dataset)));
}

vgg_status vgg_trainer_fill_features(void *user, size_t item, uint64_t epoch, uint64_t view,
                                     float *values, vgg_error *error) {
    const vgg_trainer *trainer = user;
    const vgg_features *features = &trainer->features;
    uint64_t seed = trainer->options.seed;
    size_t pass = 0;
    if (features->train.passes > 1) {
        bool mirrored = vgg_augment_mirrors(&trainer->augment, seed, epoch, view);
        pass = vgg_augment_mirrors(&features->both, seed, 0, item) == mirrored ? 0 : 1;
    }
    size_t record = pass * vgg_dataset_count(features->train.dataset) + item;
    return vgg_trainer_read_features(trainer, &features->train, record, values, error);
}
