/* Sums that tell whether bytes are still what they were: XXH64 with seed 0, as published at
 * xxhash.com, which `xxhsum -H1` computes as well. It finds damage, not forgery, at the speed of
 * memory. */
#ifndef VGG_BASE_CHECKSUM_H
#define VGG_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* A sum on its way; bytes may come in pieces of any size. */
typedef struct vgg_checksum {
    uint64_t lanes[4];
    uint64_t length;           /* bytes so far */
    unsigned char waiting[32]; /* bytes of a stripe that is not full: length % 32 of them */
} vgg_checksum;

void vgg_checksum_begin(vgg_checksum *sum);
void vgg_checksum_add(vgg_checksum *sum, const void *bytes, size_t size);
/* The sum of the bytes so far; more may be added afterwards. */
uint64_t vgg_checksum_end(const vgg_checksum *sum);

/* Of bytes that are all there. */
uint64_t vgg_checksum_of(const void *bytes, size_t size);

#endif
