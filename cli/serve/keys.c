#include "cli/serve/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/message.h"
#include "cli/serve/file.h"

/* Cuts the text into its lines. */
static bool find_keys(vgg_serve_keys *keys) {
    size_t lines = 1;
    for (const char *c = keys->text; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    keys->lines = calloc(lines, sizeof *keys->lines);
    if (keys->lines == NULL)
        return false;
    char *rest = NULL;
    for (char *line = strtok_r(keys->text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        for (size_t end = strlen(line); end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t');
             end--) {
            line[end - 1] = '\0';
        }
        if (*line != '\0' && *line != '#')
            keys->lines[keys->count++] = line;
    }
    return true;
}

bool vgg_serve_keys_load(vgg_serve_keys *keys, const char *path) {
    keys->text = vgg_serve_file_text(path, "--api-key-file");
    if (keys->text == NULL)
        return false;
    if (!find_keys(keys))
        vgg_cli_complain("serve", "out of memory for the keys of %s", path);
    else if (keys->count == 0)
        vgg_cli_complain("serve", "--api-key-file %s: has no key, expected one a line", path);
    return keys->count > 0;
}

void vgg_serve_keys_free(vgg_serve_keys *keys) {
    free(keys->lines);
    free(keys->text);
    *keys = (vgg_serve_keys){0};
}

/* Looks at every letter of what is given, wherever the first difference is. */
static bool same(const char *key, const char *given) {
    size_t length = strlen(key);
    unsigned different = length != strlen(given);
    for (size_t i = 0; given[i] != '\0'; i++) {
        different |= (unsigned)((unsigned char)given[i] ^ (unsigned char)key[i % (length + 1)]);
    }
    return different == 0;
}

bool vgg_serve_keys_fit(const vgg_serve_keys *keys, const char *header) {
    static const char bearer[] = "Bearer ";
    bool fits = false;
    if (header == NULL || strncasecmp(header, bearer, strlen(bearer)) != 0)
        return false;
    header += strlen(bearer);
    for (size_t i = 0; i < keys->count; i++) {
        fits = same(keys->lines[i], header) || fits;
    }
    return fits;
}
