/* A step of SGD of a linear layer without its gradients in memory: a register tile of dw = dy^T x
 * is summed over the images and used at once, so that each weight and velocity is read and written
 * once. */
#include "kernels/tier.h"

/* A register tile: the VGG_LINEAR_DY outputs of a panel times vectors of inputs. */
#define TILE_OUTPUTS VGG_LINEAR_DY
#if VGG_LANES == 16
#define TILE_VECTORS 4
#else
#define TILE_VECTORS 2
#endif
#define TILE_WIDTH (TILE_VECTORS * VGG_LANES)

/* Floats of x whose panels stay in the second-level cache for all outputs of a unit. */
#define CACHED_INPUTS (64 * 1024)
/* How far ahead weights and velocities are fetched. */
#define PREFETCH_FLOATS 512

typedef vf tile[TILE_OUTPUTS][TILE_VECTORS];

/* sums = dy^T x of a tile. dy: [images][TILE_OUTPUTS]; x: [images][VGG_LINEAR_X], of which the
 * first TILE_WIDTH columns are used. */
VGG_INLINE void sum_tile(size_t images, const float *dy, const float *x, tile sums) {
    VGG_UNROLL
    for (int o = 0; o < TILE_OUTPUTS; o++) {
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            sums[o][v] = (vf){0};
        }
    }
    for (size_t n = 0; n < images; n++) {
        vf term[TILE_VECTORS];
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            term[v] = vf_load(x + n * VGG_LINEAR_X + v * VGG_LANES);
        }
        VGG_UNROLL
        for (int o = 0; o < TILE_OUTPUTS; o++) {
            vf factor = vf_splat(dy[n * TILE_OUTPUTS + (size_t)o]);
            VGG_UNROLL
            for (int v = 0; v < TILE_VECTORS; v++) {
                sums[o][v] += factor * term[v];
            }
        }
    }
}

/* Applies a tile to `outputs` rows of weights and velocities. */
VGG_INLINE void apply_tile(const vgg_linear_update_task *task, size_t outputs, tile sums,
                           float *weights, float *velocity) {
    vf rate = vf_splat(task->rate), momentum = vf_splat(task->momentum);
    vf decay = vf_splat(task->decay);
    VGG_UNROLL
    for (int o = 0; o < TILE_OUTPUTS; o++) {
        if ((size_t)o == outputs)
            break;
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            size_t at = (size_t)o * task->inputs + (size_t)v * VGG_LANES;
            vf value = vf_load(weights + at);
            vf gradient = sums[o][v] + decay * value;
            vf moved = momentum * vf_load(velocity + at) + gradient;
            vf_store(velocity + at, moved);
            vf step = task->nesterov ? gradient + momentum * moved : moved;
            vf_store(weights + at, value - rate * step);
        }
    }
}

static void apply_value(const vgg_linear_update_task *task, float gradient, float *value,
                        float *velocity) {
    float whole = gradient + task->decay * *value;
    float moved = task->momentum * *velocity + whole;
    *velocity = moved;
    *value -= task->rate * (task->nesterov ? whole + task->momentum * moved : moved);
}

/* The same for the first `width` columns of a tile that reaches beyond the inputs. */
static void apply_part(const vgg_linear_update_task *task, size_t outputs, size_t width, tile sums,
                       float *weights, float *velocity) {
    for (size_t o = 0; o < outputs; o++) {
        float gradient[TILE_WIDTH];
        for (int v = 0; v < TILE_VECTORS; v++) {
            vf_store(gradient + v * VGG_LANES, sums[o][v]);
        }
        for (size_t i = 0; i < width; i++) {
            apply_value(task, gradient[i], weights + o * task->inputs + i,
                        velocity + o * task->inputs + i);
        }
    }
}

/* One panel of inputs and one of outputs. */
static void update_panel(const vgg_linear_update_task *task, size_t output, size_t input) {
    size_t outputs = vgg_size_min(TILE_OUTPUTS, task->outputs - output);
    const float *dy = task->dy_panels + output * task->images;
    const float *x = task->x_panels + input * task->images;
    size_t end = vgg_size_min(input + VGG_LINEAR_X, task->inputs);
    for (size_t i = input; i < end; i += TILE_WIDTH) {
        float *weights = task->weights + output * task->inputs + i;
        float *velocity = task->weights_velocity + output * task->inputs + i;
        VGG_UNROLL
        for (int o = 0; o < TILE_OUTPUTS; o++) {
            VGG_UNROLL
            for (int f = 0; f < TILE_WIDTH; f += VGG_ALIGNMENT / (int)sizeof(float)) {
                size_t ahead = (size_t)o * task->inputs + (size_t)f + PREFETCH_FLOATS;
                __builtin_prefetch(weights + ahead, 1);
                __builtin_prefetch(velocity + ahead, 1);
            }
        }
        tile sums;
        sum_tile(task->images, dy, x + (i - input), sums);
        if (i + TILE_WIDTH <= end)
            apply_tile(task, outputs, sums, weights, velocity);
        else
            apply_part(task, outputs, end - i, sums, weights, velocity);
    }
}

static void update_bias(const vgg_linear_update_task *task, size_t output) {
    const float *dy = task->dy_panels + output / TILE_OUTPUTS * TILE_OUTPUTS * task->images;
    float sum = 0;
    for (size_t n = 0; n < task->images; n++) {
        sum += dy[n * TILE_OUTPUTS + output % TILE_OUTPUTS];
    }
    apply_value(task, sum, task->bias + output, task->bias_velocity + output);
}

void VGG_TIERED(linear_update)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_update)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_update_task *task = argument;
    size_t chunk = vgg_size_max(CACHED_INPUTS / (task->images * VGG_LINEAR_X), 1) * VGG_LINEAR_X;
    for (size_t unit = begin; unit < end; unit++) {
        size_t first = unit * VGG_LINEAR_UPDATE;
        size_t last = vgg_size_min(first + VGG_LINEAR_UPDATE, task->outputs);
        for (size_t from = 0; from < task->inputs; from += chunk) {
            for (size_t o = first; o < last; o += TILE_OUTPUTS) {
                for (size_t i = from; i < vgg_size_min(from + chunk, task->inputs);
                     i += VGG_LINEAR_X) {
                    update_panel(task, o, i);
                }
            }
        }
        for (size_t o = first; o < last; o++) {
            update_bias(task, o);
        }
    }
}
