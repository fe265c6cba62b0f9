/* The frame of a page: its policy, its style and its script. */
#include <stdlib.h>
#include <string.h>

#include "cli/memory_stream.h"
#include "cli/report/html.h"
#include "cli/report/report.h"
#include "cli/report/web.h"

/* Nothing is loaded from anywhere, and only this script and this style are run. */
static void write_policy(FILE *out) {
    fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "img-src data:; style-src '",
          out);
    vgg_cli_html_hash(out, vgg_cli_web_style, vgg_cli_web_style_size);
    fputs("'; script-src '", out);
    vgg_cli_html_hash(out, vgg_cli_web_script, vgg_cli_web_script_size);
    fputs("'; base-uri 'none'; form-action 'none'\">\n", out);
}

bool vgg_cli_page_has(FILE *out, vgg_status status) {
    if (status == VGG_ERROR_MEMORY)
        vgg_cli_memory_stream_fail(out);
    return status == VGG_OK;
}

void vgg_cli_page_begin(FILE *out, const char *title) {
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", out);
    write_policy(out);
    fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
          out);
    vgg_cli_html_text(out, title);
    fputs("</title>\n<style>", out);
    fwrite(vgg_cli_web_style, 1, vgg_cli_web_style_size, out);
    fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the figures</a>\n",
          out);
}

void vgg_cli_page_end(FILE *out) {
    fprintf(out,
            "</main>\n<footer>Written by vgg %s. This page is one file and loads "
            "nothing.</footer>\n<script>",
            vgg_version());
    fwrite(vgg_cli_web_script, 1, vgg_cli_web_script_size, out);
    fputs("</script>\n</body>\n</html>\n", out);
}

void vgg_cli_section_begin(FILE *out, const char *id, const char *heading) {
    fprintf(out, "<section id=\"%s\" aria-labelledby=\"%s-heading\">\n<h2 id=\"%s-heading\">", id,
            id, id);
    vgg_cli_html_text(out, heading);
    fputs("</h2>\n", out);
}

void vgg_cli_section_end(FILE *out) {
    fputs("</section>\n", out);
}

void vgg_cli_card(FILE *out, const char *name, const char *value, const char *note) {
    fputs("<div class=\"card\"><dt>", out);
    vgg_cli_html_text(out, name);
    fputs("</dt><dd><strong>", out);
    vgg_cli_html_text(out, value);
    fputs("</strong>", out);
    if (note != NULL && note[0] != '\0') {
        fputs("<span>", out);
        vgg_cli_html_text(out, note);
        fputs("</span>", out);
    }
    fputs("</dd></div>\n", out);
}

static bool write_bytes(void *user, const void *bytes, size_t size) {
    FILE *encoded = user;
    return fwrite(bytes, 1, size, encoded) == size;
}

void vgg_cli_page_image(FILE *out, const vgg_image *image, vgg_image_format format,
                        const char *name, const char *css_class) {
    char *bytes = NULL;
    size_t size = 0;
    FILE *encoded = vgg_cli_memory_stream(&bytes, &size);
    vgg_status status = VGG_ERROR_MEMORY;
    if (encoded != NULL) {
        status = vgg_image_encode(image, format, 85, write_bytes, encoded, NULL);
        status = fclose(encoded) == 0 ? status : VGG_ERROR_MEMORY;
    }
    if (vgg_cli_page_has(out, status)) {
        fprintf(out, "<img class=\"%s\" width=\"%zu\" height=\"%zu\" alt=\"", css_class,
                image->width, image->height);
        vgg_cli_html_text(out, name);
        fprintf(out, "\" src=\"data:image/%s;base64,", format == VGG_IMAGE_PNG ? "png" : "jpeg");
        vgg_cli_html_base64(out, bytes, size);
        fputs("\">\n", out);
    }
    free(bytes);
}
