#include "cli/report/found.h"

#include "cli/command.h"
#include "cli/message.h"
#include "cli/report/html.h"
#include "cli/report/report.h"
#include "cli/small_picture.h"

/* Pixels of the long side of a picture, and bytes of all on a page. */
#define SIDE_MOST 192
#define BYTES_MOST ((size_t)24 << 20)

void vgg_cli_found_options(const char **page, bool *overwrite,
                           vgg_cli_option options[VGG_CLI_FOUND_OPTIONS]) {
    options[0] = (vgg_cli_option){
        .type = VGG_CLI_TEXT,
        .name = "page",
        .argument = "OUT.html",
        .value = page,
        .help = "also write a page with the pictures, one file that loads nothing"};
    options[1] = (vgg_cli_option){.type = VGG_CLI_FLAG,
                                  .name = "overwrite",
                                  .value = overwrite,
                                  .help = "replace OUT.html when it is there"};
}

bool vgg_cli_found_page_may(const char *command, const char *path, bool overwrite) {
    return path == NULL || vgg_cli_may_write(command, path, overwrite);
}

bool vgg_cli_found_page_begin(vgg_cli_found_page *page, const char *command, const char *path,
                              const char *kind, const char *title, const char *const (*cards)[2]) {
    *page = (vgg_cli_found_page){.left = BYTES_MOST};
    if (!vgg_cli_output_open(&page->output, command, NULL, path))
        return false;
    FILE *out = page->output.stream;
    vgg_cli_page_begin(out, title);
    fprintf(out, "<header><p class=\"kind\">%s</p><h1>", kind);
    vgg_cli_html_text(out, title);
    fputs("</h1>\n<dl class=\"cards\">\n", out);
    for (; (*cards)[0] != NULL; cards++) {
        vgg_cli_card(out, (*cards)[0], (*cards)[1], NULL);
    }
    fputs("</dl>\n</header>\n<main id=\"main\">\n", out);
    return true;
}

void vgg_cli_found_list_begin(vgg_cli_found_page *page, size_t number, const char *heading,
                              const char *hint) {
    char id[32];
    snprintf(id, sizeof id, "list-%zu", number);
    FILE *out = page->output.stream;
    vgg_cli_section_begin(out, id, heading);
    fputs("<p class=\"hint\">", out);
    vgg_cli_html_text(out, hint);
    fputs("</p>\n<ul class=\"pictures photos\">\n", out);
}

/* The picture, small enough for the page. */
static vgg_status load(const char *path, vgg_image *small, vgg_error *error) {
    vgg_status status = vgg_image_load_reduced(path, SIDE_MOST, small, error);
    return status == VGG_OK ? vgg_cli_shrink(small, SIDE_MOST, error) : status;
}

void vgg_cli_found_picture(vgg_cli_found_page *page, const char *path, const char *note) {
    FILE *out = page->output.stream;
    vgg_image small = {0};
    fputs("<li class=\"picture\">", out);
    vgg_error error;
    bool fits = page->left > 0;
    vgg_status status = fits ? load(path, &small, &error) : VGG_OK;
    page->left_out += !fits;
    long before = ftell(out);
    if (small.pixels != NULL)
        vgg_cli_page_image(out, &small, VGG_IMAGE_JPEG, "", "photo");
    size_t bytes = (size_t)(ftell(out) - before);
    page->left -= bytes < page->left ? bytes : page->left;
    if (!vgg_cli_page_has(out, status)) {
        vgg_cli_complain(page->output.command, "%s", error.message);
        page->missing++;
    }
    if (bytes == 0)
        fputs("<span class=\"blank\"></span>", out);
    vgg_image_free(&small);
    if (note != NULL) {
        fputs("<span class=\"truth\">", out);
        vgg_cli_html_text(out, note);
        fputs("</span>", out);
    }
    fputs("<span class=\"file\">", out);
    vgg_cli_html_text(out, path);
    fputs("</span></li>\n", out);
}

void vgg_cli_found_list_end(vgg_cli_found_page *page) {
    fputs("</ul>\n", page->output.stream);
    vgg_cli_section_end(page->output.stream);
}

/* Says how many pictures there was no room for, on the page and beside it. */
static void tell_left_out(const vgg_cli_found_page *page) {
    if (page->left_out == 0)
        return;
    char note[160], left_out[VGG_CLI_TEXT_SIZE], most[VGG_CLI_TEXT_SIZE];
    snprintf(note, sizeof note, "%s picture%s of the lists %s left out: a page has at most %s",
             vgg_cli_count_text(left_out, page->left_out), page->left_out == 1 ? "" : "s",
             page->left_out == 1 ? "is" : "are", vgg_cli_bytes_text(most, BYTES_MOST));
    fprintf(page->output.stream, "<p class=\"hint\">%s of pictures.</p>\n", note);
    vgg_cli_complain(page->output.command, "note: %s: %s of pictures", page->output.path, note);
}

int vgg_cli_found_page_end(vgg_cli_found_page *page) {
    tell_left_out(page);
    vgg_cli_page_end(page->output.stream);
    if (!vgg_cli_output_close(&page->output))
        return VGG_CLI_FAILURE;
    return page->missing > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}
