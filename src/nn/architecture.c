#include "nn/architecture.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Table 1 of the paper. A-LRN normalises after the first convolution. */
static const vgg_architecture table[] = {
    {"A", "VGG-11", "64,M,128,M,256,256,M,512,512,M,512,512,M"},
    {"A-LRN", "VGG-11-LRN", "64,L,M,128,M,256,256,M,512,512,M,512,512,M"},
    {"B", "VGG-13", "64,64,M,128,128,M,256,256,M,512,512,M,512,512,M"},
    {"C", "VGG-16-1x1", "64,64,M,128,128,M,256,256,1x1:256,M,512,512,1x1:512,M,512,512,1x1:512,M"},
    {"D", "VGG-16", "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M"},
    {"E", "VGG-19", "64,64,M,128,128,M,256,256,256,256,M,512,512,512,512,M,512,512,512,512,M"},
};

#define ROWS (sizeof table / sizeof *table)

const vgg_architecture *vgg_architecture_at(size_t row) {
    return row < ROWS ? &table[row] : NULL;
}

const vgg_architecture *vgg_arch_find(const char *arch) {
    for (size_t row = 0; row < ROWS; row++) {
        if (strcasecmp(arch, table[row].name) == 0 || strcasecmp(arch, table[row].common_name) == 0)
            return &table[row];
    }
    return NULL;
}

/* The table's row with these convolutions, "64,M,128"; NULL when there is none. */
static const vgg_architecture *row_of(const char *convolutions) {
    const vgg_architecture *row;
    for (size_t i = 0; (row = vgg_architecture_at(i)) != NULL; i++) {
        if (strcmp(row->convolutions, convolutions) == 0)
            return row;
    }
    return NULL;
}

char *vgg_arch_join(const char *convolutions, const char *hidden) {
    vgg_text text = {0};
    const vgg_architecture *row = row_of(convolutions);
    if (row != NULL && strcmp(hidden, "/" VGG_ARCH_HIDDEN) == 0)
        vgg_text_add(&text, "%s", row->name);
    else
        vgg_text_add(&text, "%s%s", convolutions, hidden);
    return vgg_text_take(&text);
}

/* ---- names ---- */

static const char *const layout_names[] = {
    [VGG_LAYOUT_PAPER] = "paper",
    [VGG_LAYOUT_TORCHVISION] = "torchvision",
    [VGG_LAYOUT_GLOBAL] = "global",
    [VGG_LAYOUT_GLOBAL_MAX] = "global-max",
};
#define LAYOUTS (sizeof layout_names / sizeof *layout_names)

const char *vgg_layout_name(vgg_layout layout) {
    return (size_t)layout < LAYOUTS ? layout_names[layout] : NULL;
}

vgg_layout vgg_layout_named(const char *name) {
    size_t found = vgg_text_find(name, layout_names, LAYOUTS);
    return found < LAYOUTS ? (vgg_layout)found : VGG_LAYOUT_UNSAID;
}

static const char *const padding_names[] = {
    [VGG_PADDING_SAME] = "same",
    [VGG_PADDING_VALID] = "valid",
};
#define PADDINGS (sizeof padding_names / sizeof *padding_names)

const char *vgg_padding_name(vgg_padding padding) {
    return (size_t)padding < PADDINGS ? padding_names[padding] : NULL;
}

vgg_padding vgg_padding_named(const char *name) {
    size_t found = vgg_text_find(name, padding_names, PADDINGS);
    return found < PADDINGS ? (vgg_padding)found : VGG_PADDING_UNSAID;
}

const char *vgg_origin_name(vgg_origin origin) {
    static const char *const names[] = {
        [VGG_ORIGIN_UNKNOWN] = "unknown", [VGG_ORIGIN_TOLD] = "told",
        [VGG_ORIGIN_FILE] = "file",       [VGG_ORIGIN_GRAPH] = "graph",
        [VGG_ORIGIN_SHAPES] = "shapes",   [VGG_ORIGIN_CONVENTION] = "convention",
        [VGG_ORIGIN_SIZE] = "size",       [VGG_ORIGIN_BESIDE] = "beside",
        [VGG_ORIGIN_ASSUMED] = "assumed",
    };
    size_t count = sizeof names / sizeof *names;
    return (size_t)origin < count ? names[origin] : names[VGG_ORIGIN_UNKNOWN];
}
