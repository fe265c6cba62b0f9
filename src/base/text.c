#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "vgg/status.h"

static bool grow(vgg_text *text, size_t extra) {
    if (text->failed)
        return false;
    size_t needed = text->length + extra + 1;
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity < 64 ? 64 : text->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = vgg_realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void vgg_text_add(vgg_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !grow(text, (size_t)length))
        return;
    va_start(arguments, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

void vgg_text_add_bytes(vgg_text *text, const char *bytes, size_t count) {
    if (!grow(text, count))
        return;
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

char *vgg_text_take(vgg_text *text) {
    char *data = NULL;
    if (grow(text, 0)) {
        text->data[text->length] = '\0';
        data = text->data;
        text->data = NULL;
    }
    vgg_text_free(text);
    return data;
}

void vgg_text_free(vgg_text *text) {
    vgg_free(text->data);
    *text = (vgg_text){0};
}

void vgg_string_free(char *text) {
    vgg_free(text);
}

char *vgg_text_copy(const char *string) {
    size_t size = strlen(string) + 1;
    char *copy = vgg_malloc(size);
    if (copy != NULL)
        memcpy(copy, string, size);
    return copy;
}

const char *vgg_size_text(char buffer[VGG_SIZE_TEXT], size_t bytes) {
    const double mb = 1024.0 * 1024.0;
    double size = (double)bytes;
    if (bytes < 10000)
        snprintf(buffer, VGG_SIZE_TEXT, "%zu bytes", bytes);
    else if (size < 1000.0 * mb)
        snprintf(buffer, VGG_SIZE_TEXT, "%.1f MB", size / mb);
    else
        snprintf(buffer, VGG_SIZE_TEXT, "%.1f GB", size / (1024.0 * mb));
    return buffer;
}

#define LONGEST_WORD 63

static size_t edit_distance(const char *a, const char *b) {
    size_t row[LONGEST_WORD + 1];
    size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; *a != '\0'; i++, a++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t best = diagonal + (*a != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[length];
}

const char *vgg_text_nearest(const char *word, const char *const *names, size_t count) {
    const char *nearest = NULL;
    size_t best = strlen(word) / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) > LONGEST_WORD || strlen(word) > LONGEST_WORD)
            continue;
        size_t distance = edit_distance(word, names[i]);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

bool vgg_utf8_valid(const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    while (*c != 0) {
        size_t following = *c < 0x80 ? 0 : *c < 0xe0 ? 1 : *c < 0xf0 ? 2 : 3;
        if ((*c >= 0x80 && *c < 0xc2) || *c > 0xf4)
            return false;
        /* The second byte of these leads has a narrower range. */
        unsigned char least = *c == 0xe0 ? 0xa0 : *c == 0xf0 ? 0x90 : 0x80;
        unsigned char most = *c == 0xed ? 0x9f : *c == 0xf4 ? 0x8f : 0xbf;
        c++;
        for (size_t i = 0; i < following; i++, c++) {
            if (*c < least || *c > most)
                return false;
            least = 0x80;
            most = 0xbf;
        }
    }
    return true;
}

size_t vgg_text_find(const char *name, const char *const *names, size_t count) {
    size_t i = 0;
    while (i < count && (names[i] == NULL || strcmp(names[i], name) != 0)) {
        i++;
    }
    return i;
}
