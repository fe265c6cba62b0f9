/* The convolution with operands of bfloat16 by AMX, forward and, with turned filters, backward to
 * the input.
 *
 * A unit rounds its input rows into a patch, [channels / 32][places][32], where a place is an
 * operand's row of 64 bytes and a tap the distance to another place. A register of sums is 16
 * places times 16 output channels; four of them share two of the patch and two of filters. The
 * products of some rows wait in memory until they are stored with all that follows them. */
#include <string.h>

#include "kernels/amx_across.h"
#include "kernels/amx_output.h"

#define BLOCKS 2 /* of output channels in a group */
#define STEP (2 * AMX_ROWS)
/* Chunks of 32 input channels whose filters stay in the first-level cache while all places of a
 * strip are multiplied with them. */
#define CHUNKS_AT_ONCE 4

/* ---- the patch ---- */

static void fill_row(const vgg_winograd_task *task, size_t image, size_t chunk, size_t y,
                     char *to) {
    const vgg_conv_shape *shape = &task->shape;
    size_t width = vgg_conv_in_width(shape), border = vgg_conv_border(shape);
    size_t blocks = vgg_blocks(shape->inputs), plane = image * blocks + BLOCKS * chunk;
    batch_maps maps = {task->x, task->x_bf16, task->spread, vgg_conv_in_height(shape), width};
    map_row low = map_row_at(&maps, plane, y), high = {0};
    if (BLOCKS * chunk + 1 < blocks)
        high = map_row_at(&maps, plane + 1, y);
    memset(to, 0, border * AMX_ROW_BYTES);
    to += border * AMX_ROW_BYTES;
    put_row(&low, &high, AMX_ROW_BYTES, to);
    memset(to + low.places * AMX_ROW_BYTES, 0, (width - low.places) * AMX_ROW_BYTES);
}

static void fill_patch(const vgg_winograd_task *task, const batch_part *part, char *patch) {
    const vgg_direct_cut *cut = &task->partition.direct;
    size_t border = vgg_conv_border(&task->shape), rows = part->flat_rows + task->shape.kernel - 1;
    for (size_t chunk = 0; chunk < vgg_direct_chunks(task->shape.inputs); chunk++) {
        char *to = patch + chunk * cut->plane * AMX_ROW_BYTES;
        for (size_t row = 0; row < rows; row++) {
            size_t image = row / cut->period, y = row % cut->period;
            if (part->images == 1) {
                image = 0;
                y = part->first_row + row;
            }
            fill_row(task, part->image + image, chunk, y - border,
                     to + row * cut->width * AMX_ROW_BYTES);
        }
        size_t filled = rows * cut->width;
        memset(to + filled * AMX_ROW_BYTES, 0, (cut->plane - filled) * AMX_ROW_BYTES);
    }
}

/* ---- products ---- */

/* What the products of a unit have in common: bytes. */
typedef struct distances {
    size_t taps, away[VGG_MOST_TAPS]; /* of the places that a tap reads */
    size_t row, plane;                /* of the patch */
    size_t sums;                      /* between the two blocks of sums */
} distances;

static distances distances_of(const vgg_conv_shape *shape, const vgg_direct_cut *cut, size_t sums) {
    distances d = {.taps = shape->kernel * shape->kernel,
                   .row = cut->width * AMX_ROW_BYTES,
                   .plane = cut->plane * AMX_ROW_BYTES,
                   .sums = sums * sizeof(float)};
    for (size_t tap = 0; tap < d.taps; tap++) {
        d.away[tap] = tap / shape->kernel * d.row + tap % shape->kernel * AMX_ROW_BYTES;
    }
    return d;
}

/* sums[block][places][16] += the products of some chunks, of 16 places or, if `wide`, 32, and of
 * one block of outputs or `both`; `first`: instead of +=. */
VGG_INLINE void multiply(const distances *d, const char *x, const char *w, size_t chunks,
                         bool first, bool wide, bool both, char *sums) {
    char *second = sums + d->sums;
    AMX_ZERO(0);
    AMX_ZERO(1);
    AMX_ZERO(2);
    AMX_ZERO(3);
    if (!first) {
        AMX_LOAD(0, sums, AMX_ROW_BYTES);
        if (both)
            AMX_LOAD(1, second, AMX_ROW_BYTES);
        if (wide)
            AMX_LOAD(2, sums + AMX_BYTES, AMX_ROW_BYTES);
        if (wide && both)
            AMX_LOAD(3, second + AMX_BYTES, AMX_ROW_BYTES);
    }
    for (size_t chunk = 0; chunk < chunks; chunk++, x += d->plane) {
        for (size_t tap = 0; tap < d->taps; tap++, w += BLOCKS * AMX_BYTES) {
            const char *a = x + d->away[tap];
            AMX_LOAD(4, a, AMX_ROW_BYTES);
            AMX_LOAD(6, w, AMX_ROW_BYTES);
            AMX_BF16(0, 4, 6);
            if (both) {
                AMX_LOAD(7, w + AMX_BYTES, AMX_ROW_BYTES);
                AMX_BF16(1, 4, 7);
            }
            if (wide) {
                AMX_LOAD(5, a + AMX_BYTES, AMX_ROW_BYTES);
                AMX_BF16(2, 5, 6);
            }
            if (wide && both)
                AMX_BF16(3, 5, 7);
        }
    }
    AMX_STORE(0, sums, AMX_ROW_BYTES);
    if (both)
        AMX_STORE(1, second, AMX_ROW_BYTES);
    if (wide)
        AMX_STORE(2, sums + AMX_BYTES, AMX_ROW_BYTES);
    if (wide && both)
        AMX_STORE(3, second + AMX_BYTES, AMX_ROW_BYTES);
}

/* The products of `places` from x on with the filters of a group. */
static void multiply_strip(const vgg_winograd_task *task, const distances *d, size_t group,
                           const char *x, size_t places, char *sums) {
    size_t chunks = vgg_direct_chunks(task->shape.inputs);
    size_t chunk_bytes = d->taps * BLOCKS * AMX_BYTES;
    const char *w = (const char *)task->filters + group * chunks * chunk_bytes;
    bool single = BLOCKS * group + 1 == vgg_blocks(task->shape.outputs);
    for (size_t chunk = 0; chunk < chunks; chunk += CHUNKS_AT_ONCE) {
        size_t some = vgg_size_min(CHUNKS_AT_ONCE, chunks - chunk);
        const char *from = x + chunk * d->plane, *filters = w + chunk * chunk_bytes;
        for (size_t place = 0; place < places; place += STEP) {
            const char *at = from + place * AMX_ROW_BYTES;
            char *to = sums + place * AMX_ROW_BYTES;
            if (single)
                multiply(d, at, filters, some, chunk == 0, true, false, to);
            else if (places - place > AMX_ROWS)
                multiply(d, at, filters, some, chunk == 0, true, true, to);
            else
                multiply(d, at, filters, some, chunk == 0, false, true, to);
        }
    }
}

/* ---- units ---- */

static void run_unit(const vgg_winograd_task *task, size_t index, float *scratch) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_winograd_partition *partition = &task->partition;
    const vgg_direct_cut *cut = &partition->direct;
    batch_part part = part_of(shape, cut, index / partition->group_units);
    char *patch = (char *)scratch;
    size_t chunks = vgg_direct_chunks(shape->inputs);
    float *sums = scratch + chunks * cut->plane * (AMX_ROW_BYTES / sizeof(float));
    size_t strip = vgg_size_min(cut->strip, part.flat_rows);
    size_t block = vgg_round_up(strip * cut->width, STEP) * VGG_BLOCK;
    const distances d = distances_of(shape, cut, block);
    fill_patch(task, &part, patch);
    amx_barrier();
    size_t blocks = vgg_blocks(shape->outputs), groups = (blocks + BLOCKS - 1) / BLOCKS;
    size_t begin = index % partition->group_units * partition->groups;
    for (size_t group = begin; group < vgg_size_min(begin + partition->groups, groups); group++) {
        for (size_t row = 0; row < part.flat_rows; row += strip) {
            size_t rows = vgg_size_min(strip, part.flat_rows - row);
            multiply_strip(task, &d, group, patch + row * d.row,
                           (rows - 1) * cut->width + shape->width, (char *)sums);
            for (size_t b = 0; b < BLOCKS && BLOCKS * group + b < blocks; b++) {
                store_block(task, &part, BLOCKS * group + b, row, rows, sums + b * block);
            }
        }
    }
}

void VGG_TIERED(direct_forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(direct_forward)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_task *task = argument;
    amx_begin();
    float *scratch = task->scratch + worker * task->partition.scratch;
    for (size_t unit = begin; unit < end; unit++) {
        if (task->partition.direct.across)
            vgg_across_unit(task, unit, scratch);
        else
            run_unit(task, unit, scratch);
    }
    amx_end();
    vf_put_end(task->stream);
}
