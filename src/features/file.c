/* Files of features: what lies beside them while they are made, and going on with that. */
#include "features/file.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"

void vgg_feature_file_options_init(vgg_feature_file_options *options, size_t size) {
    const vgg_feature_file_options defaults = {.struct_size = size, .facts = ""};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status fail_part(const vgg_feature_part *part, const char *action, vgg_error *error) {
    return vgg_file_fail(error, part->path, action);
}

static size_t row_bytes(const vgg_feature_file *file, size_t layer) {
    return file->infos[layer].values * sizeof(float);
}

/* ---- opening ---- */

static bool ends_in(const char *path, const char *ending) {
    size_t length = strlen(path), end = strlen(ending);
    return length > end && strcasecmp(path + length - end, ending) == 0;
}

static vgg_status find_format(vgg_feature_file *file, vgg_error *error) {
    static const char *const endings[] = {".npy", ".npz", ".safetensors", ".csv"};
    size_t format = 0;
    while (format < 4 && !ends_in(file->path, endings[format])) {
        format++;
    }
    if (format == 4)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: expected a name that ends in .npy, .npz, .safetensors or .csv",
                        file->path);
    file->format = (vgg_feature_format)format;
    if (file->format == VGG_FEATURES_NPY && file->layers > 1)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: a .npy holds one array, and there are %zu layers; expected .npz or "
                        ".safetensors",
                        file->path, file->layers);
    for (size_t t = 0; file->format == VGG_FEATURES_CSV && t < file->layers; t++) {
        if (file->infos[t].dimensions > 1)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "%s: a table has no place for the maps of %s; expected a pool, or "
                            ".npy, .npz or .safetensors",
                            file->path, file->names[t]);
    }
    return VGG_OK;
}

static vgg_status name_layers(vgg_feature_file *file, const char *const *names, vgg_error *error) {
    for (size_t t = 0; t < file->layers; t++) {
        const char *name = names[t];
        if (strlen(name) == 0 || strlen(name) >= VGG_LAYER_NAME || strcmp(name, "names") == 0)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "an array called \"%.64s\", expected a layer's name of 1 to %d bytes",
                            name, VGG_LAYER_NAME - 1);
        snprintf(file->names[t], VGG_LAYER_NAME, "%s", name);
        for (size_t other = 0; other < t; other++) {
            if (strcmp(file->names[other], name) == 0)
                return vgg_fail(error, VGG_ERROR_ARGUMENT, "two arrays called %s", name);
        }
    }
    return VGG_OK;
}

/* A sum of all that rows follow from, so that only rows of one kind stand in a file. */
static uint64_t sum_of(const vgg_feature_file *file, const char *facts) {
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, facts, strlen(facts));
    for (size_t t = 0; t < file->layers; t++) {
        const uint64_t shape[] = {file->infos[t].layer, file->infos[t].values};
        vgg_checksum_add(&sum, shape, sizeof shape);
        vgg_checksum_add(&sum, file->names[t], strlen(file->names[t]));
    }
    return vgg_checksum_end(&sum);
}

/* How many bytes a part has: 0 when it is not there. */
static vgg_status measure_part(const vgg_feature_part *part, off_t *bytes, vgg_error *error) {
    struct stat info;
    *bytes = 0;
    if (stat(part->path, &info) != 0)
        return VGG_OK;
    if (!S_ISREG(info.st_mode))
        return vgg_fail(error, VGG_ERROR_IO, "%s: is %s, expected a file or a new name", part->path,
                        vgg_file_kind(info.st_mode));
    *bytes = info.st_size;
    return VGG_OK;
}

/* *own: OUT.part is a list of pictures; *same: it is one of these features. */
static void read_head(const vgg_feature_file *file, bool *own, bool *same) {
    vgg_feature_head found = {0};
    FILE *stream = fopen(file->list.path, "rbe");
    size_t got = stream != NULL ? fread(&found, 1, sizeof found, stream) : 0;
    if (stream != NULL)
        fclose(stream);
    size_t most = vgg_size_min(got, sizeof found.what);
    *own = got > 0 && memcmp(found.what, VGG_FEATURE_LIST, most) == 0;
    *same = *own && got == sizeof found && found.facts == file->facts;
}

static vgg_status fail_of_others(const vgg_feature_part *part, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is no part of a file of features, which would be written there; move it "
                    "away",
                    part->path);
}

/* Looks at what lies beside OUT before anything of it is made or changed, and refuses what belongs
 * to somebody else and, to be gone on with, to other features. *same: it is of these features. */
static vgg_status check_parts(const vgg_feature_file *file, bool resume, bool *same,
                              vgg_error *error) {
    off_t bytes;
    bool own;
    vgg_status status = measure_part(&file->list, &bytes, error);
    if (status != VGG_OK)
        return status;
    read_head(file, &own, same);
    if (bytes > 0 && !own)
        return fail_of_others(&file->list, error);
    if (own && resume && !*same)
        return vgg_fail(error, VGG_ERROR_CHANGED,
                        "%s: is of other features (another model, layer, pool or scale), which "
                        "cannot be gone on with",
                        file->list.path);
    for (size_t t = 0; status == VGG_OK && t < file->layers; t++) {
        status = measure_part(&file->parts[t], &bytes, error);
        if (status == VGG_OK && bytes > 0 && !own)
            return fail_of_others(&file->parts[t], error);
    }
    if (status == VGG_OK && file->format == VGG_FEATURES_NPZ) {
        status = measure_part(&file->texts, &bytes, error);
        if (status == VGG_OK && bytes > 0 && !own)
            return fail_of_others(&file->texts, error);
    }
    return status;
}

static vgg_status open_part(vgg_feature_part *part, vgg_error *error) {
    part->stream = fopen(part->path, "r+be");
    if (part->stream == NULL && errno == ENOENT)
        part->stream = fopen(part->path, "w+be");
    return part->stream == NULL ? fail_part(part, "open", error) : VGG_OK;
}

static vgg_status open_parts(vgg_feature_file *file, vgg_error *error) {
    vgg_status status = open_part(&file->list, error);
    for (size_t t = 0; status == VGG_OK && t < file->layers; t++) {
        status = open_part(&file->parts[t], error);
    }
    return status;
}

/* Rows that all layers have. */
static size_t rows_there(const vgg_feature_file *file) {
    size_t least = SIZE_MAX;
    for (size_t t = 0; t < file->layers; t++) {
        struct stat info;
        bool some = fstat(fileno(file->parts[t].stream), &info) == 0 && info.st_size > VGG_NPY_HEAD;
        size_t rows = some ? ((size_t)info.st_size - VGG_NPY_HEAD) / row_bytes(file, t) : (size_t)0;
        least = vgg_size_min(least, rows);
    }
    return least;
}

/* Counts the records that are whole, with the rows that belong to them. */
static void read_list(vgg_feature_file *file) {
    FILE *stream = file->list.stream;
    fseek(stream, file->end, SEEK_SET);
    size_t there = rows_there(file);
    bool readable;
    while (vgg_feature_list_next(file, &readable) && !(readable && file->rows == there)) {
        file->count++;
        file->rows += readable;
        file->end = ftell(stream);
    }
    file->held = file->count;
}

/* Leaves nothing of an earlier run. The rows go first, so that a process which ends in between
 * leaves no list that they do not belong to. */
static vgg_status begin_list(vgg_feature_file *file, vgg_error *error) {
    vgg_feature_head head = {.facts = file->facts};
    memcpy(head.what, VGG_FEATURE_LIST, sizeof head.what);
    for (size_t t = 0; t < file->layers; t++) {
        if (ftruncate(fileno(file->parts[t].stream), 0) != 0)
            return fail_part(&file->parts[t], "shorten", error);
    }
    FILE *stream = file->list.stream;
    if (ftruncate(fileno(stream), 0) != 0)
        return fail_part(&file->list, "shorten", error);
    if (fwrite(&head, sizeof head, 1, stream) != 1 || fflush(stream) != 0)
        return fail_part(&file->list, "write", error);
    return VGG_OK;
}

/* Cuts off what does not belong to a whole record, and goes behind the last row. */
static vgg_status cut_parts(vgg_feature_file *file, vgg_error *error) {
    if (ftruncate(fileno(file->list.stream), file->end) != 0)
        return fail_part(&file->list, "shorten", error);
    for (size_t t = 0; t < file->layers; t++) {
        FILE *stream = file->parts[t].stream;
        off_t end = VGG_NPY_HEAD + (off_t)(file->rows * row_bytes(file, t));
        if (ftruncate(fileno(stream), end) != 0 || fseeko(stream, 0, SEEK_END) != 0)
            return fail_part(&file->parts[t], "shorten", error);
    }
    return VGG_OK;
}

static vgg_status begin(vgg_feature_file *file, bool resume, vgg_error *error) {
    bool same = false;
    vgg_status status = check_parts(file, resume, &same, error);
    if (status == VGG_OK)
        status = open_parts(file, error);
    if (status != VGG_OK)
        return status;
    file->end = sizeof(vgg_feature_head);
    if (resume && same)
        read_list(file);
    else
        status = begin_list(file, error);
    if (status == VGG_OK)
        status = cut_parts(file, error);
    file->begun = status == VGG_OK;
    return status == VGG_OK ? vgg_feature_list_begin(file, error) : status;
}

/* "OUT<which>.part". */
static char *part_name(const char *path, const char *which) {
    vgg_text text = {0};
    vgg_text_add(&text, "%s%s.part", path, which);
    return vgg_text_take(&text);
}

static vgg_status allocate(vgg_feature_file *file, const char *path, vgg_error *error) {
    file->infos = vgg_calloc(file->layers, sizeof *file->infos);
    file->path = vgg_text_copy(path);
    file->names = vgg_calloc(file->layers, sizeof *file->names);
    file->parts = vgg_calloc(file->layers, sizeof *file->parts);
    file->name = vgg_malloc(VGG_FEATURE_NAME);
    file->list.path = part_name(path, "");
    file->texts.path = part_name(path, ".names");
    bool fine = file->path != NULL && file->infos != NULL && file->names != NULL &&
                file->parts != NULL && file->name != NULL && file->list.path != NULL &&
                file->texts.path != NULL;
    for (size_t t = 0; fine && t < file->layers; t++) {
        char which[24];
        snprintf(which, sizeof which, ".%zu", t);
        file->parts[t].path = part_name(path, which);
        fine = file->parts[t].path != NULL;
    }
    return fine ? VGG_OK : vgg_fail_memory(error, "a file of features", VGG_FEATURE_NAME);
}

vgg_status vgg_feature_file_open(const char *path, const vgg_extractor *extractor,
                                 const vgg_feature_file_options *given, vgg_feature_file **out,
                                 vgg_error *error) {
    vgg_feature_file_options options;
    vgg_feature_file_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_feature_file_options", error);
    if (status == VGG_OK && options.layers == NULL)
        status =
            vgg_fail(error, VGG_ERROR_ARGUMENT, "a file of features whose layers have no names");
    if (status != VGG_OK)
        return status;
    vgg_feature_file *file = vgg_calloc(1, sizeof *file);
    if (file == NULL)
        return vgg_fail_memory(error, "a file of features", sizeof *file);
    file->layers = vgg_extractor_taps(extractor);
    status = allocate(file, path, error);
    for (size_t t = 0; status == VGG_OK && t < file->layers; t++) {
        file->infos[t].struct_size = sizeof *file->infos;
        status = vgg_extractor_tap(extractor, t, &file->infos[t], error);
    }
    if (status == VGG_OK)
        status = name_layers(file, options.layers, error);
    if (status == VGG_OK)
        status = find_format(file, error);
    if (status == VGG_OK) {
        file->facts = sum_of(file, options.facts != NULL ? options.facts : "");
        status = begin(file, options.resume, error);
    }
    if (status != VGG_OK) {
        vgg_feature_file_free(file);
        return status;
    }
    *out = file;
    return VGG_OK;
}

/* ---- taking ---- */

size_t vgg_feature_file_count(const vgg_feature_file *file) {
    return file->count;
}

vgg_status vgg_feature_file_pass(vgg_feature_file *file, const char *name, bool *readable,
                                 vgg_error *error) {
    if (file->passed == file->held)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: holds no more than %zu pictures",
                        file->list.path, file->held);
    if (!vgg_feature_list_next(file, readable))
        return fail_part(&file->list, "read", error);
    if (strcmp(file->name, name) != 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: picture %zu is %.400s, and now it is %.400s: the pictures are not "
                        "those of before",
                        file->list.path, file->passed + 1, file->name, name);
    file->passed++;
    return VGG_OK;
}

static vgg_status add_row(vgg_feature_file *file, size_t layer, const float *values,
                          vgg_error *error) {
    if (fwrite(values, row_bytes(file, layer), 1, file->parts[layer].stream) != 1)
        return fail_part(&file->parts[layer], "write", error);
    return VGG_OK;
}

vgg_status vgg_feature_file_add(vgg_feature_file *file, const char *name,
                                const float *const *values, vgg_error *error) {
    const vgg_feature_record r = {values != NULL ? VGG_FEATURE_READ : VGG_FEATURE_UNREAD,
                                  (uint32_t)strlen(name)};
    if (file->passed < file->held || r.length >= VGG_FEATURE_NAME)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%.200s: %s", name,
                        r.length >= VGG_FEATURE_NAME ? "a name of more than 65,535 bytes"
                                                     : "comes before those that are held");
    vgg_status status = VGG_OK;
    for (size_t t = 0; values != NULL && status == VGG_OK && t < file->layers; t++) {
        status = add_row(file, t, values[t], error);
    }
    if (status != VGG_OK)
        return status;
    FILE *stream = file->list.stream;
    if ((file->count == file->held && fseek(stream, file->end, SEEK_SET) != 0) ||
        fwrite(&r, sizeof r, 1, stream) != 1 || fwrite(name, 1, r.length, stream) != r.length)
        return fail_part(&file->list, "write", error);
    file->count++;
    file->rows += values != NULL;
    return VGG_OK;
}

vgg_status vgg_feature_file_flush(vgg_feature_file *file, vgg_error *error) {
    for (size_t t = 0; t < file->layers; t++) {
        if (fflush(file->parts[t].stream) != 0)
            return fail_part(&file->parts[t], "write", error);
    }
    return fflush(file->list.stream) == 0 ? VGG_OK : fail_part(&file->list, "write", error);
}

/* The list goes last: it says whose the others are. */
static void remove_parts(vgg_feature_file *file) {
    for (size_t t = 0; t < file->layers; t++) {
        unlink(file->parts[t].path);
    }
    if (file->format == VGG_FEATURES_NPZ)
        unlink(file->texts.path);
    unlink(file->list.path);
}

vgg_status vgg_feature_file_finish(vgg_feature_file *file, vgg_error *error) {
    if (file->passed < file->held)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: holds %zu pictures, of which only %zu came: the pictures are not "
                        "those of before",
                        file->list.path, file->held, file->passed);
    vgg_status status = vgg_feature_file_flush(file, error);
    if (status == VGG_OK)
        status = vgg_feature_file_write(file, error);
    if (status == VGG_OK)
        remove_parts(file);
    return status;
}

void vgg_feature_file_free(vgg_feature_file *file) {
    if (file == NULL)
        return;
    if (file->begun && file->rows == 0)
        remove_parts(file);
    if (file->list.stream != NULL)
        fclose(file->list.stream);
    vgg_free(file->list.path);
    vgg_free(file->texts.path);
    for (size_t t = 0; file->parts != NULL && t < file->layers; t++) {
        if (file->parts[t].stream != NULL)
            fclose(file->parts[t].stream);
        vgg_free(file->parts[t].path);
    }
    vgg_free(file->parts);
    vgg_free(file->names);
    vgg_free(file->infos);
    vgg_free(file->name);
    vgg_free(file->path);
    vgg_free(file);
}
