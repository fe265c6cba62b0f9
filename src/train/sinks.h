/* Where the events of a training go. */
#ifndef VGG_TRAIN_SINKS_H
#define VGG_TRAIN_SINKS_H

#include "vgg/train.h"

typedef struct vgg_event_sink {
    vgg_train_callback *tell;
    void *user;
} vgg_event_sink;

typedef struct vgg_event_sinks {
    vgg_event_sink *sinks;
    size_t count;
} vgg_event_sinks;

vgg_status vgg_event_sinks_add(vgg_event_sinks *list, vgg_event_sink sink, vgg_error *error);
void vgg_event_sinks_free(vgg_event_sinks *list);

/* Tells the event to all in their order. VGG_ERROR_STOPPED, without a message, when one asked for
 * an end. */
vgg_status vgg_event_sinks_tell(const vgg_event_sinks *list, vgg_train_event *event);

/* ---- event_log.c ---- */

/* log.jsonl: a JSON object per line, one for each step and each epoch. */
typedef struct vgg_event_log vgg_event_log;

/* Of all that is in the file its first `keep` bytes stay: what a checkpoint knows. SIZE_MAX: all.
 */
vgg_status vgg_event_log_open(const char *folder, uint64_t keep, vgg_event_log **log,
                              vgg_error *error);
void vgg_event_log_close(vgg_event_log *log);

/* Writes the event, if it is one for the log. */
vgg_status vgg_event_log_write(vgg_event_log *log, const vgg_train_event *event, vgg_error *error);

/* Puts all that was written on the disk, and how many bytes the file has then. */
vgg_status vgg_event_log_sync(vgg_event_log *log, vgg_error *error);
uint64_t vgg_event_log_bytes(const vgg_event_log *log);

/* ---- results.c ---- */

/* results.csv: a row per epoch. */
typedef struct vgg_results vgg_results;

/* Whether the folder has another table of that name, which is an error as it is of the next. */
vgg_status vgg_results_check(const char *folder, vgg_error *error);
/* Of all that is in the file the rows of the first `epochs` epochs stay. `several` labels have
 * columns of their own. */
vgg_status vgg_results_open(const char *folder, size_t epochs, bool several, vgg_results **results,
                            vgg_error *error);
void vgg_results_close(vgg_results *results);

/* Writes the event, if it is the end of an epoch. bias_rate: as in vgg_optimiser_options. */
vgg_status vgg_results_write(vgg_results *results, const vgg_train_event *event, double bias_rate,
                             vgg_error *error);

#endif
