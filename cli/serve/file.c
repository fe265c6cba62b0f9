#include "cli/serve/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"

#define SIZE_MOST ((size_t)1 << 20)

char *vgg_serve_file_text(const char *path, const char *option) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        vgg_cli_complain("serve", "%s %s: %s", option, path, strerror(errno));
        return NULL;
    }
    char *text = malloc(SIZE_MOST + 1);
    size_t size = text != NULL ? fread(text, 1, SIZE_MOST + 1, file) : 0;
    int why = ferror(file) ? errno : 0;
    fclose(file);
    if (text == NULL)
        vgg_cli_complain("serve", "%s %s: out of memory", option, path);
    else if (why != 0)
        vgg_cli_complain("serve", "%s %s: %s", option, path, strerror(why));
    else if (size > SIZE_MOST || memchr(text, '\0', size) != NULL)
        vgg_cli_complain("serve", "%s %s: is not a text of up to 1 MB", option, path);
    else {
        text[size] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

int vgg_serve_file_open(const char *path, struct stat *info) {
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || (fstat(file, info) == 0 && S_ISREG(info->st_mode)))
        return file;
    close(file);
    return -1;
}

size_t vgg_serve_file_read(int file, char *bytes, size_t size) {
    size_t done = 0;
    for (ssize_t got = 1; got > 0 && done < size;) {
        got = read(file, bytes + done, size - done);
        done += got > 0 ? (size_t)got : 0;
    }
    return done;
}
