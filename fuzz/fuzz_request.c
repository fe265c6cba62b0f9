/* libFuzzer's entry for what the server takes apart itself. The first byte says of which kind the
 * rest is: a form with its content type, JSON with tensors in it, or base64.
 * Whatever is found lies within what was given, and taking the numbers out of JSON leaves JSON. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/serve/base64.h"
#include "cli/serve/json_numbers.h"
#include "cli/serve/multipart.h"

#define PARTS 8
#define NUMBERS 1000

static void insist(bool holds) {
    if (!holds)
        abort();
}

static void insist_within(const void *at, size_t size, const unsigned char *bytes, size_t all) {
    const unsigned char *begin = at;
    insist(begin >= bytes && begin <= bytes + all && size <= (size_t)(bytes + all - begin));
}

/* A line with the content type, and the body behind it. */
static void read_form(unsigned char *bytes, size_t size) {
    char boundary[VGG_SERVE_BOUNDARY_SIZE];
    vgg_serve_part parts[PARTS];
    size_t count = 0;
    unsigned char *line = memchr(bytes, '\n', size);
    if (line == NULL)
        return;
    *line = '\0';
    unsigned char *body = line + 1;
    size_t left = size - (size_t)(body - bytes);
    if (!vgg_serve_multipart_type((const char *)bytes, boundary))
        return;
    insist(strlen(boundary) < sizeof boundary);
    const char *problem = vgg_serve_multipart_parse(body, left, boundary, parts, PARTS, &count);
    insist(problem == NULL || *problem != '\0');
    insist(count <= PARTS);
    for (size_t i = 0; i < count; i++) {
        insist_within(parts[i].content, parts[i].size, body, left);
        if (*parts[i].name != '\0')
            insist_within(parts[i].name, strlen(parts[i].name) + 1, body, left);
        if (parts[i].file != NULL)
            insist_within(parts[i].file, strlen(parts[i].file) + 1, body, left);
    }
}

static void read_json(char *text, size_t size) {
    vgg_serve_numbers numbers = {0};
    json_t *before = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const char *problem = vgg_serve_json_take_numbers(text, size, NUMBERS, &numbers);
    insist(numbers.count <= NUMBERS && numbers.arrays <= VGG_SERVE_ARRAYS_MOST);
    for (size_t i = 0; i < numbers.arrays; i++) {
        insist(numbers.ends[i] <= numbers.count &&
               (i == 0 || numbers.ends[i - 1] < numbers.ends[i]));
    }
    if (problem == NULL && before != NULL) {
        json_t *after = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
        insist(after != NULL);
        json_decref(after);
    }
    json_decref(before);
    free(numbers.values);
}

static void read_base64(const char *text, size_t size) {
    unsigned char *bytes = malloc(size / 4 * 3 + 3);
    size_t found = 0;
    if (bytes != NULL && vgg_serve_base64_decode(text, size, bytes, &found))
        insist(found <= size / 4 * 3 + 2);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t left = size - 1;
    unsigned char *copy = malloc(left + 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, data + 1, left);
    copy[left] = '\0';
    switch (data[0] % 3) {
    case 0:
        read_form(copy, left);
        break;
    case 1:
        read_json((char *)copy, left);
        break;
    default:
        read_base64((const char *)copy, left);
    }
    free(copy);
    return 0;
}
