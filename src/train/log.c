/* log.jsonl: a JSON object per line, one for each step and each epoch. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "train/run.h"

vgg_status vgg_run_open_log(vgg_run *run, vgg_error *error) {
    if (run->options.folder == NULL)
        return VGG_OK;
    char *path = vgg_path_join(run->options.folder, "log.jsonl");
    if (path == NULL)
        return vgg_fail_memory(error, "the log's name", strlen(run->options.folder));
    run->log = fopen(path, run->options.resume ? "ae" : "we");
    vgg_status status = VGG_OK;
    if (run->log == NULL)
        status = vgg_fail(error, VGG_ERROR_IO, "%s: cannot write: %s", path, strerror(errno));
    free(path);
    return status;
}

/* Writes one object, which it consumes, as a line. */
static vgg_status write_line(const vgg_run *run, json_t *object, vgg_error *error) {
    char *line = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (line == NULL)
        return vgg_fail_memory(error, "a line of the log", 256);
    errno = 0;
    int written = fprintf(run->log, "%s\n", line);
    free(line);
    if (written < 0 || fflush(run->log) != 0)
        return vgg_fail(error, VGG_ERROR_IO, "%s/log.jsonl: cannot write: %s", run->options.folder,
                        strerror(errno));
    return VGG_OK;
}

static json_t *common(const char *type, const vgg_train_event *event) {
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "type", type, "epoch",
                     (json_int_t)event->epoch, "images", (json_int_t)event->images, "loss",
                     event->loss, "accuracy", event->accuracy, "rate", event->rate,
                     "images_per_second", event->images_per_second, "waited", event->waited);
}

vgg_status vgg_run_log_step(const vgg_run *run, const vgg_train_event *event, vgg_error *error) {
    if (run->log == NULL)
        return VGG_OK;
    json_t *object = common("step", event);
    json_object_set_new(object, "step", json_integer((json_int_t)event->step));
    return write_line(run, object, error);
}

vgg_status vgg_run_log_epoch(const vgg_run *run, const vgg_train_event *event, vgg_error *error) {
    if (run->log == NULL)
        return VGG_OK;
    json_t *object = common("epoch", event);
    json_object_set_new(object, "best", json_boolean(event->best));
    if (event->validated) {
        json_object_set_new(object, "validation_loss", json_real(event->validation_loss));
        json_object_set_new(object, "validation_top1", json_real(event->validation_top1));
        json_object_set_new(object, "validation_top5", json_real(event->validation_top5));
    }
    return write_line(run, object, error);
}
