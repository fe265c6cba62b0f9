/* Tiles of AMX: eight registers of 16 rows of 64 bytes. The compiler knows nothing of what they
 * read and write but by the barriers here. */
#ifndef VGG_KERNELS_AMX_H
#define VGG_KERNELS_AMX_H

#include "kernels/tier.h"

#define AMX_ROWS 16
#define AMX_ROW_BYTES 64
#define AMX_BYTES (AMX_ROWS * AMX_ROW_BYTES)

/* Rows of the eight registers, and bytes of one. */
typedef struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} amx_config;

/* All of full size. */
VGG_INLINE amx_config amx_full(void) {
    amx_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = AMX_ROW_BYTES;
        config.rows[i] = AMX_ROWS;
    }
    return config;
}

/* For a thread, until amx_end: as long as a thread has tiles in use, each change to another one
 * stores them. */
VGG_INLINE void amx_configure(const amx_config *config) {
    __asm__ volatile("ldtilecfg %0" ::"m"(*config));
}

VGG_INLINE void amx_begin(void) {
    amx_config config = amx_full();
    amx_configure(&config);
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

/* The same of bytes, those of a unsigned: rows of 64 and of 16 times four, and sums of 32 bits. */
#define AMX_UNSIGNED_INT8(sum, a, b)                                                               \
    __asm__ volatile("tdpbusd %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::)

#endif
