/* Inputs on their way to the device: in pieces, through two places of pinned memory in turn, in a
 * queue of their own. While a piece is copied to the device the next is copied to the other place,
 * and both go on beside what the device computes, such as the backward pass of the step before. */
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "nn/gpu/gpu.h"

/* Large enough for the full speed of the bus, small enough for nobody to miss the memory. */
#define PIECE_BYTES ((size_t)4 << 20)
/* What a thread copies at a time. */
#define COPIED_BYTES ((size_t)256 << 10)

/* ---- copying on the host ---- */

typedef struct copy_task {
    char *to;
    const char *from;
    size_t bytes;
} copy_task;

static void copy_units(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const copy_task *task = context;
    size_t from = begin * COPIED_BYTES, to = vgg_size_min(end * COPIED_BYTES, task->bytes);
    memcpy(task->to + from, task->from + from, to - from);
}

static void copy_here(const vgg_plan *plan, void *to, const void *from, size_t bytes) {
    vgg_threads *threads = plan->options.shared_threads;
    copy_task task = {to, from, bytes};
    if (threads != NULL)
        vgg_threads_run(threads, (bytes + COPIED_BYTES - 1) / COPIED_BYTES, copy_units, &task);
    else
        memcpy(to, from, bytes);
}

/* ---- the two places ---- */

/* Without pinned memory, or moments to know when it is free, inputs take the ordinary way. */
static void set_up(gpu_state *state, size_t bytes) {
    gpu_inputs *inputs = &state->inputs;
    bool fine = true;
    inputs->tried = true;
    inputs->bytes = vgg_size_min(bytes, PIECE_BYTES);
    for (size_t i = 0; fine && i < GPU_PLACES; i++) {
        gpu_place *place = &inputs->places[i];
        place->memory = state->calls->take_pinned(state->gpu, inputs->bytes);
        fine = place->memory != NULL &&
               state->calls->moment_make(state->gpu, &place->sent) == VGG_GPU_OK;
    }
    if (!fine)
        vgg_gpu_free_inputs(state);
}

bool vgg_gpu_free_inputs(gpu_state *state) {
    gpu_inputs *inputs = &state->inputs;
    bool sound = true;
    for (size_t i = 0; i < GPU_PLACES; i++) {
        gpu_place *place = &inputs->places[i];
        if (place->used && state->calls->sent_wait(state->gpu, place->sent) != VGG_GPU_OK)
            sound = false;
        if (place->sent != NULL)
            state->calls->moment_free(state->gpu, place->sent);
        if (place->memory != NULL)
            state->calls->give_back_pinned(state->gpu, place->memory);
        *place = (gpu_place){0};
    }
    return sound;
}

/* ---- sending ---- */

static void send_piece(vgg_plan *plan, char *to, const char *from, size_t bytes) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_place *place = &state->inputs.places[state->inputs.next++ % GPU_PLACES];
    if (place->used)
        vgg_gpu_note(state, state->calls->sent_wait(state->gpu, place->sent));
    if (state->result != VGG_GPU_OK)
        return;
    copy_here(plan, place->memory, from, bytes);
    vgg_gpu_note(state, state->calls->send(state->gpu, to, place->memory, bytes, place->sent));
    place->used = state->result == VGG_GPU_OK;
    state->inputs.last = place->sent;
}

/* A forward pass is done when it returns, and no other reads the buffer: it may be written at once.
 */
void vgg_gpu_send_inputs(vgg_plan *plan, const float *from, size_t bytes) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_inputs *inputs = &state->inputs;
    char *to = vgg_plan_buffer(plan, plan->input);
    if (!inputs->tried)
        set_up(state, plan->buffers[plan->input].bytes);
    if (state->result != VGG_GPU_OK)
        return;
    if (inputs->places[0].memory == NULL) {
        vgg_gpu_note(state, state->calls->upload(state->gpu, to, from, bytes));
        return;
    }
    for (size_t done = 0; done < bytes && state->result == VGG_GPU_OK; done += inputs->bytes) {
        send_piece(plan, to + done, (const char *)from + done,
                   vgg_size_min(inputs->bytes, bytes - done));
    }
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->queue_after(state->gpu, inputs->last));
}
