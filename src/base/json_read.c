/* Reading JSON (RFC 8259) into Jansson's values. Jansson's own reader ends the process when memory
 * runs out at the wrong moment. */
#include <errno.h>
#include <float.h>
#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/text.h"

/* Bytes of a number; a double needs no more than 24. */
#define NUMBER_MOST 500

typedef struct json_reader {
    const char *text;
    size_t size, at, depth;
    vgg_json_fault *fault;
} json_reader;

static json_t *read_value(json_reader *r);

/* False, for who returns whether all went well. */
static bool refuse(json_reader *r, const char *what) {
    *r->fault = (vgg_json_fault){.byte = r->at};
    snprintf(r->fault->what, sizeof r->fault->what, "%s", what);
    return false;
}

static void *fail(json_reader *r, const char *what) {
    refuse(r, what);
    return NULL;
}

static bool refuse_memory(json_reader *r) {
    *r->fault = (vgg_json_fault){.byte = r->at, .memory = true};
    return false;
}

static void *fail_memory(json_reader *r) {
    refuse_memory(r);
    return NULL;
}

/* The next byte, or -1 at the end. */
static int peek(const json_reader *r) {
    return r->at < r->size ? (unsigned char)r->text[r->at] : -1;
}

static bool is_digit(int byte) {
    return byte >= '0' && byte <= '9';
}

static void pass_space(json_reader *r) {
    while (peek(r) == ' ' || peek(r) == '\n' || peek(r) == '\t' || peek(r) == '\r') {
        r->at++;
    }
}

/* ---- strings ---- */

/* The four digits of \uXXXX; -1 when there are none. */
static int read_hex(json_reader *r) {
    int code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        int byte = peek(r);
        int lower = byte | 0x20;
        if (is_digit(byte))
            code = 16 * code + byte - '0';
        else if (lower >= 'a' && lower <= 'f')
            code = 16 * code + lower - 'a' + 10;
        else
            return -1;
    }
    return code;
}

/* Behind "\u": a letter, which beyond U+FFFF is written as two surrogates. 0 when it is none. */
static uint32_t read_code(json_reader *r) {
    int first = read_hex(r);
    if (first <= 0)
        return 0;
    if (first < 0xd800 || first > 0xdfff)
        return (uint32_t)first;
    if (first > 0xdbff || r->size - r->at < 2 || memcmp(r->text + r->at, "\\u", 2) != 0)
        return 0;
    r->at += 2;
    int second = read_hex(r);
    if (second < 0xdc00 || second > 0xdfff)
        return 0;
    return 0x10000 + (((uint32_t)first & 0x3ff) << 10 | ((uint32_t)second & 0x3ff));
}

static char *put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int following = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(leads[following] | code >> 6 * following);
    while (following-- > 0) {
        *out++ = (char)(0x80 | (code >> 6 * following & 0x3f));
    }
    return out;
}

/* Behind a backslash. What it stands for has at most as many bytes as it has. */
static char *read_escape(json_reader *r, char *out) {
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    int name = peek(r);
    const char *found = name > 0 ? strchr(names, name) : NULL;
    if (found == NULL && name != 'u')
        return fail(r, "an escape that JSON does not have");
    r->at++;
    if (found != NULL) {
        *out++ = bytes[found - names];
        return out;
    }
    uint32_t code = read_code(r);
    return code == 0 ? fail(r, "an escape that is no letter") : put_utf8(out, code);
}

/* Behind the quote, up to the one that ends it. `out` has room for what is left of the text. */
static bool read_letters(json_reader *r, char *out) {
    const char *begin = out;
    for (int byte; (byte = peek(r)) != '"';) {
        if (byte < 0x20)
            return refuse(r, byte < 0 ? "a string without an end" : "a control character");
        r->at++;
        if (byte != '\\')
            *out++ = (char)byte;
        else if ((out = read_escape(r, out)) == NULL)
            return false;
    }
    *out = '\0';
    if (!vgg_utf8_valid(begin))
        return refuse(r, "a string that is not UTF-8");
    r->at++;
    return true;
}

/* Zero-terminated, freed by the caller. */
static char *read_string(json_reader *r) {
    size_t end = ++r->at;
    while (end < r->size && r->text[end] != '"') {
        end += r->text[end] == '\\' ? 2 : 1;
    }
    size_t room = (end < r->size ? end : r->size) - r->at + 1;
    char *string = vgg_malloc(room);
    if (string == NULL)
        return fail_memory(r);
    if (read_letters(r, string))
        return string;
    vgg_free(string);
    return NULL;
}

static json_t *read_string_value(json_reader *r) {
    char *string = read_string(r);
    if (string == NULL)
        return NULL;
    json_t *value = json_string_nocheck(string);
    vgg_free(string);
    return value != NULL ? value : fail_memory(r);
}

/* ---- numbers and words ---- */

/* Passes digits; false when there are none. */
static bool pass_digits(json_reader *r) {
    size_t first = r->at;
    while (is_digit(peek(r))) {
        r->at++;
    }
    return r->at > first;
}

/* Passes a number as JSON has it. */
static bool pass_number(json_reader *r, bool *whole) {
    *whole = true;
    if (peek(r) == '-')
        r->at++;
    if (peek(r) == '0')
        r->at++;
    else if (!pass_digits(r))
        return false;
    if (peek(r) == '.') {
        *whole = false;
        r->at++;
        if (!pass_digits(r))
            return false;
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        *whole = false;
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        if (!pass_digits(r))
            return false;
    }
    return true;
}

/* With a point between the digits, whatever the locale has there. */
static double to_double(const char *text) {
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double number = plain != (locale_t)0 ? strtod_l(text, NULL, plain) : 0;
    if (plain != (locale_t)0)
        freelocale(plain);
    return number;
}

static json_t *read_number(json_reader *r) {
    char number[NUMBER_MOST + 1];
    size_t first = r->at;
    bool whole;
    if (!pass_number(r, &whole))
        return fail(r, "a number without digits");
    size_t length = r->at - first;
    if (length > NUMBER_MOST)
        return fail(r, "a number of more than 500 bytes");
    memcpy(number, r->text + first, length);
    number[length] = '\0';
    errno = 0;
    long long integer = whole ? strtoll(number, NULL, 10) : 0;
    if (errno == ERANGE)
        return fail(r, "a too big integer");
    double real = whole ? 0 : to_double(number);
    if (real > DBL_MAX || real < -DBL_MAX)
        return fail(r, "a number that is too large");
    json_t *value = whole ? json_integer(integer) : json_real(real);
    return value != NULL ? value : fail_memory(r);
}

static json_t *read_word(json_reader *r) {
    static const char *const words[] = {"null", "true", "false"};
    json_t *const values[] = {json_null(), json_true(), json_false()};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if (r->size - r->at >= length && memcmp(r->text + r->at, words[i], length) == 0) {
            r->at += length;
            return values[i];
        }
    }
    size_t length = 0;
    while (r->at + length < r->size && r->text[r->at + length] >= '!' && length < 20) {
        length++;
    }
    fail(r, peek(r) < 0 ? "the end where a value is expected" : "no value of JSON");
    if (length > 0)
        snprintf(r->fault->what, sizeof r->fault->what, "\"%.*s\", which is no value of JSON",
                 (int)length, r->text + r->at);
    return NULL;
}

/* ---- arrays and objects ---- */

/* Behind a value of an array or an object: whether another follows. */
static bool pass_comma(json_reader *r, char end, bool *more) {
    pass_space(r);
    int byte = peek(r);
    if (byte != ',' && byte != end)
        return refuse(r, byte < 0 ? "an end before that of an array or object"
                                  : "neither a comma nor the end of an array or object");
    r->at++;
    *more = byte == ',';
    return true;
}

/* Passes the bracket, and space; whether something is in it. */
static bool begin(json_reader *r, char end) {
    r->at++;
    pass_space(r);
    if (peek(r) != end)
        return true;
    r->at++;
    return false;
}

static json_t *read_array(json_reader *r) {
    json_t *array = json_array();
    if (array == NULL)
        return fail_memory(r);
    bool more = begin(r, ']'), good = true;
    while (good && more) {
        json_t *value = read_value(r);
        good = value != NULL;
        if (good && json_array_append_new(array, value) != 0)
            good = refuse_memory(r);
        good = good && pass_comma(r, ']', &more);
    }
    if (good)
        return array;
    json_decref(array);
    return NULL;
}

static bool read_member(json_reader *r, json_t *object) {
    pass_space(r);
    if (peek(r) != '"')
        return refuse(r, "no string where a name is expected");
    char *name = read_string(r);
    if (name == NULL)
        return false;
    json_t *value = NULL;
    pass_space(r);
    if (json_object_get(object, name) != NULL)
        refuse(r, "a duplicate name");
    else if (peek(r) != ':')
        refuse(r, "no colon behind a name");
    else {
        r->at++;
        value = read_value(r);
    }
    bool good = value != NULL;
    if (good && json_object_set_new_nocheck(object, name, value) != 0)
        good = refuse_memory(r);
    vgg_free(name);
    return good;
}

static json_t *read_object(json_reader *r) {
    json_t *object = json_object();
    if (object == NULL)
        return fail_memory(r);
    bool more = begin(r, '}'), good = true;
    while (good && more) {
        good = read_member(r, object) && pass_comma(r, '}', &more);
    }
    if (good)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *read_value(json_reader *r) {
    pass_space(r);
    int byte = peek(r);
    if (byte == '"')
        return read_string_value(r);
    if (byte == '-' || is_digit(byte))
        return read_number(r);
    if (byte != '[' && byte != '{')
        return read_word(r);
    if (r->depth == VGG_LIMIT_JSON_DEPTH)
        return fail(r, "values within values deeper than the limit of 512");
    r->depth++;
    json_t *value = byte == '[' ? read_array(r) : read_object(r);
    r->depth--;
    return value;
}

json_t *vgg_json_read(const char *text, size_t size, vgg_json_fault *fault) {
    json_reader r = {.text = text, .size = size, .fault = fault};
    json_t *value = read_value(&r);
    pass_space(&r);
    if (value == NULL || r.at == size)
        return value;
    json_decref(value);
    return fail(&r, "something behind the value");
}
