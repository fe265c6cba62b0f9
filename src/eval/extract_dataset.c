/* Features of the pictures of a data set, and the file that keeps them. */
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/records.h"
#include "eval/extractor.h"
#include "nn/device_find.h"

/* A data set on its way. */
typedef struct taking {
    vgg_extractor *extractor;
    const vgg_dataset *dataset;
    const vgg_extract_dataset_options *options;
    size_t total, values; /* pictures, and floats of a row */
    float *row;           /* of the next picture */
    size_t *items;
    vgg_extract_dataset_result result;
    size_t asked; /* the picture that is offered next */
    struct offer *offers;
    vgg_picture picture;
    vgg_records *file; /* that is written; NULL: none is */
    bool passing;      /* a picture failed that another time may be read */
    vgg_status status; /* why a callback wanted an end */
    vgg_error *error;
} taking;

/* A picture that was offered; its user. */
typedef struct offer {
    size_t item;
    vgg_image image; /* empty for one that is a file of its own */
} offer;

void vgg_extract_dataset_options_init(vgg_extract_dataset_options *options, size_t size) {
    const vgg_extract_dataset_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- what happens to pictures ---- */

/* False when the skipped one, or what failed, is to end it. */
static bool skip(taking *t, const char *name, const vgg_error *why) {
    const vgg_extract_dataset_options *options = t->options;
    t->result.skipped++;
    /* These two follow from the bytes, which the file stands for; all else may pass. */
    t->passing =
        t->passing || (why->status != VGG_ERROR_FORMAT && why->status != VGG_ERROR_UNSUPPORTED);
    if (why->status != VGG_ERROR_MEMORY &&
        (options->skipped == NULL || options->skipped(options->user, name, why)))
        return true;
    t->status = vgg_fail(t->error, why->status, "%s", why->message);
    return false;
}

/* Keeps what picture `item` has, NULL for nothing, behind those before it that have nothing. */
static bool keep(taking *t, size_t item, const float *row) {
    while (t->file != NULL && t->status == VGG_OK && t->file->next < item) {
        t->status = vgg_records_add(t->file, NULL, t->values, t->error);
    }
    if (t->file != NULL && t->status == VGG_OK && item < t->total)
        t->status = vgg_records_add(t->file, row, t->values, t->error);
    return t->status == VGG_OK;
}

static void add_row(taking *t, size_t item) {
    t->items[t->result.rows++] = item;
    t->row += t->values;
}

/* ---- computing ---- */

static bool is_file(const char *name) {
    struct stat info;
    return vgg_image_name_is_picture(name) && stat(name, &info) == 0 && S_ISREG(info.st_mode);
}

/* A file of its own is read by whoever has time, what lies in an archive here. False: it cannot be
 * read. */
static bool make_offer(taking *t, size_t item, vgg_error *why) {
    const char *name = vgg_dataset_item_name(t->dataset, item);
    offer *one = &t->offers[item];
    bool file = is_file(name);
    *one = (offer){.item = item};
    t->picture.name = name;
    t->picture.user = one;
    t->picture.path = file ? name : NULL;
    t->picture.image = file ? NULL : &one->image;
    return file || vgg_dataset_read(t->dataset, item, &one->image, why) == VGG_OK;
}

static const vgg_picture *next_picture(void *user) {
    taking *t = user;
    while (t->status == VGG_OK && t->asked < t->total) {
        vgg_error why;
        size_t item = t->asked++;
        if (make_offer(t, item, &why))
            return &t->picture;
        skip(t, t->picture.name, &why);
    }
    return NULL;
}

static bool take_row(void *user, const vgg_extract_result *result) {
    taking *t = user;
    const vgg_extract_dataset_options *options = t->options;
    offer *one = result->user;
    size_t at = 0;
    vgg_image_free(&one->image);
    if (t->status != VGG_OK)
        return false;
    if (result->warning != NULL && options->warn != NULL)
        options->warn(options->user, result->warning);
    for (size_t i = 0; result->error == NULL && i < vgg_extractor_taps(t->extractor); i++) {
        size_t count = t->extractor->infos[i].values;
        memcpy(t->row + at, result->values[i], count * sizeof *t->row);
        at += count;
    }
    if (!keep(t, one->item, result->error == NULL ? t->row : NULL))
        return false;
    if (result->error == NULL)
        add_row(t, one->item);
    else if (!skip(t, result->name, result->error))
        return false;
    if (options->progress == NULL || options->progress(options->user, one->item + 1, t->total))
        return true;
    t->status = vgg_fail(t->error, VGG_ERROR_STOPPED, "stopped after %zu of %zu pictures",
                         one->item + 1, t->total);
    return false;
}

static vgg_status compute(taking *t) {
    vgg_error *error = t->error;
    t->offers = vgg_calloc(t->total + 1, sizeof *t->offers);
    if (t->offers == NULL)
        return vgg_fail_memory(error, "pictures on their way", t->total * sizeof *t->offers);
    vgg_picture_init(&t->picture, sizeof t->picture);
    vgg_error why;
    vgg_status status = vgg_extract_many(t->extractor, next_picture, take_row, t, &why);
    /* Those of archives are there still when the end came early. */
    for (size_t i = 0; i < t->total; i++) {
        vgg_image_free(&t->offers[i].image);
    }
    vgg_free(t->offers);
    if (t->status == VGG_OK && status != VGG_OK)
        t->status = vgg_fail(error, status, "%s", why.message);
    if (t->status == VGG_OK)
        keep(t, t->total, NULL);
    return t->status;
}

/* ---- the file ---- */

static vgg_status add_data(vgg_checksum *sum, const taking *t) {
    size_t classes = vgg_dataset_class_count(t->dataset);
    size_t *counts = vgg_calloc(classes + 1, sizeof *counts);
    uint64_t *sums = vgg_calloc(classes + 1, sizeof *sums);
    vgg_status status = VGG_OK;
    if (counts == NULL || sums == NULL)
        status = vgg_fail_memory(t->error, "the fingerprint of the data", classes * sizeof *sums);
    if (status == VGG_OK)
        status = vgg_dataset_fingerprint(t->dataset, t->options->contents, counts, sums, NULL, NULL,
                                         t->error);
    if (status == VGG_OK) {
        vgg_checksum_add(sum, counts, classes * sizeof *counts);
        vgg_checksum_add(sum, sums, classes * sizeof *sums);
    }
    vgg_free(counts);
    vgg_free(sums);
    return status;
}

/* Everything but the model and the data that rows follow from. */
static void add_extractor(vgg_checksum *sum, const vgg_extractor *e) {
    const vgg_extractor_options *options = &e->options;
    const uint64_t numbers[] = {options->pool,
                                options->normalise,
                                options->protocol,
                                options->exact,
                                options->precision,
                                options->device,
                                options->average_pools,
                                vgg_extractor_tuned_batch(e),
                                options->tap_count,
                                e->scale_count,
                                e->resized};
    const char *tier = vgg_tier_rounding(vgg_cpu_tier(), options->precision);
    vgg_checksum_add(sum, vgg_version(), strlen(vgg_version()) + 1);
    vgg_checksum_add(sum, tier, strlen(tier) + 1);
    vgg_checksum_add(sum, numbers, sizeof numbers);
    for (size_t i = 0; i < options->tap_count; i++) {
        const uint64_t tap[] = {e->infos[i].layer, e->infos[i].values};
        vgg_checksum_add(sum, tap, sizeof tap);
    }
    for (size_t s = 0; s < e->scale_count; s++) {
        const vgg_preprocess *p = &e->scales[s].preprocess;
        const uint64_t sides[] = {p->width, p->height, p->resize};
        vgg_checksum_add(sum, sides, sizeof sides);
    }
}

static vgg_status find_origin(const taking *t, uint64_t *origin) {
    vgg_checksum sum;
    uint64_t model = 0;
    vgg_status status = vgg_model_fingerprint(t->extractor->model, &model, t->error);
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, &model, sizeof model);
    add_extractor(&sum, t->extractor);
    if (status == VGG_OK)
        status = add_data(&sum, t);
    *origin = vgg_checksum_end(&sum);
    return status;
}

static vgg_status read_rows(taking *t, const vgg_records *file) {
    size_t bytes = t->values * sizeof *t->row;
    t->result.cached = t->result.kept = true;
    for (size_t item = 0; t->status == VGG_OK && item < t->total; item++) {
        const char *name = vgg_dataset_item_name(t->dataset, item);
        vgg_error why;
        if (vgg_records_have(file, item)) {
            t->status = vgg_records_read(file, item, item * bytes, t->row, t->values, t->error);
            add_row(t, item);
        } else {
            vgg_fail(&why, VGG_ERROR_FORMAT, "%s: could not be read when %s was made", name,
                     file->path);
            skip(t, name, &why);
        }
    }
    return t->status;
}

static vgg_status write_rows(taking *t, vgg_records *file, uint64_t origin) {
    vgg_status status = vgg_records_create(file, t->error);
    if (status != VGG_OK)
        return status;
    t->file = file;
    status = compute(t);
    if (status == VGG_OK && t->passing) {
        vgg_records_abandon(file);
        return VGG_OK;
    }
    t->result.kept = status == VGG_OK;
    return vgg_records_finish(file, origin, status, t->error);
}

static vgg_status take_kept(taking *t) {
    const char *path = t->options->cache;
    vgg_records file = {0};
    uint64_t origin = 0;
    bool own = false, there = false;
    size_t bytes;
    if (!vgg_size_mul(t->values * sizeof *t->row, t->total, &bytes))
        return vgg_fail_memory(t->error, "cached features", SIZE_MAX);
    vgg_status status = vgg_file_exists(path, &there, t->error);
    if (status == VGG_OK)
        status = vgg_records_plan(&file, VGG_RECORDS_OF_DATASET, t->total, bytes, t->error);
    if (status == VGG_OK)
        status = find_origin(t, &origin);
    if (status == VGG_OK)
        status = vgg_records_open(&file, path, origin, &own, t->error);
    if (status == VGG_OK && there && !own)
        status = vgg_fail(t->error, VGG_ERROR_ARGUMENT,
                          "%s: is no file of cached features, which would be written there; "
                          "move it away",
                          path);
    if (status == VGG_OK)
        status = file.ready ? read_rows(t, &file) : write_rows(t, &file, origin);
    vgg_records_free(&file);
    return status;
}

/* ---- all ---- */

vgg_status vgg_extract_dataset(vgg_extractor *extractor, const vgg_dataset *dataset,
                               const vgg_extract_dataset_options *given, float *rows, size_t *items,
                               vgg_extract_dataset_result *result, vgg_error *error) {
    vgg_extract_dataset_options options;
    vgg_error why;
    vgg_extract_dataset_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_extract_dataset_options", error);
    if (status == VGG_OK && result != NULL)
        status = vgg_result_check(result, "vgg_extract_dataset_result", error);
    if (status != VGG_OK)
        return status;
    taking t = {.extractor = extractor,
                .dataset = dataset,
                .options = &options,
                .total = vgg_dataset_count(dataset),
                .row = rows,
                .items = items,
                .result.struct_size = sizeof t.result,
                .error = error != NULL ? error : &why};
    for (size_t i = 0; i < vgg_extractor_taps(extractor); i++) {
        t.values += extractor->infos[i].values;
    }
    status = options.cache != NULL ? take_kept(&t) : compute(&t);
    if (status != VGG_OK || result == NULL)
        return status;
    return vgg_result_write(result, &t.result, sizeof t.result, "vgg_extract_dataset_result",
                            error);
}
