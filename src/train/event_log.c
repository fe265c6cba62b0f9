/* log.jsonl. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/sinks.h"

struct vgg_event_log {
    int file; /* -1: none is open */
    char *path;
    uint64_t bytes; /* of the file: whole lines */
    bool plain;     /* and not a device, which has no length */
};

static vgg_status fail(const vgg_event_log *log, vgg_error *error) {
    return vgg_file_fail(error, log->path, "write");
}

/* What was written of a line that could not be written whole is taken back. */
static vgg_status write_whole(vgg_event_log *log, const char *line, size_t length,
                              vgg_error *error) {
    for (size_t done = 0; done < length;) {
        ssize_t some = write(log->file, line + done, length - done);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0) {
            vgg_status status = fail(log, error);
            if (done > 0 && log->plain && ftruncate(log->file, (off_t)log->bytes) != 0)
                return vgg_file_fail(error, log->path, "take back a part of a line of");
            return status;
        }
        done += (size_t)some;
    }
    log->bytes += length;
    return VGG_OK;
}

/* Writes one object, which it consumes, as a line. */
static vgg_status write_line(vgg_event_log *log, json_t *object, vgg_error *error) {
    vgg_text text = {0};
    char *json =
        object == NULL ? NULL : vgg_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (json != NULL)
        vgg_text_add(&text, "%s\n", json);
    vgg_free(json);
    if (json == NULL || text.failed) {
        vgg_text_free(&text);
        return vgg_fail_memory(error, "a line of the log", 256);
    }
    vgg_status status = write_whole(log, text.data, text.length, error);
    vgg_text_free(&text);
    return status;
}

/* A member of an object, which may be NULL: it is whole, or freed and NULL. */
static json_t *with(json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *describe(const char *type, const vgg_train_event *event) {
    json_t *object = json_pack(
        "{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "type", type, "epoch", (json_int_t)event->epoch,
        "images", (json_int_t)event->images, "loss", event->loss, "accuracy", event->accuracy,
        "rate", event->rate, "images_per_s", event->images_per_s, "waited", event->waited);
    if (event->skipped_steps == 0)
        return object;
    return with(object, "skipped_steps", json_integer((json_int_t)event->skipped_steps));
}

static json_t *describe_step(const vgg_train_event *event) {
    return with(describe("step", event), "step", json_integer((json_int_t)event->step));
}

static json_t *describe_epoch(const vgg_train_event *event) {
    json_t *object = with(describe("epoch", event), "best", json_boolean(event->best));
    if (!event->validated)
        return object;
    object = with(object, "validation_loss", json_real(event->validation_loss));
    if (event->label_scores != NULL) {
        double mean = event->validation_mean_average_precision; /* no picture may have a label */
        object = with(object, "validation_mean_average_precision",
                      isfinite(mean) ? json_real(mean) : json_null());
        return with(object, "validation_exact_match", json_real(event->validation_exact_match));
    }
    object = with(object, "validation_top1", json_real(event->validation_top1));
    return with(object, "validation_top5", json_real(event->validation_top5));
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
static vgg_status cut(vgg_event_log *log, uint64_t keep, vgg_error *error) {
    struct stat info;
    if (fstat(log->file, &info) != 0)
        return fail(log, error);
    log->bytes = (uint64_t)info.st_size;
    log->plain = S_ISREG(info.st_mode);
    if (!log->plain || log->bytes <= keep)
        return VGG_OK;
    if (ftruncate(log->file, (off_t)keep) != 0)
        return fail(log, error);
    log->bytes = keep;
    return VGG_OK;
}

static vgg_status open_file(vgg_event_log *log, uint64_t keep, vgg_error *error) {
    log->file = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return log->file < 0 ? fail(log, error) : cut(log, keep, error);
}

vgg_status vgg_event_log_open(const char *folder, uint64_t keep, vgg_event_log **out,
                              vgg_error *error) {
    vgg_event_log *log = vgg_calloc(1, sizeof *log);
    if (log != NULL) {
        log->file = -1;
        log->path = vgg_path_join(folder, "log.jsonl");
    }
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
    if (log->file >= 0)
        close(log->file);
    vgg_free(log->path);
    vgg_free(log);
}

vgg_status vgg_event_log_sync(vgg_event_log *log, vgg_error *error) {
    if (fdatasync(log->file) == 0 || errno == EINVAL || errno == ENOTSUP)
        return VGG_OK;
    return fail(log, error);
}

uint64_t vgg_event_log_bytes(const vgg_event_log *log) {
    return log->bytes;
}
