#include "data/part_names.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *word;
    vgg_part_kind kind;
} words[] = {
    {"train", VGG_PART_TRAIN},
    {"training", VGG_PART_TRAIN},
    {"trn", VGG_PART_TRAIN},
    {"val", VGG_PART_VALIDATION},
    {"valid", VGG_PART_VALIDATION},
    {"validation", VGG_PART_VALIDATION},
    {"validate", VGG_PART_VALIDATION},
    {"dev", VGG_PART_VALIDATION},
    {"test", VGG_PART_TEST},
    {"testing", VGG_PART_TEST},
    {"tst", VGG_PART_TEST},
};

/* What stands beside such a word, or right behind it, and says nothing. */
static const char *const fillers[] = {"set",   "data",   "dataset", "images",   "image",
                                      "imgs",  "img",    "pics",    "pictures", "photos",
                                      "split", "folder", "dir",     "seg",      "part"};
#define FILLERS (sizeof fillers / sizeof *fillers)

static bool same(const char *word, size_t length, const char *other) {
    return strlen(other) == length && memcmp(word, other, length) == 0;
}

static bool is_filler(const char *word, size_t length) {
    for (size_t i = 0; i < FILLERS; i++) {
        if (same(word, length, fillers[i]))
            return true;
    }
    return length == 0;
}

/* "train", "train2017", "trainset". */
static vgg_part_kind word_kind(const char *word, size_t length) {
    while (length > 0 && word[length - 1] >= '0' && word[length - 1] <= '9') {
        length--;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t own = strlen(words[i].word);
        if (length >= own && memcmp(word, words[i].word, own) == 0 &&
            is_filler(word + own, length - own))
            return words[i].kind;
    }
    return VGG_PART_NONE;
}

vgg_part_kind vgg_part_kind_of(const char *name) {
    char lower[64];
    size_t length = strlen(name);
    if (length >= sizeof lower)
        return VGG_PART_NONE;
    for (size_t i = 0; i <= length; i++) {
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    }
    vgg_part_kind found = VGG_PART_NONE;
    for (const char *at = lower; *at != '\0';) {
        size_t word = strcspn(at, "-_ .");
        vgg_part_kind kind = word_kind(at, word);
        if (kind == VGG_PART_NONE ? !is_filler(at, word) : found != VGG_PART_NONE)
            return VGG_PART_NONE;
        found = kind != VGG_PART_NONE ? kind : found;
        at += word;
        at += *at != '\0';
    }
    return found;
}
