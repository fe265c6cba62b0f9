#include "base/unfinished.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "vgg/status.h"

/* More than a process writes at once; what finds no place is not removed. A handler of a signal may
 * read this at any moment, so that there are no locks. */
#define MOST 64

static _Atomic(const char *) unfinished[MOST];

void vgg_unfinished_note(const char *path) {
    for (size_t i = 0; i < MOST; i++) {
        const char *nothing = NULL;
        if (atomic_compare_exchange_strong(&unfinished[i], &nothing, path))
            return;
    }
}

void vgg_unfinished_forget(const char *path) {
    for (size_t i = 0; i < MOST; i++) {
        const char *noted = path;
        if (atomic_compare_exchange_strong(&unfinished[i], &noted, NULL))
            return;
    }
}

void vgg_unfinished_files_remove(void) {
    int reason = errno;
    for (size_t i = 0; i < MOST; i++) {
        const char *path = atomic_load(&unfinished[i]);
        if (path != NULL)
            unlink(path);
    }
    errno = reason;
}
