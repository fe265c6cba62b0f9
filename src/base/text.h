/* Text: a growing buffer, and sizes for people. */
#ifndef VGG_BASE_TEXT_H
#define VGG_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A text that grows. Start with {0}. When memory runs out `failed` is set, further additions do
 * nothing, and vgg_text_take returns NULL: callers check once, at the end. */
typedef struct vgg_text {
    char *data;
    size_t length, capacity;
    bool failed;
} vgg_text;

void vgg_text_add(vgg_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void vgg_text_add_bytes(vgg_text *text, const char *bytes, size_t count);
/* Hands the zero-terminated text to the caller, who frees it; NULL when memory ran out. */
char *vgg_text_take(vgg_text *text);
void vgg_text_free(vgg_text *text);

/* A copy of a string that the caller frees; NULL when memory ran out. */
char *vgg_text_copy(const char *string);

/* Whether the text is UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool vgg_utf8_valid(const char *text);

#define VGG_SIZE_TEXT 32
/* Writes "812 bytes", "34.5 MB" or "1.2 GB" (MB and GB are powers of 1024); returns buffer. */
const char *vgg_size_text(char buffer[VGG_SIZE_TEXT], size_t bytes);

/* The entry of `names` (count of them) that is closest to `word` by edit distance, or NULL when
 * none is close enough to be a likely slip. */
const char *vgg_text_nearest(const char *word, const char *const *names, size_t count);

/* The number of the entry of `names` (count of them, of which some may be NULL) that is `name`;
 * count when none is. */
size_t vgg_text_find(const char *name, const char *const *names, size_t count);

#endif
