/* cmocka with the headers it wants before it, and what several tests share. */
#ifndef VGG_TEST_H
#define VGG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vgg/status.h"

/* Fails the test with the library's own message. */
#define assert_ok(call, error)                                                                     \
    do {                                                                                           \
        if ((call) != VGG_OK)                                                                      \
            fail_msg("%s: %s", #call, (error).message);                                            \
    } while (0)

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("\"%s\" does not contain \"%s\"", (text), (part));                            \
    } while (0)

#endif
