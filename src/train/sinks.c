#include "train/sinks.h"

#include "base/error.h"
#include "base/memory.h"

vgg_status vgg_event_sinks_add(vgg_event_sinks *list, vgg_event_sink sink, vgg_error *error) {
    vgg_event_sink *sinks = vgg_realloc(list->sinks, (list->count + 1) * sizeof *sinks);
    if (sinks == NULL)
        return vgg_fail_memory(error, "a sink of events", (list->count + 1) * sizeof *sinks);
    sinks[list->count++] = sink;
    list->sinks = sinks;
    return VGG_OK;
}

void vgg_event_sinks_free(vgg_event_sinks *list) {
    vgg_free(list->sinks);
    *list = (vgg_event_sinks){0};
}

vgg_status vgg_event_sinks_tell(const vgg_event_sinks *list, vgg_train_event *event) {
    vgg_status status = VGG_OK;
    event->struct_size = sizeof *event;
    for (size_t i = 0; i < list->count; i++) {
        if (!list->sinks[i].tell(list->sinks[i].user, event))
            status = VGG_ERROR_STOPPED;
    }
    return status;
}
