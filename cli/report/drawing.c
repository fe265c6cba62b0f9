#include "cli/report/drawing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FONT "sans-serif"
/* Of a drawing. */
#define SIDE_MOST 8192
/* Seconds after which it is given up. */
#define SECONDS_MOST 10

/* ---- texts ---- */

void vgg_cli_write_text(cairo_t *cairo, const char *text, double x, double y, double place) {
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - place * extents.x_advance, y);
    cairo_show_text(cairo, text);
}

void vgg_cli_set_font(cairo_t *cairo, double size, bool bold) {
    cairo_select_font_face(cairo, FONT, CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, size);
}

/* ---- pixels ---- */

/* Writes width, height and pixels of red, green and blue. The surface's pixels are 32 bits each:
 * nothing, red, green, blue. */
static void send(cairo_surface_t *surface, FILE *out) {
    cairo_surface_flush(surface);
    size_t sides[2] = {(size_t)cairo_image_surface_get_width(surface),
                       (size_t)cairo_image_surface_get_height(surface)};
    const unsigned char *rows = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    if (rows == NULL)
        return;
    fwrite(sides, sizeof sides, 1, out);
    for (size_t i = 0; i < sides[0] * sides[1]; i++) {
        uint32_t pixel;
        memcpy(&pixel, rows + i / sides[0] * stride + 4 * (i % sides[0]), 4);
        const uint8_t colours[3] = {(uint8_t)(pixel >> 16), (uint8_t)(pixel >> 8), (uint8_t)pixel};
        fwrite(colours, sizeof colours, 1, out);
    }
    fflush(out);
}

/* Takes what is sent; whether it is whole. */
static bool receive(FILE *in, vgg_image *image) {
    size_t sides[2];
    if (fread(sides, sizeof sides, 1, in) != 1 || sides[0] > SIDE_MOST || sides[1] > SIDE_MOST)
        return false;
    *image = (vgg_image){.channels = 3, .width = sides[0], .height = sides[1]};
    image->pixels = malloc(image->width * image->height * 3 + 1);
    return image->pixels != NULL && fread(image->pixels, 3, image->width * image->height, in) ==
                                        image->width * image->height;
}

cairo_surface_t *vgg_cli_drawing_begin(double width, double height, cairo_t **cairo) {
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    *cairo = cairo_create(surface);
    cairo_set_source_rgb(*cairo, 1, 1, 1);
    cairo_paint(*cairo);
    return surface;
}

void vgg_cli_drawing_end(cairo_surface_t *surface, cairo_t *cairo, FILE *out) {
    bool drawn = cairo_status(cairo) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(cairo);
    if (drawn)
        send(surface, out);
    cairo_surface_destroy(surface);
}

/* ---- a process of its own ---- */

/* In the child, which has nothing of its parent's open but `to`, so that the run's lock is not held
 * by a drawing, and ends with it. */
static void draw_and_exit(vgg_cli_draw *draw, const void *shown, int to, pid_t parent) {
    signal(SIGALRM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(to, STDOUT_FILENO) < 0)
        _exit(1);
    close_range(STDERR_FILENO, ~0U, 0);
    open("/dev/null", O_WRONLY); /* where Fontconfig complains */
    alarm(SECONDS_MOST);
    FILE *out = fdopen(STDOUT_FILENO, "w");
    if (out != NULL)
        draw(shown, out);
    _exit(0);
}

bool vgg_cli_draw_apart(vgg_cli_draw *draw, const void *shown, vgg_image *image) {
    int ends[2];
    bool whole = false;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        draw_and_exit(draw, shown, ends[1], parent);
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    if (in == NULL)
        close(ends[0]);
    else if (child > 0)
        whole = receive(in, image);
    if (in != NULL)
        fclose(in);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
    return whole;
}
