/* SHA-256 (FIPS 180-4), by which a page says which scripts and styles are its own. */
#ifndef VGG_CLI_REPORT_SHA256_H
#define VGG_CLI_REPORT_SHA256_H

#include <stddef.h>
#include <stdint.h>

void vgg_cli_sha256(const void *bytes, size_t size, uint8_t digest[32]);

#endif
