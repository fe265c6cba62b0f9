/* The file of features: its size, whether it is this training's, and reading it. */
#include "train/features.h"

#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/plan.h"
#include "train/checkpoint.h"
#include "train/views.h"

#define NAME "features.cache"

uint64_t vgg_features_sum(const float *values, size_t count) {
    uint64_t sum = vgg_checksum_of(values, count * sizeof *values);
    return sum == VGG_FEATURES_UNREADABLE ? sum + 1 : sum;
}

size_t vgg_cached_part_records(const vgg_cached_part *part) {
    return part->dataset == NULL ? 0 : part->passes * vgg_dataset_count(part->dataset);
}

/* ---- its size ---- */

/* Puts the records of a part behind all others. */
static bool place(vgg_features *features, vgg_cached_part *part) {
    size_t bytes;
    part->first = features->records;
    part->offset = features->bytes;
    features->records += vgg_cached_part_records(part);
    return vgg_size_mul(vgg_cached_part_records(part), part->values, &bytes) &&
           vgg_size_mul(bytes, sizeof(float), &bytes) &&
           vgg_size_add(features->bytes, bytes, &features->bytes);
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
    size_t sums = 0;
    bool fits = place(features, &features->train) && place(features, &features->validation) &&
                vgg_size_mul(features->records, sizeof *features->sums, &sums) &&
                vgg_size_add(features->bytes, sums + sizeof(vgg_features_foot), &features->bytes);
    if (fits)
        features->sums = vgg_calloc(features->records, sizeof *features->sums);
    if (features->sums == NULL)
        return vgg_fail_memory(error, "the sums of cached features", fits ? sums : SIZE_MAX);
    return VGG_OK;
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
    return trainer->features.bytes;
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
    add_text(&sum, vgg_cpu_tier());
    add_text(&sum, vgg_precision_name(trainer->options.precision));
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

static vgg_status read_bytes(const vgg_features *features, size_t offset, void *bytes, size_t size,
                             bool *whole, vgg_error *error) {
    size_t got = 0;
    vgg_status status =
        vgg_file_read_some(features->file, features->path, offset, bytes, size, &got, error);
    *whole = status == VGG_OK && got == size;
    return status;
}

/* Whether the open file has the foot and the sums that it should. */
static vgg_status check_file(vgg_features *features, uint64_t origin, bool *found,
                             vgg_error *error) {
    vgg_features_foot foot;
    size_t sums = features->records * sizeof *features->sums, end = features->bytes - sizeof foot;
    vgg_status status = read_bytes(features, end, &foot, sizeof foot, found, error);
    *found = *found && memcmp(foot.name, VGG_FEATURES_NAME, sizeof VGG_FEATURES_NAME) == 0 &&
             foot.origin == origin && foot.records == features->records &&
             foot.bytes == features->bytes;
    if (!*found)
        return status;
    status = read_bytes(features, end - sums, features->sums, sums, found, error);
    *found = *found && vgg_checksum_of(features->sums, sums) == foot.sums;
    return status;
}

vgg_status vgg_trainer_open_features(vgg_trainer *trainer, uint64_t *origin, bool *found,
                                     vgg_error *error) {
    vgg_features *features = &trainer->features;
    size_t size = 0;
    *found = false;
    vgg_status status = find_origin(trainer, origin, error);
    if (status == VGG_OK && features->path == NULL &&
        (features->path = vgg_path_join(trainer->run->folder, NAME)) == NULL)
        status = vgg_fail_memory(error, "file names", sizeof NAME);
    if (status != VGG_OK)
        return status;
    status = vgg_file_open(features->path, &features->file, &size, error);
    if (status != VGG_OK)
        return status == VGG_ERROR_NOT_FOUND ? VGG_OK : status;
    if (size == features->bytes)
        status = check_file(features, *origin, found, error);
    features->ready = *found;
    if (!*found)
        close(features->file);
    return status;
}

void vgg_trainer_close_features(vgg_trainer *trainer) {
    vgg_features *features = &trainer->features;
    if (features->ready)
        close(features->file);
    features->ready = false;
    vgg_free(features->path);
    vgg_free(features->sums);
    features->path = NULL;
    features->sums = NULL;
}

void vgg_trainer_remove_features(vgg_trainer *trainer) {
    vgg_run_name path;
    if (trainer->run != NULL)
        unlink(vgg_run_path(trainer->run, NAME, path));
}

/* ---- reading ---- */

vgg_status vgg_trainer_read_features(const vgg_trainer *trainer, const vgg_cached_part *part,
                                     size_t record, float *values, vgg_error *error) {
    const vgg_features *features = &trainer->features;
    size_t bytes = part->values * sizeof *values;
    uint64_t sum = features->sums[part->first + record];
    bool whole;
    if (sum == VGG_FEATURES_UNREADABLE)
        return vgg_fail(
            error, VGG_ERROR_FORMAT, "%s: could not be read when features were made",
            vgg_dataset_item_name(part->dataset, record % vgg_dataset_count(part->dataset)));
    vgg_status status =
        read_bytes(features, part->offset + record * bytes, values, bytes, &whole, error);
    if (status == VGG_OK && (!whole || vgg_features_sum(values, part->values) != sum))
        status = vgg_fail(error, VGG_ERROR_IO,
                          "%s: record %zu has other bytes than were written; the run can be "
                          "resumed without the file, which is then computed again",
                          features->path, part->first + record);
    return status;
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
