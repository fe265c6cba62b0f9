/* What is in the way of the files that a run writes beside its checkpoint. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/trainer.h"

/* Whether the run can write `name`, a file or a folder, where something of that name is there. */
static vgg_status check_place(const char *folder, const char *name, bool is_folder,
                              vgg_error *error) {
    struct stat info;
    char *path = vgg_path_join(folder, name);
    vgg_status status = VGG_OK;
    if (path == NULL)
        return vgg_fail_memory(error, "a path", strlen(folder));
    bool there = stat(path, &info) == 0;
    if (!there && !vgg_file_is_missing(errno))
        status = vgg_file_fail(error, path, "look at");
    else if (there && is_folder != S_ISDIR(info.st_mode))
        status = vgg_fail(error, VGG_ERROR_IO, "%s: is %s, where the run has a %s of its own", path,
                          is_folder ? "no folder" : "a folder", is_folder ? "folder" : "file");
    else if (there && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)))
        status = vgg_fail(error, VGG_ERROR_IO, "%s: is %s, expected a file or a new name", path,
                          vgg_file_kind(info.st_mode));
    else if (there && access(path, W_OK) != 0)
        status = vgg_file_fail(error, path, "write");
    vgg_free(path);
    return status;
}

vgg_status vgg_trainer_check_places(const vgg_trainer *trainer, vgg_error *error) {
    const char *folder = vgg_run_folder(trainer->run);
    vgg_status status = check_place(folder, "log.jsonl", false, error);
    if (status == VGG_OK)
        status = check_place(folder, "results.csv", false, error);
    if (status == VGG_OK && (trainer->options.tensorboard || trainer->options.histograms))
        status = check_place(folder, "tensorboard", true, error);
    return status == VGG_OK ? vgg_results_check(folder, error) : status;
}
