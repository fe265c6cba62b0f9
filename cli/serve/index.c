#include "cli/serve/index.h"

#include <stdlib.h>
#include <string.h>

#include "cli/message.h"

/* ---- names ---- */

/* How many letters, up to the last "/" among them, all names begin with. */
static size_t common_folder(const vgg_index *index, size_t pictures) {
    const char *first = pictures > 0 ? vgg_index_name(index, 0) : "";
    const char *slash = strrchr(first, '/');
    size_t length = slash != NULL ? (size_t)(slash - first) + 1 : 0;
    for (size_t i = 1; i < pictures && length > 0; i++) {
        while (length > 0 && strncmp(vgg_index_name(index, i), first, length) != 0) {
            do {
                length--;
            } while (length > 0 && first[length - 1] != '/');
        }
    }
    return length;
}

const char *vgg_serve_index_name(const vgg_serve_index *index, size_t picture) {
    return vgg_index_name(index->opened, picture) + index->folder;
}

/* ---- opening ---- */

static void free_index(vgg_serve_index *index) {
    vgg_index_free(index->opened);
    vgg_serve_version_release(index->version);
    free(index);
}

/* Tries the models one after the other; *error is that of the last. */
static vgg_status open_with_one(const char *path, vgg_serve_models *models, vgg_serve_index *index,
                                vgg_error *error) {
    vgg_index_options options;
    vgg_status status = VGG_ERROR_ARGUMENT;
    vgg_index_options_init(&options, sizeof options);
    options.batch = 1;
    options.shared_threads = models->computing.threads;
    options.precision = models->computing.precision;
    options.device = models->computing.device;
    for (size_t i = 0; i < models->count && status == VGG_ERROR_ARGUMENT; i++) {
        index->model = &models->entries[i];
        index->version = vgg_serve_version_acquire(index->model);
        status = vgg_index_open(path, index->version->model, &options, &index->opened, error);
        if (status == VGG_OK)
            break;
        vgg_serve_version_release(index->version);
        index->version = NULL;
    }
    return status;
}

/* NULL when there can be none, which was complained about. */
static vgg_serve_index *load(const char *path, vgg_serve_models *models, size_t number) {
    vgg_serve_index *index = calloc(1, sizeof *index);
    vgg_error error;
    if (index == NULL) {
        vgg_cli_complain("serve", "--index %s: out of memory", path);
        return NULL;
    }
    if (open_with_one(path, models, index, &error) != VGG_OK) {
        vgg_cli_complain("serve", "--index %s", error.message);
        free_index(index);
        return NULL;
    }
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index->opened, &info, NULL);
    index->pictures = info.pictures;
    index->folder = common_folder(index->opened, info.pictures);
    index->number = number;
    atomic_init(&index->users, 1);
    return index;
}

/* What requests find from now on. */
static void say(const vgg_serve_catalogue *catalogue, const vgg_serve_index *index) {
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index->opened, &info, NULL);
    vgg_cli_complain("serve", "%s: %zu pictures to search in, by %s of %s", catalogue->path,
                     info.pictures, info.layers, index->model->name);
}

/* This thread alone makes versions. */
static size_t count_versions(const vgg_serve_catalogue *catalogue, const vgg_serve_models *models) {
    size_t versions = 0;
    if (!catalogue->failed)
        return catalogue->index->model->version->number;
    for (size_t i = 0; i < models->count; i++) {
        versions += models->entries[i].version->number;
    }
    return versions;
}

static struct stat look(const vgg_serve_catalogue *catalogue) {
    struct stat file;
    return stat(catalogue->path, &file) == 0 ? file : (struct stat){0};
}

static bool same(const vgg_serve_index_origin *left, const vgg_serve_index_origin *right) {
    return vgg_serve_same_file(&left->file, &right->file) && left->versions == right->versions;
}

/* That it was tried with this file. */
static void remember(vgg_serve_catalogue *catalogue, const vgg_serve_models *models,
                     const struct stat *file, bool failed) {
    catalogue->failed = failed;
    catalogue->tried.file = *file;
    catalogue->tried.versions = count_versions(catalogue, models);
    catalogue->seen = catalogue->tried;
}

bool vgg_serve_catalogue_open(vgg_serve_catalogue *catalogue, vgg_serve_models *models) {
    if (catalogue->path == NULL)
        return true;
    struct stat file = look(catalogue);
    catalogue->index = load(catalogue->path, models, 1);
    if (catalogue->index == NULL)
        return false;
    remember(catalogue, models, &file, false);
    say(catalogue, catalogue->index);
    return true;
}

void vgg_serve_catalogue_renew(vgg_serve_catalogue *catalogue, vgg_serve_models *models, bool all) {
    if (catalogue->path == NULL)
        return;
    vgg_serve_index *old = catalogue->index;
    const vgg_serve_index_origin now = {.file = look(catalogue),
                                        .versions = count_versions(catalogue, models)};
    bool changed =
        now.file.st_size > 0 && same(&now, &catalogue->seen) && !same(&now, &catalogue->tried);
    catalogue->seen = now;
    if (!all && !changed)
        return;
    vgg_serve_index *index = load(catalogue->path, models, old->number + 1);
    if (index == NULL) {
        vgg_cli_complain("serve", "%s: stays as it was, with %s as it was", catalogue->path,
                         old->model->name);
        remember(catalogue, models, &now.file, true);
        return;
    }
    pthread_mutex_lock(&catalogue->lock);
    catalogue->index = index;
    pthread_mutex_unlock(&catalogue->lock);
    remember(catalogue, models, &now.file, false);
    say(catalogue, index);
    vgg_serve_index_release(old);
}

void vgg_serve_catalogue_close(vgg_serve_catalogue *catalogue) {
    vgg_serve_index_release(catalogue->index);
    catalogue->index = NULL;
}

/* ---- using ---- */

vgg_serve_index *vgg_serve_index_acquire(vgg_serve_catalogue *catalogue) {
    pthread_mutex_lock(&catalogue->lock);
    vgg_serve_index *index = catalogue->index;
    if (index != NULL)
        atomic_fetch_add(&index->users, 1);
    pthread_mutex_unlock(&catalogue->lock);
    return index;
}

void vgg_serve_index_release(vgg_serve_index *index) {
    if (index != NULL && atomic_fetch_sub(&index->users, 1) == 1)
        free_index(index);
}
