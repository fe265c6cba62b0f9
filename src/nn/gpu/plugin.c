/* Finding and loading the plugin. */
#include "nn/gpu/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "nn/gpu/pool.h"

#define PLUGIN "libvgg-cuda.so"
#define ENTRY "vgg_cuda_plugin"

/* The plugin stays until the process ends, as plans may use it. */
static struct {
    pthread_mutex_t lock;
    const vgg_gpu_calls *calls;
    bool works;              /* a GPU was opened by them */
    char name[VGG_GPU_NAME]; /* and this is what it is called */
} opened = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- where the plugin lies ---- */

/* The folder of the file that this code is in: of the shared library, or of the program that has
 * the library in it. Empty when that is not known. */
static void find_own_folder(char folder[PATH_MAX]) {
    Dl_info about;
    const char *file = "/proc/self/exe";
    /* A program goes by the name that it was called by, which need not lead to it. */
    if (dladdr(&opened, &about) != 0 && about.dli_fname != NULL &&
        strcmp(about.dli_fname, program_invocation_name) != 0)
        file = about.dli_fname;
    char *slash = realpath(file, folder) != NULL ? strrchr(folder, '/') : folder;
    if (slash != NULL)
        *slash = '\0';
}

/* path: that of the plugin in "<folder>/<under>". False where there is none. */
static bool look_in(const char *folder, const char *under, char path[PATH_MAX]) {
    char name[PATH_MAX];
    int length = snprintf(name, sizeof name, "%s/%s/" PLUGIN, folder, under);
    return length > 0 && (size_t)length < sizeof name && realpath(name, path) != NULL;
}

static vgg_status find_file(char path[PATH_MAX], vgg_error *error) {
    char folder[PATH_MAX];
    const char *named = getenv("VGG_CUDA_PLUGIN");
    if (named != NULL && *named != '\0') {
        if (realpath(named, path) != NULL)
            return VGG_OK;
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "no GPU support: VGG_CUDA_PLUGIN names %s: %s", named, strerror(errno));
    }
    find_own_folder(folder);
    bool absolute = VGG_LIBDIR[0] == '/';
    if (look_in(folder, ".", path) ||
        look_in(absolute ? "" : folder, absolute ? VGG_LIBDIR : "../" VGG_LIBDIR, path))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "no " PLUGIN " beside the program or library in %s: this build has no support "
                    "for GPUs",
                    folder);
}

/* ---- opening it ---- */

/* Before anything else of the plugin is called. */
static vgg_status check(vgg_cuda_plugin_entry *plugin, const char *path, vgg_error *error) {
    if (plugin == NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "no GPU support: %s is no plugin of libvgg, it has no " ENTRY, path);
    const char *version = plugin()->version;
    if (strcmp(version, VGG_GPU_CALLS_VERSION) != 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "no GPU support: %s is the plugin of another libvgg, found version %s, "
                        "expected %s",
                        path, version, VGG_GPU_CALLS_VERSION);
    return VGG_OK;
}

static vgg_status load(const char *path, const vgg_gpu_calls **calls, vgg_error *error) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "no GPU support: %s", dlerror());
    /* dlsym gives functions as objects, and C has no cast from one to the other. */
    vgg_cuda_plugin_entry *plugin;
    void *symbol = dlsym(library, ENTRY);
    memcpy(&plugin, &symbol, sizeof plugin);
    vgg_status status = check(plugin, path, error);
    if (status == VGG_OK)
        *calls = plugin();
    else
        dlclose(library);
    return status;
}

static vgg_status find_plugin(const vgg_gpu_calls **calls, vgg_error *error) {
    char path[PATH_MAX];
    vgg_status status = find_file(path, error);
    return status == VGG_OK ? load(path, calls, error) : status;
}

static vgg_status try_gpu(const vgg_gpu_calls *calls, char name[VGG_GPU_NAME], vgg_error *error) {
    char said[VGG_ERROR_TEXT] = "out of memory";
    gpu_opened *found = NULL;
    if (vgg_gpu_pool_take(calls, &found, said, sizeof said) != VGG_GPU_OK)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "no GPU: %s", said);
    snprintf(name, VGG_GPU_NAME, "%s", calls->name(found->gpu));
    vgg_gpu_pool_give_back(found, true);
    return VGG_OK;
}

vgg_status vgg_gpu_calls_find(const vgg_gpu_calls **calls, vgg_error *error) {
    vgg_status status = VGG_OK;
    pthread_mutex_lock(&opened.lock);
    if (opened.calls == NULL)
        status = find_plugin(&opened.calls, error);
    if (status == VGG_OK && !opened.works)
        status = try_gpu(opened.calls, opened.name, error);
    opened.works = status == VGG_OK;
    *calls = opened.calls;
    pthread_mutex_unlock(&opened.lock);
    return status;
}

void vgg_gpu_name(char name[VGG_GPU_NAME]) {
    pthread_mutex_lock(&opened.lock);
    memcpy(name, opened.name, VGG_GPU_NAME);
    pthread_mutex_unlock(&opened.lock);
}

void vgg_gpu_calls_use(const vgg_gpu_calls *calls) {
    pthread_mutex_lock(&opened.lock);
    vgg_gpu_pool_clear();
    opened.calls = calls;
    opened.works = false;
    pthread_mutex_unlock(&opened.lock);
}
