/* Pages of pictures that were found: each once, small, and with what there is to say of it. */
#ifndef VGG_CLI_REPORT_FOUND_H
#define VGG_CLI_REPORT_FOUND_H

#include "cli/options.h"
#include "cli/output.h"

typedef struct vgg_cli_found_page {
    vgg_cli_output output;
    size_t left;     /* bytes that the page has room for */
    size_t left_out; /* pictures that there was no room for */
    size_t missing;  /* pictures that could not be read, which is complained about */
} vgg_cli_found_page;

/* Rows of option tables: the page, and whether it may replace another. */
#define VGG_CLI_FOUND_OPTIONS 2
void vgg_cli_found_options(const char **page, bool *overwrite,
                           vgg_cli_option options[VGG_CLI_FOUND_OPTIONS]);
/* Whether the page, which may be NULL, can be written, as far as looking shows. False is complained
 * about. */
bool vgg_cli_found_page_may(const char *command, const char *path, bool overwrite);

/* Begins the page with its headings and the figures below, rows of name and value, NULL at the end.
 * False when that was complained about. */
bool vgg_cli_found_page_begin(vgg_cli_found_page *page, const char *command, const char *path,
                              const char *kind, const char *title, const char *const (*cards)[2]);
/* A list of pictures with a heading; number: its place on the page, from 1. */
void vgg_cli_found_list_begin(vgg_cli_found_page *page, size_t number, const char *heading,
                              const char *hint);
/* A picture of the list; note may be NULL. */
void vgg_cli_found_picture(vgg_cli_found_page *page, const char *path, const char *note);
void vgg_cli_found_list_end(vgg_cli_found_page *page);
/* Writes the page; pictures that there was no room for are told. Returns the exit status:
 * VGG_CLI_SKIPPED where pictures are missing. */
int vgg_cli_found_page_end(vgg_cli_found_page *page);

#endif
