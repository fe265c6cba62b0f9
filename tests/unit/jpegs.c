#include "jpegs.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

static int sample_at(size_t x, size_t y, int component, uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    double slow = sin(0.013 * (double)x + 0.02 * (double)y + component);
    double fast = sin(0.31 * (double)x - 0.23 * (double)y);
    int edge = (x / 37 + y / 53) % 2 == 0 ? 30 : -30;
    return (int)(128 + 50 * slow + 20 * fast) + edge + (int)(*state >> 28) - 8;
}

unsigned char *make_jpeg(const jpeg_kind *kind, size_t width, size_t height, unsigned long *size) {
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr handlers;
    unsigned char *bytes = NULL;
    codec.err = jpeg_std_error(&handlers);
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &bytes, size);
    codec.image_width = (JDIMENSION)width;
    codec.image_height = (JDIMENSION)height;
    codec.input_components = kind->components;
    codec.in_color_space = kind->components == 1   ? JCS_GRAYSCALE
                           : kind->components == 3 ? JCS_RGB
                                                   : JCS_CMYK;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, 90, TRUE);
    codec.comp_info[0].h_samp_factor = kind->across;
    codec.comp_info[0].v_samp_factor = kind->down;
    codec.restart_interval = kind->restart;
    if (kind->progressive)
        jpeg_simple_progression(&codec);
    jpeg_start_compress(&codec, TRUE);
    size_t components = (size_t)kind->components;
    uint8_t *row = malloc(width * components);
    if (row == NULL)
        abort();
    uint32_t state = 1;
    for (size_t y = 0; y < height; y++) {
        for (size_t i = 0; i < width * components; i++) {
            int sample = sample_at(i / components, y, (int)(i % components), &state);
            row[i] = (uint8_t)(sample < 0 ? 0 : sample > 255 ? 255 : sample);
        }
        jpeg_write_scanlines(&codec, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&codec);
    jpeg_destroy_compress(&codec);
    return bytes;
}
