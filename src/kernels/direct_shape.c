/* What is the same for every tier of the convolution with operands of bfloat16 and no transforms:
 * how it is cut into units. */
#include "kernels/amx_across.h"
#include "kernels/kernels.h"

/* Bytes of a unit's patch, which shall stay in the second-level cache beside some filters; and what
 * a place takes of 32 channels. */
#define PATCH_BYTES (640 * 1024)
#define PLACE_BYTES 64
/* Places whose products wait together. */
#define STRIP_PLACES 512
/* Places of a part at least, so that the filters that are read for it pay. */
#define LEAST_PLACES 256
/* Units for each thread, so that all end at about the same time. */
#define UNITS_OF_A_THREAD 3
/* Places that are multiplied together. */
#define STEP 32
/* Rows of the output of plain input that are made together. */
#define PLAIN_ROWS 2

/* The gradient of weights: bytes of a unit's operands, and what a place takes of a block of input
 * channels, which is there twice, and of output channels. */
#define OPERAND_BYTES (1024 * 1024)
#define INPUT_BYTES 64
#define GRADIENT_BYTES 32
/* Channel blocks of a unit at most: each is brought into operands again by all units that have
 * other channels on the other side. */
#define UNIT_BLOCKS 8
/* Units to cut into, if a group then has enough places, as each has sums of its own. */
#define FEW_UNITS 4
#define FEW_UNITS_PLACES 1024
#define MANY_UNITS 16
#define MANY_UNITS_PLACES 16384
/* Places of plain input whose operands are made together: of 27 taps, an eighth of a second-level
 * cache. */
#define PLAIN_PLACES 1024
/* Pixels of an input map whose images are multiplied across; and what a product takes so, in those
 * of a patch: less of its operands is in the first-level cache. */
#define ACROSS_IN_PIXELS 100
#define ACROSS_TIME 1.15
/* Images of a part: two registers of them, or one where those would not fit. */
#define ACROSS_BYTES ((size_t)1024 * 1024)
#define ACROSS_IMAGES 16
/* Images of a register of the gradient of weights, of which a part has several. */
#define WEIGHTS_IMAGES 32

static size_t ceiling(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static size_t image_places(const vgg_direct_cut *cut) {
    return cut->period * cut->width;
}

/* Pairs of an output and a tap, in one dimension, of which the tap sees the map. */
static size_t seen_taps(size_t outputs, size_t inputs, size_t border, size_t kernel) {
    size_t seen = 0;
    for (size_t i = 0; i < outputs * kernel; i++) {
        seen += i / kernel + i % kernel - border < inputs; /* or it wrapped around */
    }
    return seen;
}

/* Products of an image across images, in places of 9 taps. */
static double across_places(const vgg_conv_shape *shape) {
    size_t border = vgg_conv_border(shape), kernel = shape->kernel;
    size_t rows = seen_taps(shape->height, vgg_conv_in_height(shape), border, kernel);
    size_t columns = seen_taps(shape->width, vgg_conv_in_width(shape), border, kernel);
    return (double)(rows * columns) / VGG_MOST_TAPS;
}

double vgg_direct_places(const vgg_conv_shape *shape, const vgg_direct_cut *cut) {
    double share = (double)(shape->kernel * shape->kernel) / VGG_MOST_TAPS;
    if (cut->across)
        return (double)(cut->parts * cut->images) * across_places(shape);
    return (double)(shape->images * image_places(cut)) * share;
}

/* Whether images of these maps are ever multiplied across: a part of them fits. */
static bool can_cross(const vgg_conv_shape *shape) {
    return shape->kernel == 3 && shape->height * shape->width <= VGG_ACROSS_PIXELS &&
           vgg_conv_in_height(shape) * vgg_conv_in_width(shape) <= ACROSS_IN_PIXELS;
}

/* Across `images` images at a time, where that takes fewer products than rows of a patch do;
 * returns whether it does. */
static bool cut_across(const vgg_conv_shape *shape, size_t images, vgg_direct_cut *cut) {
    vgg_direct_cut found = {.images = images,
                            .rows = shape->height,
                            .row_parts = 1,
                            .parts = ceiling(shape->images, images),
                            .period = vgg_conv_in_height(shape),
                            .width = vgg_conv_in_width(shape),
                            .across = true};
    found.plane = images * image_places(&found);
    if (!can_cross(shape) ||
        vgg_direct_places(shape, &found) * ACROSS_TIME >= vgg_direct_places(shape, cut))
        return false;
    *cut = found;
    return true;
}

/* Whole images of which several fit; returns whether it can be. */
static bool cut_images(const vgg_conv_shape *shape, size_t places, size_t parts,
                       vgg_direct_cut *cut) {
    size_t border = vgg_conv_border(shape), image = image_places(cut), edge = border * cut->width;
    size_t fit = places > edge ? (places - edge) / image : 0;
    size_t wanted = vgg_size_max(shape->images / parts, ceiling(LEAST_PLACES, image));
    size_t images = vgg_size_min(vgg_size_min(fit, wanted), shape->images);
    if (image > STRIP_PLACES || images < 2)
        return false;
    cut->parts = ceiling(shape->images, images);
    cut->images = ceiling(shape->images, cut->parts);
    cut->parts = ceiling(shape->images, cut->images);
    cut->rows = shape->height;
    cut->row_parts = 1;
    cut->strip = STRIP_PLACES / image * cut->period;
    return cut->images > 1;
}

/* Some rows of an image; even, so that no window of a max-pool is cut. */
static void cut_rows(const vgg_conv_shape *shape, size_t places, size_t parts,
                     vgg_direct_cut *cut) {
    size_t around = shape->kernel - 1, fit = places / cut->width;
    size_t wanted = ceiling(shape->height, ceiling(parts, shape->images));
    wanted = vgg_size_max(wanted, ceiling(LEAST_PLACES, cut->width));
    size_t most = vgg_size_min(fit > around ? fit - around : 0, vgg_round_up(wanted, 2)) / 2 * 2;
    cut->images = 1;
    cut->row_parts = ceiling(shape->height, vgg_size_max(most, 2));
    cut->rows = vgg_round_up(ceiling(shape->height, cut->row_parts), 2);
    cut->row_parts = ceiling(shape->height, cut->rows);
    cut->parts = shape->images * cut->row_parts;
    cut->strip = vgg_size_max(STRIP_PLACES / cut->width / 2 * 2, 2);
}

/* Parts of so many places with their borders, if an image's rows allow it, and about so many of
 * them at least. */
static vgg_direct_cut cut_of(const vgg_conv_shape *shape, size_t places, size_t parts) {
    size_t border = vgg_conv_border(shape), around = shape->kernel - 1;
    vgg_direct_cut cut = {.period = vgg_conv_in_height(shape) + border,
                          .width = vgg_conv_in_width(shape) + border};
    if (!cut_images(shape, places, parts, &cut))
        cut_rows(shape, places, parts, &cut);
    size_t rows = cut.images > 1 ? cut.images * cut.period + border : cut.rows + around;
    cut.plane = vgg_round_up(rows * cut.width + around + STEP, STEP);
    return cut;
}

/* Places of any such patch at most, whatever the batch and the number of parts. */
static size_t most_places(const vgg_conv_shape *shape, const vgg_direct_cut *cut, size_t places) {
    size_t around = shape->kernel - 1;
    return vgg_round_up(vgg_size_max(places, (2 + around) * cut->width) + around + STEP, STEP);
}

/* Of plain input: some rows of an image, for all output channels. */
static vgg_winograd_partition plain_partition_of(const vgg_conv_shape *shape, size_t threads) {
    size_t groups = ceiling(shape->outputs, VGG_WINOGRAD_GROUP);
    vgg_winograd_partition cut = {.tile = 1,
                                  .bf16 = true,
                                  .plain = true,
                                  .stored = true,
                                  .tile_rows = shape->height,
                                  .tile_columns = shape->width,
                                  .groups = groups,
                                  .group_units = 1};
    size_t parts = ceiling(threads * UNITS_OF_A_THREAD, shape->images);
    cut.direct = (vgg_direct_cut){.images = 1, .period = shape->height, .strip = PLAIN_ROWS};
    cut.direct.rows = vgg_round_up(ceiling(shape->height, parts), PLAIN_ROWS);
    cut.direct.row_parts = ceiling(shape->height, cut.direct.rows);
    cut.direct.parts = cut.units = cut.tile_units = shape->images * cut.direct.row_parts;
    cut.direct.width = vgg_round_up(shape->width, VGG_BLOCK);
    cut.direct.plane = cut.direct.width + VGG_BLOCK; /* the last place reads two more */
    /* Operands are rounded, and what rounding left. */
    cut.filter_point = 2 * VGG_DIRECT_CHANNELS / 2 * VGG_WINOGRAD_GROUP;
    cut.filters = groups * cut.filter_point;
    size_t lines = 2 * vgg_plain_line(shape, &cut.direct);
    cut.scratch = PLAIN_ROWS * (lines + cut.direct.width * VGG_WINOGRAD_GROUP);
    return cut;
}

/* Images of a part of a forward pass across images. */
static size_t across_images(const vgg_conv_shape *shape) {
    size_t pixels = vgg_conv_in_height(shape) * vgg_conv_in_width(shape);
    size_t image = pixels * vgg_direct_chunks(shape->inputs) * PLACE_BYTES;
    return 2 * ACROSS_IMAGES * image <= ACROSS_BYTES ? 2 * ACROSS_IMAGES : ACROSS_IMAGES;
}

/* Floats of scratch memory for a unit across images. */
static size_t across_scratch(const vgg_conv_shape *shape, size_t images) {
    size_t in_pixels = vgg_conv_in_height(shape) * vgg_conv_in_width(shape);
    size_t operand = in_pixels * vgg_direct_chunks(shape->inputs) * VGG_BLOCK;
    return images * (operand + shape->height * shape->width * VGG_WINOGRAD_GROUP);
}

/* Units of parts and, where these are few, of groups of output channels. */
static void cut_groups(const vgg_conv_shape *shape, size_t wanted, vgg_winograd_partition *cut) {
    size_t groups = ceiling(shape->outputs, VGG_WINOGRAD_GROUP);
    cut->tile_units = cut->direct.parts;
    cut->group_units = vgg_size_min(ceiling(wanted, cut->tile_units), groups);
    cut->groups = ceiling(groups, cut->group_units);
    cut->group_units = ceiling(groups, cut->groups);
    cut->units = cut->tile_units * cut->group_units;
}

/* A patch, and the sums of a strip. */
static size_t direct_scratch(const vgg_conv_shape *shape, const vgg_direct_cut *cut, size_t places,
                             size_t chunks) {
    size_t strip = vgg_size_max(STRIP_PLACES, vgg_round_up(2 * cut->width, STEP));
    return most_places(shape, cut, places) * chunks * (PLACE_BYTES / sizeof(float)) +
           strip * VGG_WINOGRAD_GROUP;
}

vgg_winograd_partition vgg_direct_partition_of(const vgg_conv_shape *shape, size_t threads) {
    if (shape->plain)
        return plain_partition_of(shape, threads);
    size_t chunks = vgg_direct_chunks(shape->inputs), wanted = threads * UNITS_OF_A_THREAD;
    size_t places = PATCH_BYTES / PLACE_BYTES / chunks, images = across_images(shape);
    vgg_winograd_partition cut = {.tile = 1,
                                  .bf16 = true,
                                  .stored = true,
                                  .tile_rows = shape->height,
                                  .tile_columns = shape->width,
                                  .direct = cut_of(shape, places, wanted)};
    /* Of a batch of any size. */
    cut.scratch = direct_scratch(shape, &cut.direct, places, chunks);
    if (can_cross(shape))
        cut.scratch = vgg_size_max(cut.scratch, across_scratch(shape, images));
    cut_across(shape, images, &cut.direct);
    cut_groups(shape, wanted, &cut);
    cut.filter_point = chunks * VGG_DIRECT_CHANNELS / 2 * VGG_WINOGRAD_GROUP;
    cut.filters = ceiling(shape->outputs, VGG_WINOGRAD_GROUP) * shape->kernel * shape->kernel *
                  cut.filter_point;
    return cut;
}

vgg_winograd_partition vgg_direct_int8_partition_of(const vgg_conv_shape *shape, size_t threads) {
    size_t chunks = vgg_int8_chunks(shape->inputs), wanted = threads * UNITS_OF_A_THREAD;
    size_t places = PATCH_BYTES / PLACE_BYTES / chunks;
    vgg_winograd_partition cut = {.int8 = true,
                                  .tile = 1,
                                  .stored = true,
                                  .tile_rows = shape->height,
                                  .tile_columns = shape->width,
                                  .direct = cut_of(shape, places, wanted)};
    cut_groups(shape, wanted, &cut);
    cut.filter_point = chunks * shape->kernel * shape->kernel * VGG_INT8_CHUNK / sizeof(float) *
                           VGG_WINOGRAD_GROUP +
                       2 * VGG_WINOGRAD_GROUP;
    cut.filters = ceiling(shape->outputs, VGG_WINOGRAD_GROUP) * cut.filter_point;
    cut.scratch = direct_scratch(shape, &cut.direct, places, chunks);
    return cut;
}

/* Groups that make `wanted` units from `units`, of at least `least` places each. */
static size_t groups_of(size_t wanted, size_t units, size_t places, size_t least) {
    return vgg_size_min(ceiling(wanted, units), places / least);
}

/* Of plain input: some images, of which some rows at a time become operands. */
static vgg_winograd_weights_partition plain_weights_partition_of(const vgg_conv_shape *shape) {
    size_t blocks = vgg_blocks(shape->outputs), halves = vgg_plain_halves(shape->inputs);
    vgg_winograd_weights_partition cut = {.tile = 1,
                                          .bf16 = true,
                                          .plain = true,
                                          .tile_rows = shape->height,
                                          .tile_columns = shape->width,
                                          .groups = vgg_size_min(MANY_UNITS, shape->images),
                                          .c_blocks = 1,
                                          .k_blocks = blocks,
                                          .c_units = 1,
                                          .k_units = 1};
    size_t width = vgg_round_up(shape->width, VGG_PLAIN_STEP), around = shape->kernel - 1;
    size_t rows = vgg_size_min(vgg_size_max(PLAIN_PLACES / width, 1), shape->height);
    cut.units = cut.groups;
    cut.direct = (vgg_direct_cut){.images = 1, .rows = rows, .width = width};
    cut.direct.plane = width + VGG_PLAIN_STEP; /* the last taps read behind the last place */
    cut.input_point = rows * width * halves * VGG_BLOCK / 2;
    cut.gradient_point = rows * width * VGG_BLOCK / 2;
    cut.sum_point = halves * VGG_BLOCK * VGG_BLOCK;
    cut.sums = cut.groups > 1 ? cut.groups * blocks * cut.sum_point : 0;
    cut.bias_sums = cut.groups > 1 ? cut.groups * blocks * VGG_BLOCK : 0;
    size_t lines = shape->inputs * (rows + around) * cut.direct.plane / 2;
    cut.scratch = cut.input_point + cut.gradient_point + blocks * (cut.sum_point + VGG_BLOCK) +
                  vgg_round_up(lines, VGG_BLOCK);
    return cut;
}

/* Images of a part of a gradient of weights across images, and floats of its operands. */
static size_t across_operands(const vgg_conv_shape *shape,
                              const vgg_winograd_weights_partition *cut, size_t images) {
    size_t in_pixels = vgg_conv_in_height(shape) * vgg_conv_in_width(shape);
    size_t blocks = cut->c_blocks * in_pixels + cut->k_blocks * shape->height * shape->width;
    return images * blocks * VGG_BLOCK / 2;
}

static size_t across_weights_images(const vgg_conv_shape *shape,
                                    const vgg_winograd_weights_partition *cut) {
    size_t least = across_operands(shape, cut, WEIGHTS_IMAGES) * sizeof(float);
    return WEIGHTS_IMAGES * vgg_size_max(OPERAND_BYTES / least, 1);
}

static void set_across_points(const vgg_conv_shape *shape, vgg_winograd_weights_partition *cut) {
    size_t in_pixels = vgg_conv_in_height(shape) * vgg_conv_in_width(shape);
    cut->input_point = cut->direct.images * in_pixels * VGG_BLOCK / 2;
    cut->gradient_point = cut->direct.images * shape->height * shape->width * VGG_BLOCK / 2;
}

vgg_winograd_weights_partition vgg_direct_weights_partition_of(const vgg_conv_shape *shape) {
    if (shape->plain)
        return plain_weights_partition_of(shape);
    size_t inputs = vgg_blocks(shape->inputs), outputs = vgg_blocks(shape->outputs);
    size_t taps = shape->kernel * shape->kernel;
    vgg_winograd_weights_partition cut = {
        .tile = 1, .bf16 = true, .tile_rows = shape->height, .tile_columns = shape->width};
    cut.c_blocks = ceiling(inputs, ceiling(inputs, UNIT_BLOCKS));
    cut.k_blocks = ceiling(outputs, ceiling(outputs, UNIT_BLOCKS));
    cut.c_units = ceiling(inputs, cut.c_blocks);
    cut.k_units = ceiling(outputs, cut.k_blocks);
    size_t all = shape->images * shape->height * shape->width, units = cut.c_units * cut.k_units;
    cut.groups = vgg_size_max(groups_of(FEW_UNITS, units, all, FEW_UNITS_PLACES),
                              groups_of(MANY_UNITS, units, all, MANY_UNITS_PLACES));
    size_t most = cut.groups = vgg_size_max(cut.groups, 1);
    size_t places = OPERAND_BYTES / (cut.c_blocks * INPUT_BYTES + cut.k_blocks * GRADIENT_BYTES);
    cut.direct = cut_of(shape, places, cut.groups);
    size_t plane = most_places(shape, &cut.direct, places);
    size_t operands = plane * (cut.c_blocks * VGG_BLOCK + cut.k_blocks * VGG_BLOCK / 2);
    /* Whatever the batch. */
    size_t images = across_weights_images(shape, &cut);
    if (can_cross(shape))
        operands = vgg_size_max(operands, across_operands(shape, &cut, images));
    cut_across(shape, vgg_size_min(images, vgg_round_up(shape->images, WEIGHTS_IMAGES)),
               &cut.direct);
    cut.groups = vgg_size_min(cut.groups, cut.direct.parts);
    cut.units = cut.groups * units;
    cut.input_point = cut.direct.plane * VGG_BLOCK; /* both copies of a block */
    cut.gradient_point = cut.direct.plane * VGG_BLOCK / 2;
    if (cut.direct.across)
        set_across_points(shape, &cut);
    size_t sums = cut.k_blocks * cut.c_blocks * VGG_BLOCK * VGG_BLOCK * taps;
    cut.sums = most > 1 ? most * units * sums : 0;
    cut.bias_sums = most > 1 ? most * outputs * VGG_BLOCK : 0;
    cut.scratch = operands + cut.k_blocks * VGG_BLOCK + sums;
    return cut;
}
