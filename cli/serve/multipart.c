#include "cli/serve/multipart.h"

#include <string.h>
#include <strings.h>

/* ---- parameters of a header: name=value or name="value" ---- */

/* Reads a quoted value in place, in which only \" stands for something else. Returns what comes
 * behind it; NULL when it has no end. */
static char *unquote(char *text) {
    char *out = text;
    for (char *in = text; *in != '\0'; in++) {
        if (*in == '"') {
            *out = '\0';
            return in + 1;
        }
        if (in[0] == '\\' && in[1] == '"')
            in++;
        *out++ = *in;
    }
    return NULL;
}

/* Takes the next parameter off a header. False when there is none, or none that makes sense. */
static bool next_parameter(char **rest, char **name, char **value) {
    char *at = *rest + strspn(*rest, "; \t");
    size_t length = strcspn(at, "=; \t");
    if (length == 0 || at[length] != '=')
        return false;
    *name = at;
    at[length] = '\0';
    at += length + 1;
    if (*at == '"') {
        *value = at + 1;
        *rest = unquote(at + 1);
        return *rest != NULL;
    }
    *value = at;
    at += strcspn(at, "; \t");
    *rest = *at == '\0' ? at : at + 1;
    *at = '\0';
    return true;
}

bool vgg_serve_multipart_type(const char *type, char boundary[VGG_SERVE_BOUNDARY_SIZE]) {
    static const char form[] = "multipart/form-data";
    char header[256], *rest, *name, *value;
    boundary[0] = '\0';
    if (type == NULL || strncasecmp(type, form, strlen(form)) != 0)
        return false;
    type += strlen(form);
    if (strlen(type) >= sizeof header)
        return true;
    strcpy(header, type);
    rest = header;
    while (next_parameter(&rest, &name, &value)) {
        if (strcasecmp(name, "boundary") == 0 && strlen(value) < VGG_SERVE_BOUNDARY_SIZE)
            strcpy(boundary, value);
    }
    return true;
}

/* ---- parts ---- */

typedef struct reader {
    unsigned char *at, *end;
    char delimiter[VGG_SERVE_BOUNDARY_SIZE + 4]; /* the boundary with what comes before it */
} reader;

/* The header's line that ends at *end, the line break being taken off. */
static char *take_line(reader *from) {
    unsigned char *end = memmem(from->at, (size_t)(from->end - from->at), "\r\n", 2);
    if (end == NULL || memchr(from->at, '\0', (size_t)(end - from->at)) != NULL)
        return NULL;
    char *line = (char *)from->at;
    *end = '\0';
    from->at = end + 2;
    return line;
}

static void read_disposition(char *line, vgg_serve_part *part) {
    static const char disposition[] = "Content-Disposition:";
    char *name, *value;
    if (strncasecmp(line, disposition, strlen(disposition)) != 0)
        return;
    line += strlen(disposition);
    line += strspn(line, " \t");
    line += strcspn(line, ";");
    while (next_parameter(&line, &name, &value)) {
        if (strcasecmp(name, "name") == 0)
            part->name = value;
        else if (strcasecmp(name, "filename") == 0)
            part->file = value;
    }
}

static const char *read_part(reader *from, vgg_serve_part *part) {
    *part = (vgg_serve_part){.name = ""};
    for (;;) {
        char *line = take_line(from);
        if (line == NULL)
            return "the header of a part has no end";
        if (*line == '\0')
            break;
        read_disposition(line, part);
    }
    unsigned char *end =
        memmem(from->at, (size_t)(from->end - from->at), from->delimiter, strlen(from->delimiter));
    if (end == NULL)
        return "a part has no boundary behind it";
    part->content = from->at;
    part->size = (size_t)(end - from->at);
    from->at = end + strlen(from->delimiter);
    return NULL;
}

/* Goes behind the first boundary, which has no line break before it when nothing else is there. */
static bool find_first(reader *from) {
    const char *bare = from->delimiter + 2;
    size_t size = (size_t)(from->end - from->at), length = strlen(bare);
    if (size >= length && memcmp(from->at, bare, length) == 0) {
        from->at += length;
        return true;
    }
    unsigned char *found = memmem(from->at, size, from->delimiter, length + 2);
    from->at = found != NULL ? found + length + 2 : NULL;
    return found != NULL;
}

/* Behind a boundary: whether a part follows. */
static const char *go_on(reader *from, bool *more) {
    *more = false;
    if (from->end - from->at >= 2 && memcmp(from->at, "--", 2) == 0)
        return NULL;
    while (from->at < from->end && (*from->at == ' ' || *from->at == '\t')) {
        from->at++;
    }
    if (from->end - from->at < 2 || memcmp(from->at, "\r\n", 2) != 0)
        return "a boundary has neither a line break nor -- behind it";
    from->at += 2;
    *more = true;
    return NULL;
}

const char *vgg_serve_multipart_parse(unsigned char *body, size_t size, const char *boundary,
                                      vgg_serve_part *parts, size_t most, size_t *count) {
    reader from = {.at = body, .end = body + size};
    size_t length = strlen(boundary);
    *count = 0;
    if (length == 0 || length >= VGG_SERVE_BOUNDARY_SIZE)
        return "its content type names no boundary of 1 to 70 letters";
    memcpy(from.delimiter, "\r\n--", 4);
    memcpy(from.delimiter + 4, boundary, length + 1);
    if (!find_first(&from))
        return "the boundary of its content type is nowhere in it";
    for (;;) {
        bool more;
        const char *problem = go_on(&from, &more);
        if (problem != NULL || !more)
            return problem;
        if (*count == most)
            return "it has too many parts";
        problem = read_part(&from, &parts[*count]);
        if (problem != NULL)
            return problem;
        ++*count;
    }
}
