#include "cli/serve/models.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/message.h"

static bool is_letter_of_a_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Names stand in addresses. */
static bool is_name(const char *text, size_t length) {
    if (length == 0 || length >= VGG_SERVE_NAME_SIZE || text[0] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_letter_of_a_name(text[i]))
            return false;
    }
    return true;
}

/* "photos" of "runs/photos.safetensors"; of a run's folder its own name. */
static size_t stem(const char *path, const char **begin) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    const char *dot = memrchr(path + start, '.', end - start);
    *begin = path + start;
    return dot != NULL && dot > path + start ? (size_t)(dot - path) - start : end - start;
}

/* A text with a "=" in it is NAME=FILE unless there is a file of that name. */
static bool name_model(vgg_serve_model *model, const char *given) {
    const char *equals = strchr(given, '='), *begin = given;
    size_t length;
    if (equals != NULL && is_name(given, (size_t)(equals - given)) && access(given, F_OK) != 0) {
        length = (size_t)(equals - given);
        model->source.path = equals + 1;
    } else {
        model->source.path = given;
        length = stem(given, &begin);
    }
    if (*model->source.path == '\0') {
        vgg_cli_complain("serve", "--model %s: names no file", given);
        return false;
    }
    if (!is_name(begin, length)) {
        vgg_cli_complain("serve",
                         "--model %s: give it a name of up to %d of the letters a-z A-Z 0-9 . _ -, "
                         "by which clients ask for it: --model NAME=%s",
                         given, VGG_SERVE_NAME_SIZE - 1, model->source.path);
        return false;
    }
    memcpy(model->name, begin, length);
    model->name[length] = '\0';
    return true;
}

bool vgg_serve_models_name(vgg_serve_models *models, const vgg_cli_texts *given,
                           const vgg_cli_model_source *told) {
    if (given->count == 0 && !vgg_cli_has_builtin()) {
        vgg_cli_complain("serve", "--model FILE is missing: the model file to serve");
        return false;
    }
    do {
        vgg_serve_model *model = &models->entries[models->count];
        *model = (vgg_serve_model){.source = *told, .place = models->count};
        pthread_mutex_init(&model->lock, NULL);
        if (!name_model(model, given->count == 0 ? VGG_CLI_BUILTIN : given->values[models->count]))
            return false;
        if (vgg_serve_models_find(models, model->name, strlen(model->name)) != NULL) {
            vgg_cli_complain("serve",
                             "--model: two models are called %s; name one: --model NAME=%s",
                             model->name, model->source.path);
            return false;
        }
        models->count++;
    } while (models->count < given->count);
    return true;
}

static void free_version(vgg_serve_version *version) {
    vgg_extractor_free(version->extractor);
    vgg_predictor_free(version->predictor);
    vgg_model_free(version->model);
    free(version);
}

/* A new version of the model, whatever is in its file now; NULL when there can be none, which was
 * complained about. */
static vgg_serve_version *load(const vgg_serve_models *models, const vgg_serve_model *model,
                               size_t number) {
    vgg_serve_version *version = calloc(1, sizeof *version);
    if (version == NULL) {
        vgg_cli_complain("serve", "out of memory for %s", model->name);
        return NULL;
    }
    version->number = number;
    atomic_init(&version->users, 1);
    vgg_predictor_options options;
    vgg_predictor_options_init(&options, sizeof options);
    options.shared_threads = models->computing.threads;
    options.batch = models->computing.batch;
    options.tuned_batch = VGG_SERVE_TUNED_BATCH;
    options.exact = models->computing.exact;
    options.precision = models->computing.precision;
    options.device = models->computing.device;
    options.protocol = models->computing.protocol;
    vgg_error error;
    if (vgg_cli_model_open("serve", &model->source, &version->model) != VGG_CLI_OK) {
        free_version(version);
        return NULL;
    }
    const vgg_preprocess *preprocess = vgg_model_preprocess(version->model);
    if (preprocess != NULL && preprocess->side_count > 0) {
        vgg_cli_complain("serve",
                         "%s: looks at pictures in %zu sizes, and a server in one; --short-side "
                         "says which",
                         model->source.path, preprocess->side_count);
        free_version(version);
        return NULL;
    }
    if (vgg_predictor_create(version->model, &options, &version->predictor, &error) != VGG_OK) {
        vgg_cli_complain("serve", "%s: %s", model->source.path, error.message);
        free_version(version);
        return NULL;
    }
    version->classes = vgg_network_describe(vgg_model_network(version->model))->classes;
    version->channels = preprocess->channels;
    version->height = preprocess->height;
    version->width = preprocess->width;
    version->input = version->channels * version->height * version->width;
    return version;
}

/* What is under the model's path now; zeros where nothing is, or the model is the one in the box.
 */
static struct stat look_at(const vgg_serve_model *model) {
    struct stat info;
    vgg_cli_model_stat(model->source.path, &info);
    return info;
}

bool vgg_serve_same_file(const struct stat *left, const struct stat *right) {
    return left->st_dev == right->st_dev && left->st_ino == right->st_ino &&
           left->st_size == right->st_size && left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
           left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

/* Counts the loading of a version, NULL being one that failed. */
static void count_load(vgg_serve_models *models, const vgg_serve_model *model,
                       const vgg_serve_version *version) {
    vgg_serve_model_metrics *of = &models->metrics->models[model->place];
    vgg_serve_metrics_add(models->metrics, version != NULL ? &of->loads : &of->failed_loads, 1);
}

bool vgg_serve_models_load(vgg_serve_models *models) {
    for (size_t i = 0; i < models->count; i++) {
        vgg_serve_model *model = &models->entries[i];
        model->loaded = model->seen = look_at(model);
        model->version = load(models, model, 1);
        count_load(models, model, model->version);
        if (model->version == NULL)
            return false;
    }
    return true;
}

static void renew(vgg_serve_models *models, vgg_serve_model *model) {
    vgg_serve_version *old = model->version;
    vgg_serve_version *version = load(models, model, old->number + 1);
    count_load(models, model, version);
    if (version == NULL) {
        vgg_cli_complain("serve", "%s: stays at version %zu", model->name, old->number);
        return;
    }
    pthread_mutex_lock(&model->lock);
    model->version = version;
    pthread_mutex_unlock(&model->lock);
    vgg_cli_complain("serve", "%s: is at version %zu, %zu classes", model->name, version->number,
                     version->classes);
    vgg_serve_version_release(old);
}

void vgg_serve_models_renew(vgg_serve_models *models, bool all) {
    for (size_t i = 0; i < models->count; i++) {
        vgg_serve_model *model = &models->entries[i];
        struct stat now = look_at(model);
        bool settled = now.st_size > 0 && vgg_serve_same_file(&now, &model->seen);
        bool changed = settled && !vgg_serve_same_file(&now, &model->loaded);
        model->seen = now;
        if (!all && !changed)
            continue;
        model->loaded = now;
        renew(models, model);
    }
}

void vgg_serve_models_free(vgg_serve_models *models) {
    for (size_t i = 0; i < models->count; i++) {
        vgg_serve_version_release(models->entries[i].version);
        pthread_mutex_destroy(&models->entries[i].lock);
    }
    models->count = 0;
}

vgg_serve_model *vgg_serve_models_find(vgg_serve_models *models, const char *name, size_t length) {
    for (size_t i = 0; i < models->count; i++) {
        vgg_serve_model *model = &models->entries[i];
        if (strlen(model->name) == length && memcmp(model->name, name, length) == 0)
            return model;
    }
    return NULL;
}

size_t vgg_serve_layer_values(const vgg_layer_info *layer) {
    size_t values = 1;
    for (size_t i = 0; i < layer->dimensions; i++) {
        values *= layer->output[i];
    }
    return values;
}

vgg_serve_version *vgg_serve_version_acquire(vgg_serve_model *model) {
    pthread_mutex_lock(&model->lock);
    vgg_serve_version *version = model->version;
    atomic_fetch_add(&version->users, 1);
    pthread_mutex_unlock(&model->lock);
    return version;
}

void vgg_serve_version_release(vgg_serve_version *version) {
    if (version != NULL && atomic_fetch_sub(&version->users, 1) == 1)
        free_version(version);
}
