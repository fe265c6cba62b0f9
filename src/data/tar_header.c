#include "data/dataset.h"

#define TAR_BLOCK ((size_t)512)

bool vgg_is_tar_header(const unsigned char block[512]) {
    /* POSIX.1-1988, 10.1.1: the octal number at byte 148 is the sum of all bytes of the header, its
     * own eight counted as spaces. */
    unsigned long sum = 0, stated = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    }
    size_t i = 148;
    while (i < 156 && block[i] == ' ') {
        i++;
    }
    if (i == 156 || block[i] < '0' || block[i] > '7')
        return false;
    for (; i < 156 && block[i] >= '0' && block[i] <= '7'; i++) {
        stated = stated * 8 + (unsigned long)(block[i] - '0');
    }
    return sum == stated;
}
