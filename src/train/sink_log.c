/* log.jsonl. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "train/sinks.h"

typedef struct log_sink {
    FILE *stream;
    char *path;
    vgg_error error;
} log_sink;

static void close_log(void *user) {
    log_sink *log = user;
    if (log->stream != NULL)
        fclose(log->stream);
    vgg_free(log->path);
    vgg_free(log);
}

/* Writes one object, which it consumes, as a line. */
static bool write_line(log_sink *log, json_t *object) {
    char *line =
        object == NULL ? NULL : vgg_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (line == NULL)
        return vgg_fail_memory(&log->error, "a line of the log", 256) == VGG_OK;
    errno = 0;
    int written = fprintf(log->stream, "%s\n", line);
    vgg_free(line);
    if (written >= 0 && fflush(log->stream) == 0)
        return true;
    vgg_fail(&log->error, VGG_ERROR_IO, "%s: cannot write: %s", log->path, strerror(errno));
    return false;
}

static json_t *describe(const char *type, const vgg_train_event *event) {
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "type", type, "epoch",
                     (json_int_t)event->epoch, "images", (json_int_t)event->images, "loss",
                     event->loss, "accuracy", event->accuracy, "rate", event->rate, "images_per_s",
                     event->images_per_s, "waited", event->waited);
}

static json_t *describe_step(const vgg_train_event *event) {
    json_t *object = describe("step", event);
    json_object_set_new(object, "step", json_integer((json_int_t)event->step));
    return object;
}

static json_t *describe_epoch(const vgg_train_event *event) {
    json_t *object = describe("epoch", event);
    json_object_set_new(object, "best", json_boolean(event->best));
    if (event->validated) {
        json_object_set_new(object, "validation_loss", json_real(event->validation_loss));
        json_object_set_new(object, "validation_top1", json_real(event->validation_top1));
        json_object_set_new(object, "validation_top5", json_real(event->validation_top5));
    }
    return object;
}

static bool tell_log(void *user, const vgg_train_event *event) {
    log_sink *log = user;
    if (event->type == VGG_EVENT_STEP)
        return write_line(log, describe_step(event));
    if (event->type == VGG_EVENT_EPOCH)
        return write_line(log, describe_epoch(event));
    return true;
}

vgg_status vgg_event_sink_log(const char *folder, bool resumed, vgg_event_sink *sink,
                              vgg_error *error) {
    log_sink *log = vgg_calloc(1, sizeof *log);
    if (log != NULL)
        log->path = vgg_path_join(folder, "log.jsonl");
    if (log == NULL || log->path == NULL) {
        vgg_free(log);
        return vgg_fail_memory(error, "the log", strlen(folder));
    }
    log->stream = fopen(log->path, resumed ? "ae" : "we");
    if (log->stream == NULL) {
        vgg_fail(error, VGG_ERROR_IO, "%s: cannot write: %s", log->path, strerror(errno));
        close_log(log);
        return VGG_ERROR_IO;
    }
    *sink =
        (vgg_event_sink){.tell = tell_log, .user = log, .failure = &log->error, .close = close_log};
    return VGG_OK;
}
