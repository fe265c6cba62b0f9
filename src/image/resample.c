/* What a resize does to samples. The functions that are marked AVX2 are the same for processors
 * that have it; there the pass over columns takes many rows at a time, whose samples of a column
 * are put side by side, so that one instruction weighs several. All of it is arithmetic of whole
 * numbers, whose bits are the same everywhere. */
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/resample.h"

/* Sums kept in one go by the pass over rows: they and the samples stay in the first-level cache. */
enum { BLOCK = 512 };

/* ---- columns ---- */

static void columns_grey(const uint8_t *row, const resampling *plan, uint8_t *out, size_t width) {
    for (size_t x = 0; x < width; x++) {
        const uint8_t *samples = row + plan->windows[x].first;
        const int32_t *k = plan->coefficients + x * plan->taps;
        int32_t sum = HALF;
        for (size_t i = 0; i < plan->windows[x].count; i++) {
            sum += samples[i] * k[i];
        }
        out[x] = to_sample(sum);
    }
}

static void columns_rgb(const uint8_t *row, const resampling *plan, uint8_t *out, size_t width) {
    for (size_t x = 0; x < width; x++) {
        const uint8_t *pixel = row + 3 * plan->windows[x].first;
        const int32_t *k = plan->coefficients + x * plan->taps;
        int32_t red = HALF, green = HALF, blue = HALF;
        for (size_t i = 0; i < plan->windows[x].count; i++, pixel += 3) {
            red += pixel[0] * k[i];
            green += pixel[1] * k[i];
            blue += pixel[2] * k[i];
        }
        out[3 * x] = to_sample(red);
        out[3 * x + 1] = to_sample(green);
        out[3 * x + 2] = to_sample(blue);
    }
}

#if defined(__x86_64__)

/* Rows that are done together: enough for long loops over them. */
#define ROWS 32
#define EIGHT 8
#define AVX2 __attribute__((target("avx2")))

/* Swaps the bytes of a and b that the masks name. */
static inline void swap(uint64_t *a, uint64_t *b, unsigned shift, uint64_t mask) {
    uint64_t other = ((*a >> shift) ^ *b) & mask;
    *b ^= other;
    *a ^= other << shift;
}

/* Lets eight rows of eight bytes, first byte lowest, become eight columns. */
static inline void transpose(uint64_t b[EIGHT]) {
    const uint64_t half = 0x00000000ffffffffu, quarter = 0x0000ffff0000ffffu,
                   eighth = 0x00ff00ff00ff00ffu;
    swap(&b[0], &b[4], 32, half);
    swap(&b[1], &b[5], 32, half);
    swap(&b[2], &b[6], 32, half);
    swap(&b[3], &b[7], 32, half);
    swap(&b[0], &b[2], 16, quarter);
    swap(&b[1], &b[3], 16, quarter);
    swap(&b[4], &b[6], 16, quarter);
    swap(&b[5], &b[7], 16, quarter);
    swap(&b[0], &b[1], 8, eighth);
    swap(&b[2], &b[3], 8, eighth);
    swap(&b[4], &b[5], 8, eighth);
    swap(&b[6], &b[7], 8, eighth);
}

/* Eight rows that lie `pitch` apart become columns that lie `apart` apart. */
AVX2 static void turn(const uint8_t *rows, size_t pitch, size_t length, uint8_t *columns,
                      size_t apart) {
    size_t i = 0;
    for (; i + EIGHT <= length; i += EIGHT) {
        uint64_t block[EIGHT];
        for (size_t r = 0; r < EIGHT; r++) {
            memcpy(&block[r], rows + r * pitch + i, sizeof *block);
        }
        transpose(block);
        for (size_t r = 0; r < EIGHT; r++) {
            memcpy(columns + (i + r) * apart, &block[r], sizeof *block);
        }
    }
    for (; i < length; i++) {
        for (size_t r = 0; r < EIGHT; r++) {
            columns[i * apart + r] = rows[r * pitch + i];
        }
    }
}

/* Columns of ROWS samples become rows of `length`, without gaps. */
AVX2 static void turn_back(const uint8_t *columns, size_t length, uint8_t *rows) {
    size_t i = 0;
    for (; i + EIGHT <= length; i += EIGHT) {
        turn(columns + i * ROWS, ROWS, ROWS, rows + i, length);
    }
    for (; i < length; i++) {
        for (size_t r = 0; r < ROWS; r++) {
            rows[r * length + i] = columns[i * ROWS + r];
        }
    }
}

/* One place of all rows, of `lanes` samples for each column. */
AVX2 static void mix(const uint8_t *restrict samples, const int32_t *restrict k, size_t count,
                     size_t lanes, uint8_t *restrict out) {
    int32_t sums[3 * ROWS];
    for (size_t j = 0; j < lanes; j++) {
        sums[j] = HALF;
    }
    size_t i = 0;
    for (; i + 4 <= count; i += 4, samples += 4 * lanes) {
        for (size_t j = 0; j < lanes; j++) {
            sums[j] += samples[j] * k[i] + samples[lanes + j] * k[i + 1] +
                       samples[2 * lanes + j] * k[i + 2] + samples[3 * lanes + j] * k[i + 3];
        }
    }
    for (; i < count; i++, samples += lanes) {
        for (size_t j = 0; j < lanes; j++) {
            sums[j] += samples[j] * k[i];
        }
    }
    for (size_t j = 0; j < lanes; j++) {
        out[j] = to_sample(sums[j]);
    }
}

/* As many rows as are whole ROWS. */
static vgg_status mix_together(const uint8_t *rows, size_t pitch, size_t count,
                               const resampling *plan, size_t channels, uint8_t *out, size_t width,
                               vgg_error *error) {
    window read = covered(plan, width);
    size_t length = read.count * channels, made = width * channels, lanes = channels * ROWS;
    uint8_t *columns = vgg_malloc((length + made) * ROWS);
    if (columns == NULL)
        return vgg_fail_memory(error, "columns of a resize", (length + made) * ROWS);
    uint8_t *mixed = columns + length * ROWS;
    for (size_t y = 0; y + ROWS <= count; y += ROWS) {
        const uint8_t *from = rows + y * pitch + read.first * channels;
        for (size_t r = 0; r < ROWS; r += EIGHT) {
            turn(from + r * pitch, pitch, length, columns + r, ROWS);
        }
        for (size_t x = 0; x < width; x++) {
            mix(columns + (plan->windows[x].first - read.first) * lanes,
                plan->coefficients + x * plan->taps, plan->windows[x].count, lanes,
                mixed + x * lanes);
        }
        turn_back(mixed, made, out + y * made);
    }
    vgg_free(columns);
    return VGG_OK;
}

#endif

vgg_status vgg_mix_columns(const uint8_t *rows, size_t pitch, size_t count, const resampling *plan,
                           size_t channels, uint8_t *out, size_t width, vgg_error *error) {
    size_t y = 0;
#if defined(__x86_64__)
    if (count >= ROWS && __builtin_cpu_supports("avx2")) {
        vgg_status status = mix_together(rows, pitch, count, plan, channels, out, width, error);
        if (status != VGG_OK)
            return status;
        y = count / ROWS * ROWS;
    }
#endif
    for (; y < count; y++) {
        if (channels == 1)
            columns_grey(rows + y * pitch, plan, out + y * width, width);
        else
            columns_rgb(rows + y * pitch, plan, out + y * width * channels, width);
    }
    return VGG_OK;
}

/* ---- rows ---- */

/* One row of the result, `length` samples, from `count` rows that lie `pitch` samples apart. */
static inline __attribute__((always_inline)) void mix_rows(const uint8_t *rows, size_t count,
                                                           size_t pitch, const int32_t *k,
                                                           uint8_t *out, size_t length) {
    int32_t sums[BLOCK];
    for (size_t begin = 0; begin < length; begin += BLOCK) {
        size_t block = vgg_size_min(BLOCK, length - begin);
        for (size_t x = 0; x < block; x++) {
            sums[x] = HALF;
        }
        for (size_t i = 0; i < count; i++) {
            const uint8_t *samples = rows + i * pitch + begin;
            int32_t weight = k[i];
            for (size_t x = 0; x < block; x++) {
                sums[x] += samples[x] * weight;
            }
        }
        for (size_t x = 0; x < block; x++) {
            out[begin + x] = to_sample(sums[x]);
        }
    }
}

#if defined(__x86_64__)
AVX2 static void mix_rows_avx2(const uint8_t *rows, size_t count, size_t pitch, const int32_t *k,
                               uint8_t *out, size_t length) {
    mix_rows(rows, count, pitch, k, out, length);
}
#endif

void vgg_mix_rows(const uint8_t *rows, size_t count, size_t pitch, const int32_t *k, uint8_t *out,
                  size_t length) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        mix_rows_avx2(rows, count, pitch, k, out, length);
        return;
    }
#endif
    mix_rows(rows, count, pitch, k, out, length);
}
