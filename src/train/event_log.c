/* log.jsonl. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "train/sinks.h"

struct vgg_event_log {
    FILE *stream;
    char *path;
    uint64_t bytes; /* of the file, but for a line that could not be written */
};

static vgg_status fail(const vgg_event_log *log, vgg_error *error) {
    return vgg_file_fail(error, log->path, "write");
}

/* Writes one object, which it consumes, as a line. */
static vgg_status write_line(vgg_event_log *log, json_t *object, vgg_error *error) {
    char *line =
        object == NULL ? NULL : vgg_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (line == NULL)
        return vgg_fail_memory(error, "a line of the log", 256);
    errno = 0;
    int written = fprintf(log->stream, "%s\n", line);
    vgg_free(line);
    if (written < 0 || fflush(log->stream) != 0)
        return fail(log, error);
    log->bytes += (uint64_t)written;
    return VGG_OK;
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

vgg_status vgg_event_log_write(vgg_event_log *log, const vgg_train_event *event, vgg_error *error) {
    if (event->type == VGG_EVENT_STEP)
        return write_line(log, describe_step(event), error);
    if (event->type == VGG_EVENT_EPOCH)
        return write_line(log, describe_epoch(event), error);
    return VGG_OK;
}

/* ---- the file ---- */

/* A link to a device, such as /dev/null, is a log of its own kind: it has no length. */
static vgg_status cut(vgg_event_log *log, int fd, uint64_t keep, vgg_error *error) {
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail(log, error);
    log->bytes = (uint64_t)info.st_size;
    if (!S_ISREG(info.st_mode) || log->bytes <= keep)
        return VGG_OK;
    if (ftruncate(fd, (off_t)keep) != 0)
        return fail(log, error);
    log->bytes = keep;
    return VGG_OK;
}

static vgg_status open_file(vgg_event_log *log, uint64_t keep, vgg_error *error) {
    int fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(log, error);
    vgg_status status = cut(log, fd, keep, error);
    if (status == VGG_OK && (log->stream = fdopen(fd, "a")) == NULL)
        status = fail(log, error);
    if (status != VGG_OK)
        close(fd);
    return status;
}

vgg_status vgg_event_log_open(const char *folder, uint64_t keep, vgg_event_log **out,
                              vgg_error *error) {
    vgg_event_log *log = vgg_calloc(1, sizeof *log);
    if (log != NULL)
        log->path = vgg_path_join(folder, "log.jsonl");
    if (log == NULL || log->path == NULL) {
        vgg_free(log);
        return vgg_fail_memory(error, "the log", strlen(folder));
    }
    vgg_status status = open_file(log, keep, error);
    if (status != VGG_OK) {
        vgg_event_log_close(log);
        return status;
    }
    *out = log;
    return VGG_OK;
}

void vgg_event_log_close(vgg_event_log *log) {
    if (log == NULL)
        return;
    if (log->stream != NULL)
        fclose(log->stream);
    vgg_free(log->path);
    vgg_free(log);
}

vgg_status vgg_event_log_sync(vgg_event_log *log, vgg_error *error) {
    if (fdatasync(fileno(log->stream)) == 0 || errno == EINVAL || errno == ENOTSUP)
        return VGG_OK;
    return fail(log, error);
}

uint64_t vgg_event_log_bytes(const vgg_event_log *log) {
    return log->bytes;
}
