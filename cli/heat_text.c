/* Letters on a picture, by Cairo. */
#include <stdlib.h>
#include <string.h>

#include "cli/heat_picture.h"
#include "cli/report/drawing.h"

typedef struct writing {
    const vgg_image *canvas;
    const vgg_cli_heat_text *texts;
    size_t count;
} writing;

/* Puts the picture on the drawing, whose pixels are 32 bits each: nothing, red, green, blue. */
static void put(const vgg_image *canvas, cairo_surface_t *surface) {
    unsigned char *rows = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (size_t i = 0; rows != NULL && i < canvas->width * canvas->height; i++) {
        const uint8_t *from = canvas->pixels + 3 * i;
        uint32_t pixel = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        memcpy(rows + i / canvas->width * stride + 4 * (i % canvas->width), &pixel, 4);
    }
    cairo_surface_mark_dirty(surface);
}

static void draw(const void *shown, FILE *out) {
    const writing *w = shown;
    cairo_t *cairo;
    cairo_surface_t *surface =
        vgg_cli_drawing_begin((double)w->canvas->width, (double)w->canvas->height, &cairo);
    cairo_surface_flush(surface);
    put(w->canvas, surface);
    cairo_set_source_rgb(cairo, 0.106, 0.122, 0.141);
    for (size_t i = 0; i < w->count; i++) {
        const vgg_cli_heat_text *text = &w->texts[i];
        vgg_cli_set_font(cairo, text->size, text->bold);
        vgg_cli_write_text(cairo, text->text, text->x, text->y, text->right ? 1 : 0);
    }
    vgg_cli_drawing_end(surface, cairo, out);
}

void vgg_cli_heat_write(vgg_image *canvas, const vgg_cli_heat_text *texts, size_t count) {
    const writing shown = {canvas, texts, count};
    vgg_image written = {0};
    if (vgg_cli_draw_apart(draw, &shown, &written) && written.width == canvas->width &&
        written.height == canvas->height)
        memcpy(canvas->pixels, written.pixels, 3 * canvas->width * canvas->height);
    free(written.pixels);
}
