/* Where the events of a training go. */
#ifndef VGG_TRAIN_SINKS_H
#define VGG_TRAIN_SINKS_H

#include "vgg/train.h"

typedef struct vgg_event_sink {
    vgg_train_callback *tell;
    void *user;
    const vgg_error *failure;  /* of a sink that can fail: where it says how, after false */
    void (*close)(void *user); /* of a sink that belongs to the list */
} vgg_event_sink;

typedef struct vgg_event_sinks {
    vgg_event_sink *sinks;
    size_t count;
} vgg_event_sinks;

vgg_status vgg_event_sinks_add(vgg_event_sinks *list, vgg_event_sink sink, vgg_error *error);
/* Puts a sink before all others. */
vgg_status vgg_event_sinks_add_first(vgg_event_sinks *list, vgg_event_sink sink, vgg_error *error);
/* Closes all that belong to the list. */
void vgg_event_sinks_free(vgg_event_sinks *list);

/* Tells the event to all in their order. VGG_ERROR_STOPPED, without a message, when one asked for
 * an end; the first failure when one failed. */
vgg_status vgg_event_sinks_tell(const vgg_event_sinks *list, vgg_train_event *event,
                                vgg_error *error);

/* log.jsonl in the folder: a JSON object per line, one for each step and each epoch; written from
 * its beginning, or `resumed` at its end. */
vgg_status vgg_event_sink_log(const char *folder, bool resumed, vgg_event_sink *sink,
                              vgg_error *error);

#endif
