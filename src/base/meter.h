/* How far long work has come: tells a caller, and asks whether to go on. */
#ifndef VGG_BASE_METER_H
#define VGG_BASE_METER_H

#include <stddef.h>

#include "vgg/status.h"
#include "vgg/stream.h"

/* Work that goes through `total` bytes several times over. {0}: nobody is told. */
typedef struct vgg_meter {
    vgg_progress_callback *tell; /* NULL: nobody is told */
    void *user;
    const char *name;     /* of what is worked on, for messages; not owned */
    size_t total, passes; /* bytes, and times that they are gone through */
    size_t pass, done;    /* passes that are over, and bytes of this one */
    size_t told;          /* the latest number that the caller heard */
} vgg_meter;

/* So many more bytes of this pass are done: 0 only asks. VGG_ERROR_STOPPED when the caller wants an
 * end. meter may be NULL. */
vgg_status vgg_meter_add(vgg_meter *meter, size_t bytes, vgg_error *error);

/* This pass is over, whatever was done of it. */
vgg_status vgg_meter_next(vgg_meter *meter, vgg_error *error);

#endif
