#include "bf16.h"

#include <math.h>
#include <string.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

bool vgg_has_matrices(const vgg_kernels *tier) {
    return tier->bf16_direct.forward != NULL;
}

void vgg_need_matrices(void) {
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        if (vgg_has_matrices(vgg_kernels_at(i)))
            return;
    }
    skip();
}

float *vgg_rounded(const float *values) {
    size_t count = vgg_guarded_size(values) / sizeof *values;
    void *numbers = vgg_guarded_bytes(2 * count);
    float *floats = vgg_guarded_floats(count);
    vgg_elements_from_float(VGG_ELEMENT_BFLOAT16, values, count, numbers);
    vgg_elements_to_float(VGG_ELEMENT_BFLOAT16, numbers, count, floats);
    return floats;
}

float vgg_draw_bf16(bool special) {
    static const float specials[] = {0, -0.0f, (float)NAN, (float)INFINITY, -(float)INFINITY};
    if (special && vgg_draw_chance(40))
        return specials[vgg_draw(0, sizeof specials / sizeof specials[0] - 1)];
    uint32_t bits =
        (uint32_t)(vgg_draw(0, 1) << 31 | vgg_draw(90, 160) << 23 | vgg_draw(0, 127) << 16);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float flushed(float value) {
    return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value;
}

float vgg_run_add(float sum, float more) {
    return flushed(sum + more);
}

float vgg_run_sum(const float *x, const float *w, size_t count) {
    float sums[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        sums[i % 2] = flushed(fmaf(x[i], w[i], sums[i % 2]));
    }
    return vgg_run_add(sums[0], sums[1]);
}

void vgg_check_bits(const char *kernel, const vgg_kernels *tier, size_t index, float found,
                    float wanted) {
    found = found == 0 ? 0 : found;
    wanted = wanted == 0 ? 0 : wanted;
    if (isnan(wanted) ? !isnan(found) : memcmp(&found, &wanted, sizeof found) != 0)
        vgg_kernel_fail(kernel, tier->tier, "output %zu is %a instead of %a", index, (double)found,
                        (double)wanted);
}
