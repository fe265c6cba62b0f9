#include "buffers.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"
#include "vgg_test.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

enum { BUFFERS = 128, CANARY = 0xff, POISON_BYTE = 0xa5 };

static const uint32_t POISON_FLOAT = 0x7fc5a5a5;

/* page | head: canaries | data | tail: canaries, less than a cache line | page */
typedef struct guarded {
    unsigned char *map, *data;
    size_t map_bytes, bytes, head, tail;
} guarded;

static guarded buffers[BUFFERS];
static size_t buffer_count;

static char description[256];
static const char *running_kernel, *running_tier;

static uint64_t draw_seed, draw_count;

/* ---- guarded buffers ---- */

static const guarded *find(const void *data) {
    for (size_t i = 0; i < buffer_count; i++) {
        if (buffers[i].data == data)
            return &buffers[i];
    }
    fail_msg("not a guarded buffer: %p", data);
    return NULL;
}

static void close_gaps(const guarded *b) {
    ASAN_POISON_MEMORY_REGION(b->data - b->head, b->head);
    ASAN_POISON_MEMORY_REGION(b->data + b->bytes, b->tail);
}

static void open_gaps(const guarded *b) {
    ASAN_UNPOISON_MEMORY_REGION(b->data - b->head, b->head);
    ASAN_UNPOISON_MEMORY_REGION(b->data + b->bytes, b->tail);
}

static void *guard(size_t bytes) {
    if (buffer_count == BUFFERS)
        fail_msg("more than %d guarded buffers", BUFFERS);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = vgg_round_up(bytes, VGG_ALIGNMENT);
    size_t body = vgg_round_up(used + VGG_ALIGNMENT, page);
    unsigned char *map = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, body, PROT_READ | PROT_WRITE) != 0)
        fail_msg("no memory for a guarded buffer of %zu bytes", bytes);
    guarded *b = &buffers[buffer_count++];
    *b = (guarded){.map = map,
                   .data = map + page + body - used,
                   .map_bytes = body + 2 * page,
                   .bytes = bytes,
                   .head = body - used,
                   .tail = used - bytes};
    memset(b->data - b->head, CANARY, body);
    close_gaps(b);
    return b->data;
}

float *vgg_guarded_floats(size_t count) {
    float *values = guard(count * sizeof *values);
    vgg_poison(values, count * sizeof *values, sizeof *values);
    return values;
}

uint8_t *vgg_guarded_bytes(size_t count) {
    uint8_t *values = guard(count);
    vgg_poison(values, count, 1);
    return values;
}

vgg_choice *vgg_guarded_choices(size_t count) {
    return (vgg_choice *)(void *)vgg_guarded_floats(count);
}

void *vgg_guarded_copy(const void *data) {
    if (data == NULL)
        return NULL;
    size_t bytes = find(data)->bytes;
    return memcpy(guard(bytes), data, bytes);
}

float *vgg_guarded_absolute(const float *values) {
    float *copy = vgg_guarded_copy(values);
    for (size_t i = 0; copy != NULL && i < vgg_guarded_size(values) / sizeof *copy; i++) {
        copy[i] = fabsf(copy[i]);
    }
    return copy;
}

void vgg_guarded_lock(const void *data) {
    const guarded *b = find(data);
    if (mprotect(b->data - b->head, b->head + b->bytes + b->tail, PROT_READ) != 0)
        fail_msg("cannot make a buffer read-only");
}

size_t vgg_guarded_size(const void *data) {
    return find(data)->bytes;
}

void vgg_poison(void *data, size_t bytes, size_t size) {
    if (size == 1) {
        memset(data, POISON_BYTE, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i += sizeof POISON_FLOAT) {
        memcpy((unsigned char *)data + i, &POISON_FLOAT, sizeof POISON_FLOAT);
    }
}

bool vgg_poisoned(const void *value, size_t size) {
    if (size == 1)
        return *(const uint8_t *)value == POISON_BYTE;
    return memcmp(value, &POISON_FLOAT, sizeof POISON_FLOAT) == 0;
}

static void check_gap(const guarded *b, const unsigned char *gap, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        if (gap[i] != CANARY)
            vgg_kernel_fail(running_kernel, running_tier, "wrote byte %td of a buffer of %zu bytes",
                            gap + i - b->data, b->bytes);
    }
}

void vgg_guarded_check(void) {
    for (const guarded *b = buffers; b < buffers + buffer_count; b++) {
        open_gaps(b);
        check_gap(b, b->data - b->head, b->head);
        check_gap(b, b->data + b->bytes, b->tail);
        close_gaps(b);
    }
}

void vgg_guarded_free(void) {
    while (buffer_count > 0) {
        const guarded *b = &buffers[--buffer_count];
        open_gaps(b);
        munmap(b->map, b->map_bytes);
    }
}

/* ---- the test that runs ---- */

void vgg_describe(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(description, sizeof description, format, arguments);
    va_end(arguments);
}

void vgg_describe_conv(const vgg_conv_shape *shape) {
    vgg_describe("%zu images, %zu%s -> %zu channels, %zu x %zu, kernel %zu, crop %td",
                 shape->images, shape->inputs, shape->plain ? " plain" : "", shape->outputs,
                 shape->height, shape->width, shape->kernel, shape->crop);
}

void vgg_running(const char *kernel, const char *tier) {
    running_kernel = kernel;
    running_tier = tier;
}

void vgg_kernel_fail(const char *kernel, const char *tier, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vgg_running(NULL, NULL);
    fail_msg("%s of tier %s, %s: %s (VGG_TEST_SEED=%llu)", kernel, tier, description, text,
             (unsigned long long)draw_seed);
    abort();
}

int vgg_teardown(void **state) {
    (void)state;
    if (running_kernel != NULL)
        print_error("%s of tier %s crashed on %s (VGG_TEST_SEED=%llu)\n", running_kernel,
                    running_tier, description, (unsigned long long)draw_seed);
    vgg_running(NULL, NULL);
    vgg_guarded_free();
    return 0;
}

/* ---- random numbers ---- */

void vgg_draw_start(void) {
    const char *text = getenv("VGG_TEST_SEED");
    draw_seed = text != NULL ? strtoull(text, NULL, 0) : 20140904;
    print_message("VGG_TEST_SEED=%llu\n", (unsigned long long)draw_seed);
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        vgg_error error;
        assert_ok(vgg_kernels_permit(vgg_kernels_at(i), &error), error);
    }
}

size_t vgg_draw(size_t low, size_t high) {
    return low + (size_t)vgg_random_below(high - low + 1, draw_seed, 0, draw_count++);
}

bool vgg_draw_chance(size_t one_in) {
    return vgg_draw(1, one_in) == 1;
}

double vgg_draw_real(double low, double high) {
    return low + (high - low) * vgg_random_unit(draw_seed, 0, draw_count++);
}

size_t vgg_draw_channels(void) {
    static const size_t edges[] = {1, 3, 15, 16, 17, 31, 32, 33};
    if (vgg_draw_chance(2))
        return edges[vgg_draw(0, sizeof edges / sizeof edges[0] - 1)];
    return vgg_draw(1, 40);
}

vgg_conv_shape vgg_draw_conv(size_t images, size_t height, size_t width) {
    vgg_conv_shape shape = {.images = vgg_draw(1, images),
                            .inputs = vgg_draw_channels(),
                            .outputs = vgg_draw_channels(),
                            .height = vgg_draw(1, height),
                            .width = vgg_draw(1, width),
                            .kernel = vgg_draw_chance(4) ? 1 : 3,
                            .plain = vgg_draw_chance(3)};
    return shape;
}

void vgg_draw_crop(vgg_conv_shape *shape) {
    if (shape->kernel != 3)
        return;
    shape->crop = (ptrdiff_t)vgg_draw(0, 2) - 1;
    shape->height = vgg_size_max(shape->height, shape->crop < 0 ? 3 : 1);
    shape->width = vgg_size_max(shape->width, shape->crop < 0 ? 3 : 1);
}

size_t vgg_conv_in_pixels(const vgg_conv_shape *shape) {
    return vgg_conv_in_height(shape) * vgg_conv_in_width(shape);
}

vgg_ranges vgg_draw_ranges(size_t units, size_t most) {
    vgg_ranges ranges = {.count = vgg_size_min(units, vgg_size_min(most, VGG_MOST_RANGES))};
    size_t begin = 0;
    for (size_t r = 0; r < ranges.count; r++) {
        size_t behind = ranges.count - 1 - r; /* each of which gets a unit at least */
        size_t end = behind == 0 ? units : vgg_draw(begin + 1, units - behind);
        size_t place = vgg_draw(0, r);
        ranges.begin[r] = ranges.begin[place];
        ranges.end[r] = ranges.end[place];
        ranges.begin[place] = begin;
        ranges.end[place] = end;
        begin = end;
    }
    return ranges;
}

float vgg_draw_value(void) {
    float size = (float)vgg_draw_real(0.5, 1);
    return vgg_draw_chance(2) ? size : -size;
}

float *vgg_draw_floats(size_t count) {
    float *values = vgg_guarded_floats(count);
    for (size_t i = 0; i < count; i++) {
        values[i] = vgg_draw_value();
    }
    return values;
}

float *vgg_draw_blocked(size_t images, size_t channels, size_t pixels) {
    size_t count = vgg_blocked_size(images, channels, pixels);
    float *values = vgg_guarded_floats(count);
    memset(values, 0, count * sizeof *values);
    for (size_t n = 0; n < images; n++) {
        for (size_t c = 0; c < channels; c++) {
            for (size_t p = 0; p < pixels; p++) {
                values[vgg_blocked_at(channels, pixels, n, c, p)] = vgg_draw_value();
            }
        }
    }
    return values;
}

size_t vgg_blocked_at(size_t channels, size_t pixels, size_t image, size_t channel, size_t pixel) {
    size_t block = image * vgg_blocks(channels) + channel / VGG_BLOCK;
    return (block * pixels + pixel) * VGG_BLOCK + channel % VGG_BLOCK;
}

vgg_choice *vgg_draw_choices(size_t images, size_t channels, size_t pixels) {
    size_t blocks = vgg_blocks(channels), count = images * blocks * pixels;
    vgg_choice *choices = vgg_guarded_choices(count);
    for (size_t i = 0; i < count; i++) {
        size_t lanes = vgg_size_min(VGG_BLOCK, channels - i / pixels % blocks * VGG_BLOCK);
        unsigned kept = (1u << lanes) - 1;
        choices[i] = (vgg_choice){.columns = (uint16_t)(vgg_draw(0, 0xffff) & kept),
                                  .rows = (uint16_t)(vgg_draw(0, 0xffff) & kept)};
    }
    return choices;
}
