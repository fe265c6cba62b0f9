/* What is done to values between two steps, of many tensors by one kernel: the tasks wait on the
 * host until the last has come, go to the device as a table, and each value finds its own in it. */
#include <string.h>

#include "base/memory.h"
#include "nn/gpu/gpu.h"

static const struct {
    vgg_gpu_kernel one, many;
    size_t bytes;
} kinds[] = {
    [GPU_SGD] = {vgg_gpu_kernel_sgd, vgg_gpu_kernel_sgd_many, sizeof(vgg_gpu_sgd_task)},
    [GPU_ADAMW] = {vgg_gpu_kernel_adamw, vgg_gpu_kernel_adamw_many, sizeof(vgg_gpu_adamw_task)},
    [GPU_BLEND] = {vgg_gpu_kernel_blend, vgg_gpu_kernel_blend_many, sizeof(vgg_gpu_blend_task)},
};

void vgg_gpu_update(vgg_plan *plan, gpu_update_kind kind, const void *task, size_t count) {
    gpu_updates *updates = &vgg_gpu_state(plan)->updates_waiting;
    if (updates->count == GPU_UPDATES || (updates->count > 0 && updates->kind != kind))
        vgg_gpu_finish_updates(plan);
    updates->kind = kind;
    memcpy(updates->table.tasks + updates->count * kinds[kind].bytes, task, kinds[kind].bytes);
    size_t before = updates->count > 0 ? updates->table.ends[updates->count - 1] : 0;
    updates->table.ends[updates->count++] = before + count;
}

/* Without memory for the table each tensor has a kernel of its own, which makes the same bits. */
static void one_by_one(vgg_plan *plan, const gpu_updates *updates) {
    size_t before = 0;
    for (size_t i = 0; i < updates->count; i++) {
        vgg_gpu_launch(plan, kinds[updates->kind].one,
                       updates->table.tasks + i * kinds[updates->kind].bytes,
                       updates->table.ends[i] - before);
        before = updates->table.ends[i];
    }
}

static void at_once(vgg_plan *plan, const gpu_updates *updates) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_update_table *table = updates->on_device;
    size_t bytes = offsetof(gpu_update_table, tasks) + updates->count * kinds[updates->kind].bytes;
    const vgg_gpu_many_task task = {
        .count = updates->count, .ends = table->ends, .tasks = table->tasks};
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->upload(state->gpu, table, &updates->table, bytes));
    vgg_gpu_launch(plan, kinds[updates->kind].many, &task, updates->table.ends[updates->count - 1]);
}

void vgg_gpu_finish_updates(vgg_plan *plan) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_updates *updates = &state->updates_waiting;
    if (updates->count > 1 && !updates->tried)
        updates->on_device = state->calls->take(state->gpu, sizeof *updates->on_device);
    updates->tried = updates->tried || updates->count > 1;
    if (updates->count > 1 && updates->on_device != NULL)
        at_once(plan, updates);
    else
        one_by_one(plan, updates);
    updates->count = 0;
}
