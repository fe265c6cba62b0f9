/* Passes on a GPU: what the host gives is uploaded, the ops are asked for one after the other, and
 * what the host wants is downloaded. */
#include <math.h>

#include "base/error.h"
#include "nn/gpu/gpu.h"
#include "nn/ops.h"

/* ---- between host and device ---- */

/* A map, or the gradient of it, and what it is in plain floats. */
typedef struct plain_view {
    size_t images, channels, pixels;
    void *map;
    vgg_gpu_element element;
    float factor;
    bool blocked; /* the floats are in blocks of channels */
} plain_view;

/* A mean has the rows of all places and gives one. */
static plain_view output_of(const vgg_plan *plan, const vgg_planned_op *op) {
    bool mean = op->graph.kind == VGG_OP_MEAN;
    return (plain_view){mean ? plan->count : vgg_op_images(plan, op),
                        op->graph.out.channels,
                        vgg_extent_pixels(op->graph.out),
                        vgg_plan_buffer(plan, op->y),
                        vgg_gpu_op_of(plan, op)->element,
                        1,
                        false};
}

static plain_view gradient_of(const vgg_plan *plan, const vgg_planned_op *op) {
    const gpu_state *state = vgg_gpu_state(plan);
    plain_view view = output_of(plan, op);
    view.map = vgg_plan_buffer(plan, op->dy);
    view.element = state->element;
    view.factor = 1 / plan->loss_scale.factor;
    return view;
}

/* What flows into an op, as vgg_plan_values_at counts it: lanes as they are, rows of features
 * without those beyond the last. */
static plain_view input_of(const vgg_plan *plan, const vgg_planned_op *op) {
    size_t channels = op->graph.in.channels, pixels = vgg_extent_pixels(op->graph.in);
    return (plain_view){plan->count * pixels,
                        op->reads_rows ? channels : vgg_gpu_lanes(channels),
                        1,
                        vgg_plan_buffer(plan, op->x),
                        vgg_gpu_state(plan)->element,
                        1,
                        false};
}

/* The same as somebody who taps it has it. */
static plain_view tap_of(const vgg_plan *plan, const vgg_planned_op *op, bool gradients) {
    plain_view view = gradients ? gradient_of(plan, op) : output_of(plan, op);
    view.blocked = plan->blocked_taps && !op->rows;
    return view;
}

/* Channels of the floats, those that fill the last block among them. */
static size_t channels_of(const plain_view *view) {
    return view->blocked ? vgg_gpu_whole_blocks(view->channels) : view->channels;
}

static size_t bytes_of(const plain_view *view) {
    return view->images * channels_of(view) * view->pixels * sizeof(float);
}

static vgg_gpu_plain_task task_of(const vgg_plan *plan, const plain_view *view) {
    return (vgg_gpu_plain_task){.images = view->images,
                                .channels = view->channels,
                                .pixels = view->pixels,
                                .plain = vgg_plan_buffer(plan, vgg_gpu_state(plan)->staging),
                                .map = view->map,
                                .element = view->element,
                                .factor = view->factor,
                                .blocked = view->blocked};
}

static size_t units_of(const plain_view *view) {
    return view->images * view->pixels * VGG_GPU_GROUPS(view->channels);
}

static void stage(vgg_plan *plan, const plain_view *view) {
    const vgg_gpu_plain_task task = task_of(plan, view);
    vgg_gpu_launch(plan, vgg_gpu_kernel_give_plain, &task,
                   view->images * view->pixels * VGG_GPU_GROUPS(channels_of(view)));
}

static void download(vgg_plan *plan, float *to, size_t bytes) {
    gpu_state *state = vgg_gpu_state(plan);
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->download(state->gpu, to,
                                                   vgg_plan_buffer(plan, state->staging), bytes));
}

static void upload(vgg_plan *plan, const float *from, size_t bytes) {
    gpu_state *state = vgg_gpu_state(plan);
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->upload(state->gpu, vgg_plan_buffer(plan, state->staging),
                                                 from, bytes));
}

static void give(vgg_plan *plan, const plain_view *view, float *to) {
    stage(plan, view);
    download(plan, to, bytes_of(view));
}

static void take(vgg_plan *plan, const plain_view *view, const float *from, bool add) {
    upload(plan, from, bytes_of(view));
    vgg_gpu_plain_task task = task_of(plan, view);
    task.factor = 1 / view->factor;
    task.add = add;
    vgg_gpu_launch(plan, vgg_gpu_kernel_take_plain, &task, units_of(view));
}

/* ---- time ---- */

static void note_moment(vgg_plan *plan, gpu_times *times, size_t number) {
    gpu_state *state = vgg_gpu_state(plan);
    if (times->moments == NULL || state->result != VGG_GPU_OK)
        return;
    if (times->moments[number] == NULL)
        vgg_gpu_note(state, state->calls->moment_make(state->gpu, &times->moments[number]));
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->moment_note(state->gpu, times->moments[number]));
}

/* Ops first..end-1 are measured, from the lowest or from the highest. */
static void begin_times(vgg_plan *plan, gpu_times *times, size_t first, size_t end) {
    if (times->moments == NULL)
        times->moments = vgg_calloc(plan->op_count + 1, sizeof(vgg_gpu_moment *));
    times->first = first;
    times->end = end;
}

/* Moment s is before op s forward, and behind it backward. The queue has passed all of them. */
static void read_times(vgg_plan *plan, gpu_times *times, bool backward) {
    gpu_state *state = vgg_gpu_state(plan);
    for (size_t s = times->first; times->moments != NULL && s < times->end; s++) {
        vgg_gpu_moment *low = times->moments[s], *high = times->moments[s + 1];
        double seconds = 0;
        if (low == NULL || high == NULL || state->result != VGG_GPU_OK)
            break;
        vgg_gpu_note(state, state->calls->moment_between(state->gpu, backward ? high : low,
                                                         backward ? low : high, &seconds));
        *(backward ? &plan->ops[s].data_seconds : &plan->ops[s].seconds) = seconds;
    }
    times->first = times->end = 0;
}

/* ---- forward ---- */

static void give_taps(vgg_plan *plan, size_t s, float *const *values, bool gradients) {
    for (size_t t = 0; values != NULL && t < plan->options.tap_count; t++) {
        if (plan->tap_ops[t] != s || values[t] == NULL)
            continue;
        plain_view view = tap_of(plan, &plan->ops[s], gradients);
        give(plan, &view, values[t]);
    }
}

static void take_values(vgg_plan *plan, const vgg_forward_pass *pass) {
    plain_view view = input_of(plan, &plan->ops[pass->first]);
    if (pass->first > 0)
        take(plan, &view, pass->values, false);
    else
        vgg_gpu_send_inputs(plan, pass->values,
                            plan->count * vgg_plan_values_at(plan, 0) * sizeof *pass->values);
}

/* All that happens on the device, but for what taps give. */
static void run_ops(vgg_plan *plan, const vgg_forward_pass *pass, bool timed) {
    gpu_times *times = &vgg_gpu_state(plan)->forward;
    if (timed) {
        begin_times(plan, times, pass->first, pass->end);
        note_moment(plan, times, pass->first);
    }
    for (size_t s = pass->first; s < pass->end; s++) {
        vgg_gpu_forward_op(plan, &plan->ops[s]);
        if (timed)
            note_moment(plan, times, s + 1);
        give_taps(plan, s, pass->taps, false);
    }
    if (pass->logits != NULL) {
        plain_view view = output_of(plan, &plan->ops[plan->op_count - 1]);
        stage(plan, &view);
    }
}

/* Whether a pass does the same every time: then it is recorded. */
static bool repeats(const vgg_plan *plan, const vgg_forward_pass *pass) {
    return !plan->options.gradients && plan->options.tap_count == 0 && pass->first == 0 &&
           pass->end == plan->op_count && pass->logits != NULL;
}

/* The record of a pass of so many images, made where there is none yet; NULL where that failed. */
static vgg_gpu_record *record_of(vgg_plan *plan, const vgg_forward_pass *pass) {
    gpu_state *state = vgg_gpu_state(plan);
    for (size_t i = 0; i < GPU_RECORDS; i++) {
        if (state->records[i].record != NULL && state->records[i].count == plan->count)
            return state->records[i].record;
    }
    gpu_recorded *recorded = &state->records[state->next_record++ % GPU_RECORDS];
    if (recorded->record != NULL)
        state->calls->record_free(state->gpu, recorded->record);
    *recorded = (gpu_recorded){.count = plan->count};
    vgg_gpu_note(state, state->calls->record_begin(state->gpu));
    if (state->result != VGG_GPU_OK)
        return NULL;
    run_ops(plan, pass, state->watched);
    vgg_gpu_note(state, state->calls->record_end(state->gpu, &recorded->record));
    return state->result == VGG_GPU_OK ? recorded->record : NULL;
}

/* The first pass is not recorded: libraries set themselves up in it, and its ops are timed. Where
 * recording fails, passes are as the first; what failed before it stays to be told. */
static void run(vgg_plan *plan, const vgg_forward_pass *pass) {
    gpu_state *state = vgg_gpu_state(plan);
    bool records = repeats(plan, pass) && state->eager && !state->unrecorded;
    if (state->result != VGG_GPU_OK)
        return;
    vgg_gpu_record *record = records ? record_of(plan, pass) : NULL;
    if (record != NULL) {
        vgg_gpu_note(state, state->calls->record_run(state->gpu, record));
        if (state->watched)
            begin_times(plan, &state->forward, pass->first, pass->end);
        return;
    }
    if (records) {
        state->unrecorded = true;
        state->result = VGG_GPU_OK;
    }
    run_ops(plan, pass, true);
    state->eager = state->eager || repeats(plan, pass);
}

vgg_status vgg_gpu_forward(vgg_plan *plan, const vgg_forward_pass *pass, vgg_error *error) {
    gpu_state *state = vgg_gpu_state(plan);
    take_values(plan, pass);
    run(plan, pass);
    if (pass->logits != NULL)
        download(plan, pass->logits,
                 plan->count * plan->ops[plan->op_count - 1].graph.out.channels *
                     sizeof *pass->logits);
    if (pass->reached != NULL) {
        plain_view view = input_of(plan, &plan->ops[pass->end]);
        give(plan, &view, pass->reached);
    }
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->wait(state->gpu));
    read_times(plan, &state->forward, false);
    read_times(plan, &state->backward, true);
    return vgg_gpu_tell(plan, error);
}

/* The queue may have passes in it whose times nobody has read. Passes that were recorded before
 * have none. */
void vgg_gpu_know_times(const vgg_plan *plan) {
    vgg_plan *own = (vgg_plan *)(uintptr_t)plan;
    gpu_state *state = vgg_gpu_state(plan);
    bool unread =
        state->forward.first < state->forward.end || state->backward.first < state->backward.end;
    if (unread && state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->wait(state->gpu));
    read_times(own, &state->forward, false);
    read_times(own, &state->backward, true);
    for (size_t i = 0; !state->watched && i < GPU_RECORDS; i++) {
        if (state->records[i].record != NULL)
            state->calls->record_free(state->gpu, state->records[i].record);
        state->records[i] = (gpu_recorded){0};
    }
    state->watched = true;
}

/* ---- backward ---- */

/* Adds what the caller gives for the output of an op, or begins with it. */
static bool take_gradients(vgg_plan *plan, size_t s, const float *const *given, bool started) {
    for (size_t t = 0; given != NULL && t < plan->options.tap_count; t++) {
        if (plan->tap_ops[t] != s || given[t] == NULL)
            continue;
        plain_view view = tap_of(plan, &plan->ops[s], true);
        take(plan, &view, given[t], started);
        started = true;
    }
    return started;
}

vgg_status vgg_gpu_backward(vgg_plan *plan, const vgg_tap_pass *pass, size_t first, size_t end,
                            vgg_error *error) {
    gpu_times *times = &vgg_gpu_state(plan)->backward;
    bool started = pass->logits_gradient != NULL, taps = plan->options.tap_count > 0;
    if (started) {
        plain_view view = gradient_of(plan, &plan->ops[plan->op_count - 1]);
        take(plan, &view, pass->logits_gradient, false);
    }
    begin_times(plan, times, end, first + 1);
    note_moment(plan, times, first + 1);
    for (size_t s = first + 1; s-- > end;) {
        started = take_gradients(plan, s, pass->given, started);
        give_taps(plan, s, pass->wanted, true);
        if (s == 0 ? pass->input_gradient != NULL : !taps || s > end)
            vgg_gpu_backward_op(plan, &plan->ops[s]);
        note_moment(plan, times, s);
    }
    if (pass->input_gradient != NULL && end == 0)
        download(plan, pass->input_gradient,
                 plan->count * vgg_plan_values_at(plan, 0) * sizeof(float));
    return vgg_gpu_tell(plan, error);
}

/* ---- what blew up ---- */

/* The same of as many as the partial sums have room for. */
static double largest_of_some(vgg_plan *plan, const void *from, vgg_gpu_element element,
                              size_t count) {
    gpu_state *state = vgg_gpu_state(plan);
    size_t parts = (count + VGG_GPU_SQUARES - 1) / VGG_GPU_SQUARES;
    float *host = vgg_malloc(parts * sizeof *host), *device = vgg_plan_buffer(plan, state->sums);
    double most = 0;
    if (host == NULL) {
        vgg_gpu_note(state, VGG_GPU_NO_MEMORY);
        return 0;
    }
    const vgg_gpu_largest_task task = {
        .count = count, .from = from, .element = element, .to = device};
    vgg_gpu_launch(plan, vgg_gpu_kernel_largest, &task, parts);
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->download(state->gpu, host, device, parts * sizeof *host));
    for (size_t i = 0; state->result == VGG_GPU_OK && i < parts; i++) {
        most = fmax(most, (double)host[i]);
    }
    vgg_free(host);
    return most;
}

double vgg_gpu_largest(vgg_plan *plan, const void *from, vgg_gpu_element element, size_t count) {
    const gpu_state *state = vgg_gpu_state(plan);
    size_t room = plan->buffers[state->sums].bytes / sizeof(float),
           bytes = vgg_gpu_element_bytes(element);
    double most = 0;
    for (size_t done = 0; done < count && state->result == VGG_GPU_OK;) {
        size_t some =
            (count - done) / VGG_GPU_SQUARES < room ? count - done : room * VGG_GPU_SQUARES;
        most = fmax(most, largest_of_some(plan, (const char *)from + done * bytes, element, some));
        done += some;
    }
    return most;
}

vgg_blown vgg_gpu_find_blown(vgg_plan *plan, const vgg_forward_pass *pass) {
    const gpu_state *state = vgg_gpu_state(plan);
    vgg_blown found = {.layer = VGG_NO_LAYER};
    size_t from = pass->first > 0 ? state->staging : plan->input;
    take_values(plan, pass);
    double growth = 0,
           before = vgg_gpu_largest(plan, vgg_plan_buffer(plan, from), VGG_GPU_FLOAT32,
                                    plan->count * vgg_plan_values_at(plan, pass->first));
    for (size_t s = pass->first; s < pass->end && state->result == VGG_GPU_OK; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        plain_view view = output_of(plan, op);
        vgg_gpu_forward_op(plan, &plan->ops[s]);
        double most =
            vgg_gpu_largest(plan, view.map, view.element, units_of(&view) * VGG_GPU_LANES);
        bool grows = before > 0 && most / before > growth;
        if (op->graph.layer != VGG_NO_LAYER && (isinf(most) || grows)) {
            growth = most / before;
            found = (vgg_blown){.layer = op->graph.layer, .most = most};
        }
        if (isinf(most))
            break;
        before = most;
    }
    vgg_gpu_tell(plan, NULL);
    return found;
}

/* ---- words ---- */

const char *vgg_gpu_algorithm(const vgg_plan *plan, const vgg_planned_op *op) {
    return op->graph.kind == VGG_OP_CONVOLUTION
               ? vgg_gpu_op_of(plan, op)->convs[VGG_GPU_FORWARD]->needs.words
               : NULL;
}
