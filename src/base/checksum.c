#include "base/checksum.h"

#include <string.h>

#include "base/memory.h"

/* The primes of the algorithm. */
#define PRIME_1 UINT64_C(0x9E3779B185EBCA87)
#define PRIME_2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define PRIME_3 UINT64_C(0x165667B19E3779F9)
#define PRIME_4 UINT64_C(0x85EBCA77C2B2AE63)
#define PRIME_5 UINT64_C(0x27D4EB2F165667C5)

#define STRIPE ((size_t)32)

static uint64_t rotate(uint64_t value, unsigned bits) {
    return value << bits | value >> (64 - bits);
}

static uint64_t word_at(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t mix(uint64_t lane, uint64_t word) {
    return rotate(lane + word * PRIME_2, 31) * PRIME_1;
}

static uint64_t merge(uint64_t sum, uint64_t lane) {
    return (sum ^ mix(0, lane)) * PRIME_1 + PRIME_4;
}

void vgg_checksum_begin(vgg_checksum *sum) {
    *sum = (vgg_checksum){.lanes = {PRIME_1 + PRIME_2, PRIME_2, 0, -PRIME_1}};
}

/* Whole stripes. The lanes do not wait for one another. */
static void add_stripes(uint64_t lanes[4], const unsigned char *bytes, size_t stripes) {
    uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
    for (size_t i = 0; i < stripes; i++, bytes += STRIPE) {
        a = mix(a, word_at(bytes));
        b = mix(b, word_at(bytes + 8));
        c = mix(c, word_at(bytes + 16));
        d = mix(d, word_at(bytes + 24));
    }
    lanes[0] = a;
    lanes[1] = b;
    lanes[2] = c;
    lanes[3] = d;
}

void vgg_checksum_add(vgg_checksum *sum, const void *data, size_t size) {
    const unsigned char *bytes = data;
    size_t waiting = sum->length % STRIPE;
    sum->length += size;
    if (waiting > 0) {
        size_t taken = vgg_size_min(STRIPE - waiting, size);
        memcpy(sum->waiting + waiting, bytes, taken);
        if (waiting + taken < STRIPE)
            return;
        add_stripes(sum->lanes, sum->waiting, 1);
        bytes += taken;
        size -= taken;
    }
    add_stripes(sum->lanes, bytes, size / STRIPE);
    if (size % STRIPE > 0)
        memcpy(sum->waiting, bytes + size / STRIPE * STRIPE, size % STRIPE);
}

/* The bytes of the last, incomplete stripe. */
static uint64_t add_rest(uint64_t sum, const unsigned char *bytes, size_t size) {
    for (; size >= 8; bytes += 8, size -= 8) {
        sum = rotate(sum ^ mix(0, word_at(bytes)), 27) * PRIME_1 + PRIME_4;
    }
    if (size >= 4) {
        uint32_t half;
        memcpy(&half, bytes, sizeof half);
        sum = rotate(sum ^ half * PRIME_1, 23) * PRIME_2 + PRIME_3;
        bytes += 4;
        size -= 4;
    }
    for (; size > 0; bytes++, size--) {
        sum = rotate(sum ^ *bytes * PRIME_5, 11) * PRIME_1;
    }
    return sum;
}

uint64_t vgg_checksum_end(const vgg_checksum *state) {
    const uint64_t *lanes = state->lanes;
    uint64_t sum = PRIME_5;
    if (state->length >= STRIPE) {
        sum =
            rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
        for (size_t i = 0; i < 4; i++) {
            sum = merge(sum, lanes[i]);
        }
    }
    sum = add_rest(sum + state->length, state->waiting, state->length % STRIPE);
    sum = (sum ^ sum >> 33) * PRIME_2;
    sum = (sum ^ sum >> 29) * PRIME_3;
    return sum ^ sum >> 32;
}

uint64_t vgg_checksum_of(const void *bytes, size_t size) {
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, bytes, size);
    return vgg_checksum_end(&sum);
}
