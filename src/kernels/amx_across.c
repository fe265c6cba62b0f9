/* Small maps of many images by AMX: the 16 places of a register are one place of the maps of 16
 * images. So a tap that would see the border is left out, where a patch of rows multiplies zeros:
 * of maps of 4x4 less than half of the products are left, of 2x2 a fifth. The sums are the same:
 * they take chunks of channels and taps in the same order. */
#include "kernels/amx_across.h"

#include <string.h>

#include "kernels/amx_output.h"

/* Chunks of 32 input channels whose filters are multiplied with all places in turn. */
#define CHUNKS_AT_ONCE 2

/* What the units of a task have in common: bytes, of which `place` are those of a place of all
 * images. */
typedef struct layout {
    size_t in_width, in_pixels, pixels, chunks;
    size_t place, chunk;     /* of the operand */
    size_t filters;          /* of a chunk */
    size_t sums_place, sums; /* of a place, and of a block of channels */
    size_t places_apart;     /* floats between two places of the sums of an image */
} layout;

static layout layout_of(const vgg_winograd_task *task) {
    const vgg_conv_shape *shape = &task->shape;
    size_t images = task->partition.direct.images;
    layout l = {.in_width = vgg_conv_in_width(shape),
                .in_pixels = vgg_conv_in_height(shape) * vgg_conv_in_width(shape),
                .pixels = shape->height * shape->width,
                .chunks = vgg_direct_chunks(shape->inputs),
                .place = images * AMX_ROW_BYTES,
                .filters = VGG_MOST_TAPS * BLOCKS * AMX_BYTES,
                .places_apart = images * VGG_BLOCK};
    l.chunk = l.in_pixels * l.place;
    l.sums_place = l.places_apart * sizeof(float);
    l.sums = l.pixels * l.sums_place;
    return l;
}

/* ---- operands ---- */

/* to: where the first place of an image of a chunk goes, to[chunk][places][images][32]. */
static void fill_image(const vgg_winograd_task *task, const layout *l, size_t image, size_t chunk,
                       char *to) {
    const vgg_conv_shape *shape = &task->shape;
    size_t blocks = vgg_blocks(shape->inputs), plane = image * blocks + BLOCKS * chunk;
    size_t height = vgg_conv_in_height(shape);
    batch_maps maps = {task->x, task->x_bf16, task->spread, height, l->in_width};
    for (size_t y = 0; y < height; y++, to += l->in_width * l->place) {
        map_row low = map_row_at(&maps, plane, y), high = {0};
        if (BLOCKS * chunk + 1 < blocks)
            high = map_row_at(&maps, plane + 1, y);
        put_row(&low, &high, l->place, to);
        for (size_t place = low.places; place < l->in_width; place++) {
            memset(to + place * l->place, 0, AMX_ROW_BYTES);
        }
    }
}

/* ---- products ---- */

/* The taps of a place of the output that see the map: where they read, and their filters. */
typedef struct seen_taps {
    size_t count, place[VGG_MOST_TAPS], filter[VGG_MOST_TAPS];
} seen_taps;

static seen_taps taps_of(const vgg_winograd_task *task, const layout *l, size_t place) {
    const vgg_conv_shape *shape = &task->shape;
    size_t border = vgg_conv_border(shape), kernel = shape->kernel;
    seen_taps seen = {0};
    for (size_t tap = 0; tap < kernel * kernel; tap++) {
        size_t y = place / shape->width + tap / kernel - border;
        size_t x = place % shape->width + tap % kernel - border;
        if (y >= vgg_conv_in_height(shape) || x >= l->in_width)
            continue; /* above and to the left it wrapped around */
        seen.place[seen.count] = (y * l->in_width + x) * l->place;
        seen.filter[seen.count++] = tap * BLOCKS * AMX_BYTES;
    }
    return seen;
}

/* sums[block][places][images][16] of a place += the products of some chunks, of 16 images or, if
 * `wide`, 32; `first`: instead of +=. */
VGG_INLINE void multiply(const layout *l, const seen_taps *seen, const char *x, const char *w,
                         size_t chunks, bool first, bool wide, char *sums) {
    char *second = sums + l->sums;
    AMX_ZERO(0);
    AMX_ZERO(1);
    AMX_ZERO(2);
    AMX_ZERO(3);
    if (!first) {
        AMX_LOAD(0, sums, AMX_ROW_BYTES);
        AMX_LOAD(1, second, AMX_ROW_BYTES);
    }
    if (!first && wide) {
        AMX_LOAD(2, sums + AMX_BYTES, AMX_ROW_BYTES);
        AMX_LOAD(3, second + AMX_BYTES, AMX_ROW_BYTES);
    }
    for (size_t chunk = 0; chunk < chunks; chunk++, x += l->chunk, w += l->filters) {
        for (size_t tap = 0; tap < seen->count; tap++) {
            const char *a = x + seen->place[tap], *b = w + seen->filter[tap];
            AMX_LOAD(4, a, AMX_ROW_BYTES);
            AMX_LOAD(6, b, AMX_ROW_BYTES);
            AMX_BF16(0, 4, 6);
            AMX_LOAD(7, b + AMX_BYTES, AMX_ROW_BYTES);
            AMX_BF16(1, 4, 7);
            if (wide) {
                AMX_LOAD(5, a + AMX_BYTES, AMX_ROW_BYTES);
                AMX_BF16(2, 5, 6);
                AMX_BF16(3, 5, 7);
            }
        }
    }
    AMX_STORE(0, sums, AMX_ROW_BYTES);
    AMX_STORE(1, second, AMX_ROW_BYTES);
    if (wide) {
        AMX_STORE(2, sums + AMX_BYTES, AMX_ROW_BYTES);
        AMX_STORE(3, second + AMX_BYTES, AMX_ROW_BYTES);
    }
}

/* All places with the filters of a group. */
static void multiply_group(const vgg_winograd_task *task, const layout *l, size_t group,
                           const char *x, char *sums) {
    const char *w = (const char *)task->filters + group * l->chunks * l->filters;
    bool wide = task->partition.direct.images > AMX_ROWS;
    for (size_t chunk = 0; chunk < l->chunks; chunk += CHUNKS_AT_ONCE) {
        size_t some = vgg_size_min(CHUNKS_AT_ONCE, l->chunks - chunk);
        const char *from = x + chunk * l->chunk, *filters = w + chunk * l->filters;
        for (size_t place = 0; place < l->pixels; place++) {
            seen_taps seen = taps_of(task, l, place);
            char *to = sums + place * l->sums_place;
            if (wide)
                multiply(l, &seen, from, filters, some, chunk == 0, true, to);
            else
                multiply(l, &seen, from, filters, some, chunk == 0, false, to);
        }
    }
}

/* ---- units ---- */

/* sums: of a block, [places][images][16]. */
static void store_images(const vgg_winograd_task *task, const layout *l, const batch_part *part,
                         size_t block, const float *sums) {
    const vgg_conv_shape *shape = &task->shape;
    size_t side = task->pool ? 2 : 1, height = shape->height / side, width = shape->width / side;
    size_t row = shape->width * l->places_apart;
    block_output o = output_of(task, block);
    for (size_t image = 0; image < part->images; image++, sums += VGG_BLOCK) {
        move_output(task, &o, (part->image + image) * vgg_blocks(shape->outputs) + block,
                    height * width);
        for (size_t y = 0; y < height; y++) {
            const float *from = sums + y * side * row;
            if (task->pool)
                store_windows(&o, from, l->places_apart, row, width, y * width);
            else
                store_row(&o, from, l->places_apart, width, y * width);
        }
    }
}

void vgg_across_unit(const vgg_winograd_task *task, size_t index, float *scratch) {
    const vgg_winograd_partition *partition = &task->partition;
    const layout l = layout_of(task);
    batch_part part = part_of(&task->shape, &partition->direct, index / partition->group_units);
    char *x = (char *)scratch, *sums = x + l.chunks * l.chunk;
    for (size_t image = 0; image < part.images; image++) {
        for (size_t chunk = 0; chunk < l.chunks; chunk++) {
            fill_image(task, &l, part.image + image, chunk,
                       x + chunk * l.chunk + image * AMX_ROW_BYTES);
        }
    }
    amx_barrier();
    size_t blocks = vgg_blocks(task->shape.outputs), groups = (blocks + BLOCKS - 1) / BLOCKS;
    size_t begin = index % partition->group_units * partition->groups;
    for (size_t group = begin; group < vgg_size_min(begin + partition->groups, groups); group++) {
        multiply_group(task, &l, group, x, sums);
        for (size_t b = 0; b < BLOCKS && BLOCKS * group + b < blocks; b++) {
            store_images(task, &l, &part, BLOCKS * group + b,
                         (const float *)(const void *)(sums + b * l.sums));
        }
    }
}
