#include "data/passed.h"

#include <stdbool.h>
#include <string.h>

#include "vgg/image.h"

/* How many folders are named; of more the number is said. */
#define FOLDERS_NAMED 8

void vgg_passed_clear(vgg_passed *passed) {
    vgg_text_free(&passed->folders);
    *passed = (vgg_passed){0};
}

void vgg_passed_count(vgg_passed *passed, vgg_passed_kind kind) {
    passed->kinds[kind]++;
}

/* False when the name has no ending that is one. */
static bool lower_ending(const char *name, char *ending, size_t size) {
    const char *dot = strrchr(name, '.');
    size_t length = dot != NULL ? strlen(dot) : 0;
    if (length < 2 || length >= size)
        return false;
    for (size_t i = 0; i <= length; i++) {
        char c = dot[i];
        ending[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return true;
}

void vgg_passed_file(vgg_passed *passed, const char *name) {
    char ending[sizeof passed->endings[0].ending];
    if (!lower_ending(name, ending, sizeof ending)) {
        vgg_passed_count(passed, VGG_PASSED_PLAIN);
        return;
    }
    size_t i = 0;
    while (i < passed->ending_count && strcmp(passed->endings[i].ending, ending) != 0) {
        i++;
    }
    if (i == VGG_PASSED_ENDINGS) {
        passed->others++;
        return;
    }
    if (i == passed->ending_count) {
        memcpy(passed->endings[i].ending, ending, sizeof ending);
        passed->ending_count++;
    }
    passed->endings[i].count++;
}

void vgg_passed_folder(vgg_passed *passed, const char *path, const char *why) {
    if (passed->folder_count++ >= FOLDERS_NAMED)
        return;
    vgg_text_add(&passed->folders, "%sfolder %.200s/", passed->folder_count > 1 ? ", " : "", path);
    if (why != NULL)
        vgg_text_add(&passed->folders, " (%s)", why);
}

/* Adds "4 <one>" or its plural behind what is there. */
static void add_count(vgg_text *text, size_t count, const char *one, const char *many) {
    vgg_text_add(text, "%s%zu %s", text->length == 0 ? "left out: " : ", ", count,
                 count == 1 ? one : many);
}

void vgg_passed_text(const vgg_passed *passed, vgg_text *text) {
    static const char *const words[VGG_PASSED_KINDS][2] = {
        [VGG_PASSED_PLAIN] = {"file without an ending", "files without an ending"},
        [VGG_PASSED_HIDDEN] = {"hidden file", "hidden files"},
        [VGG_PASSED_LOOSE] = {"picture outside of the classes", "pictures outside of the classes"},
        [VGG_PASSED_UNLISTED] = {"picture without a label", "pictures without a label"},
        [VGG_PASSED_MISSING] = {"label without its picture", "labels without their pictures"},
        [VGG_PASSED_REPEATED] = {"repeated label", "repeated labels"},
    };
    for (size_t i = 0; i < passed->ending_count; i++) {
        const char *ending = passed->endings[i].ending, *missing = vgg_image_name_missing(ending);
        add_count(text, passed->endings[i].count, ending, ending);
        if (missing != NULL)
            vgg_text_add(text, " (this libvgg was built without %s)", missing);
    }
    for (int kind = 0; kind < VGG_PASSED_KINDS; kind++) {
        if (passed->kinds[kind] > 0)
            add_count(text, passed->kinds[kind], words[kind][0], words[kind][1]);
    }
    if (passed->others > 0)
        add_count(text, passed->others, "other file", "other files");
    if (passed->folder_count == 0)
        return;
    vgg_text_add(text, "%s%s", text->length == 0 ? "left out: " : ", ",
                 passed->folders.data != NULL ? passed->folders.data : "");
    if (passed->folder_count > FOLDERS_NAMED)
        vgg_text_add(text, " and %zu more folders", passed->folder_count - FOLDERS_NAMED);
    text->failed = text->failed || passed->folders.failed;
}
