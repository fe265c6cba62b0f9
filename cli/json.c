#include "cli/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"

/* An allocation of Jansson, or for it, has failed on this thread since it was last set to false. */
static _Thread_local bool failed;

/* How many bytes the UTF-8 letter at text has, or 0 when it is none. jansson is the judge of what
 * is UTF-8, so that nothing that passes here is refused later. */
static size_t letter_length(const char *text) {
    size_t left = strnlen(text, 4);
    for (size_t length = 1; length <= left; length++) {
        json_t *letter = json_stringn(text, length);
        if (letter != NULL) {
            json_decref(letter);
            return length;
        }
    }
    return 0;
}

json_t *vgg_cli_json_text(const char *text) {
    if (text == NULL)
        return json_null();
    json_t *string = json_string(text);
    if (string != NULL)
        return string;
    char *clean = malloc(3 * strlen(text) + 1);
    if (clean == NULL) {
        failed = true;
        return NULL;
    }
    char *out = clean;
    while (*text != '\0') {
        size_t length = letter_length(text);
        if (length == 0) {
            out = stpcpy(out, "\xef\xbf\xbd");
            text++;
        } else {
            memcpy(out, text, length);
            out += length;
            text += length;
        }
    }
    *out = '\0';
    string = json_string(clean);
    free(clean);
    return string;
}

json_t *vgg_cli_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *vgg_cli_json_appended(json_t *array, json_t *value) {
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

typedef struct place {
    FILE *out;
    int margin;
} place;

/* Writes a piece of a text, which ends between two letters. */
static int write_piece(const char *text, size_t size, void *user) {
    const place *to = user;
    for (const char *letter = text; letter < text + size;) {
        bool control;
        size_t length = vgg_cli_letter(letter, &control);
        if (*letter == '\n')
            fprintf(to->out, "\n%*s", to->margin, "");
        else if (control) /* that jansson leaves as it is: 0x7f and U+0080 to U+009F */
            fprintf(to->out, "\\u%04x", (unsigned)(unsigned char)letter[length - 1]);
        else
            fwrite(letter, 1, length, to->out);
        letter += length;
    }
    return 0;
}

bool vgg_cli_json_write(FILE *out, json_t *value, bool indented, int margin) {
    if (value == NULL)
        return false;
    place to = {out, margin};
    /* All digits that every double has; with 17 a fraction like 0.9924 would end in noise. */
    size_t flags = JSON_REAL_PRECISION(15) | (indented ? JSON_INDENT(2) : 0);
    fprintf(out, "%*s", margin, "");
    bool whole = json_dump_callback(value, write_piece, &to, flags) == 0;
    json_decref(value);
    return whole;
}

bool vgg_cli_json_print(json_t *value, bool indented, int margin) {
    return vgg_cli_json_write(stdout, value, indented, margin);
}

/* ---- reading ---- */

static void *allocate(size_t size) {
    void *block = malloc(size);
    failed = failed || block == NULL;
    return block;
}

void vgg_cli_json_begin(void) {
    json_set_alloc_funcs(allocate, free);
}

void vgg_cli_json_watch(void) {
    failed = false;
}

bool vgg_cli_json_is_short(void) {
    return failed;
}

static json_t *whole(json_t *value, bool *short_of_memory) {
    *short_of_memory = failed;
    if (!failed)
        return value;
    json_decref(value);
    return NULL;
}

json_t *vgg_cli_json_read(const char *text, size_t size, size_t flags, json_error_t *why,
                          bool *short_of_memory) {
    failed = false;
    return whole(json_loadb(text, size, flags, why), short_of_memory);
}

json_t *vgg_cli_json_read_file(FILE *file, bool *short_of_memory) {
    failed = false;
    return whole(json_loadf(file, 0, NULL), short_of_memory);
}
