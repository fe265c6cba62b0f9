/* Making numbered pieces ahead of time: by threads that have nothing else to do, and by the thread
 * that waits for them. Pieces are begun in order and end in any; which thread made one leaves no
 * trace. */
#ifndef VGG_BASE_AHEAD_H
#define VGG_BASE_AHEAD_H

#include "base/threads.h"

typedef struct vgg_ahead vgg_ahead;

/* Makes piece `number`; called on any thread, for several pieces at once. */
typedef void vgg_ahead_make(void *context, size_t number);

/* `most` is the most pieces between the first that is awaited and the limit. The threads must
 * outlive it. */
vgg_status vgg_ahead_create(vgg_threads *threads, size_t most, vgg_ahead_make *make, void *context,
                            vgg_ahead **ahead, vgg_error *error);
void vgg_ahead_free(vgg_ahead *ahead);

/* No piece is begun afterwards, and none is under way. */
void vgg_ahead_halt(vgg_ahead *ahead);

/* Halts, and begins anew at piece `first`, with none to be made yet. Like all the following it is
 * called by one thread at a time. VGG_ERROR_ARGUMENT in a child process that inherited `ahead`,
 * where the threads are missing that hold pieces. */
vgg_status vgg_ahead_begin(vgg_ahead *ahead, size_t first, vgg_error *error);

/* The pieces before `limit`, which only grows, may be made from now on. */
void vgg_ahead_allow(vgg_ahead *ahead, size_t limit);

/* Returns when all pieces before `end` are made; until then the calling thread makes pieces, too.
 * Errors as of vgg_ahead_begin. */
vgg_status vgg_ahead_await(vgg_ahead *ahead, size_t end, vgg_error *error);

#endif
