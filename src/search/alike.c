/* Whether two small pictures are of one picture: laid over each other as well as can be, they must
 * correlate in what is fine in them. Coarse structure (light from above, a garment in the middle of
 * a wall) is common to many pictures that are different ones. */
#include <math.h>

#include "base/memory.h"
#include "search/index.h"

#define SIDE VGG_INDEX_THUMBNAIL
#define HALF (SIDE / 2)
/* The coarse structure is the mean over squares of 2 REACH + 1, taken twice. */
#define REACH 4
/* One picture may show a part of the other, of this share of its sides at least. */
#define SMALLEST 0.78
/* At half the side places are tried in such steps, as shares of a side; what correlates less there
 * is not looked at more closely. */
#define COARSE_STEP 0.05
#define COARSE_LEAST 0.8
/* The first and the last step of looking for a better place. */
#define FIRST_STEP 0.025
#define LAST_STEP 0.004

/* A part of a picture, in shares of its sides. */
typedef struct window {
    double x, y, width, height;
} window;

/* ---- preparing ---- */

/* The mean of what lies within REACH along a line of SIDE values, `step` apart; fewer at its ends.
 */
static void smooth_line(const float *from, float *to, size_t step) {
    for (int i = 0; i < SIDE; i++) {
        int first = i < REACH ? 0 : i - REACH, last = i + REACH >= SIDE ? SIDE - 1 : i + REACH;
        float sum = 0;
        for (int j = first; j <= last; j++) {
            sum += from[(size_t)j * step];
        }
        to[(size_t)i * step] = sum / (float)(last - first + 1);
    }
}

static void smooth(const float *from, float *to) {
    float lines[VGG_INDEX_SAMPLES];
    for (size_t i = 0; i < SIDE; i++) {
        smooth_line(from + i * SIDE, lines + i * SIDE, 1);
    }
    for (size_t i = 0; i < SIDE; i++) {
        smooth_line(lines + i, to + i, SIDE);
    }
}

void vgg_alike_prepare(const unsigned char *grey, vgg_alike *out) {
    float samples[VGG_INDEX_SAMPLES], once[VGG_INDEX_SAMPLES], twice[VGG_INDEX_SAMPLES];
    for (size_t i = 0; i < VGG_INDEX_SAMPLES; i++) {
        samples[i] = (float)grey[i];
    }
    for (size_t y = 0; y < HALF; y++) {
        for (size_t x = 0; x < HALF; x++) {
            const float *at = samples + 2 * y * SIDE + 2 * x;
            out->coarse[y * HALF + x] = (at[0] + at[1] + at[SIDE] + at[SIDE + 1]) / 4;
        }
    }
    smooth(samples, once);
    smooth(once, twice);
    for (size_t i = 0; i < VGG_INDEX_SAMPLES; i++) {
        out->fine[i] = samples[i] - twice[i];
    }
}

/* ---- laying one over the other ---- */

/* Where each of `side` samples of a window's row or column falls: between `at` and the next one,
 * `share` of the way. */
typedef struct grid {
    size_t at[SIDE];
    float share[SIDE];
} grid;

static void make_grid(double begin, double length, size_t side, grid *out) {
    for (size_t i = 0; i < side; i++) {
        double place = (begin + ((double)i + 0.5) / (double)side * length) * (double)side - 0.5;
        place = fmin(fmax(place, 0), (double)(side - 1));
        out->at[i] = vgg_size_min((size_t)place, side - 2);
        out->share[i] = (float)(place - (double)out->at[i]);
    }
}

/* The correlation of a window of `a` with all of `b`, pictures of side x side samples. */
static double correlate(const float *a, const float *b, size_t side, const window *w) {
    grid across, down;
    make_grid(w->x, w->width, side, &across);
    make_grid(w->y, w->height, side, &down);
    double sum_a = 0, sum_b = 0, sum_aa = 0, sum_bb = 0, sum_ab = 0;
    for (size_t y = 0; y < side; y++) {
        const float *above = a + down.at[y] * side, *below = above + side;
        float share = down.share[y];
        float row_a = 0, row_b = 0, row_aa = 0, row_bb = 0, row_ab = 0;
        for (size_t x = 0; x < side; x++) {
            size_t at = across.at[x];
            float high = above[at] + (above[at + 1] - above[at]) * across.share[x];
            float low = below[at] + (below[at + 1] - below[at]) * across.share[x];
            float left = high + (low - high) * share, right = b[y * side + x];
            row_a += left;
            row_b += right;
            row_aa += left * left;
            row_bb += right * right;
            row_ab += left * right;
        }
        sum_a += (double)row_a;
        sum_b += (double)row_b;
        sum_aa += (double)row_aa;
        sum_bb += (double)row_bb;
        sum_ab += (double)row_ab;
    }
    double count = (double)(side * side);
    double spread = (sum_aa - sum_a * sum_a / count) * (sum_bb - sum_b * sum_b / count);
    return spread > 1 ? (sum_ab - sum_a * sum_b / count) / sqrt(spread) : 0;
}

static bool is_inside(const window *w) {
    const double slack = 1e-9;
    return w->x >= 0 && w->y >= 0 && w->x + w->width <= 1 + slack &&
           w->y + w->height <= 1 + slack && w->width >= SMALLEST && w->height >= SMALLEST;
}

/* The best of all places at half the side. */
static double look_roughly(const vgg_alike *a, const vgg_alike *b, window *best) {
    double most = -1;
    for (int scale = 0; scale <= 4; scale++) {
        double size = 1 - scale * COARSE_STEP;
        for (int y = 0; y <= scale; y++) {
            for (int x = 0; x <= scale; x++) {
                window w = {x * COARSE_STEP, y * COARSE_STEP, size, size};
                double found = correlate(a->coarse, b->coarse, HALF, &w);
                if (found > most) {
                    most = found;
                    *best = w;
                }
            }
        }
    }
    return most;
}

/* Moves and resizes the window as long as that makes it better. */
static double look_closely(const vgg_alike *a, const vgg_alike *b, window best) {
    static const window moves[] = {{1, 0, 0, 0},  {-1, 0, 0, 0}, {0, 1, 0, 0},  {0, -1, 0, 0},
                                   {0, 0, 1, 0},  {0, 0, -1, 0}, {0, 0, 0, 1},  {0, 0, 0, -1},
                                   {1, 0, -1, 0}, {-1, 0, 1, 0}, {0, 1, 0, -1}, {0, -1, 0, 1}};
    double most = correlate(a->fine, b->fine, SIDE, &best);
    for (double step = FIRST_STEP; step > LAST_STEP;) {
        bool better = false;
        for (size_t m = 0; m < sizeof moves / sizeof *moves; m++) {
            window w = {best.x + step * moves[m].x, best.y + step * moves[m].y,
                        best.width + step * moves[m].width, best.height + step * moves[m].height};
            double found = is_inside(&w) ? correlate(a->fine, b->fine, SIDE, &w) : -1;
            if (found > most + 1e-5) {
                most = found;
                best = w;
                better = true;
            }
        }
        step = better ? step : step / 2;
    }
    return most;
}

/* Of `b` as a part of `a`. */
static double compare_one_way(const vgg_alike *a, const vgg_alike *b) {
    window best = {0, 0, 1, 1};
    if (look_roughly(a, b, &best) < COARSE_LEAST)
        return 0;
    return look_closely(a, b, best);
}

double vgg_alike_compare(const vgg_alike *a, const vgg_alike *b) {
    return fmax(compare_one_way(a, b), compare_one_way(b, a));
}
