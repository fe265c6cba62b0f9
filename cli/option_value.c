#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/options.h"
#include "vgg/image.h"

/* Decimal digits only: no sign, no space, no other base. */
static bool read_whole(const char *text, size_t length, uint64_t *out) {
    uint64_t value = 0;
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static bool read_size(const vgg_cli_option *option, const char *text, size_t length, size_t *out) {
    uint64_t value;
    if (!read_whole(text, length, &value) || value > SIZE_MAX || (double)value < option->minimum ||
        (double)value > option->maximum)
        return false;
    *out = (size_t)value;
    return true;
}

static bool read_sizes(const vgg_cli_option *option, const char *text, vgg_cli_sizes *out) {
    vgg_cli_sizes sizes = {0};
    for (;; text++) {
        size_t length = strcspn(text, ",");
        if (sizes.count == VGG_CLI_SIZES_MOST ||
            !read_size(option, text, length, &sizes.values[sizes.count]))
            return false;
        sizes.count++;
        text += length;
        if (*text == '\0')
            break;
    }
    *out = sizes;
    return true;
}

/* A finite decimal number, to the end of the text. */
static bool read_decimal(const char *text, double *out) {
    char *end;
    /* strtod alone would also take "0x1p3", "inf" and leading space. */
    if (text[0] == '\0' || strspn(text, "0123456789.eE+-") != strlen(text))
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool read_number(const vgg_cli_option *option, const char *text, double *out) {
    double value;
    if (!read_decimal(text, &value) || value < option->minimum || value > option->maximum ||
        (option->above && value == option->minimum) || (option->below && value == option->maximum))
        return false;
    *out = value;
    return true;
}

#define PARTS_MOST 128

/* Cuts a text at a sign into at most three decimal numbers; 0 when it is none. */
static size_t read_parts(const char *text, const char *sign, double values[3]) {
    char copy[PARTS_MOST];
    if (strlen(text) >= sizeof copy)
        return 0;
    strcpy(copy, text);
    size_t count = 0;
    for (char *part = copy, *next; part != NULL; part = next) {
        next = strchr(part, *sign);
        if (next != NULL)
            *next++ = '\0';
        if (count == 3 || !read_decimal(part, &values[count]))
            return 0;
        count++;
    }
    return count;
}

static bool read_ratio(const char *text, double *out) {
    double parts[3];
    size_t count = read_parts(text, "/", parts);
    double value = count == 2 ? parts[0] / parts[1] : parts[0];
    if (count < 1 || count > 2 || !isfinite(value) || value == 0)
        return false;
    *out = value;
    return true;
}

static bool read_numbers(const char *text, vgg_cli_numbers *out) {
    vgg_cli_numbers numbers = {0};
    numbers.count = read_parts(text, ",", numbers.values);
    if (numbers.count != 1 && numbers.count != 3)
        return false;
    *out = numbers;
    return true;
}

static bool read_input(const char *text, vgg_cli_input *out) {
    uint64_t sizes[3];
    size_t count = 0;
    for (const char *part = text;; part++) {
        size_t length = strcspn(part, "x");
        if (count == 3 || !read_whole(part, length, &sizes[count]))
            return false;
        count++;
        part += length;
        if (*part == '\0')
            break;
    }
    uint64_t height = count == 1 ? sizes[0] : sizes[count - 2], width = sizes[count - 1];
    if (height < 1 || height > VGG_IMAGE_MAX_SIDE || width < 1 || width > VGG_IMAGE_MAX_SIDE ||
        (count == 3 && sizes[0] != 1 && sizes[0] != 3))
        return false;
    *out = (vgg_cli_input){count == 3 ? (size_t)sizes[0] : 0, (size_t)height, (size_t)width};
    return true;
}

static bool read_choice(const vgg_cli_option *option, const char *text, const char **out) {
    for (const char *const *choice = option->choices; *choice != NULL; choice++) {
        if (strcmp(*choice, text) == 0) {
            *out = *choice;
            return true;
        }
    }
    return false;
}

static bool add_text(const char *value, vgg_cli_texts *texts) {
    if (value[0] == '\0' || texts->count == VGG_CLI_TEXTS_MOST)
        return false;
    texts->values[texts->count++] = value;
    return true;
}

bool vgg_cli_option_store(const vgg_cli_option *option, const char *value) {
    switch (option->type) {
    case VGG_CLI_FLAG:
    case VGG_CLI_SWITCH:
        return false;
    case VGG_CLI_SIZE:
        return read_size(option, value, strlen(value), option->value);
    case VGG_CLI_SIZES:
        return read_sizes(option, value, option->value);
    case VGG_CLI_SEED:
        return read_whole(value, strlen(value), option->value);
    case VGG_CLI_NUMBER:
        return read_number(option, value, option->value);
    case VGG_CLI_RATIO:
        return read_ratio(value, option->value);
    case VGG_CLI_NUMBERS:
        return read_numbers(value, option->value);
    case VGG_CLI_TEXT:
        *(const char **)option->value = value;
        return value[0] != '\0';
    case VGG_CLI_TEXTS:
        return add_text(value, option->value);
    case VGG_CLI_CHOICE:
        return read_choice(option, value, option->value);
    case VGG_CLI_INPUT:
        return read_input(value, option->value);
    }
    return false;
}

static const char *sizes_text(const vgg_cli_sizes *sizes, char *buffer) {
    size_t used = 0;
    for (size_t i = 0; i < sizes->count && used < VGG_CLI_VALUE_SIZE; i++) {
        used += (size_t)snprintf(buffer + used, VGG_CLI_VALUE_SIZE - used, "%s%zu",
                                 i == 0 ? "" : ",", sizes->values[i]);
    }
    return sizes->count > 0 ? buffer : NULL;
}

static const char *numbers_text(const vgg_cli_numbers *numbers, char *buffer) {
    size_t used = 0;
    for (size_t i = 0; i < numbers->count && used < VGG_CLI_VALUE_SIZE; i++) {
        char text[VGG_CLI_TEXT_SIZE];
        used += (size_t)snprintf(buffer + used, VGG_CLI_VALUE_SIZE - used, "%s%s",
                                 i == 0 ? "" : ",", vgg_cli_number_text(text, numbers->values[i]));
    }
    return numbers->count > 0 ? buffer : NULL;
}

static const char *input_text(const vgg_cli_input *input, char *buffer) {
    if (input->channels != 0)
        snprintf(buffer, VGG_CLI_VALUE_SIZE, "%zux%zux%zu", input->channels, input->height,
                 input->width);
    else
        snprintf(buffer, VGG_CLI_VALUE_SIZE, "%zux%zu", input->height, input->width);
    return input->height != 0 ? buffer : NULL;
}

const char *vgg_cli_option_text(const vgg_cli_option *option, char buffer[VGG_CLI_VALUE_SIZE]) {
    switch (option->type) {
    case VGG_CLI_FLAG:
    case VGG_CLI_SWITCH:
        return *(const bool *)option->value ? "true" : "false";
    case VGG_CLI_SIZE:
        snprintf(buffer, VGG_CLI_VALUE_SIZE, "%zu", *(const size_t *)option->value);
        return (double)*(const size_t *)option->value >= option->minimum ? buffer : NULL;
    case VGG_CLI_SIZES:
        return sizes_text(option->value, buffer);
    case VGG_CLI_SEED:
        snprintf(buffer, VGG_CLI_VALUE_SIZE, "%" PRIu64, *(const uint64_t *)option->value);
        return buffer;
    case VGG_CLI_NUMBERS:
        return numbers_text(option->value, buffer);
    case VGG_CLI_NUMBER:
    case VGG_CLI_RATIO:
        return vgg_cli_number_text(buffer, *(const double *)option->value);
    case VGG_CLI_TEXT:
    case VGG_CLI_CHOICE:
        return *(const char *const *)option->value;
    case VGG_CLI_TEXTS: {
        const vgg_cli_texts *texts = option->value;
        return texts->count > 0 ? texts->values[texts->count - 1] : NULL;
    }
    case VGG_CLI_INPUT:
        return input_text(option->value, buffer);
    }
    return NULL;
}

static void describe_number(const vgg_cli_option *option, char *buffer) {
    char low[VGG_CLI_TEXT_SIZE], high[VGG_CLI_TEXT_SIZE];
    snprintf(buffer, VGG_CLI_EXPECTED_SIZE, "a number %s %s and %s %s",
             option->above ? "above" : "of at least", vgg_cli_number_text(low, option->minimum),
             option->below ? "below" : "at most", vgg_cli_number_text(high, option->maximum));
}

static void describe_choices(const vgg_cli_option *option, char *buffer) {
    size_t used = 0;
    for (size_t i = 0; option->choices[i] != NULL && used < VGG_CLI_EXPECTED_SIZE; i++) {
        const char *joint = i == 0 ? "" : option->choices[i + 1] == NULL ? " or " : ", ";
        used += (size_t)snprintf(buffer + used, VGG_CLI_EXPECTED_SIZE - used, "%s%s", joint,
                                 option->choices[i]);
    }
}

const char *vgg_cli_option_expected(const vgg_cli_option *option,
                                    char buffer[VGG_CLI_EXPECTED_SIZE]) {
    switch (option->type) {
    case VGG_CLI_FLAG:
    case VGG_CLI_SWITCH:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE, "no value");
        break;
    case VGG_CLI_SIZE:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE, "a whole number from %.0f to %.0f", option->minimum,
                 option->maximum);
        break;
    case VGG_CLI_SIZES:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE,
                 "whole numbers from %.0f to %.0f, at most %d, with commas between them",
                 option->minimum, option->maximum, VGG_CLI_SIZES_MOST);
        break;
    case VGG_CLI_SEED:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE, "a whole number from 0 to %llu",
                 (unsigned long long)UINT64_MAX);
        break;
    case VGG_CLI_NUMBER:
        describe_number(option, buffer);
        break;
    case VGG_CLI_RATIO:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE,
                 "a number other than 0, or a fraction such as 1/255");
        break;
    case VGG_CLI_NUMBERS:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE,
                 "three numbers with commas between them, or one for all channels");
        break;
    case VGG_CLI_TEXT:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE, "%s", option->argument);
        break;
    case VGG_CLI_TEXTS:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE, "%s, at most %d of them", option->argument,
                 VGG_CLI_TEXTS_MOST);
        break;
    case VGG_CLI_CHOICE:
        describe_choices(option, buffer);
        break;
    case VGG_CLI_INPUT:
        snprintf(buffer, VGG_CLI_EXPECTED_SIZE,
                 "channels x height x width such as 3x224x224, or 224x224, or 224; sides from 1 to "
                 "%d, 1 or 3 channels",
                 VGG_IMAGE_MAX_SIDE);
        break;
    }
    return buffer;
}
