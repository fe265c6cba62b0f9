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

#define AMX_PRODUCT AMX_BF16
/* Chunks of 32 input channels whose filters stay in the first-level cache while all places of a
 * strip are multiplied with them. */
#define CHUNKS_AT_ONCE 4
#include "kernels/amx_direct.h"

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
            patch_row at = patch_row_of(part, cut, row);
            fill_row(task, at.image, chunk, at.y - border, to + row * cut->width * AMX_ROW_BYTES);
        }
        size_t filled = rows * cut->width;
        memset(to + filled * AMX_ROW_BYTES, 0, (cut->plane - filled) * AMX_ROW_BYTES);
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
    distances d = distances_of(shape, cut, block);
    d.chunks = chunks;
    d.group = chunks * d.taps * BLOCKS * AMX_BYTES;
    fill_patch(task, &part, patch);
    amx_barrier();
    size_t blocks = vgg_blocks(shape->outputs), groups = (blocks + BLOCKS - 1) / BLOCKS;
    size_t begin = index % partition->group_units * partition->groups;
    for (size_t group = begin; group < vgg_size_min(begin + partition->groups, groups); group++) {
        for (size_t row = 0; row < part.flat_rows; row += strip) {
            size_t rows = vgg_size_min(strip, part.flat_rows - row);
            multiply_strip(&d, (const char *)task->filters + group * d.group, patch + row * d.row,
                           (rows - 1) * cut->width + shape->width, BLOCKS * group + 1 == blocks,
                           (char *)sums);
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
