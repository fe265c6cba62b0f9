/* The double's memory: one stretch of addresses that nobody may touch but in calls. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "double.h"

#define REGION ((size_t)64 << 30)
#define ALIGNMENT ((size_t)4096)

/* Blocks in the order of their places. */
typedef struct block {
    size_t at, bytes, asked;
    struct block *next;
} block;

static struct {
    pthread_mutex_t lock;
    char *region;
    block *blocks;
    size_t used, limit, count, high;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER, .limit = (size_t)8 << 30};

static void die(const char *what) {
    fprintf(stderr, "the double of the device: %s\n", what);
    abort();
}

void vgg_double_enter(void) {
    pthread_mutex_lock(&memory.lock);
    if (memory.region == NULL)
        memory.region =
            mmap(NULL, REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory.region == MAP_FAILED)
        die("no addresses are left");
    if (memory.high > 0)
        mprotect(memory.region, memory.high, PROT_READ | PROT_WRITE);
}

void vgg_double_leave(void) {
    if (memory.high > 0)
        mprotect(memory.region, memory.high, PROT_NONE);
    pthread_mutex_unlock(&memory.lock);
}

void *vgg_double_take(size_t asked) {
    size_t bytes = (asked + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, at = 0;
    if (asked == 0)
        die("a block of nothing is taken");
    if (bytes > memory.limit - memory.used)
        return NULL;
    block **place = &memory.blocks;
    while (*place != NULL && (*place)->at - at < bytes) {
        at = (*place)->at + (*place)->bytes;
        place = &(*place)->next;
    }
    block *taken = malloc(sizeof *taken);
    if (at + bytes > REGION || taken == NULL)
        die("no addresses are left");
    *taken = (block){at, bytes, asked, *place};
    *place = taken;
    memory.used += bytes;
    memory.count++;
    if (at + bytes > memory.high)
        memory.high = at + bytes;
    mprotect(memory.region, memory.high, PROT_READ | PROT_WRITE);
    memset(memory.region + at, 0xff, bytes); /* not a number in any element */
    return memory.region + at;
}

void vgg_double_give_back(void *given) {
    block **place = &memory.blocks;
    while (*place != NULL && memory.region + (*place)->at != (char *)given) {
        place = &(*place)->next;
    }
    block *found = *place;
    if (found == NULL)
        die("memory is given back that was not taken");
    *place = found->next;
    madvise(memory.region + found->at, found->bytes, MADV_DONTNEED);
    memory.used -= found->bytes;
    memory.count--;
    free(found);
}

size_t vgg_double_left(void) {
    return memory.limit - memory.used;
}

size_t vgg_double_blocks(void) {
    return memory.count;
}

size_t vgg_double_bytes(void) {
    return memory.used;
}

void vgg_double_limit(size_t bytes) {
    memory.limit = bytes;
}

static size_t place_of(const void *address) {
    return (size_t)((uintptr_t)address - (uintptr_t)memory.region);
}

void vgg_double_check_device(const void *address, size_t bytes) {
    size_t at = place_of(address);
    const block *b = memory.blocks;
    while (b != NULL && !(at >= b->at && at - b->at < b->asked)) {
        b = b->next;
    }
    if (b == NULL)
        die("an address is not of the device");
    if (bytes > b->asked - (at - b->at))
        die("a block is shorter than what is done to it");
}

void vgg_double_check_host(const void *address, size_t bytes) {
    if (bytes > 0 && place_of(address) < REGION)
        die("an address of the device is used for one of the host");
}
