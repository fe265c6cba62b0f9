/* What the machine can do at most, measured with the instructions that the kernels use. */
#include "kernels/tier.h"

/* Independent chains of multiply-adds, enough to hide their latency without spilling. */
#if VGG_LANES == 16
#define CHAINS 24
#else
#define CHAINS 12
#endif

/* Reading goes as in linear layers: some rows side by side, fetched ahead. */
#define STREAMS 4
#define PREFETCH_BYTES 4096

void VGG_TIERED(machine_multiply)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(machine_multiply)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_machine_task *task = argument;
    vf sums[CHAINS];
    VGG_UNROLL
    for (int i = 0; i < CHAINS; i++) {
        sums[i] = vf_splat((float)i);
    }
    vf factor = vf_load(task->values), term = vf_load(task->values + VGG_LANES);
    for (size_t round = 0; round < (end - begin) * VGG_MACHINE_ROUNDS; round++) {
        VGG_UNROLL
        for (int i = 0; i < CHAINS; i++) {
            sums[i] = sums[i] * factor + term;
        }
    }
    vf total = {0};
    VGG_UNROLL
    for (int i = 0; i < CHAINS; i++) {
        total += sums[i];
    }
    task->results[begin] = vf_sum(total);
}

void VGG_TIERED(machine_read)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(machine_read)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_machine_task *task = argument;
    vf sums[STREAMS] = {{0}};
    const size_t part = VGG_MACHINE_FLOATS / STREAMS;
    for (size_t unit = begin; unit < end; unit++) {
        const float *from = task->values + unit * VGG_MACHINE_FLOATS;
        for (size_t i = 0; i < part; i += VGG_LANES) {
            VGG_UNROLL
            for (size_t k = 0; k < STREAMS; k++) {
                vf_fetch((const char *)(from + k * part + i) + PREFETCH_BYTES);
                sums[k] += vf_load(from + k * part + i);
            }
        }
    }
    vf total = {0};
    for (int k = 0; k < STREAMS; k++) {
        total += sums[k];
    }
    task->results[begin] = vf_sum(total);
}

/* Floating-point operations of one unit of machine_multiply. */
size_t VGG_TIERED(machine_operations)(void);

size_t VGG_TIERED(machine_operations)(void) {
    return (size_t)VGG_MACHINE_ROUNDS * CHAINS * VGG_LANES * 2;
}
