/* results.csv: a row per epoch, in the columns of Ultralytics, whose readers then read it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/sinks.h"

/* lr/pg0: weights, lr/pg1: scales of batch normalisation, lr/pg2: biases. */
static const char one_label[] = "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,"
                                "val/loss,lr/pg0,lr/pg1,lr/pg2\n";
/* Ultralytics has no classification of several labels. */
static const char several_labels[] = "epoch,time,train/loss,metrics/mean_average_precision,"
                                     "metrics/exact_match,val/loss,lr/pg0,lr/pg1,lr/pg2\n";
#define BYTES_MOST ((size_t)64 << 20)

struct vgg_results {
    FILE *stream;
    char *path;
    const char *first_line;
    double before, opened; /* seconds that the rows kept have, and of the clock */
};

static vgg_status fail(const vgg_results *results, vgg_error *error) {
    return vgg_file_fail(error, results->path, "write");
}

/* ---- what is kept ---- */

/* Or the beginning of ours, whose writing was interrupted. */
static bool begins_as(const char *text, size_t size, const char *first_line) {
    return strncmp(text, first_line, vgg_size_min(size, strlen(first_line))) == 0;
}

/* How many bytes of the text are its first line and whole rows of the first `epochs` epochs, in
 * whose last *seconds had passed. */
static size_t kept_bytes(const char *text, size_t first, size_t epochs, double *seconds) {
    size_t kept = first;
    for (const char *row = text + first, *end; (end = strchr(row, '\n')) != NULL; row = end + 1) {
        char *comma;
        if (strtoull(row, &comma, 10) > epochs || *comma != ',')
            break;
        *seconds = strtod(comma + 1, NULL);
        kept = (size_t)(end + 1 - text);
    }
    return kept;
}

static vgg_status read_kept(vgg_results *results, size_t epochs, size_t *kept, vgg_error *error) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    *kept = 0;
    vgg_status status = vgg_file_read(results->path, BYTES_MOST, &bytes, &size, error);
    if (status == VGG_ERROR_NOT_FOUND)
        return VGG_OK;
    if (status != VGG_OK)
        return status;
    char *text = (char *)bytes;
    text[size] = '\0'; /* vgg_file_read leaves room for it */
    size_t first = strlen(results->first_line);
    if (!begins_as(text, size, one_label) && !begins_as(text, size, several_labels))
        status =
            vgg_fail(error, VGG_ERROR_FORMAT,
                     "%s: is another table than that of a run, and would be lost; move it away",
                     results->path);
    else if (size >= first && begins_as(text, size, results->first_line))
        *kept = kept_bytes(text, first, epochs, &results->before);
    vgg_free(text);
    return status;
}

/* ---- the file ---- */

static vgg_status open_file(vgg_results *results, size_t epochs, vgg_error *error) {
    struct stat info;
    size_t kept = 0;
    int fd = open(results->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(results, error);
    vgg_status status = fstat(fd, &info) == 0 ? VGG_OK : fail(results, error);
    if (status == VGG_OK && S_ISREG(info.st_mode)) { /* a device has nothing to cut off */
        status = read_kept(results, epochs, &kept, error);
        if (status == VGG_OK && ftruncate(fd, (off_t)kept) != 0)
            status = fail(results, error);
    }
    if (status == VGG_OK && (results->stream = fdopen(fd, "a")) == NULL)
        status = fail(results, error);
    if (status != VGG_OK) {
        close(fd);
        return status;
    }
    if (kept == 0 &&
        (fputs(results->first_line, results->stream) < 0 || fflush(results->stream) != 0))
        return fail(results, error);
    return VGG_OK;
}

vgg_status vgg_results_check(const char *folder, vgg_error *error) {
    vgg_results results = {.path = vgg_path_join(folder, "results.csv"), .first_line = one_label};
    size_t kept;
    struct stat info;
    if (results.path == NULL)
        return vgg_fail_memory(error, "the table of results", strlen(folder));
    vgg_status status = VGG_OK;
    if (stat(results.path, &info) == 0 && S_ISREG(info.st_mode))
        status = read_kept(&results, 0, &kept, error);
    vgg_free(results.path);
    return status;
}

vgg_status vgg_results_open(const char *folder, size_t epochs, bool several, vgg_results **out,
                            vgg_error *error) {
    vgg_results *results = vgg_calloc(1, sizeof *results);
    if (results != NULL)
        results->path = vgg_path_join(folder, "results.csv");
    if (results == NULL || results->path == NULL) {
        vgg_free(results);
        return vgg_fail_memory(error, "the table of results", strlen(folder));
    }
    results->first_line = several ? several_labels : one_label;
    vgg_status status = open_file(results, epochs, error);
    results->opened = vgg_clock_seconds();
    if (status != VGG_OK) {
        vgg_results_close(results);
        return status;
    }
    *out = results;
    return VGG_OK;
}

void vgg_results_close(vgg_results *results) {
    if (results == NULL)
        return;
    if (results->stream != NULL)
        fclose(results->stream);
    vgg_free(results->path);
    vgg_free(results);
}

vgg_status vgg_results_write(vgg_results *results, const vgg_train_event *event, double bias_rate,
                             vgg_error *error) {
    if (event->type != VGG_EVENT_EPOCH)
        return VGG_OK;
    char validated[96] = ",,";
    bool several = results->first_line == several_labels;
    if (event->validated)
        snprintf(validated, sizeof validated, "%.6g,%.6g,%.6g",
                 several ? event->validation_mean_average_precision : event->validation_top1,
                 several ? event->validation_exact_match : event->validation_top5,
                 event->validation_loss);
    double seconds = results->before + vgg_clock_seconds() - results->opened;
    errno = 0;
    int written =
        fprintf(results->stream, "%zu,%.6g,%.6g,%s,%.6g,%.6g,%.6g\n", event->epoch, seconds,
                event->loss, validated, event->rate, event->rate, event->rate * bias_rate);
    if (written < 0 || fflush(results->stream) != 0)
        return fail(results, error);
    return VGG_OK;
}
