/* Measures what kernels/conv_cost.c has as constants: one thread does convolutions of many shapes
 * by each algorithm, its processor time is put in multiply-adds per pair of an input and an output
 * channel that registers would do meanwhile, and the constants are those of the least squares of
 * relative errors. Not a test: measure_costs [TIER [bf16 | int8]], the best tier if none is named.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/conv_cost.h"

enum { MOST_ROWS = 512, MOST_TERMS = 5, REPEATS = 5, COLD_BYTES = 64 << 20 };

/* A shape and what it cost: the sum of terms times constants. */
typedef struct cost_row {
    vgg_conv_shape shape;
    double terms[MOST_TERMS], cost;
} cost_row;

typedef struct cost_fit {
    const char *name, *terms[MOST_TERMS];
    size_t term_count, row_count;
    cost_row rows[MOST_ROWS];
    double constants[MOST_TERMS];
} cost_fit;

static const vgg_kernels *kernels;
static unsigned char *cold;
static double rate; /* multiply-adds a second in registers */

/* ---- time ---- */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* In a network the weights, most of what is read, come from memory. */
static void empty_caches(void) {
    for (size_t i = 0; i < COLD_BYTES; i += 64) {
        cold[i]++;
    }
}

static double seconds_of(vgg_work *kernel, void *task, size_t units) {
    double best = HUGE_VAL;
    for (int i = 0; i < REPEATS; i++) {
        empty_caches();
        double begun = now();
        kernel(task, 0, units, 0);
        best = fmin(best, now() - begun);
    }
    return best;
}

static void measure_rate(void) {
    float values[64] = {0}, results[1];
    vgg_machine_task task = {.values = values, .results = results};
    double seconds = seconds_of(kernels->machine_multiply, &task, 20);
    rate = (double)(kernels->machine_operations() * 20) / 2 / seconds;
}

static float *floats(size_t count) {
    float *values = vgg_aligned_alloc((count + VGG_BLOCK) * sizeof *values);
    if (values == NULL)
        exit(1);
    for (size_t i = 0; i < count + VGG_BLOCK; i++) {
        values[i] = (float)((i * 7919) % 251) / 251 - 0.5f;
    }
    return values;
}

/* ---- the kernels ---- */

typedef struct memory {
    float *x, *y, *weights, *other, *scratch, *bias;
} memory;

static memory take(const vgg_conv_shape *s, size_t other, size_t scratch) {
    size_t pixels = s->height * s->width, taps = s->kernel * s->kernel;
    return (memory){.x = floats(vgg_blocked_size(s->images, s->inputs, pixels)),
                    .y = floats(vgg_blocked_size(s->images, s->outputs, pixels)),
                    .weights = floats(s->outputs * s->inputs * taps),
                    .other = floats(other),
                    .scratch = floats(scratch),
                    .bias = floats(vgg_blocks(s->outputs) * VGG_BLOCK)};
}

static void give(memory m) {
    free(m.x);
    free(m.y);
    free(m.weights);
    free(m.other);
    free(m.scratch);
    free(m.bias);
}

static double direct_seconds(const vgg_conv_shape *s) {
    vgg_conv_partition cut = vgg_conv_forward_partition(s);
    memory m = take(s, vgg_conv_packed_size(s), cut.scratch);
    vgg_conv_forward_task task = {.shape = *s,
                                  .partition = cut,
                                  .x = m.x,
                                  .packed = m.other,
                                  .bias = m.bias,
                                  .y = m.y,
                                  .scratch = m.scratch};
    double seconds = seconds_of(kernels->conv_forward, &task, cut.units);
    give(m);
    return seconds;
}

/* Whether bfloat16 or int8 is measured, of which there are only tiles. */
static bool bf16, int8;

static vgg_winograd_partition partition_of(const vgg_conv_shape *s, size_t tile) {
    if (int8)
        return vgg_winograd_int8_partition_of(s, tile, 1);
    if (bf16 && vgg_conv_has_matrices(kernels->bf16_costs))
        return vgg_winograd_matrices_partition_of(s, tile, 1);
    return bf16 ? vgg_winograd_bf16_partition_of(s, tile, 1)
                : vgg_winograd_partition_of(s, tile, 1);
}

static double tile_seconds(const vgg_conv_shape *s, size_t tile) {
    vgg_winograd_partition cut = partition_of(s, tile);
    memory m = take(s, cut.filters, cut.scratch);
    vgg_winograd_task task = {.shape = *s,
                              .partition = cut,
                              .x = m.x,
                              .weights = m.weights,
                              .filters = m.other,
                              .bias = m.bias,
                              .y = m.y,
                              .scratch = m.scratch,
                              .factors = m.weights,
                              .numbers = {.factor = 1},
                              .y_form = {.factor = 1}};
    if (int8 && tile == 1) {
        task.x_numbers = (const uint8_t *)m.x;
        task.y_numbers = (uint8_t *)m.y;
    }
    double seconds = seconds_of(vgg_winograd_kernels_for(kernels, &cut)->forward, &task, cut.units);
    give(m);
    return seconds;
}

static double direct_weights_seconds(const vgg_conv_shape *s) {
    size_t groups = vgg_conv_weights_groups(s);
    memory m = take(s, groups * vgg_conv_weights_partial(s), vgg_conv_weights_scratch(s));
    float *bias = floats(groups * vgg_blocks(s->outputs) * VGG_BLOCK);
    vgg_conv_weights_task task = {.shape = *s,
                                  .groups = groups,
                                  .units = vgg_conv_weights_units(s),
                                  .x = m.x,
                                  .dy = m.y,
                                  .partial = m.other,
                                  .bias_partial = bias,
                                  .scratch = m.scratch};
    vgg_conv_reduce_task reduce = {.shape = *s,
                                   .groups = groups,
                                   .partial = m.other,
                                   .bias_partial = bias,
                                   .dweights = m.weights,
                                   .dbias = m.bias};
    double seconds = seconds_of(kernels->conv_weights, &task, task.units) +
                     seconds_of(kernels->conv_reduce, &reduce, vgg_blocks(s->outputs));
    free(bias);
    give(m);
    return seconds;
}

static double tile_weights_seconds(const vgg_conv_shape *s, size_t tile) {
    vgg_winograd_weights_partition cut = bf16 ? vgg_winograd_weights_bf16_partition_of(s, tile)
                                              : vgg_winograd_weights_partition_of(s, tile);
    const vgg_winograd_kernels *of = vgg_winograd_weights_kernels_for(kernels, &cut);
    memory m = take(s, cut.sums + cut.bias_sums, cut.scratch);
    vgg_winograd_weights_task task = {.shape = *s,
                                      .partition = cut,
                                      .x = m.x,
                                      .dy = m.y,
                                      .sums = m.other,
                                      .bias_sums = m.other + cut.sums,
                                      .dweights = m.weights,
                                      .dbias = m.bias,
                                      .scratch = m.scratch};
    double seconds = seconds_of(of->weights, &task, cut.units);
    if (cut.groups > 1)
        seconds += seconds_of(of->weights_finish, &task, vgg_winograd_weights_finish_units(s));
    give(m);
    return seconds;
}

/* ---- least squares ---- */

/* Adds a row whose first terms are those given. */
static void add_row(cost_fit *fit, const vgg_conv_shape *s, double seconds, const double *terms) {
    cost_row *row = &fit->rows[fit->row_count++];
    row->shape = *s;
    row->cost = seconds * rate / ((double)s->inputs * (double)s->outputs);
    memcpy(row->terms, terms, fit->term_count * sizeof *terms);
}

/* The constants of the terms in `used`, by elimination; the others are 0. */
static void solve(cost_fit *fit, const bool used[MOST_TERMS]) {
    size_t n = fit->term_count;
    double a[MOST_TERMS][MOST_TERMS + 1] = {{0}};
    for (size_t r = 0; r < fit->row_count; r++) {
        const cost_row *row = &fit->rows[r];
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                a[i][j] += row->terms[i] * row->terms[j] / (row->cost * row->cost);
            }
            a[i][n] += row->terms[i] / row->cost;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= n && !used[i]; j++) {
            a[i][j] = i == j;
        }
        for (size_t j = 0; j < n; j++) {
            a[j][i] = used[i] || j == i ? a[j][i] : 0;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t other = 0; other < n; other++) {
            double factor = other == i ? 0 : a[other][i] / a[i][i];
            for (size_t j = i; j <= n; j++) {
                a[other][j] -= factor * a[i][j];
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        fit->constants[i] = a[i][n] / a[i][i];
    }
}

/* No constant is negative: the worst that would be is left out until there is none. */
static void solve_positive(cost_fit *fit) {
    bool used[MOST_TERMS] = {true, true, true, true, true};
    for (;;) {
        solve(fit, used);
        size_t worst = 0;
        for (size_t i = 0; i < fit->term_count; i++) {
            worst = fit->constants[i] < fit->constants[worst] ? i : worst;
        }
        if (fit->constants[worst] >= 0)
            return;
        used[worst] = false;
    }
}

static void report(cost_fit *fit) {
    if (fit->row_count == 0)
        return;
    solve_positive(fit);
    printf("%s:", fit->name);
    for (size_t i = 0; i < fit->term_count; i++) {
        printf(" %s %.4g", fit->terms[i], fit->constants[i]);
    }
    printf("\n");
    for (size_t r = 0; r < fit->row_count; r++) {
        const cost_row *row = &fit->rows[r];
        double said = 0;
        for (size_t i = 0; i < fit->term_count; i++) {
            said += row->terms[i] * fit->constants[i];
        }
        printf("  %3zu x %3zu -> %3zu, %3zu x %-3zu %9.0f, said %9.0f, %+.0f %%\n",
               row->shape.images, row->shape.inputs, row->shape.outputs, row->shape.height,
               row->shape.width, row->cost, said, 100 * (said / row->cost - 1));
    }
}

/* ---- all shapes ---- */

static cost_fit direct = {.name = "direct", .terms = {"piece", "pixel"}, .term_count = 2};
static cost_fit plain = {.name = "plain", .terms = {"product"}, .term_count = 1};
static cost_fit tiles[] = {
    {.name = "F(2x2)", .terms = {"tile", "input", "output", "filter"}, .term_count = 4},
    {.name = "F(4x4)", .terms = {"tile", "input", "output", "filter"}, .term_count = 4}};
static cost_fit tile1 = {
    .name = "F(1x1)", .terms = {"tile", "input", "output", "filter"}, .term_count = 4};
static cost_fit tile1_weights = {.name = "weights F(1x1)",
                                 .terms = {"tile", "input", "gradient", "group", "sum"},
                                 .term_count = 5};
static cost_fit direct_weights = {
    .name = "weights direct", .terms = {"image", "pixel", "once"}, .term_count = 3};
static cost_fit tile_weights[] = {{.name = "weights F(3x3, 2x2)",
                                   .terms = {"tile", "input", "gradient", "group", "sum"},
                                   .term_count = 5},
                                  {.name = "weights F(3x3, 4x4)",
                                   .terms = {"tile", "input", "gradient", "group", "sum"},
                                   .term_count = 5}};

static double count_tiles(const vgg_conv_shape *s, size_t tile) {
    return (double)(s->images * ((s->height + tile - 1) / tile) * ((s->width + tile - 1) / tile));
}

static void measure_direct(const vgg_conv_shape *s) {
    double rows = (double)(s->images * s->height), width = (double)s->width;
    size_t piece = kernels->costs->piece_pixels;
    double pieces = (double)((s->width + piece - 1) / piece);
    add_row(&direct, s, direct_seconds(s), (double[]){rows * pieces, rows * width});
    add_row(&direct_weights, s, direct_weights_seconds(s),
            (double[]){(double)s->images, rows * width, 1});
}

static void measure_tiles(const vgg_conv_shape *s, size_t tile) {
    double all = count_tiles(s, tile);
    add_row(&tiles[tile / 2 - 1], s, tile_seconds(s, tile),
            (double[]){all, all / (double)s->outputs, all / (double)s->inputs,
                       (double)vgg_winograd_filter_units(s, tile)}); /* the cost rule's */
    if (int8)
        return;
    vgg_winograd_weights_partition weights = vgg_winograd_weights_partition_of(s, tile);
    double k = (double)(weights.k_blocks * VGG_BLOCK), c = (double)(weights.c_blocks * VGG_BLOCK);
    add_row(&tile_weights[tile / 2 - 1], s, tile_weights_seconds(s, tile),
            (double[]){all, all / k, all / c, weights.groups > 1 ? (double)weights.groups : 0, 1});
}

/* Places of a patch, instead of tiles; only with bfloat16 and int8. */
static void measure_places(const vgg_conv_shape *s) {
    vgg_winograd_partition cut = partition_of(s, 1);
    double all = vgg_direct_places(s, &cut.direct);
    add_row(&tile1, s, tile_seconds(s, 1),
            (double[]){all, all / (double)s->outputs, all / (double)s->inputs, (double)cut.units});
    if (int8)
        return;
    vgg_winograd_weights_partition weights = vgg_direct_weights_partition_of(s);
    double k = (double)(weights.k_blocks * VGG_BLOCK), c = (double)(weights.c_blocks * VGG_BLOCK);
    all = vgg_direct_places(s, &weights.direct);
    add_row(&tile1_weights, s, tile_weights_seconds(s, 1),
            (double[]){all, all / k, all / c, weights.groups > 1 ? (double)weights.groups : 0, 1});
}

static void measure(const vgg_conv_shape *s) {
    if (int8 || (bf16 && kernels->bf16_direct.forward != NULL))
        measure_places(s);
    else if (!bf16)
        measure_direct(s);
    measure_tiles(s, 2);
    measure_tiles(s, 4);
}

static void measure_plain(size_t side) {
    vgg_conv_shape s = {.images = 1,
                        .inputs = 3,
                        .outputs = 64,
                        .height = side,
                        .width = side,
                        .kernel = 3,
                        .plain = true};
    double seconds = bf16 ? tile_seconds(&s, 1) : direct_seconds(&s);
    add_row(&plain, &s, seconds, (double[]){9 * (double)(side * side)});
}

static void measure_all(void) {
    static const size_t sides[] = {1, 2, 3, 4, 5, 7, 8, 14, 28, 56};
    static const size_t batches[] = {1, 2, 4, 8, 32, 128};
    static const size_t channels[][2] = {{512, 512}, {64, 512}, {512, 64}, {128, 128},
                                         {64, 64},   {32, 32},  {16, 16}};
    for (size_t c = 0; c < sizeof channels / sizeof *channels; c++) {
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            for (size_t n = 0; n < sizeof batches / sizeof *batches; n++) {
                size_t pixels = batches[n] * sides[i] * sides[i];
                vgg_conv_shape s = {.images = batches[n],
                                    .inputs = channels[c][0],
                                    .outputs = channels[c][1],
                                    .height = sides[i],
                                    .width = sides[i],
                                    .kernel = 3};
                if (pixels <= (c == 0 ? 1024 : 4096) && (c == 0 || pixels >= 64))
                    measure(&s);
            }
        }
    }
    if (int8 || (bf16 && kernels->bf16_plain.forward == NULL))
        return;
    measure_plain(32);
    measure_plain(224);
}

static const vgg_kernels *find_tier(const char *name) {
    const vgg_kernels *found = NULL;
    for (size_t i = 0; (found = vgg_kernels_at(i)) != NULL; i++) {
        if (name == NULL || strcmp(found->tier, name) == 0)
            break;
    }
    return found;
}

int main(int count, char **arguments) {
    kernels = find_tier(count > 1 ? arguments[1] : NULL);
    if (kernels == NULL) {
        fprintf(stderr, "measure_costs: no tier %s here\n", arguments[1]);
        return 1;
    }
    vgg_error error;
    if (vgg_kernels_permit(kernels, &error) != VGG_OK) {
        fprintf(stderr, "measure_costs: %s\n", error.message);
        return 1;
    }
    bf16 = count > 2 && strcmp(arguments[2], "bf16") == 0;
    int8 = count > 2 && strcmp(arguments[2], "int8") == 0;
    cold = calloc(1, COLD_BYTES);
    if (cold == NULL)
        return 1;
    measure_rate();
    printf("%s: %.1f multiply-adds a nanosecond in registers\n", kernels->tier, rate * 1e-9);
    measure_all();
    report(&direct);
    report(&plain);
    report(&tile1);
    report(&tiles[0]);
    report(&tiles[1]);
    report(&direct_weights);
    report(&tile1_weights);
    report(&tile_weights[0]);
    report(&tile_weights[1]);
    free(cold);
    return 0;
}
