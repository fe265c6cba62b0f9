/* What a reader took for granted or passed over, for whoever opens the file. */
#ifndef VGG_FORMATS_REMARKS_H
#define VGG_FORMATS_REMARKS_H

#include <stdbool.h>
#include <stddef.h>

/* Start with {0}. */
typedef struct vgg_remarks {
    char **lines; /* without the file's name */
    size_t count;
} vgg_remarks;

/* False when memory ran out. */
bool vgg_remarks_add(vgg_remarks *remarks, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void vgg_remarks_free(vgg_remarks *remarks);

#endif
