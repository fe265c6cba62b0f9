/* LPIPS: what a layer adds to a distance, and the gradient of that. On a processor it views the
 * plan: layers put what they give where it is kept, and it is looked at between one op and the
 * next. */
#include "inside/distance.h"
#include "kernels/blocks.h"

static vgg_lpips_task task_of(const vgg_distance_part *part, const vgg_tap_pool *pool) {
    return (vgg_lpips_task){.channels = part->channels,
                            .height = part->height,
                            .width = part->width,
                            .x = part->given,
                            .y = part->reference,
                            .inverse = part->own_inverse,
                            .y_inverse = part->inverse,
                            .weights = part->weights,
                            .distances = part->distances,
                            .pull = part->pull,
                            .pool = pool->y,
                            .chosen = pool->chosen};
}

/* What is known of the reference alone. */
static void prepare(vgg_distance *distance, const vgg_distance_part *part,
                    const vgg_tap_pool *pool) {
    vgg_lpips_task task = task_of(part, pool);
    task.x = part->reference;
    task.y = NULL;
    task.inverse = part->inverse;
    vgg_threads_run(distance->threads, vgg_lpips_units(part->height),
                    distance->kernels->lpips_lengths, &task);
}

static void compare(vgg_distance *distance, const vgg_distance_part *part,
                    const vgg_tap_pool *pool) {
    vgg_lpips_task task = task_of(part, pool);
    vgg_threads_run(distance->threads, vgg_lpips_units(part->height),
                    distance->kernels->lpips_compare, &task);
}

static void complete(vgg_distance *distance, const vgg_distance_part *part,
                     const vgg_tap_slopes *slopes) {
    const vgg_tap_pool none = {0};
    vgg_lpips_task task = task_of(part, &none);
    task.slopes = slopes->slopes;
    task.add = slopes->add;
    task.pooled = slopes->pooled;
    task.chose = slopes->chosen;
    vgg_threads_run(distance->threads, vgg_blocks(part->channels) * part->height,
                    distance->kernels->lpips_slopes, &task);
}

/* ---- in the plan ---- */

float *vgg_lpips_place(void *context, size_t tap) {
    const vgg_distance *distance = context;
    const vgg_distance_part *part = &distance->parts[tap];
    return distance->sees_reference ? part->reference : part->given;
}

void vgg_lpips_see(void *context, size_t tap, const vgg_tap_pool *pool) {
    vgg_distance *distance = context;
    if (distance->sees_reference)
        prepare(distance, &distance->parts[tap], pool);
    else
        compare(distance, &distance->parts[tap], pool);
}

void vgg_lpips_slope(void *context, size_t tap, const vgg_tap_slopes *slopes) {
    vgg_distance *distance = context;
    complete(distance, &distance->parts[tap], slopes);
}

/* ---- behind it ---- */

void vgg_lpips_prepare(vgg_distance *distance, vgg_distance_part *part) {
    const vgg_tap_pool none = {0};
    if (distance->plan->viewer == NULL)
        prepare(distance, part, &none);
}

double vgg_lpips_compare(vgg_distance *distance, vgg_distance_part *part, bool slopes) {
    const vgg_tap_slopes own = {.slopes = part->gradient};
    const vgg_tap_pool none = {0};
    if (distance->plan->viewer == NULL)
        compare(distance, part, &none);
    if (distance->plan->viewer == NULL && slopes)
        complete(distance, part, &own);
    double sum = 0;
    for (size_t place = 0; place < part->places; place++) {
        sum += (double)part->distances[place];
    }
    return sum / (double)part->places;
}
