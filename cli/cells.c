#include "cli/cells.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"

/* White pixels around a cell, and the strip below it, in letters of which fit one in so many. */
#define MARGIN 8
#define STRIP 20
#define LETTERS 13
#define LETTER_WIDTH 8

vgg_status vgg_cli_cells_create(vgg_cli_cells *cells, size_t count, size_t width, size_t height,
                                vgg_error *error) {
    size_t columns = (size_t)ceil(sqrt((double)count)), rows = (count + columns - 1) / columns;
    *cells = (vgg_cli_cells){.count = count, .columns = columns, .width = width, .height = height};
    cells->image = (vgg_image){.width = columns * (width + MARGIN) + MARGIN,
                               .height = rows * (height + STRIP + MARGIN) + MARGIN,
                               .channels = 3};
    cells->image.pixels = calloc(cells->image.height, 3 * cells->image.width);
    cells->labels = calloc(count, sizeof *cells->labels);
    cells->texts = calloc(count, sizeof *cells->texts);
    if (cells->image.pixels == NULL || cells->labels == NULL || cells->texts == NULL) {
        vgg_cli_cells_free(cells);
        snprintf(error->message, sizeof error->message, "out of memory for a picture of %zu",
                 count);
        return VGG_ERROR_MEMORY;
    }
    memset(cells->image.pixels, 255, 3 * cells->image.width * cells->image.height);
    return VGG_OK;
}

void vgg_cli_cells_free(vgg_cli_cells *cells) {
    free(cells->image.pixels);
    free(cells->labels);
    free(cells->texts);
    *cells = (vgg_cli_cells){0};
}

static size_t left_of(const vgg_cli_cells *cells, size_t i) {
    return MARGIN + i % cells->columns * (cells->width + MARGIN);
}

static size_t top_of(const vgg_cli_cells *cells, size_t i) {
    return MARGIN + i / cells->columns * (cells->height + STRIP + MARGIN);
}

uint8_t *vgg_cli_cell(vgg_cli_cells *cells, size_t i) {
    return cells->image.pixels + 3 * (top_of(cells, i) * cells->image.width + left_of(cells, i));
}

void vgg_cli_cells_put(vgg_cli_cells *cells, size_t i, const vgg_image *picture) {
    uint8_t *to = vgg_cli_cell(cells, i);
    for (size_t y = 0; y < cells->height; y++) {
        memcpy(to + 3 * y * cells->image.width, picture->pixels + 3 * y * cells->width,
               3 * cells->width);
    }
}

void vgg_cli_cells_label(vgg_cli_cells *cells, size_t i, const char *label) {
    size_t most = cells->width / LETTER_WIDTH + 4;
    char *own = cells->labels[i];
    vgg_cli_clean_text(own, most < VGG_CLI_CELL_LABEL ? most : VGG_CLI_CELL_LABEL, label);
    /* One byte that is no UTF-8 would be the end of all letters. */
    bool control;
    for (size_t letter; *own != '\0'; own += letter) {
        letter = vgg_cli_letter(own, &control);
        if (letter == 1 && (*own & 0x80) != 0)
            *own = '?';
    }
    cells->texts[i] = (vgg_cli_heat_text){.text = cells->labels[i],
                                          .size = LETTERS,
                                          .x = (double)left_of(cells, i),
                                          .y = (double)(top_of(cells, i) + cells->height + 15)};
}

vgg_status vgg_cli_cells_save(vgg_cli_cells *cells, const char *path, vgg_error *error) {
    vgg_cli_heat_write(&cells->image, cells->texts, cells->count);
    return vgg_image_save_png(&cells->image, path, error);
}
