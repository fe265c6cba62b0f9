#include "cli/serve/json_numbers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Letters of a number that is worth reading; a longer one is refused. */
#define NUMBER_MOST 64

typedef struct scanner {
    char *at, *end;
    size_t depth, values, most;
    vgg_serve_numbers *numbers;
} scanner;

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void skip_space(scanner *s) {
    while (s->at < s->end && is_space(*s->at)) {
        s->at++;
    }
}

/* Behind the string that begins here; at the end of a text in which it has no end. */
static void skip_string(scanner *s) {
    for (s->at++; s->at < s->end && *s->at != '"'; s->at++) {
        if (*s->at == '\\' && s->end - s->at > 1)
            s->at++;
    }
    if (s->at < s->end)
        s->at++;
}

/* ---- numbers ---- */

/* The length of the number that begins here as JSON writes one; 0: there is none. */
static size_t number_length(const char *begin, const char *end) {
    const char *at = begin;
    if (at < end && *at == '-')
        at++;
    const char *whole = at;
    while (at < end && is_digit(*at)) {
        at++;
    }
    if (at == whole || (*whole == '0' && at - whole > 1))
        return 0;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        while (at < end && is_digit(*at)) {
            at++;
        }
        if (at == fraction)
            return 0;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *exponent = at;
        while (at < end && is_digit(*at)) {
            at++;
        }
        if (at == exponent)
            return 0;
    }
    return (size_t)(at - begin);
}

static const char *keep_number(scanner *s) {
    vgg_serve_numbers *numbers = s->numbers;
    char copy[NUMBER_MOST + 1];
    size_t length = number_length(s->at, s->end);
    if (length == 0 || length > NUMBER_MOST)
        return "\"data\" has something among its numbers that is none";
    if (numbers->count == s->most)
        return "\"data\" has more numbers than pictures of a request can have";
    if (numbers->count == numbers->capacity) {
        size_t capacity = numbers->capacity > 0 ? 2 * numbers->capacity : 4096;
        float *values = realloc(numbers->values, capacity * sizeof *values);
        if (values == NULL)
            return "out of memory for its numbers";
        numbers->values = values;
        numbers->capacity = capacity;
    }
    memcpy(copy, s->at, length);
    copy[length] = '\0';
    numbers->values[numbers->count++] = strtof(copy, NULL);
    s->at += length;
    return NULL;
}

/* Reads an array of numbers and of arrays of them, and writes its own number in its place. */
static const char *take_array(scanner *s) {
    static const char broken[] = "\"data\" is no array of numbers";
    vgg_serve_numbers *numbers = s->numbers;
    char *begin = s->at;
    size_t depth = 0;
    bool value = true; /* rather than a comma or an end is next */
    if (numbers->arrays == VGG_SERVE_ARRAYS_MOST)
        return "there are too many tensors";
    do {
        skip_space(s);
        char c = s->at < s->end ? *s->at : '\0';
        if (c == '[' && value) {
            s->at++;
            if (++depth > VGG_SERVE_JSON_DEPTH)
                return "\"data\" nests too deep";
        } else if (c == ']' && !value) {
            s->at++;
            depth--;
        } else if (c == ',' && !value) {
            s->at++;
            value = true;
        } else if (value && c != ']') {
            const char *problem = keep_number(s);
            if (problem != NULL)
                return problem;
            value = false;
        } else {
            return broken;
        }
    } while (depth > 0);
    numbers->ends[numbers->arrays] = numbers->count;
    memset(begin, ' ', (size_t)(s->at - begin));
    *begin = (char)('0' + numbers->arrays++);
    return NULL;
}

/* ---- the text around them ---- */

/* Behind "data": whether an array of numbers begins here, however deep in others. */
static bool begins_numbers(const scanner *s) {
    const char *at = s->at;
    while (at < s->end && (*at == '[' || is_space(*at))) {
        at++;
    }
    return at < s->end && (*at == '-' || is_digit(*at));
}

/* A string, which may be a name: that of a tensor's numbers has them taken out. */
static const char *pass_string(scanner *s) {
    static const char wanted[] = "\"data\"";
    const char *begin = s->at;
    skip_string(s);
    bool data =
        (size_t)(s->at - begin) == strlen(wanted) && memcmp(begin, wanted, strlen(wanted)) == 0;
    skip_space(s);
    if (!data || s->at == s->end || *s->at != ':')
        return NULL;
    s->at++;
    skip_space(s);
    if (s->at == s->end || *s->at != '[')
        return "\"data\" is no array";
    return begins_numbers(s) ? take_array(s) : NULL;
}

const char *vgg_serve_json_take_numbers(char *text, size_t size, size_t most,
                                        vgg_serve_numbers *numbers) {
    scanner s = {.at = text, .end = text + size, .most = most, .numbers = numbers};
    while (s.at < s.end) {
        const char *problem = NULL;
        char c = *s.at;
        if (c == '"') {
            problem = pass_string(&s);
        } else {
            s.at++;
            if (c == '[' || c == '{')
                s.depth++;
            else if ((c == ']' || c == '}') && s.depth > 0)
                s.depth--;
            else if (c == ',' || c == ':')
                s.values++;
        }
        if (problem != NULL)
            return problem;
        if (s.depth > VGG_SERVE_JSON_DEPTH)
            return "the JSON nests too deep";
        if (s.values > VGG_SERVE_JSON_VALUES)
            return "the JSON has too many values";
    }
    return NULL;
}
