/* The values of a stored tensor, read once and block by block. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/elements.h"
#include "base/memory.h"
#include "model/inspect.h"

#define BLOCK 1024
#define VALUES_AT_ONCE ((size_t)4 << 20)
/* Sums side by side, which the compiler makes vectors of. */
#define LANES 8

typedef struct tally {
    size_t seen, nans, infinities, first, zeros;
    float least, most;
    double sum, squares;
} tally;

static bool all_finite(const float *values, size_t count) {
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        found |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return found == 0;
}

/* Takes values of which any may be NaN or infinite out of the count. */
static size_t set_aside(tally *t, float *values, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i])) {
            values[kept++] = values[i];
            continue;
        }
        if (t->nans + t->infinities == 0)
            t->first = t->seen + i;
        if (isnan(values[i]))
            t->nans++;
        else
            t->infinities++;
    }
    return kept;
}

static void add_finite(tally *t, const float *values, size_t count) {
    float least[LANES], most[LANES];
    double sums[LANES] = {0}, squares[LANES] = {0};
    uint32_t zeros[LANES] = {0};
    for (size_t lane = 0; lane < LANES; lane++) {
        least[lane] = t->least;
        most[lane] = t->most;
    }
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            float value = values[i + lane];
            least[lane] = value < least[lane] ? value : least[lane];
            most[lane] = value > most[lane] ? value : most[lane];
            zeros[lane] += value == 0.0f;
            sums[lane] += (double)value;
            squares[lane] += (double)value * (double)value;
        }
    }
    for (size_t i = whole; i < count; i++) {
        float value = values[i];
        least[0] = value < least[0] ? value : least[0];
        most[0] = value > most[0] ? value : most[0];
        zeros[0] += value == 0.0f;
        sums[0] += (double)value;
        squares[0] += (double)value * (double)value;
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        t->least = least[lane] < t->least ? least[lane] : t->least;
        t->most = most[lane] > t->most ? most[lane] : t->most;
        t->zeros += zeros[lane];
        t->sum += sums[lane];
        t->squares += squares[lane];
    }
}

static void add_values(tally *t, vgg_element element, float scale, const unsigned char *bytes,
                       size_t size, size_t count) {
    float block[BLOCK];
    for (size_t done = 0, part; done < count; done += part) {
        part = vgg_size_min(count - done, BLOCK);
        vgg_elements_to_float(element, bytes + done * size, part, block);
        for (size_t i = 0; element == VGG_ELEMENT_INT8 && i < part; i++) {
            block[i] *= scale;
        }
        size_t kept = all_finite(block, part) ? part : set_aside(t, block, part);
        add_finite(t, block, kept);
        t->seen += part;
    }
}

/* A row of the tensor, in steps after which a caller may stop. */
static vgg_status add_row(tally *t, const vgg_stored_tensor *stored, float scale,
                          const unsigned char *bytes, size_t count, vgg_meter *meter,
                          vgg_error *error) {
    size_t size = stored->type->bytes;
    vgg_status status = VGG_OK;
    for (size_t done = 0, step; status == VGG_OK && done < count; done += step) {
        step = vgg_size_min(count - done, VALUES_AT_ONCE);
        add_values(t, stored->type->element, scale, bytes + done * size, size, step);
        status = vgg_meter_add(meter, step * size, error);
    }
    return status;
}

vgg_status vgg_inspect_values(const vgg_stored_tensor *stored, const vgg_stored_tensor *scale,
                              vgg_meter *meter, bool *zero_rows, vgg_inspected_tensor *tensor,
                              vgg_error *error) {
    if (scale == NULL && !vgg_element_is_weight(stored->type->element))
        return VGG_OK;
    vgg_status status = VGG_OK;
    tally t = {.least = INFINITY, .most = -INFINITY};
    size_t rows = zero_rows != NULL ? stored->shape[0] : 1;
    size_t row = rows > 0 ? stored->count / rows : 0, size = stored->type->bytes;
    for (size_t i = 0; status == VGG_OK && i < rows; i++) {
        size_t zeros = t.zeros;
        float factor = 1;
        if (scale != NULL)
            memcpy(&factor, scale->bytes + i * sizeof factor, sizeof factor);
        status = add_row(&t, stored, factor, stored->bytes + i * row * size, row, meter, error);
        if (zero_rows != NULL)
            zero_rows[i] = t.zeros - zeros == row;
    }
    size_t finite = t.seen - t.nans - t.infinities;
    tensor->measured = true;
    tensor->nans = t.nans;
    tensor->infinities = t.infinities;
    tensor->first_not_finite = t.first;
    tensor->zeros = t.zeros;
    tensor->least = finite > 0 ? (double)t.least : NAN;
    tensor->most = finite > 0 ? (double)t.most : NAN;
    tensor->mean = finite > 0 ? t.sum / (double)finite : NAN;
    tensor->rms = finite > 0 ? sqrt(t.squares / (double)finite) : NAN;
    return status;
}
