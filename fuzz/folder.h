/* Files of a fuzzer, in memory. */
#ifndef VGG_FUZZ_FOLDER_H
#define VGG_FUZZ_FOLDER_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void insist(bool works) {
    if (!works)
        abort();
}

/* Below a folder of this process. */
static const char *in_folder(const char *name) {
    static char folder[] = "/dev/shm/vgg-fuzz-XXXXXX";
    static char path[128];
    static bool made;
    if (!made) {
        insist(mkdtemp(folder) != NULL);
        made = true;
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const uint8_t *data, size_t size) {
    int file = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    insist(file >= 0 && write(file, data, size) == (ssize_t)size);
    close(file);
}

#endif
