#include "cli/serve/base64.h"

/* The value of a letter, 64 for one that has none. */
static unsigned value_of(char letter) {
    if (letter >= 'A' && letter <= 'Z')
        return (unsigned)(letter - 'A');
    if (letter >= 'a' && letter <= 'z')
        return (unsigned)(letter - 'a') + 26;
    if (letter >= '0' && letter <= '9')
        return (unsigned)(letter - '0') + 52;
    if (letter == '+')
        return 62;
    return letter == '/' ? 63 : 64;
}

bool vgg_serve_base64_decode(const char *text, size_t length, unsigned char *bytes, size_t *size) {
    if (length % 4 == 0 && length > 0 && text[length - 1] == '=')
        length -= text[length - 2] == '=' ? 2 : 1;
    *size = 0;
    if (length % 4 == 1)
        return false;
    unsigned bits = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned value = value_of(text[i]);
        if (value == 64)
            return false;
        bits = (bits << 6 | value) & 0xffffff;
        if (i % 4 != 0)
            bytes[(*size)++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    return true;
}
