/* The machine's own speed, measured in a process of its own: the memory that it takes would
 * otherwise count as the network's. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/message.h"
#include "vgg/plan.h"

/* What the process sends back. Less than PIPE_BUF, so that it comes in one piece. */
typedef struct measurement {
    vgg_status status;
    vgg_machine machine;
    vgg_error error;
} measurement;

/* Never returns. Leaves by _exit, as what standard output holds is its parent's to write. */
static void measure_and_send(size_t threads, int pipe_end) {
    measurement result;
    memset(&result, 0, sizeof result);
    result.machine.struct_size = sizeof result.machine;
    result.status = vgg_machine_measure(threads, &result.machine, &result.error);
    ssize_t sent = write(pipe_end, &result, sizeof result);
    _exit(sent == (ssize_t)sizeof result ? 0 : 1);
}

/* The process has no other threads now: plans, which have some, are made and freed between the
 * measurements. False when nothing came back, with errno, which is 0 when the process just ended.
 */
static bool measure_apart(size_t threads, measurement *result) {
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        measure_and_send(threads, ends[1]);
    }
    int failure = errno;
    close(ends[1]);
    ssize_t received = -1;
    if (child > 0) {
        do {
            received = read(ends[0], result, sizeof *result);
        } while (received < 0 && errno == EINTR);
        failure = received < 0 ? errno : 0;
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
            continue;
        }
    }
    close(ends[0]);
    errno = failure;
    return received == (ssize_t)sizeof *result;
}

/* A GPU takes no memory of this process, and what forks cannot use it. */
static bool measure_gpu(const vgg_cli_computing *computing, measurement *result) {
    result->machine = (vgg_machine){.struct_size = sizeof result->machine};
    result->status = vgg_device_measure(VGG_DEVICE_CUDA, vgg_precision_named(computing->precision),
                                        0, &result->machine, &result->error);
    return true;
}

bool vgg_cli_bench_machine(const vgg_cli_computing *computing, size_t threads,
                           vgg_cli_progress *progress, vgg_machine *machine) {
    measurement result;
    bool gpu = vgg_device_named(computing->device) == VGG_DEVICE_CUDA;
    vgg_cli_progress_draw(progress, "measuring the machine", 0.0, "");
    if (!(gpu ? measure_gpu(computing, &result) : measure_apart(threads, &result))) {
        int reason = errno;
        vgg_cli_progress_clear(progress);
        vgg_cli_complain("bench", "cannot measure the machine: %s",
                         reason != 0 ? strerror(reason) : "the process that did was ended");
        return false;
    }
    vgg_cli_progress_clear(progress);
    if (result.status != VGG_OK) {
        vgg_cli_complain("bench", "%s", result.error.message);
        return false;
    }
    machine->peak_gflops = fmax(machine->peak_gflops, result.machine.peak_gflops);
    machine->read_gbps = fmax(machine->read_gbps, result.machine.read_gbps);
    return true;
}
