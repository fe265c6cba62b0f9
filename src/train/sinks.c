#include "train/sinks.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static vgg_status insert(vgg_event_sinks *list, size_t at, vgg_event_sink sink, vgg_error *error) {
    vgg_event_sink *sinks = vgg_realloc(list->sinks, (list->count + 1) * sizeof *sinks);
    if (sinks == NULL)
        return vgg_fail_memory(error, "a sink of events", (list->count + 1) * sizeof *sinks);
    memmove(sinks + at + 1, sinks + at, (list->count - at) * sizeof *sinks);
    sinks[at] = sink;
    list->sinks = sinks;
    list->count++;
    return VGG_OK;
}

vgg_status vgg_event_sinks_add(vgg_event_sinks *list, vgg_event_sink sink, vgg_error *error) {
    return insert(list, list->count, sink, error);
}

vgg_status vgg_event_sinks_add_first(vgg_event_sinks *list, vgg_event_sink sink, vgg_error *error) {
    return insert(list, 0, sink, error);
}

void vgg_event_sinks_free(vgg_event_sinks *list) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->sinks[i].close != NULL)
            list->sinks[i].close(list->sinks[i].user);
    }
    vgg_free(list->sinks);
    *list = (vgg_event_sinks){0};
}

vgg_status vgg_event_sinks_tell(const vgg_event_sinks *list, vgg_train_event *event,
                                vgg_error *error) {
    vgg_status status = VGG_OK;
    event->struct_size = sizeof *event;
    for (size_t i = 0; i < list->count; i++) {
        const vgg_event_sink *sink = &list->sinks[i];
        if (sink->tell(sink->user, event))
            continue;
        if (sink->failure == NULL && status == VGG_OK)
            status = VGG_ERROR_STOPPED;
        else if (sink->failure != NULL && (status == VGG_OK || status == VGG_ERROR_STOPPED))
            status = vgg_fail(error, sink->failure->status, "%s", sink->failure->message);
    }
    return status;
}
