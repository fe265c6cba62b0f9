#include "winograd_layers.h"

#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { MOST_DISTINCT = 3, MOST_RANGES = 5 };

/* One of the three kernels at work. */
typedef struct stage {
    const char *name, *tier;
    vgg_work *work;
    size_t units;
    float *output;
    size_t count; /* floats of output */
    int offset;   /* of int8, of the tier */
} stage;

/* ---- layers ---- */

size_t vgg_layer_input(const vgg_winograd_task *t) {
    if (t->shape.plain)
        return t->shape.inputs * vgg_conv_in_pixels(&t->shape);
    return vgg_blocked_size(1, t->shape.inputs, vgg_conv_in_pixels(&t->shape));
}

size_t vgg_layer_pixels(const vgg_winograd_task *t) {
    size_t divisor = t->pool ? 2 : 1;
    return (t->shape.height / divisor) * (t->shape.width / divisor);
}

size_t vgg_layer_output(const vgg_winograd_task *t) {
    return vgg_blocked_size(1, t->shape.outputs, vgg_layer_pixels(t));
}

vgg_conv_shape vgg_draw_stored_shape(void) {
    size_t images = vgg_draw(1, 4), height = vgg_draw(2, 23), width = vgg_draw(2, 23);
    return (vgg_conv_shape){images, vgg_draw(16, 70), vgg_draw(16, 70), height, width, 3, false, 0};
}

vgg_conv_shape vgg_draw_made_shape(void) {
    size_t inputs = vgg_draw(140, 520);
    size_t least = 256 * 256 / inputs + 1;
    size_t images = vgg_draw(1, 3), outputs = vgg_draw(least, least + 40);
    return (vgg_conv_shape){images, inputs, outputs, vgg_draw(2, 9), vgg_draw(2, 9), 3, false, 0};
}

static void describe(const vgg_winograd_task *t) {
    const vgg_conv_shape *s = &t->shape;
    vgg_describe("%s%stiles of %zu, %zu images, %zu -> %zu channels, %zu x %zu, crop %td%s%s%s%s%s",
                 t->partition.bf16   ? "bfloat16, "
                 : t->partition.int8 ? "int8, "
                                     : "",
                 s->plain ? "plain, " : "", t->partition.tile, s->images, s->inputs, s->outputs,
                 s->height, s->width, s->crop, t->partition.stored ? ", stored filters" : "",
                 t->turned ? ", turned" : "", t->scale != NULL ? ", scaled" : "",
                 t->relu ? ", ReLU" : "", t->pool ? ", pool" : "");
}

/* The batch's images are copies of those of `few`, each at least once. */
static void repeat_images(vgg_winograd_layer *l) {
    size_t images = l->task.shape.images, size = vgg_layer_input(&l->task);
    float *x = vgg_guarded_floats(images * size);
    for (size_t n = 0; n < images; n++) {
        l->source[n] = n < l->few.shape.images ? n : vgg_draw(0, l->few.shape.images - 1);
        memcpy(x + n * size, l->few.x + l->source[n] * size, size * sizeof *x);
    }
    l->task.x = x;
    vgg_guarded_lock(x);
}

const float *vgg_draw_vector(size_t channels) {
    float *values = vgg_draw_blocked(1, channels, 1);
    vgg_guarded_lock(values);
    return values;
}

typedef vgg_winograd_partition cut_rule(const vgg_conv_shape *shape, size_t tile, size_t threads);

static cut_rule *rule_of(const vgg_winograd_partition *cut) {
    return cut->int8       ? vgg_winograd_int8_partition_of
           : cut->matrices ? vgg_winograd_matrices_partition_of
           : cut->bf16     ? vgg_winograd_bf16_partition_of
                           : vgg_winograd_partition_of;
}

/* Cut for some number of threads. */
static vgg_winograd_partition draw_partition(const vgg_conv_shape *s, size_t tile, cut_rule *rule) {
    return rule(s, tile, vgg_draw(1, VGG_LAYER_THREADS));
}

static double largest(const float *values) {
    double most = 0;
    for (size_t i = 0; i < vgg_guarded_size(values) / sizeof *values; i++) {
        most = fmax(most, fabs((double)values[i]));
    }
    return most;
}

/* Scales of about what the largest input and weight become in the transforms. */
static void draw_scales(vgg_winograd_task *t) {
    size_t points = vgg_winograd_points(t->partition.tile);
    double input = t->partition.tile == 2 ? 2 : 8, filter = t->partition.tile == 2 ? 1 : 0.7;
    double x = largest(t->x) / VGG_INT8_MOST, w = largest(t->weights) / VGG_INT8_MOST;
    float *factors = vgg_guarded_floats(points);
    float *scales = vgg_guarded_floats(points * t->shape.outputs);
    for (size_t i = 0; i < points; i++) {
        factors[i] = (float)(1 / (x * input * vgg_draw_real(0.5, 2)));
    }
    for (size_t i = 0; i < points * t->shape.outputs; i++) {
        scales[i] = (float)(w * filter * vgg_draw_real(0.5, 2));
    }
    vgg_guarded_lock(factors);
    vgg_guarded_lock(scales);
    t->factors = factors;
    t->scales = scales;
}

vgg_winograd_task vgg_layer_part(const vgg_winograd_task *task, size_t first, size_t images) {
    vgg_winograd_task part = *task;
    part.shape.images = images;
    part.partition = draw_partition(&part.shape, part.partition.tile, rule_of(&part.partition));
    part.x += first * vgg_layer_input(task);
    part.y += first * vgg_layer_output(task);
    return part;
}

static void take_memory(vgg_winograd_layer *l) {
    vgg_winograd_task *t = &l->task;
    const vgg_winograd_partition *cut = &t->partition;
    size_t y = t->shape.images * vgg_layer_output(t);
    t->filters = cut->stored ? vgg_guarded_floats(cut->filters) : NULL;
    t->scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * cut->scratch);
    t->y = vgg_guarded_floats(y);
    l->merged = vgg_guarded_floats(vgg_size_max(y, cut->filters));
}

static void draw_layer(vgg_winograd_layer *l, const vgg_conv_shape *s, size_t tile,
                       cut_rule *rule) {
    bool scaled = vgg_draw_chance(2);
    float *weights = vgg_draw_floats(s->outputs * s->inputs * s->kernel * s->kernel);
    size_t few = vgg_size_min(s->images, MOST_DISTINCT);
    *l = (vgg_winograd_layer){
        .task = {.shape = *s,
                 .partition = draw_partition(s, tile, rule),
                 .weights = weights,
                 .turned =
                     rule != vgg_winograd_int8_partition_of && !s->plain && vgg_draw_chance(3),
                 .bias = vgg_draw_chance(3) ? NULL : vgg_draw_vector(s->outputs),
                 .scale = scaled ? vgg_draw_vector(s->outputs) : NULL,
                 .shift = scaled ? vgg_draw_vector(s->outputs) : NULL,
                 .relu = vgg_draw_chance(2),
                 .stream = vgg_draw_chance(2),
                 .pool = vgg_draw_chance(2)}};
    describe(&l->task);
    vgg_guarded_lock(weights);
    take_memory(l);
    l->few = vgg_layer_part(&l->task, 0, few);
    l->few.x = s->plain ? vgg_draw_floats(few * vgg_layer_input(&l->few))
                        : vgg_draw_blocked(few, s->inputs, vgg_conv_in_pixels(s));
    l->few.y = vgg_guarded_floats(few * vgg_layer_output(&l->few));
    repeat_images(l);
    if (l->task.partition.int8) {
        draw_scales(&l->task);
        l->few.factors = l->task.factors;
        l->few.scales = l->task.scales;
    }
}

void vgg_draw_layer(vgg_winograd_layer *l, const vgg_conv_shape *s, size_t tile) {
    draw_layer(l, s, tile, vgg_winograd_partition_of);
}

void vgg_draw_bf16_layer(vgg_winograd_layer *l, const vgg_conv_shape *s, size_t tile) {
    draw_layer(l, s, tile,
               vgg_draw_chance(2) ? vgg_winograd_matrices_partition_of
                                  : vgg_winograd_bf16_partition_of);
}

void vgg_draw_int8_layer(vgg_winograd_layer *l, const vgg_conv_shape *s, size_t tile) {
    draw_layer(l, s, tile, vgg_winograd_int8_partition_of);
}

/* ---- running ---- */

/* One call, with all that must not change checked afterwards. */
static void call(const stage *s, const vgg_winograd_task *task, size_t begin, size_t end,
                 size_t worker) {
    vgg_winograd_task argument = *task;
    argument.offset = s->offset;
    float *scratch = task->scratch;
    size_t size = task->partition.scratch;
    vgg_poison(scratch, VGG_KERNEL_WORKERS * size * sizeof *scratch, sizeof *scratch);
    vgg_running(s->name, s->tier);
    s->work(&argument, begin, end, worker);
    vgg_guarded_check();
    vgg_running(NULL, NULL);
    vgg_check_scratch(s->name, s->tier, scratch, size, worker);
    if (argument.x != task->x || argument.y != task->y || argument.filters != task->filters)
        vgg_kernel_fail(s->name, s->tier, "the task is changed");
}

/* All units by one worker, or, with memory for what they write, in ranges in random order. What the
 * output held before has to stay. */
static void run_stage(const stage *s, const vgg_winograd_task *task, float *merged) {
    if (merged == NULL) {
        call(s, task, 0, s->units, 0);
        return;
    }
    size_t bytes = s->count * sizeof *merged;
    vgg_ranges ranges = vgg_draw_ranges(s->units, MOST_RANGES);
    memcpy(merged, s->output, bytes);
    vgg_poison(s->output, bytes, sizeof *merged);
    for (size_t r = 0; r < ranges.count; r++) {
        call(s, task, ranges.begin[r], ranges.end[r], vgg_draw(0, VGG_KERNEL_WORKERS - 1));
        vgg_collect(s->name, s->tier, "the output", s->output, merged, bytes, sizeof *merged);
    }
    memcpy(s->output, merged, bytes);
}

/* Makes the filters where there was poison. */
static void prepare(const vgg_kernels *tier, const vgg_winograd_task *task, float *merged) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t groups = (task->shape.outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
    stage s = {"winograd_filters",
               tier->tier,
               vgg_winograd_kernels_for(tier, cut)->filters,
               groups,
               task->filters,
               cut->filters,
               tier->int8_offset};
    if (!cut->stored)
        return;
    vgg_poison(s.output, s.count * sizeof(float), sizeof(float));
    run_stage(&s, task, merged);
}

void vgg_layer_run(const vgg_kernels *tier, const vgg_winograd_task *task, float *merged) {
    stage s = {"winograd",
               tier->tier,
               vgg_winograd_kernels_for(tier, &task->partition)->forward,
               task->partition.units,
               task->y,
               task->shape.images * vgg_layer_output(task),
               tier->int8_offset};
    vgg_poison(s.output, s.count * sizeof(float), sizeof(float));
    prepare(tier, task, merged);
    run_stage(&s, task, merged);
}

void vgg_layer_absolute(vgg_winograd_task *task) {
    task->x = vgg_guarded_absolute(task->x);
    task->weights = vgg_guarded_absolute(task->weights);
    task->bias = vgg_guarded_absolute(task->bias);
    task->scale = vgg_guarded_absolute(task->scale);
    task->shift = vgg_guarded_absolute(task->shift);
}

const float *vgg_layer_convolved(const vgg_winograd_layer *l, bool absolute) {
    vgg_winograd_task task = l->few;
    task.partition = vgg_winograd_partition_of(&task.shape, task.partition.tile, 1);
    task.filters = vgg_guarded_floats(vgg_size_max(task.partition.filters, 1));
    task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * task.partition.scratch);
    task.y = vgg_guarded_copy(l->few.y);
    if (absolute)
        vgg_layer_absolute(&task);
    vgg_layer_run(vgg_reference(), &task, NULL);
    return task.y;
}

double vgg_layer_distance(const vgg_winograd_layer *l, const vgg_kernels *tier, double bound,
                          const float *expected, const float *magnitude) {
    size_t size = vgg_layer_output(&l->task);
    double sum = 0;
    for (size_t i = 0; i < l->task.shape.images * size; i++) {
        size_t at = l->source[i / size] * size + i % size;
        double found = (double)l->task.y[i], wanted = (double)expected[at];
        double most = bound == HUGE_VAL ? HUGE_VAL : bound * (double)magnitude[at];
        if (!(fabs(found - wanted) <= most))
            vgg_kernel_fail("winograd", tier->tier,
                            "value %zu of image %zu is %.9g instead of %.9g +- %.2g", i % size,
                            i / size, found, wanted, most);
        sum += (found - wanted) * (found - wanted);
    }
    return sqrt(sum);
}

static void check_same(const vgg_winograd_layer *l, const vgg_kernels *tier, const char *when,
                       size_t image, const float *expected, size_t images) {
    static const vgg_kernel_case named = {.name = "winograd"};
    size_t size = vgg_layer_output(&l->task);
    vgg_case_same(&named, tier, when, l->task.y + image * size, expected,
                  images * size * sizeof *expected, sizeof *expected);
}

void vgg_layer_check_cuts(vgg_winograd_layer *l, const vgg_kernels *tier) {
    const float *whole = vgg_guarded_copy(l->task.y);
    vgg_layer_run(tier, &l->task, l->merged);
    check_same(l, tier, "when the units are divided", 0, whole, l->task.shape.images);
    for (size_t n = 0; n < l->few.shape.images; n++) {
        vgg_winograd_task alone = vgg_layer_part(&l->few, n, 1);
        vgg_layer_run(tier, &alone, NULL);
    }
    for (size_t n = 0; n < l->task.shape.images; n++) {
        check_same(l, tier, "when each image is alone", n,
                   l->few.y + l->source[n] * vgg_layer_output(&l->few), 1);
    }
}
