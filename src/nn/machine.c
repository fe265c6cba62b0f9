/* Measuring the machine's multiply-add rate and read bandwidth. */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "kernels/kernels.h"
#include "vgg/plan.h"

/* More than any cache holds. */
#define READ_BYTES ((size_t)256 << 20)
#define MULTIPLY_UNITS 256
#define REPEATS 5

/* The least seconds of some repeats. */
static double fastest(vgg_threads *threads, size_t units, vgg_work *work, vgg_machine_task *task) {
    double best = HUGE_VAL;
    for (int i = 0; i < REPEATS; i++) {
        double begun = vgg_clock_seconds();
        vgg_threads_run(threads, units, work, task);
        best = fmin(best, vgg_clock_seconds() - begun);
    }
    return best;
}

vgg_status vgg_machine_measure(size_t threads, vgg_machine *machine, vgg_error *error) {
    const vgg_kernels *kernels;
    vgg_status status = vgg_result_check(machine, "vgg_machine", error);
    if (status == VGG_OK)
        status = vgg_kernels_get(&kernels, error);
    if (status != VGG_OK)
        return status;
    size_t floats = READ_BYTES / sizeof(float), units = floats / VGG_MACHINE_FLOATS;
    vgg_machine_task task = {.values = vgg_aligned_alloc(READ_BYTES),
                             .results = vgg_calloc(units + MULTIPLY_UNITS, sizeof(float))};
    vgg_threads *own = NULL, *workers = NULL;
    if (task.values == NULL || task.results == NULL)
        status = vgg_fail_memory(error, "measuring the machine", READ_BYTES);
    else
        status = vgg_threads_obtain(NULL, threads, &workers, &own, error);
    if (status == VGG_OK) {
        for (size_t i = 0; i < floats; i++) {
            task.values[i] = 0.5f;
        }
        double seconds = fastest(workers, MULTIPLY_UNITS, kernels->machine_multiply, &task);
        vgg_machine found = {0};
        found.peak_gflops =
            (double)(kernels->machine_operations() * MULTIPLY_UNITS) / seconds * 1e-9;
        seconds = fastest(workers, units, kernels->machine_read, &task);
        found.read_gbps = (double)READ_BYTES / seconds * 1e-9;
        status = vgg_result_write(machine, &found, sizeof found, "vgg_machine", error);
    }
    vgg_threads_free(own);
    vgg_free(task.values);
    vgg_free(task.results);
    return status;
}
