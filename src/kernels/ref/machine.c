/* One value at a time, as the other reference kernels. */
#include "kernels/ref/ref.h"

void vgg_machine_multiply_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_machine_read_ref(void *argument, size_t begin, size_t end, size_t worker);
size_t vgg_machine_operations_ref(void);

void vgg_machine_multiply_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_machine_task *task = argument;
    double sum = 0;
    for (size_t round = 0; round < (end - begin) * VGG_MACHINE_ROUNDS; round++) {
        sum = sum * (double)task->values[0] + (double)task->values[1];
    }
    task->results[begin] = (float)sum;
}

void vgg_machine_read_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_machine_task *task = argument;
    double sum = 0;
    for (size_t i = begin * VGG_MACHINE_FLOATS; i < end * VGG_MACHINE_FLOATS; i++) {
        sum += (double)task->values[i];
    }
    task->results[begin] = (float)sum;
}

size_t vgg_machine_operations_ref(void) {
    return VGG_MACHINE_ROUNDS * 2;
}
