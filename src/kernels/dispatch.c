/* Which tier runs: the best that this build has and this processor can run, or the one that VGG_CPU
 * names. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(VGG_AMX)
#include <cpuid.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/error.h"
#include "kernels/conv_cost.h"
#include "kernels/shared.h"

#define WINOGRAD(tile, name)                                                                       \
    {                                                                                              \
        .filters = vgg_winograd##tile##_filters_##name,                                            \
        .forward = vgg_winograd##tile##_forward_##name,                                            \
        .weights = vgg_winograd##tile##_weights_##name,                                            \
        .weights_finish = vgg_winograd##tile##_weights_finish_##name,                              \
    }

#define BF16_WINOGRAD(tile, name)                                                                  \
    {                                                                                              \
        .filters = vgg_winograd##tile##_bf16_filters_##name,                                       \
        .forward = vgg_winograd##tile##_bf16_forward_##name,                                       \
        .weights = vgg_winograd##tile##_bf16_weights_##name,                                       \
        .weights_finish = vgg_winograd##tile##_bf16_weights_finish_##name,                         \
    }

#define INT8_WINOGRAD(tile, name)                                                                  \
    { .filters = vgg_winograd_int8_filters, .forward = vgg_winograd##tile##_int8_forward_##name, }

/* Declares what multiplies int8 in a tier. */
#define INT8(name)                                                                                 \
    vgg_work vgg_winograd2_int8_forward_##name, vgg_winograd4_int8_forward_##name,                 \
        vgg_int8_direct_forward_##name;

/* Declares what multiplies bfloat16 in a tier. */
#define BF16(name)                                                                                 \
    vgg_work vgg_winograd2_bf16_filters_##name, vgg_winograd2_bf16_forward_##name,                 \
        vgg_winograd2_bf16_weights_##name, vgg_winograd2_bf16_weights_finish_##name,               \
        vgg_winograd4_bf16_filters_##name, vgg_winograd4_bf16_forward_##name,                      \
        vgg_winograd4_bf16_weights_##name, vgg_winograd4_bf16_weights_finish_##name,               \
        vgg_winograd2_whole_bf16_filters_##name, vgg_winograd2_whole_bf16_forward_##name,          \
        vgg_winograd2_whole_bf16_weights_##name, vgg_winograd2_whole_bf16_weights_finish_##name;

/* Declares the kernels of a tier. */
#define TIER(name)                                                                                 \
    DECLARE_NORMS(name)                                                                            \
    BF16(name)                                                                                     \
    INT8(name)                                                                                     \
    vgg_work vgg_winograd2_whole_filters_##name, vgg_winograd2_whole_forward_##name,               \
        vgg_winograd2_whole_weights_##name, vgg_winograd2_whole_weights_finish_##name;             \
    vgg_work vgg_conv_forward_##name, vgg_conv_picture_##name, vgg_conv_weights_##name,            \
        vgg_winograd2_filters_##name, vgg_winograd2_forward_##name, vgg_winograd2_weights_##name,  \
        vgg_winograd2_weights_finish_##name, vgg_winograd4_filters_##name,                         \
        vgg_winograd4_forward_##name, vgg_winograd4_weights_##name,                                \
        vgg_winograd4_weights_finish_##name, vgg_linear_forward_##name, vgg_linear_input_##name,   \
        vgg_window_inputs_##name, vgg_window_linear_##name, vgg_linear_weights_##name,             \
        vgg_linear_update_##name, vgg_max_pool_##name, vgg_max_pool_backward_##name,               \
        vgg_average_pool_##name, vgg_average_pool_backward_##name, vgg_average_pool_2x2_##name,    \
        vgg_average_pool_2x2_backward_##name, vgg_global_average_##name,                           \
        vgg_global_average_backward_##name, vgg_global_max_##name, vgg_global_max_backward_##name, \
        vgg_relu_##name, vgg_lrn_##name, vgg_lrn_backward_##name, vgg_relu_backward_##name,        \
        vgg_sgd_##name, vgg_bf16_##name, vgg_lpips_lengths_##name, vgg_lpips_compare_##name,       \
        vgg_lpips_slopes_##name, vgg_machine_multiply_##name, vgg_machine_read_##name;             \
    size_t vgg_machine_operations_##name(void);

/* Tiles of 1 and linear layers of bfloat16, of which few tiers know. */
#define MATRICES(name)                                                                             \
    .bf16_direct = {.filters = vgg_direct_filters_##name,                                          \
                    .forward = vgg_direct_forward_##name,                                          \
                    .weights = vgg_direct_weights_##name,                                          \
                    .weights_finish = vgg_direct_weights_finish_##name},                           \
    .bf16_plain = {.filters = vgg_plain_filters_##name,                                            \
                   .forward = vgg_plain_forward_##name,                                            \
                   .weights = vgg_plain_weights_##name,                                            \
                   .weights_finish = vgg_plain_weights_finish_##name},                             \
    .bf16_linear = {.operands = vgg_linear_bf16_operands_##name,                                   \
                    .forward = vgg_linear_bf16_forward_##name}
#define NO_MATRICES .bf16_direct = {NULL, NULL, NULL, NULL}
#define DECLARE_MATRICES(name)                                                                     \
    vgg_work vgg_direct_filters_##name, vgg_direct_forward_##name, vgg_direct_weights_##name,      \
        vgg_direct_weights_finish_##name, vgg_plain_filters_##name, vgg_plain_forward_##name,      \
        vgg_plain_weights_##name, vgg_plain_weights_finish_##name,                                 \
        vgg_linear_bf16_operands_##name, vgg_linear_bf16_forward_##name;

/* Batch norm, which may round what it puts out. */
#define NORMS(name)                                                                                \
    .batch_norm_statistics = vgg_batch_norm_statistics_##name,                                     \
    .batch_norm = vgg_batch_norm_##name, .batch_norm_sums = vgg_batch_norm_sums_##name,            \
    .batch_norm_backward = vgg_batch_norm_backward_##name,                                         \
    .batch_norm_pool = vgg_batch_norm_pool_##name,                                                 \
    .batch_norm_pool_sums = vgg_batch_norm_pool_sums_##name,                                       \
    .batch_norm_pool_backward = vgg_batch_norm_pool_backward_##name
#define DECLARE_NORMS(name)                                                                        \
    vgg_work vgg_batch_norm_statistics_##name, vgg_batch_norm_##name, vgg_batch_norm_sums_##name,  \
        vgg_batch_norm_backward_##name, vgg_batch_norm_pool_##name,                                \
        vgg_batch_norm_pool_sums_##name, vgg_batch_norm_pool_backward_##name;

#define RATES(direct, bf16, int8)                                                                  \
    { direct, bf16, int8 }

/* Defines the table of a tier. of and bf16_of: whose costs it has, as does int8_of; bf16: which
 * kernels multiply bfloat16 in it, by transforms, and matrices: which multiply those; norms: batch
 * norm; int8: which multiply int8, and offset: what is added to its numbers. */
#define TABLE(table, named, name, norms, of, bf16_of, bf16_name, matrices, rated, int8_of,         \
              int8_name, offset)                                                                   \
    static const vgg_kernels table = {                                                             \
        .tier = #named,                                                                            \
        .costs = &vgg_conv_costs_##of,                                                             \
        .bf16_costs = &vgg_conv_costs_##bf16_of,                                                   \
        matrices,                                                                                  \
        .rates = rated,                                                                            \
        .int8_offset = offset,                                                                     \
        .int8_winograd2 = INT8_WINOGRAD(2, int8_name),                                             \
        .int8_winograd4 = INT8_WINOGRAD(4, int8_name),                                             \
        .int8_direct = {.filters = vgg_int8_direct_filters,                                        \
                        .forward = vgg_int8_direct_forward_##int8_name},                           \
        .int8_costs = &vgg_conv_costs_##int8_of,                                                   \
        .conv_pack = vgg_conv_pack,                                                                \
        .conv_forward = vgg_conv_forward_##name,                                                   \
        .conv_picture_pack = vgg_conv_picture_pack,                                                \
        .conv_picture = vgg_conv_picture_##name,                                                   \
        .conv_weights = vgg_conv_weights_##name,                                                   \
        .conv_reduce = vgg_conv_reduce,                                                            \
        .winograd2 = WINOGRAD(2, name),                                                            \
        .winograd4 = WINOGRAD(4, name),                                                            \
        .bf16_winograd2 = BF16_WINOGRAD(2, bf16_name),                                             \
        .bf16_winograd4 = BF16_WINOGRAD(4, bf16_name),                                             \
        .whole_winograd2 = WINOGRAD(2_whole, name),                                                \
        .bf16_whole_winograd2 = BF16_WINOGRAD(2_whole, bf16_name),                                 \
        .linear_forward = vgg_linear_forward_##name,                                               \
        .linear_input = vgg_linear_input_##name,                                                   \
        .linear_weights = vgg_linear_weights_##name,                                               \
        .linear_update = vgg_linear_update_##name,                                                 \
        .panels = vgg_panels,                                                                      \
        .max_pool = vgg_max_pool_##name,                                                           \
        .max_pool_backward = vgg_max_pool_backward_##name,                                         \
        .average_pool = vgg_average_pool_##name,                                                   \
        .average_pool_backward = vgg_average_pool_backward_##name,                                 \
        .average_pool_2x2 = vgg_average_pool_2x2_##name,                                           \
        .average_pool_2x2_backward = vgg_average_pool_2x2_backward_##name,                         \
        .global_average = vgg_global_average_##name,                                               \
        .global_average_backward = vgg_global_average_backward_##name,                             \
        .global_max = vgg_global_max_##name,                                                       \
        .global_max_backward = vgg_global_max_backward_##name,                                     \
        .relu = vgg_relu_##name,                                                                   \
        norms,                                                                                     \
        .batch_norm_running = vgg_batch_norm_running,                                              \
        .batch_norm_batch = vgg_batch_norm_batch,                                                  \
        .batch_norm_gradients = vgg_batch_norm_gradients,                                          \
        .lrn = vgg_lrn_##name,                                                                     \
        .lrn_backward = vgg_lrn_backward_##name,                                                   \
        .relu_backward = vgg_relu_backward_##name,                                                 \
        .sgd = vgg_sgd_##name,                                                                     \
        .bf16 = vgg_bf16_##name,                                                                   \
        .dropout = vgg_dropout,                                                                    \
        .block = vgg_block,                                                                        \
        .unblock = vgg_unblock,                                                                    \
        .windows = vgg_windows,                                                                    \
        .window_inputs = vgg_window_inputs_##name,                                                 \
        .window_linear = vgg_window_linear_##name,                                                 \
        .row_means = vgg_row_means,                                                                \
        .lpips_lengths = vgg_lpips_lengths_##name,                                                 \
        .lpips_compare = vgg_lpips_compare_##name,                                                 \
        .lpips_slopes = vgg_lpips_slopes_##name,                                                   \
        .machine_multiply = vgg_machine_multiply_##name,                                           \
        .machine_read = vgg_machine_read_##name,                                                   \
        .machine_operations = vgg_machine_operations_##name,                                       \
    };

TIER(ref)
DECLARE_MATRICES(ref)
TABLE(ref_kernels, ref, ref, NORMS(ref), avx512, bf16, ref, MATRICES(ref), RATES(1, 1, 1), int8,
      ref, 0)
TIER(portable)
TABLE(portable_kernels, portable, portable, NORMS(portable), portable, bf16, portable, NO_MATRICES,
      RATES(1, 1, 1), int8, portable, 0)
#if defined(VGG_X86)
TIER(avx2)
TABLE(avx2_kernels, avx2, avx2, NORMS(avx2), avx2, bf16, avx2, NO_MATRICES, RATES(1, 1, 1), int8,
      avx2, 0)
TIER(avx512)
TABLE(avx512_kernels, avx512, avx512, NORMS(avx512), avx512, bf16, avx512, NO_MATRICES,
      RATES(1, 1, 1), int8, avx512, 0)
/* The same tier where the processor has AVX512-VNNI, too; all that have AVX512-BF16 have both. */
INT8(avx512vnni)
TABLE(avx512vnni_kernels, avx512, avx512, NORMS(avx512), avx512, bf16, avx512, NO_MATRICES,
      RATES(1, 1, 4), int8_vnni, avx512vnni, 128)
BF16(avx512bf16)
DECLARE_NORMS(avx512bf16)
TABLE(avx512bf16_kernels, avx512, avx512, NORMS(avx512bf16), avx512, bf16, avx512bf16, NO_MATRICES,
      RATES(1, 2, 4), int8_vnni, avx512vnni, 128)
/* Where those instructions take more time than they save. */
TABLE(avx512bf16_slow_kernels, avx512, avx512, NORMS(avx512bf16), avx512, bf16, avx512bf16,
      NO_MATRICES, RATES(1, 1, 4), int8_vnni, avx512vnni, 128)
#if defined(VGG_AMX)
/* A tier with what AVX-512 has, and products of matrices: of 16 x 16 x 32 numbers of bfloat16, or
 * 64 of int8, in the 16 cycles that two units take for 16 x 32 of float32. */
DECLARE_MATRICES(amx)
BF16(amx)
INT8(amx)
TABLE(amx_kernels, amx, avx512, NORMS(avx512bf16), avx512, amx, amx, MATRICES(amx),
      RATES(16, 16, 32), int8_amx, amx, 128)
#endif

static bool runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_vnni(void) {
    return __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512bf16(void) {
    return runs_avx512() && has_vnni() && __builtin_cpu_supports("avx512bf16");
}

/* Of Intel's, an Emerald Rapids issues half as many vdpbf16ps as fused multiply-adds, so that
 * nothing is left to pay for the rounding. */
static bool is_slow_at_bf16(void) {
    return __builtin_cpu_is("intel");
}

static bool runs_avx512bf16(void) {
    return has_avx512bf16() && !is_slow_at_bf16();
}

static bool runs_avx512bf16_slowly(void) {
    return has_avx512bf16() && is_slow_at_bf16();
}

#if defined(VGG_AMX)
/* Linux keeps tiles for a process that asks for them, once for all its threads, and says before
 * whether it can. */
#define ARCH_GET_XCOMP_SUPP 0x1021
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILE_DATA 18

static bool has_amx(void) {
    unsigned a, b, c, d;
    const unsigned bf16 = 1u << 22, tile = 1u << 24, int8 = 1u << 25;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (~d & (bf16 | tile | int8)) == 0;
}

static bool system_has_tiles(void) {
    uint64_t features = 0;
    return syscall(SYS_arch_prctl, ARCH_GET_XCOMP_SUPP, &features) == 0 &&
           (features >> XFEATURE_TILE_DATA & 1) != 0;
}

static bool runs_amx(void) {
    return has_avx512bf16() && has_amx() && system_has_tiles();
}
#endif

static bool runs_avx512vnni(void) {
    return runs_avx512() && has_vnni() && !__builtin_cpu_supports("avx512bf16");
}

static bool runs_avx512_alone(void) {
    return runs_avx512() && !has_vnni();
}
#endif

static bool runs_anywhere(void) {
    return true;
}

static const struct tier {
    const vgg_kernels *kernels;
    bool (*runs)(void);
} tiers[] = {
#if defined(VGG_AMX)
    {&amx_kernels, runs_amx},
#endif
#if defined(VGG_X86)
    {&avx512bf16_kernels, runs_avx512bf16},
    {&avx512bf16_slow_kernels, runs_avx512bf16_slowly},
    {&avx512vnni_kernels, runs_avx512vnni},
    {&avx512_kernels, runs_avx512_alone},
    {&avx2_kernels, runs_avx2},
#endif
    {&portable_kernels, runs_anywhere},
    {&ref_kernels, runs_anywhere},
};

#define TIERS (sizeof tiers / sizeof *tiers)

const vgg_kernels *vgg_kernels_at(size_t index) {
    for (size_t i = 0; i < TIERS; i++) {
        if (tiers[i].runs() && index-- == 0)
            return tiers[i].kernels;
    }
    return NULL;
}

/* The one global state of the library: the table, chosen once, or why there is none. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const vgg_kernels *chosen;
static vgg_error failure;

static void choose(void) {
    const char *wanted = getenv("VGG_CPU");
    if (wanted == NULL || *wanted == '\0') {
        chosen = vgg_kernels_at(0);
        return;
    }
    bool known = false;
    for (size_t i = 0; i < TIERS && chosen == NULL; i++) {
        if (strcmp(tiers[i].kernels->tier, wanted) != 0)
            continue;
        known = true;
        chosen = tiers[i].runs() ? tiers[i].kernels : NULL;
    }
    if (chosen != NULL)
        return;
    if (known) {
        vgg_fail(&failure, VGG_ERROR_UNSUPPORTED,
                 "VGG_CPU is %s, which this processor cannot run; the best it can is %s", wanted,
                 vgg_kernels_at(0)->tier);
        return;
    }
    vgg_fail(&failure, VGG_ERROR_ARGUMENT,
             "VGG_CPU is \"%s\", expected ref, portable, avx2, avx512 or amx", wanted);
}

vgg_status vgg_kernels_get(const vgg_kernels **kernels, vgg_error *error) {
    pthread_once(&once, choose);
    if (chosen == NULL)
        return vgg_fail(error, failure.status, "%s", failure.message);
    *kernels = chosen;
    return VGG_OK;
}

vgg_status vgg_kernels_permit(const vgg_kernels *kernels, vgg_error *error) {
#if defined(VGG_AMX)
    if (kernels == &amx_kernels &&
        syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILE_DATA) != 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "the operating system gives this process no tiles of AMX%s; with "
                        "VGG_CPU=avx512 none are needed",
                        errno == ENOSPC ? ", since a thread has too small a stack for signals"
                                        : "");
#endif
    (void)kernels, (void)error;
    return VGG_OK;
}
