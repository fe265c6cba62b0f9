#include "tiers.h"

#include <math.h>
#include <sys/mman.h>

#include "buffers.h"
#include "vgg_test.h"

enum { TASK_SIZE = 512 };

/* A case with a tier, and what its run over all units gave. */
typedef struct trial {
    const vgg_kernel_case *item;
    const vgg_kernels *tier;
    void *whole[VGG_KERNEL_OUTPUTS];
} trial;

double vgg_sum_error(size_t terms) {
    return (4 + sqrt((double)terms)) * VGG_ROUNDING;
}

const vgg_kernels *vgg_reference(void) {
    size_t last = 0;
    while (vgg_kernels_at(last + 1) != NULL) {
        last++;
    }
    return vgg_kernels_at(last);
}

static vgg_work *kernel_of(const vgg_kernel_case *item, const vgg_kernels *tier) {
    vgg_work *work;
    memcpy(&work, (const unsigned char *)tier + item->kernel, sizeof work);
    return work;
}

static void reset(const vgg_kernel_output *output) {
    size_t bytes = vgg_guarded_size(output->data);
    if (output->initial != NULL)
        memcpy(output->data, output->initial, bytes);
    else
        vgg_poison(output->data, bytes, output->size);
}

void vgg_check_scratch(const char *kernel, const char *tier, const float *scratch, size_t size,
                       size_t worker) {
    for (size_t i = 0; i < VGG_KERNEL_WORKERS * size; i++) {
        if (i / size != worker && !vgg_poisoned(scratch + i, sizeof *scratch))
            vgg_kernel_fail(kernel, tier, "worker %zu wrote the scratch of worker %zu", worker,
                            i / size);
    }
}

/* The task in memory of its own, which may be written or not. */
static void *task_page(bool writable) {
    static void *page = NULL;
    if (page == NULL)
        page = mmap(NULL, TASK_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED ||
        mprotect(page, TASK_SIZE, writable ? PROT_READ | PROT_WRITE : PROT_READ) != 0)
        fail_msg("no memory for a task");
    return page;
}

/* One call of the kernel, with all that must not change checked afterwards. */
static void call(const vgg_kernel_case *item, const vgg_kernels *tier, const void *task,
                 size_t begin, size_t end, size_t worker) {
    if (item->task_size > TASK_SIZE)
        fail_msg("a task of %zu bytes", item->task_size);
    memcpy(task_page(true), task, item->task_size);
    if (item->scratch != NULL)
        vgg_poison(item->scratch, vgg_guarded_size(item->scratch), sizeof(float));
    vgg_running(item->name, tier->tier);
    kernel_of(item, tier)(task_page(false), begin, end, worker);
    vgg_guarded_check();
    vgg_running(NULL, NULL);
    if (item->scratch != NULL)
        vgg_check_scratch(item->name, tier->tier, item->scratch, item->scratch_size, worker);
}

void vgg_case_run(const vgg_kernel_case *item, const vgg_kernels *tier) {
    for (size_t o = 0; o < item->output_count; o++) {
        reset(&item->outputs[o]);
    }
    call(item, tier, item->task, 0, item->units, 0);
}

/* ---- comparisons ---- */

static double number(const vgg_kernel_output *output, const void *values, size_t i) {
    if (output->bits)
        return ((const uint32_t *)values)[i];
    return output->size == 1 ? ((const uint8_t *)values)[i] : (double)((const float *)values)[i];
}

static void check_zero_lanes(const trial *t, const vgg_kernel_output *output) {
    size_t blocks = vgg_blocks(output->channels), row = output->pixels * VGG_BLOCK;
    const float *values = output->data;
    for (size_t i = 0; i < vgg_guarded_size(values) / sizeof *values; i++) {
        size_t channel = i / row % blocks * VGG_BLOCK + i % VGG_BLOCK;
        if (channel >= output->channels && !(values[i] == 0))
            vgg_kernel_fail(t->item->name, t->tier->tier,
                            "value %zu of %s, in channel %zu of %zu, is %g instead of 0", i,
                            output->name, channel, output->channels, (double)values[i]);
    }
}

/* Compares with ref's result. */
static void check_near(const trial *t, const vgg_kernel_output *output, const void *expected) {
    size_t count = vgg_guarded_size(output->data) / output->size;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *value = (const unsigned char *)output->data + i * output->size;
        if (output->initial == NULL && vgg_poisoned(value, output->size))
            vgg_kernel_fail(t->item->name, t->tier->tier, "value %zu of %zu of %s is not written",
                            i, count, output->name);
        double found = number(output, output->data, i), wanted = number(output, expected, i);
        double bound =
            output->magnitude == NULL ? 0 : output->error * fabs((double)output->magnitude[i]);
        bool near = isnan(wanted) ? isnan(found) : found == wanted || fabs(found - wanted) <= bound;
        if (!near)
            vgg_kernel_fail(t->item->name, t->tier->tier,
                            "value %zu of %zu of %s is %.9g instead of %.9g +- %.2g", i, count,
                            output->name, found, wanted, bound);
    }
    if (output->channels > 0)
        check_zero_lanes(t, output);
}

/* Bits; a NaN may be any NaN but the poison. */
static bool same_value(const void *a, const void *b, size_t size) {
    if (memcmp(a, b, size) == 0)
        return true;
    if (size == 1 || vgg_poisoned(a, size) || vgg_poisoned(b, size))
        return false;
    float x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return isnan(x) && isnan(y);
}

void vgg_case_same(const vgg_kernel_case *item, const vgg_kernels *tier, const char *when,
                   const void *found, const void *expected, size_t bytes, size_t size) {
    for (size_t i = 0; i < bytes; i += size) {
        if (!same_value((const unsigned char *)found + i, (const unsigned char *)expected + i,
                        size))
            vgg_kernel_fail(item->name, tier->tier, "value %zu of %zu has other bits %s", i / size,
                            bytes / size, when);
    }
}

static void check_same(const trial *t, const char *when) {
    for (size_t o = 0; o < t->item->output_count; o++) {
        const vgg_kernel_output *output = &t->item->outputs[o];
        vgg_case_same(t->item, t->tier, when, output->data, t->whole[o],
                      vgg_guarded_size(output->data), output->size);
        if (output->bits && memcmp(output->data, t->whole[o], vgg_guarded_size(output->data)) != 0)
            vgg_kernel_fail(t->item->name, t->tier->tier, "%s has other bits %s", output->name,
                            when);
    }
}

/* ---- ranges and images ---- */

void vgg_collect(const char *kernel, const char *tier, const char *name, void *data, void *merged,
                 size_t bytes, size_t size) {
    unsigned char *from = data, *to = merged;
    for (size_t i = 0; i < bytes; i += size) {
        if (vgg_poisoned(from + i, size))
            continue;
        if (!vgg_poisoned(to + i, size))
            vgg_kernel_fail(kernel, tier, "value %zu of %s is written by two units", i / size,
                            name);
        memcpy(to + i, from + i, size);
    }
    vgg_poison(data, bytes, size);
}

/* All units in at most `most` ranges. */
static void check_ranges(const trial *t, size_t most) {
    const vgg_kernel_case *item = t->item;
    vgg_ranges ranges = vgg_draw_ranges(item->units, most);
    void *merged[VGG_KERNEL_OUTPUTS] = {NULL};
    for (size_t o = 0; o < item->output_count; o++) {
        reset(&item->outputs[o]);
        merged[o] = vgg_guarded_copy(item->outputs[o].data);
    }
    for (size_t r = 0; r < ranges.count; r++) {
        size_t worker = vgg_draw(0, VGG_KERNEL_WORKERS - 1);
        call(item, t->tier, item->task, ranges.begin[r], ranges.end[r], worker);
        for (size_t o = 0; o < item->output_count; o++) {
            const vgg_kernel_output *output = &item->outputs[o];
            if (output->initial == NULL)
                vgg_collect(item->name, t->tier->tier, output->name, output->data, merged[o],
                            vgg_guarded_size(output->data), output->size);
        }
    }
    for (size_t o = 0; o < item->output_count; o++) {
        if (item->outputs[o].initial == NULL)
            memcpy(item->outputs[o].data, merged[o], vgg_guarded_size(merged[o]));
    }
    check_same(t, "when the units are divided");
}

static void check_images(const trial *t) {
    const vgg_kernel_case *item = t->item;
    _Alignas(max_align_t) unsigned char task[TASK_SIZE];
    for (size_t o = 0; o < item->output_count; o++) {
        reset(&item->outputs[o]);
    }
    for (size_t n = 0; n < item->images; n++) {
        memcpy(task, item->task, item->task_size);
        size_t units = item->one_image(task, n);
        call(item, t->tier, task, 0, units, 0);
    }
    check_same(t, "when each image is alone");
}

void vgg_case_check(const vgg_kernel_case *item) {
    void *expected[VGG_KERNEL_OUTPUTS] = {NULL};
    vgg_case_run(item, vgg_reference());
    for (size_t o = 0; o < item->output_count; o++) {
        expected[o] = vgg_guarded_copy(item->outputs[o].data);
    }
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        trial t = {.item = item, .tier = vgg_kernels_at(i)};
        vgg_case_run(item, t.tier);
        for (size_t o = 0; o < item->output_count; o++) {
            check_near(&t, &item->outputs[o], expected[o]);
            t.whole[o] = vgg_guarded_copy(item->outputs[o].data);
        }
        check_ranges(&t, VGG_MOST_RANGES);
        if (item->units > 2)
            check_ranges(&t, vgg_draw(2, 5));
        if (item->one_image != NULL && item->images > 1)
            check_images(&t);
    }
}
