/* What the program takes from the process it runs in: environment variables, which the library does
 * not read except for VGG_CPU, and the standard streams. */
#ifndef VGG_CLI_ENVIRONMENT_H
#define VGG_CLI_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/* What --threads is when it is not given: OMP_NUM_THREADS, or 0, one per processor, when it is not
 * set or not a number of 1 or more. */
size_t vgg_cli_default_threads(void);

/* TMPDIR; NULL when it is not set. */
const char *vgg_cli_temporary_folder(void);

/* Opens those of the standard streams that the caller of the program has closed, so that no other
 * file takes their place, in such a way that reading and writing them fails. False when even that
 * cannot be done. */
bool vgg_cli_hold_standard_streams(void);

#endif
