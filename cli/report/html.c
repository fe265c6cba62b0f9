#include "cli/report/html.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/report/sha256.h"

/* ---- texts ---- */

/* Bytes of the letter at `text`; *shown: it can be shown. */
static size_t next_letter(const char *text, bool *shown) {
    bool control;
    size_t bytes = vgg_cli_letter(text, &control);
    bool broken = bytes == 1 && (unsigned char)*text >= 0x80;
    *shown = !broken && (!control || *text == '\n' || *text == '\t');
    return bytes;
}

void vgg_cli_html_text(FILE *out, const char *text) {
    for (size_t bytes; *text != '\0'; text += bytes) {
        bool shown;
        bytes = next_letter(text, &shown);
        if (!shown)
            fputs("\xef\xbf\xbd", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '>')
            fputs("&gt;", out);
        else if (*text == '"')
            fputs("&quot;", out);
        else if (*text == '\'')
            fputs("&#39;", out);
        else
            fwrite(text, 1, bytes, out);
    }
}

void vgg_cli_html_json(FILE *out, const char *text) {
    fputc('"', out);
    for (size_t bytes; *text != '\0'; text += bytes) {
        bool shown;
        bytes = next_letter(text, &shown);
        if (!shown)
            fputs("\\ufffd", out);
        else if (strchr("\"\\<>&'\n\t", *text) != NULL)
            fprintf(out, "\\u%04x", (unsigned)*text);
        else
            fwrite(text, 1, bytes, out);
    }
    fputc('"', out);
}

/* ---- bytes ---- */

void vgg_cli_html_base64(FILE *out, const void *bytes, size_t size) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i += 3) {
        size_t some = size - i < 3 ? size - i : 3;
        uint32_t group = (uint32_t)at[i] << 16 | (some > 1 ? (uint32_t)at[i + 1] << 8 : 0) |
                         (some > 2 ? at[i + 2] : 0);
        for (size_t c = 0; c < 4; c++) {
            fputc(c <= some ? letters[group >> (18 - 6 * c) & 63] : '=', out);
        }
    }
}

void vgg_cli_html_hash(FILE *out, const void *text, size_t size) {
    uint8_t digest[32];
    vgg_cli_sha256(text, size, digest);
    fputs("sha256-", out);
    vgg_cli_html_base64(out, digest, sizeof digest);
}

/* ---- figures ---- */

void vgg_cli_html_row(FILE *out, const char *name, const char *value) {
    fputs("<tr><th scope=\"row\">", out);
    vgg_cli_html_text(out, name);
    fputs("</th><td>", out);
    vgg_cli_html_text(out, value);
    fputs("</td></tr>\n", out);
}

void vgg_cli_html_percent(FILE *out, double share) {
    if (isfinite(share))
        fprintf(out, "%.1f&nbsp;%%", 100 * share);
    else
        fputs("–", out);
}

void vgg_cli_html_number(FILE *out, double value) {
    if (isfinite(value))
        fprintf(out, "%.4g", value);
    else
        fputs("–", out);
}
