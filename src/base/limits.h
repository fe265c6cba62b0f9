/* What a file may ask for at most. Every limit is checked before the memory or time is spent that
 * it bounds; those of the size of a picture stand in vgg/image.h, for callers to see.
 *
 * Ratios bound what a small file may make of itself. They follow from the formats: a file that says
 * more than its bytes can hold is cut short. */
#ifndef VGG_BASE_LIMITS_H
#define VGG_BASE_LIMITS_H

#include <stddef.h>

/* Bytes of an encoded picture: an uncompressed one of VGG_IMAGE_MAX_PIXELS still fits. */
#define VGG_LIMIT_PICTURE_BYTES ((size_t)2 << 30)

/* What a decoder may take beside the picture that comes out: as much as the largest pictures need,
 * but little for a small file, which needs more only when it is one blank area. */
#define VGG_LIMIT_DECODER_BYTES ((size_t)1 << 30)
#define VGG_LIMIT_DECODER_SLACK ((size_t)128 << 20)
#define VGG_LIMIT_DECODER_RATIO ((size_t)1000)

/* Deflate makes at most 1032 bytes of one (zlib's technical notes). */
#define VGG_LIMIT_DEFLATE_RATIO ((size_t)1032)

/* What a compressed archive may unpack to, and a small one: honest pictures hardly shrink. */
#define VGG_LIMIT_UNPACKED_BYTES ((size_t)64 << 30)
#define VGG_LIMIT_UNPACKED_SLACK ((size_t)64 << 20)
#define VGG_LIMIT_UNPACKED_RATIO ((size_t)1000)

/* Of an archive: its entries (the largest set of pictures, ImageNet-21k, has 14 million), the bytes
 * of a path as the kernel has it, and folders within folders. */
#define VGG_LIMIT_ENTRIES ((size_t)50000000)
#define VGG_LIMIT_PATH_BYTES ((size_t)4096)
#define VGG_LIMIT_DEPTH ((size_t)64)

/* The first picture of a GIF may be a small part of the whole, which has no bytes elsewhere. A
 * whole with more pixels than the picture's bytes can hold has so many at most. */
#define VGG_LIMIT_GIF_WHOLE_PIXELS ((size_t)16 << 20)

/* Values within values of a JSON text: a description by Keras has some fifteen, and a few more for
 * each model within a model. */
#define VGG_LIMIT_JSON_DEPTH ((size_t)512)

/* Bytes of a table of labels: some ten million lines. */
#define VGG_LIMIT_TABLE_BYTES ((size_t)1 << 30)

/* What one chunk of a PNG beside its pixels may unfold to, and how many are kept: palettes and EXIF
 * blocks are far smaller. */
#define VGG_LIMIT_PNG_CHUNK_BYTES ((size_t)8 << 20)
#define VGG_LIMIT_PNG_CHUNKS 16

/* A progressive JPEG comes in some ten scans. Each passes over the whole picture, however few bytes
 * it has: large ones are held to this many pixels in all their scans. */
#define VGG_LIMIT_JPEG_SCANS 100
#define VGG_LIMIT_JPEG_SCANS_LEAST 20
#define VGG_LIMIT_JPEG_SCANNED ((size_t)2000000000)

#endif
