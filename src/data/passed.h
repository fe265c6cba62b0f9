/* What a data set leaves out, counted by kind, so that it can be said in one line. */
#ifndef VGG_DATA_PASSED_H
#define VGG_DATA_PASSED_H

#include <stddef.h>

#include "base/text.h"

/* Kinds that no ending of a file's name tells. */
typedef enum vgg_passed_kind {
    VGG_PASSED_PLAIN,    /* files whose names have no ending */
    VGG_PASSED_HIDDEN,   /* files whose names begin with a dot */
    VGG_PASSED_LOOSE,    /* pictures that are in no class */
    VGG_PASSED_UNLISTED, /* pictures that a table of labels does not name */
    VGG_PASSED_MISSING,  /* lines of a table whose picture is not there */
    VGG_PASSED_REPEATED, /* lines of a table that say again what was said */
    VGG_PASSED_KINDS,
} vgg_passed_kind;

#define VGG_PASSED_ENDINGS 24

/* Start with {0}; vgg_passed_clear ends it. */
typedef struct vgg_passed {
    struct {
        char ending[16]; /* in small letters, with its dot */
        size_t count;
    } endings[VGG_PASSED_ENDINGS];
    size_t ending_count;
    size_t kinds[VGG_PASSED_KINDS];
    size_t others;    /* files with further endings */
    vgg_text folders; /* "folder a/, folder b/ (why)" */
    size_t folder_count;
} vgg_passed;

void vgg_passed_clear(vgg_passed *passed);

/* A file, by the ending of its name. */
void vgg_passed_file(vgg_passed *passed, const char *name);
void vgg_passed_count(vgg_passed *passed, vgg_passed_kind kind);
/* A folder with all that is in it, by its path below the data; `why` may be NULL. */
void vgg_passed_folder(vgg_passed *passed, const char *path, const char *why);

/* "left out: 4 .bmp, 2 hidden files, folder extra/"; empty when that is nothing. */
void vgg_passed_text(const vgg_passed *passed, vgg_text *text);

#endif
