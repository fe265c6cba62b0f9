/* Who may ask: the keys of --api-key-file. */
#ifndef VGG_SERVE_KEYS_H
#define VGG_SERVE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct vgg_serve_keys {
    char *text;   /* of the file, each line ended by a zero */
    char **lines; /* those that are keys */
    size_t count; /* 0: there is no file, and everybody may ask */
} vgg_serve_keys;

/* Reads a key from each line that is neither empty nor begins with #. False when there is none,
 * which is complained about. Start with {0}. */
bool vgg_serve_keys_load(vgg_serve_keys *keys, const char *path);
void vgg_serve_keys_free(vgg_serve_keys *keys);

/* Whether a header, "Bearer KEY", has one of the keys, in a time that says nothing about them.
 * NULL: there is no header. */
bool vgg_serve_keys_fit(const vgg_serve_keys *keys, const char *header);

#endif
