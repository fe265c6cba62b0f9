/* The reference of F(4x4, 3x3) and F(2x2, 3x3) with operands of bfloat16 or int8, and of their
 * gradients of weights with bfloat16: what vgg_winograd_task and vgg_winograd_weights_task say of
 * the products, and transforms in double. */
#include "kernels/ref/winograd.h"

#define MOST_SIDE (VGG_WINOGRAD_MOST + 2)

/* The points but infinity, of tiles of 2x2 and 4x4. */
static const double points_of_2[] = {0, 1, -1}, points_of_4[] = {0, 0.625, -0.625, 1.5, -1.5};

/* The transforms in one dimension of a tile size, as matrices. */
typedef struct transforms {
    size_t tile, side, points;
    double input[MOST_SIDE][MOST_SIDE];          /* B^T */
    double filter[MOST_SIDE][3];                 /* G */
    double output[VGG_WINOGRAD_MOST][MOST_SIDE]; /* A^T */
} transforms;

/* The coefficients of the product of x - point over all points but number `without`. */
static void multiply_out(const double *points, size_t count, size_t without,
                         double coefficients[MOST_SIDE]) {
    for (size_t i = 0; i < MOST_SIDE; i++) {
        coefficients[i] = i == 0;
    }
    for (size_t p = 0; p < count; p++) {
        for (size_t i = MOST_SIDE; p != without && i-- > 0;) {
            double below = i == 0 ? 0 : coefficients[i - 1];
            coefficients[i] = below - points[p] * coefficients[i];
        }
    }
}

/* What G divides the filter's polynomial by. */
static double divisor_of(const double *points, size_t count, size_t which) {
    double product = 1;
    for (size_t p = 0; p < count; p++) {
        product *= p == which ? 1 : points[which] - points[p];
    }
    return product;
}

/* Of a tile of 2x2 that is a whole map: what lies on either side of two values is zero. */
static const transforms transforms_of_whole = {
    .tile = 2,
    .side = 4,
    .points = 3,
    .input = {{0, 1, 1, 0}, {0, 0, 1, 0}, {0, 1, 0, 0}},
    .filter = {{0, 1, 0}, {0, -1, 1}, {1, -1, 0}},
    .output = {{1, 1, 0}, {1, 0, 1}},
};

static transforms transforms_of(size_t tile, bool whole) {
    if (whole)
        return transforms_of_whole;
    const double *points = tile == 2 ? points_of_2 : points_of_4;
    transforms t = {.tile = tile, .side = tile + 2, .points = tile + 2};
    size_t count = t.side - 1;
    for (size_t i = 0; i < count; i++) {
        multiply_out(points, count, i, t.input[i]);
        double divisor = divisor_of(points, count, i), power = 1;
        for (size_t m = 0; m < 3 || m < tile; m++, power *= points[i]) {
            if (m < 3)
                t.filter[i][m] = power / divisor;
            if (m < tile)
                t.output[m][i] = power;
        }
    }
    multiply_out(points, count, count, t.input[count]);
    t.filter[count][2] = 1;
    t.output[tile - 1][count] = 1;
    return t;
}

/* A whole number from -127 to 127. */
static float whole_number(double value) {
    float scaled = (float)value;
    if (isnan(scaled))
        return 0;
    return rintf(fminf(fmaxf(scaled, -VGG_INT8_MOST), VGG_INT8_MOST));
}

static float widened(double value) {
    uint16_t number = vgg_bf16_of((float)value);
    return (float)vgg_weight_value(VGG_ELEMENT_BFLOAT16, &number, 0);
}

/* A point of the transformed input of channel c, which is 0 beyond the channels. */
static float input_point(const vgg_winograd_task *task, const transforms *t, const vgg_tile *at,
                         size_t c, size_t i, size_t j) {
    size_t border = vgg_conv_border(&task->shape);
    double sum = 0;
    for (size_t r = 0; c < task->shape.inputs && r < t->side; r++) {
        for (size_t s = 0; s < t->side; s++) {
            double factor = t->input[i][r] * t->input[j][s];
            if (factor != 0)
                sum += factor * vgg_winograd_input(task, at->image, c, at->top + r - border,
                                                   at->left + s - border);
        }
    }
    if (task->partition.int8)
        return whole_number(sum * (double)task->factors[i * t->side + j]);
    return widened(sum);
}

static float filter_point(const vgg_winograd_task *task, const transforms *t, size_t k, size_t c,
                          size_t i, size_t j) {
    double sum = 0;
    for (size_t tap = 0; c < task->shape.inputs && tap < 9; tap++) {
        double factor = t->filter[i][tap / 3] * t->filter[j][tap % 3];
        if (factor != 0)
            sum += factor * vgg_winograd_weight(task, k, c, tap);
    }
    if (task->partition.int8)
        return whole_number(sum / (double)task->scales[(k * t->side + i) * t->side + j]);
    return widened(sum);
}

static float int8_sum(const vgg_winograd_task *task, const transforms *t, const vgg_tile *at,
                      size_t k, size_t i, size_t j) {
    size_t point = i * t->side + j;
    int32_t sum = 0;
    for (size_t c = 0; c < task->shape.inputs; c++) {
        sum +=
            (int32_t)input_point(task, t, at, c, i, j) * (int32_t)filter_point(task, t, k, c, i, j);
    }
    float worth = task->scales[k * t->side * t->side + point] / task->factors[point];
    return (float)sum * worth;
}

/* The products of a point, summed over the channels. */
static float point_sum(const vgg_winograd_task *task, const transforms *t, const vgg_tile *at,
                       size_t k, size_t i, size_t j) {
    if (task->partition.int8)
        return int8_sum(task, t, at, k, i, j);
    float sum = 0;
    for (size_t pair = 0; pair < task->shape.inputs; pair += 2) {
        for (size_t c = pair + 2; c-- > pair;) {
            float v = input_point(task, t, at, c, i, j), u = filter_point(task, t, k, c, i, j);
            sum = vgg_flushed(fmaf(v, u, sum));
        }
    }
    return sum;
}

void vgg_winograd_rounded_tile(const vgg_winograd_task *task, const vgg_tile *at, size_t k,
                               double y[VGG_WINOGRAD_MOST][VGG_WINOGRAD_MOST]) {
    transforms t = transforms_of(task->partition.tile, task->partition.whole);
    float m[MOST_SIDE][MOST_SIDE];
    for (size_t i = 0; i < t.points; i++) {
        for (size_t j = 0; j < t.points; j++) {
            m[i][j] = point_sum(task, &t, at, k, i, j);
        }
    }
    for (size_t row = 0; row < t.tile; row++) {
        for (size_t column = 0; column < t.tile; column++) {
            y[row][column] = 0;
            for (size_t i = 0; i < t.points; i++) {
                for (size_t j = 0; j < t.points; j++) {
                    double factor = t.output[row][i] * t.output[column][j];
                    y[row][column] += factor == 0 ? 0 : factor * (double)m[i][j];
                }
            }
        }
    }
}

/* ---- gradients of weights ---- */

/* A point of the transformed gradient of channel k. */
static float gradient_point(const vgg_winograd_weights_task *task, const transforms *t,
                            const vgg_tile *at, size_t k, size_t i, size_t j) {
    double sum = 0;
    for (size_t m = 0; m < t->tile; m++) {
        for (size_t n = 0; n < t->tile; n++) {
            double factor = t->output[m][i] * t->output[n][j];
            if (factor != 0)
                sum +=
                    factor * vgg_winograd_gradient(task, at->image, k, at->top + m, at->left + n);
        }
    }
    return widened(sum);
}

static vgg_tile tile_of(const vgg_winograd_weights_partition *cut, size_t tile) {
    size_t row = tile / cut->tile_columns;
    return (vgg_tile){.image = row / cut->tile_rows,
                      .top = row % cut->tile_rows * cut->tile,
                      .left = tile % cut->tile_columns * cut->tile};
}

/* Two channels, and the point (i, j). */
typedef struct point_of_two {
    size_t k, c, i, j;
} point_of_two;

/* The sum over the tiles begin .. end-1, in pairs from the first one on. */
static float tiles_sum(const vgg_winograd_weights_task *task, const transforms *t, size_t begin,
                       size_t end, const point_of_two *p) {
    const vgg_winograd_task input = {.shape = task->shape, .x = task->x, .x_bf16 = task->x_bf16};
    float sum = 0;
    for (size_t pair = begin; pair < end; pair += 2) {
        for (size_t tile = vgg_size_min(pair + 2, end); tile-- > pair;) {
            vgg_tile at = tile_of(&task->partition, tile);
            float v = input_point(&input, t, &at, p->c, p->i, p->j);
            sum = vgg_flushed(fmaf(v, gradient_point(task, t, &at, p->k, p->i, p->j), sum));
        }
    }
    return sum;
}

/* The groups' sums, each of its pieces, in order. */
static float all_sum(const vgg_winograd_weights_task *task, const transforms *t,
                     const point_of_two *p) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t all = task->shape.images * cut->tile_rows * cut->tile_columns;
    float total = 0;
    for (size_t group = 0; group < cut->groups; group++) {
        size_t first = all * group / cut->groups, end = all * (group + 1) / cut->groups;
        size_t pairs = (end - first + 1) / 2, pieces = (pairs + cut->words - 1) / cut->words;
        float sum = 0;
        for (size_t piece = 0; piece < pieces; piece++) {
            size_t begin = first + 2 * (pairs * piece / pieces);
            size_t stop = vgg_size_min(first + 2 * (pairs * (piece + 1) / pieces), end);
            sum += tiles_sum(task, t, begin, stop, p);
        }
        total += sum;
    }
    return total;
}

void vgg_winograd_bf16_weights(const vgg_winograd_weights_task *task, size_t k, size_t c,
                               double taps[9]) {
    transforms t = transforms_of(task->partition.tile, task->partition.whole);
    for (size_t tap = 0; tap < 9; tap++) {
        taps[tap] = 0;
    }
    for (size_t i = 0; i < t.points; i++) {
        for (size_t j = 0; j < t.points; j++) {
            double sum = (double)all_sum(task, &t, &(point_of_two){k, c, i, j});
            for (size_t tap = 0; tap < 9; tap++) {
                double factor = t.filter[i][tap / 3] * t.filter[j][tap % 3];
                taps[tap] += factor == 0 ? 0 : factor * sum;
            }
        }
    }
}
