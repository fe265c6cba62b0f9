/* Scales of int8 by least squares. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "nn/calibrate.h"

#define MOST_SIDE 6
/* Tiles of an image that are looked at, at most. */
#define TILES 64
#define PIXELS 1024
/* Scales that are tried: the one at which nothing saturates, and smaller ones, eight an octave. */
#define INPUT_STEPS 40
#define WEIGHT_STEPS 16
#define STEPS_OF_OCTAVE 8
#define FRACTION_BITS 19 /* that bins do not tell apart */

/* B^T as winograd_transforms.h has it. */
#define P2 (0.625f * 0.625f)
#define Q2 (1.5f * 1.5f)
static const float of_2[][MOST_SIDE] = {{1, 0, -1}, {0, 1, 1}, {0, -1, 1}, {0, -1, 0, 1}};
static const float of_4[][MOST_SIDE] = {
    {P2 * Q2, 0, -P2 - Q2, 0, 1, 0},      {0, -0.625f * Q2, -Q2, 0.625f, 1, 0},
    {0, 0.625f * Q2, -Q2, -0.625f, 1, 0}, {0, -1.5f * P2, -P2, 1.5f, 1, 0},
    {0, 1.5f * P2, -P2, -1.5f, 1, 0},     {0, P2 *Q2, 0, -P2 - Q2, 0, 1},
};

bool vgg_int8_trial_begin(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile, float most) {
    size_t points = vgg_int8_points(tile);
    *trial = (vgg_int8_trial){
        .most = most,
        .counts = vgg_calloc(points, sizeof *trial->counts),
        .energy = vgg_calloc(points * layer->input.channels, sizeof *trial->energy),
        .inputs = vgg_calloc(points, sizeof(float)),
        .weights = vgg_calloc(points * layer->output.channels, sizeof(float)),
    };
    return trial->counts != NULL && trial->energy != NULL && trial->inputs != NULL &&
           trial->weights != NULL;
}

void vgg_int8_trial_free(vgg_int8_trial *trial) {
    vgg_free(trial->counts);
    vgg_free(trial->energy);
    vgg_free(trial->inputs);
    vgg_free(trial->weights);
    *trial = (vgg_int8_trial){0};
}

/* ---- inputs ---- */

static size_t bin_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7fffffffu) >> FRACTION_BITS;
}

/* The middle of a bin. */
static double magnitude_of(size_t bin) {
    uint32_t bits = (uint32_t)bin << FRACTION_BITS | (bin == 0 ? 0 : 1u << (FRACTION_BITS - 1));
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* The tile of a channel that begins at a row and column, one before the first of the picture
 * without padding. */
static void load_tile(const vgg_layer *layer, const float *plane, size_t top, size_t left,
                      size_t side, float d[MOST_SIDE][MOST_SIDE]) {
    size_t border = layer->valid ? 0 : 1;
    for (size_t row = 0; row < side; row++) {
        for (size_t column = 0; column < side; column++) {
            size_t y = top + row - border, x = left + column - border; /* may wrap around */
            bool inside = y < layer->input.height && x < layer->input.width;
            d[row][column] = inside ? plane[y * layer->input.width + x] : 0;
        }
    }
}

static bool count_tile(vgg_int8_trial *trial, size_t side, size_t channels, size_t c,
                       float d[MOST_SIDE][MOST_SIDE]) {
    const float(*matrix)[MOST_SIDE] = side == 4 ? of_2 : of_4;
    float half[MOST_SIDE][MOST_SIDE];
    for (size_t i = 0; i < side; i++) {
        for (size_t column = 0; column < side; column++) {
            float sum = 0;
            for (size_t row = 0; row < side; row++) {
                sum += matrix[i][row] * d[row][column];
            }
            half[i][column] = sum;
        }
    }
    for (size_t point = 0; point < side * side; point++) {
        float sum = 0;
        for (size_t column = 0; column < side; column++) {
            sum += matrix[point % side][column] * half[point / side][column];
        }
        if (!isfinite(sum))
            return false;
        trial->counts[point][bin_of(sum)]++;
        trial->energy[point * channels + c] += (double)sum * (double)sum;
    }
    return true;
}

/* Pixels of an image as they are. */
static bool count_pixels(vgg_int8_trial *trial, const vgg_layer *layer, const float *x) {
    size_t all = layer->input.height * layer->input.width, some = vgg_size_min(all, PIXELS);
    for (size_t c = 0; c < layer->input.channels; c++) {
        double energy = 0;
        for (size_t i = 0; i < some; i++) {
            float value = x[c * all + i * all / some];
            if (!isfinite(value))
                return false;
            trial->counts[0][bin_of(value)]++;
            energy += (double)value * (double)value;
        }
        trial->energy[c] += energy;
    }
    return true;
}

bool vgg_int8_trial_count(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile,
                          const float *x) {
    if (tile == 1)
        return count_pixels(trial, layer, x);
    size_t rows = (layer->output.height + tile - 1) / tile;
    size_t columns = (layer->output.width + tile - 1) / tile, all = rows * columns;
    size_t tiles = vgg_size_min(all, TILES), pixels = layer->input.height * layer->input.width;
    bool finite = true;
    for (size_t t = 0; t < tiles; t++) {
        size_t at = t * all / tiles;
        for (size_t c = 0; finite && c < layer->input.channels; c++) {
            float d[MOST_SIDE][MOST_SIDE];
            load_tile(layer, x + c * pixels, at / columns * tile, at % columns * tile, tile + 2, d);
            finite = count_tile(trial, tile + 2, layer->input.channels, c, d);
        }
    }
    return finite;
}

/* The squared errors of all that was counted: values that are rounded err by up to half a scale,
 * or by themselves, those beyond the largest number by what is beyond. */
static double squares(const uint64_t counts[VGG_MAGNITUDES], double most, double scale) {
    double sum = 0;
    for (size_t bin = 0; bin < VGG_MAGNITUDES; bin++) {
        if (counts[bin] == 0)
            continue;
        double value = magnitude_of(bin), beyond = value - most * scale;
        double each = value < scale / 2 ? value * value
                      : beyond > 0      ? fmax(beyond * beyond, scale * scale / 12)
                                        : scale * scale / 12;
        sum += (double)counts[bin] * each;
    }
    return sum;
}

/* 0 where all was 0, or too near it. */
static float input_scale(const uint64_t counts[VGG_MAGNITUDES], double most) {
    size_t top = VGG_MAGNITUDES;
    while (top > 1 && counts[top - 1] == 0) {
        top--;
    }
    double whole = magnitude_of(top - 1) / most, best = whole, least = HUGE_VAL;
    if (!((float)whole > 0) || !isfinite(1 / (float)whole))
        return 0;
    for (int step = 0; step < INPUT_STEPS; step++) {
        double scale = whole * exp2(-(double)step / STEPS_OF_OCTAVE);
        double error = squares(counts, most, scale);
        if (error >= least || !isfinite(1 / (float)scale))
            continue;
        least = error;
        best = scale;
    }
    return (float)best;
}

/* ---- weights ---- */

typedef struct weight_task {
    vgg_int8_trial *trial;
    const vgg_layer *layer;
    size_t tile;
    const float *weights; /* (K, C, 3, 3) */
    float *scratch;       /* numbers_of(tile) * C floats per worker */
} weight_task;

/* What a pair of channels has of filters: points of the transforms, or the taps. */
static size_t numbers_of(size_t tile) {
    return tile == 1 ? VGG_MOST_TAPS : vgg_winograd_points(tile);
}

/* The points of all filters of output channel k: u[points][C]. */
static void transform(const weight_task *task, size_t k, float *u) {
    const float(*matrix)[3] = vgg_winograd_filter_matrix(task->tile);
    size_t side = task->tile + 2, channels = task->layer->input.channels;
    for (size_t c = 0; c < channels; c++) {
        const float *g = task->weights + (k * channels + c) * 9;
        for (size_t i = 0; i < side; i++) {
            float half[3];
            for (size_t j = 0; j < 3; j++) {
                half[j] = matrix[i][0] * g[j] + matrix[i][1] * g[3 + j] + matrix[i][2] * g[6 + j];
            }
            for (size_t j = 0; j < side; j++) {
                u[(i * side + j) * channels + c] =
                    matrix[j][0] * half[0] + matrix[j][1] * half[1] + matrix[j][2] * half[2];
            }
        }
    }
}

/* Squared errors of weights u[C][each], each times the energy of the channel that it is multiplied
 * with. */
static double weighted(const float *u, const double *energy, size_t count, size_t each,
                       float scale) {
    double sum = 0;
    for (size_t i = 0; i < count * each; i++) {
        float number = rintf(u[i] / scale);
        number = fminf(fmaxf(number, -VGG_INT8_MOST), VGG_INT8_MOST);
        double error = (double)(u[i] - number * scale);
        sum += error * error * energy[i / each];
    }
    return sum;
}

static float weight_scale(const float *u, const double *energy, size_t count, size_t each) {
    float most = 0;
    for (size_t i = 0; i < count * each; i++) {
        most = fmaxf(most, fabsf(u[i]));
    }
    float whole = most / VGG_INT8_MOST, best = whole;
    if (!(whole > 0) || !isfinite(1 / whole))
        return 1;
    double least = HUGE_VAL;
    for (int step = 0; step < WEIGHT_STEPS; step++) {
        float scale = whole * (float)exp2(-(double)step / STEPS_OF_OCTAVE);
        double error = weighted(u, energy, count, each, scale);
        if (error >= least || !isfinite(1 / scale))
            continue;
        least = error;
        best = scale;
    }
    return best;
}

/* Unit: an output channel. */
static void scale_weights(void *argument, size_t begin, size_t end, size_t worker) {
    const weight_task *task = argument;
    size_t points = vgg_int8_points(task->tile), channels = task->layer->input.channels;
    float *u = task->scratch + worker * numbers_of(task->tile) * channels;
    for (size_t k = begin; k < end; k++) {
        if (task->tile == 1) {
            task->trial->weights[k] = weight_scale(task->weights + k * channels * VGG_MOST_TAPS,
                                                   task->trial->energy, channels, VGG_MOST_TAPS);
            continue;
        }
        transform(task, k, u);
        for (size_t point = 0; point < points; point++) {
            task->trial->weights[k * points + point] = weight_scale(
                u + point * channels, task->trial->energy + point * channels, channels, 1);
        }
    }
}

size_t vgg_int8_trial_scratch(const vgg_layer *layer, size_t tile, const vgg_threads *threads) {
    return vgg_threads_count(threads) * numbers_of(tile) * layer->input.channels * sizeof(float);
}

bool vgg_int8_trial_scale(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile,
                          const float *weights, vgg_threads *threads, bool *dead) {
    size_t points = vgg_int8_points(tile);
    float largest = 0;
    for (size_t point = 0; point < points; point++) {
        trial->inputs[point] = input_scale(trial->counts[point], (double)trial->most);
        largest = fmaxf(largest, trial->inputs[point]);
    }
    *dead = *dead || !(largest > 0);
    for (size_t point = 0; point < points; point++) {
        if (!(trial->inputs[point] > 0))
            trial->inputs[point] = largest > 0 ? largest : 1;
    }
    weight_task task = {.trial = trial, .layer = layer, .tile = tile, .weights = weights};
    task.scratch = vgg_aligned_alloc(vgg_int8_trial_scratch(layer, tile, threads));
    if (task.scratch == NULL)
        return false;
    vgg_threads_run(threads, layer->output.channels, scale_weights, &task);
    vgg_free(task.scratch);
    return true;
}
