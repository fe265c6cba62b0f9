#include "nn/architecture.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* Table 1 of the paper. A-LRN normalises after the first convolution. */
static const vgg_architecture table[] = {
    {"A", "VGG-11", "64,M,128,M,256,256,M,512,512,M,512,512,M"},
    {"A-LRN", "VGG-11-LRN", "64,L,M,128,M,256,256,M,512,512,M,512,512,M"},
    {"B", "VGG-13", "64,64,M,128,128,M,256,256,M,512,512,M,512,512,M"},
    {"C", "VGG-16-1x1", "64,64,M,128,128,M,256,256,1x1:256,M,512,512,1x1:512,M,512,512,1x1:512,M"},
    {"D", "VGG-16", "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M"},
    {"E", "VGG-19", "64,64,M,128,128,M,256,256,256,256,M,512,512,512,512,M,512,512,512,512,M"},
};

static const char table_hidden[] = "4096,4096";

#define ROWS (sizeof table / sizeof *table)
/* Far above any VGG, far below what could overflow a size. */
#define MOST_TOKENS 512
#define MOST_CHANNELS 65536

const vgg_architecture *vgg_architecture_at(size_t row) {
    return row < ROWS ? &table[row] : NULL;
}

const vgg_architecture *vgg_arch_find(const char *arch) {
    for (size_t row = 0; row < ROWS; row++) {
        if (strcasecmp(arch, table[row].name) == 0 || strcasecmp(arch, table[row].common_name) == 0)
            return &table[row];
    }
    return NULL;
}

/* A list of comma-separated words being read. */
typedef struct word_list {
    const char *arch; /* the whole, for messages */
    const char *at;
    size_t word; /* number of the current word, from 1 */
} word_list;

/* Copies the next word into `word`, without the spaces around it; false at the end of the list. */
static bool next_word(word_list *reader, char stop, char *word, size_t size) {
    const char *at = reader->at;
    if (*at == '\0' || *at == stop)
        return false;
    size_t length = strcspn(at, stop == '\0' ? "," : ",/");
    reader->at = at + length + (at[length] == ',');
    reader->word++;
    while (length > 0 && isspace((unsigned char)*at)) {
        at++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)at[length - 1])) {
        length--;
    }
    length = length < size - 1 ? length : size - 1;
    memcpy(word, at, length);
    word[length] = '\0';
    return true;
}

/* A whole number 1..MOST_CHANNELS; 0 when it is none. */
static size_t read_width(const char *word) {
    char *end;
    if (!isdigit((unsigned char)*word))
        return 0;
    unsigned long value = strtoul(word, &end, 10);
    return *end == '\0' && value <= MOST_CHANNELS ? value : 0;
}

static vgg_status read_token(const word_list *reader, const char *word, vgg_arch_token *token,
                             vgg_error *error) {
    *token = (vgg_arch_token){.type = VGG_LAYER_CONVOLUTION, .kernel = 3};
    if (strcasecmp(word, "M") == 0)
        token->type = VGG_LAYER_MAX_POOL;
    else if (strcasecmp(word, "L") == 0)
        token->type = VGG_LAYER_LOCAL_RESPONSE_NORM;
    else if (strncmp(word, "1x1:", 4) == 0) {
        token->kernel = 1;
        token->channels = read_width(word + 4);
    } else
        token->channels = read_width(word);
    if (token->type != VGG_LAYER_CONVOLUTION || token->channels > 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "architecture \"%s\": word %zu is \"%s\", expected a number of channels up to "
                    "%d, 1x1:N, M or L; or one of A, A-LRN, B, C, D and E for the whole",
                    reader->arch, reader->word, word, MOST_CHANNELS);
}

static vgg_status read_tokens(word_list *reader, vgg_arch_list *list, vgg_error *error) {
    char word[32];
    while (next_word(reader, '/', word, sizeof word)) {
        if (list->token_count == MOST_TOKENS)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "architecture with more than %d words before the slash", MOST_TOKENS);
        vgg_status status = read_token(reader, word, &list->tokens[list->token_count], error);
        if (status != VGG_OK)
            return status;
        list->token_count++;
    }
    return VGG_OK;
}

static vgg_status read_hidden(word_list *reader, vgg_arch_list *list, vgg_error *error) {
    char word[32];
    while (next_word(reader, '\0', word, sizeof word)) {
        if (list->hidden_count == MOST_TOKENS)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "architecture with more than %d hidden linear layers", MOST_TOKENS);
        size_t width = read_width(word);
        if (width == 0)
            return vgg_fail(
                error, VGG_ERROR_ARGUMENT,
                "architecture \"%s\": word %zu is \"%s\", expected the width of a hidden "
                "linear layer up to %d",
                reader->arch, reader->word, word, MOST_CHANNELS);
        list->hidden[list->hidden_count++] = width;
    }
    return VGG_OK;
}

static vgg_status read_lists(const char *arch, vgg_arch_list *list, vgg_error *error) {
    const vgg_architecture *row = vgg_arch_find(arch);
    word_list tokens = {.arch = arch, .at = row != NULL ? row->convolutions : arch};
    vgg_status status = read_tokens(&tokens, list, error);
    if (status != VGG_OK)
        return status;
    if (row == NULL && *tokens.at != '/')
        return VGG_OK;
    word_list hidden = {
        .arch = arch, .at = row != NULL ? table_hidden : tokens.at + 1, .word = tokens.word};
    return read_hidden(&hidden, list, error);
}

vgg_status vgg_arch_parse(const char *arch, vgg_arch_list *out, vgg_error *error) {
    vgg_arch_list list = {.tokens = vgg_calloc(MOST_TOKENS, sizeof *list.tokens),
                          .hidden = vgg_calloc(MOST_TOKENS, sizeof *list.hidden)};
    vgg_status status;
    if (*arch == '\0')
        status =
            vgg_fail(error, VGG_ERROR_ARGUMENT,
                     "the architecture is empty; expected one of A, A-LRN, B, C, D and E, or one "
                     "such as \"32,32,M,64,64,M/256\"");
    else if (list.tokens == NULL || list.hidden == NULL)
        status = vgg_fail_memory(error, "an architecture", MOST_TOKENS * sizeof *list.tokens);
    else
        status = read_lists(arch, &list, error);
    if (status != VGG_OK) {
        vgg_free(list.tokens);
        vgg_free(list.hidden);
        return status;
    }
    *out = list;
    return VGG_OK;
}

const vgg_architecture *vgg_arch_row_of(const char *convolutions) {
    const vgg_architecture *row;
    for (size_t i = 0; (row = vgg_architecture_at(i)) != NULL; i++) {
        if (strcmp(row->convolutions, convolutions) == 0)
            return row;
    }
    return NULL;
}

char *vgg_arch_join(const char *convolutions, const char *hidden) {
    vgg_text text = {0};
    const vgg_architecture *row = vgg_arch_row_of(convolutions);
    if (row != NULL && strcmp(hidden, "/4096,4096") == 0)
        vgg_text_add(&text, "%s", row->name);
    else
        vgg_text_add(&text, "%s%s", convolutions, hidden);
    return vgg_text_take(&text);
}

/* ---- names ---- */

static const char *const layout_names[] = {
    [VGG_LAYOUT_PAPER] = "paper",
    [VGG_LAYOUT_TORCHVISION] = "torchvision",
};
#define LAYOUTS (sizeof layout_names / sizeof *layout_names)

const char *vgg_layout_name(vgg_layout layout) {
    return (size_t)layout < LAYOUTS ? layout_names[layout] : NULL;
}

vgg_layout vgg_layout_named(const char *name) {
    for (size_t i = 0; i < LAYOUTS; i++) {
        if (layout_names[i] != NULL && strcmp(name, layout_names[i]) == 0)
            return (vgg_layout)i;
    }
    return VGG_LAYOUT_UNSAID;
}

const char *vgg_origin_name(vgg_origin origin) {
    static const char *const names[] = {
        [VGG_ORIGIN_UNKNOWN] = "unknown", [VGG_ORIGIN_TOLD] = "told",
        [VGG_ORIGIN_FILE] = "file",       [VGG_ORIGIN_GRAPH] = "graph",
        [VGG_ORIGIN_SHAPES] = "shapes",   [VGG_ORIGIN_CONVENTION] = "convention",
        [VGG_ORIGIN_SIZE] = "size",
    };
    size_t count = sizeof names / sizeof *names;
    return (size_t)origin < count ? names[origin] : names[VGG_ORIGIN_UNKNOWN];
}
