/* Tiles of AMX: eight registers of 16 rows of 64 bytes. The compiler knows nothing of what they
 * read and write but by the barriers here. */
#ifndef VGG_KERNELS_AMX_H
#define VGG_KERNELS_AMX_H

#include "kernels/tier.h"

#define AMX_ROWS 16
#define AMX_ROW_BYTES 64
#define AMX_BYTES (AMX_ROWS * AMX_ROW_BYTES)

/* All registers of full size, for a thread, until amx_end: as long as a thread has tiles in use,
 * each change to another one stores them. */
VGG_INLINE void amx_begin(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = AMX_ROW_BYTES;
        config.rows[i] = AMX_ROWS;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

VGG_INLINE void amx_end(void) {
    __asm__ volatile("tilerelease" ::: "memory");
}

/* What was stored before is there for tiles to load. */
VGG_INLINE void amx_barrier(void) {
    __asm__ volatile("" ::: "memory");
}

#define AMX_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::)
#define AMX_LOAD(tile, from, stride)                                                               \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"((size_t)(stride)))
#define AMX_STORE(tile, to, stride)                                                                \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"((size_t)(stride))       \
                     : "memory")
/* sum += a * b: a of 16 rows of 32 numbers of bfloat16, b of 16 rows of 16 pairs of them, sum of 16
 * rows of 16 floats. */
#define AMX_BF16(sum, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::)

#endif
