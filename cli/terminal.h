/* The terminal: whether there is one, how wide it is, bars, and a line that is drawn over itself.
 */
#ifndef VGG_CLI_TERMINAL_H
#define VGG_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether somebody looks at the stream. Leaves errno as it is, as all of these do. */
bool vgg_cli_is_screen(FILE *stream);

/* Whether a line written to the stream can be drawn over. */
bool vgg_cli_is_terminal(FILE *stream);

/* The one colour that the program has, for what is looked for first: what to write before and after
 * it. Empty where the stream is no terminal, or NO_COLOR is set. */
const char *vgg_cli_accent(FILE *stream);
const char *vgg_cli_accent_end(FILE *stream);

/* Columns of the terminal, 80 when it does not say. */
size_t vgg_cli_terminal_width(FILE *stream);

#define VGG_CLI_BAR_CELLS 30
#define VGG_CLI_BAR_SIZE (VGG_CLI_BAR_CELLS * 4 + 1)
/* A bar that fills `fraction` of `cells` (at most VGG_CLI_BAR_CELLS) columns, the rest being
 * spaces; returns buffer. */
const char *vgg_cli_bar(char buffer[VGG_CLI_BAR_SIZE], double fraction, size_t cells);

/* Seconds on a clock that only runs forward. */
double vgg_cli_now(void);

/* A line of progress on a terminal. */
typedef struct vgg_cli_progress {
    FILE *stream;
    bool live;     /* the stream is a terminal; otherwise nothing is ever drawn */
    bool drawn;    /* the cursor stands in a drawn line */
    double latest; /* when it was drawn */
} vgg_cli_progress;

vgg_cli_progress vgg_cli_progress_on(FILE *stream);
/* Whether to draw now: on a terminal, and the latest drawing is a tenth of a second old. */
bool vgg_cli_progress_due(const vgg_cli_progress *progress);
/* Draws "left [bar] right", cut off at the edge; left and right are ASCII. */
void vgg_cli_progress_draw(vgg_cli_progress *progress, const char *left, double fraction,
                           const char *right);
/* Wipes the line, so that others can be written. */
void vgg_cli_progress_clear(vgg_cli_progress *progress);

#endif
