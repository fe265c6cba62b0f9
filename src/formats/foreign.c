#include "formats/foreign.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

typedef struct signature {
    const char *kind;
    size_t offset, length;
    const char *bytes;
} signature;

/* The first bytes that each format's own description gives it. */
static const signature signatures[] = {
    {"a GGUF file", 0, 4, "GGUF"},
    {"a model of TensorFlow Lite: convert the Keras or PyTorch model that it was made from", 4, 4,
     "TFL3"},
    {"a MATLAB file: save its arrays as .npz, with scipy.io.loadmat and numpy.savez", 0, 10,
     "MATLAB 5.0"},
    {"a MATLAB file: save its arrays as .npz, with h5py and numpy.savez", 0, 10, "MATLAB 7.3"},
    {"a file of Torch7 (Lua): save its weights as .npz, with the package torchfile and "
     "numpy.savez",
     0, 15, "\4\0\0\0\1\0\0\0\3\0\0\0V 1"},
    {"a Git LFS pointer, which stands for a file that was not downloaded", 0, 26,
     "version https://git-lfs.gi"},
    {"gzip-compressed", 0, 2, "\x1f\x8b"},
    {"xz-compressed", 0, 6,
     "\xfd"
     "7zXZ\0"},
    {"a tar archive", 257, 5, "ustar"},
    {"a PNG picture", 0, 8, "\x89PNG\r\n\x1a\n"},
    {"a JPEG picture", 0, 3, "\xff\xd8\xff"},
    {"a WebP picture or another RIFF file", 0, 4, "RIFF"},
    {"a PDF document", 0, 5, "%PDF-"},
    {"a program", 0, 4,
     "\x7f"
     "ELF"},
};

static bool is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Floats may begin with a brace, too: behind it come blanks and a name or the end. */
static bool is_json(const char *text, size_t size) {
    size_t next = 1;
    while (next < size && next < 1024 && is_space((unsigned char)text[next])) {
        next++;
    }
    return next < size && (text[next] == '"' || text[next] == '}');
}

/* Text formats may begin with a byte order mark and blanks, and do not mind upper case. */
static const char *text_kind(const unsigned char *bytes, size_t size) {
    size_t start = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (start < size && start < 1024 && is_space(bytes[start])) {
        start++;
    }
    const char *text = (const char *)bytes + start;
    size_t left = size - start;
    if ((left >= 9 && strncasecmp(text, "<!doctype", 9) == 0) ||
        (left >= 5 && strncasecmp(text, "<html", 5) == 0))
        return "an HTML page (an error page saved instead of the file?)";
    if (left >= 5 && strncasecmp(text, "<?xml", 5) == 0)
        return "an XML text (an error page saved instead of the file?)";
    if (left >= 1 && *text == '{' && is_json(text, left))
        return "a JSON text";
    return NULL;
}

const char *vgg_foreign_kind(const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (size >= s->offset + s->length && memcmp(bytes + s->offset, s->bytes, s->length) == 0)
            return s->kind;
    }
    return text_kind(bytes, size);
}
