/* The convolution to a picture.
 *
 * kernel        sums             bound
 * conv_picture  C * kernel^2     vgg_sum_error(terms) * sum |x w|
 *
 * The sum is ref's result for the absolute values of all inputs. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 60 };

static vgg_conv_shape draw_shape(void) {
    vgg_conv_shape shape = vgg_draw_conv(3, 9, 29);
    shape.plain = false;
    shape.outputs = vgg_draw(1, VGG_PICTURE_CHANNELS);
    vgg_draw_crop(&shape);
    vgg_describe_conv(&shape);
    return shape;
}

static size_t input_size(const vgg_conv_shape *s) {
    return vgg_blocked_size(1, s->inputs, vgg_conv_in_pixels(s));
}

static size_t output_size(const vgg_conv_shape *s) {
    return s->outputs * s->height * s->width;
}

/* Random weights, which the task packs. */
static vgg_conv_pack_task draw_weights(const vgg_conv_shape *s) {
    size_t count = s->outputs * s->inputs * s->kernel * s->kernel;
    vgg_conv_pack_task pack = {
        .shape = *s, .turned = vgg_draw_chance(2), .weights = vgg_draw_floats(count)};
    vgg_guarded_lock(pack.weights);
    return pack;
}

static vgg_conv_picture_task draw_task(const vgg_conv_shape *s, vgg_conv_pack_task *pack) {
    pack->packed = vgg_guarded_floats(vgg_conv_picture_packed_size(s));
    for (size_t block = vgg_blocks(s->inputs); block-- > 0;) {
        vgg_conv_picture_pack(pack, block, block + 1, 0);
    }
    float *x = vgg_draw_blocked(s->images, s->inputs, vgg_conv_in_pixels(s));
    vgg_guarded_lock(x);
    vgg_guarded_lock(pack->packed);
    return (vgg_conv_picture_task){.shape = *s,
                                   .x = x,
                                   .packed = pack->packed,
                                   .y = vgg_guarded_floats(s->images * output_size(s))};
}

static size_t one_image(void *task, size_t image) {
    vgg_conv_picture_task *t = task;
    t->x += image * input_size(&t->shape);
    t->y += image * output_size(&t->shape);
    t->shape.images = 1;
    return t->shape.height;
}

static vgg_kernel_case picture_case(vgg_conv_picture_task *task) {
    vgg_kernel_case item = {
        VGG_KERNEL(conv_picture),  .task = task,
        .task_size = sizeof *task, .units = task->shape.images * task->shape.height,
        .output_count = 1,         .images = task->shape.images,
        .one_image = one_image};
    item.outputs[0] = (vgg_kernel_output){.name = "y", .data = task->y, .size = sizeof(float)};
    return item;
}

static float *magnitude(const vgg_conv_picture_task *task) {
    vgg_conv_picture_task absolute = *task;
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.packed = vgg_guarded_absolute(task->packed);
    absolute.y = vgg_guarded_copy(task->y);
    vgg_reference()->conv_picture(&absolute, 0, task->shape.images * task->shape.height, 0);
    return absolute.y;
}

static void test_picture(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = draw_shape();
        vgg_conv_pack_task pack = draw_weights(&shape);
        vgg_conv_picture_task task = draw_task(&shape, &pack);
        vgg_kernel_case item = picture_case(&task);
        item.outputs[0].magnitude = magnitude(&task);
        item.outputs[0].error = vgg_sum_error(shape.inputs * shape.kernel * shape.kernel);
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* What the convolution to blocks gives, from the same weights in its own order. */
static const float *in_blocks(const vgg_conv_picture_task *task, const vgg_conv_pack_task *pack) {
    const vgg_conv_shape *s = &task->shape;
    vgg_conv_pack_task own = *pack;
    own.packed = vgg_guarded_floats(vgg_conv_packed_size(s));
    vgg_conv_pack(&own, 0, vgg_blocks(s->outputs), 0);
    vgg_conv_forward_task forward = {
        .shape = *s,
        .partition = vgg_conv_forward_partition(s),
        .x = task->x,
        .packed = own.packed,
        .y = vgg_guarded_floats(vgg_blocked_size(s->images, s->outputs, s->height * s->width))};
    vgg_reference()->conv_forward(&forward, 0, forward.partition.units, 0);
    return forward.y;
}

/* ref is that convolution in another form. */
static void test_definition(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape s = draw_shape();
        vgg_conv_pack_task pack = draw_weights(&s);
        vgg_conv_picture_task task = draw_task(&s, &pack);
        vgg_kernel_case item = picture_case(&task);
        vgg_case_run(&item, vgg_reference());
        const float *expected = in_blocks(&task, &pack);
        for (size_t at = 0; at < s.images * output_size(&s); at++) {
            size_t pixels = s.height * s.width, plane = at / pixels, pixel = at % pixels;
            size_t n = plane / s.outputs, k = plane % s.outputs;
            float wanted = expected[vgg_blocked_at(s.outputs, pixels, n, k, pixel)];
            if (!(fabsf(task.y[at] - wanted) <= 1e-4F))
                vgg_kernel_fail("conv_picture", "ref", "(%zu, %zu, %zu) is %g instead of %g", n, k,
                                pixel, (double)task.y[at], (double)wanted);
        }
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_picture, vgg_teardown),
        cmocka_unit_test_teardown(test_definition, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
