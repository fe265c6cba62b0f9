/* How many threads a process should have. */
#include <sched.h>

#include "base/cgroup.h"
#include "base/memory.h"
#include "base/threads.h"

size_t vgg_threads_default(void) {
    size_t threads = 1;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        threads = (size_t)CPU_COUNT(&allowed);
    threads = vgg_size_min(threads, vgg_cgroup_processors(""));
    return vgg_size_min(vgg_size_max(threads, 1), VGG_THREADS_MAX);
}
