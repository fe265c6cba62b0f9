/* Layout: PKWARE's APPNOTE.TXT, 4.3. */
#include "formats/containers/zip_writer.h"

#include <string.h>

#include <zlib.h>

#include "base/error.h"
#include "base/memory.h"

#define FIRST_DAY ((1u << 5) | 1u) /* month and day; the years count from 1980 */
#define UTF8_NAMES 0x800u
#define PADDING_ID 0x4246u /* "FB", as torch.save calls it */
#define ZIP64_ID 1u

void vgg_zip_add_number(vgg_text *text, uint64_t number, size_t width) {
    char bytes[8];
    memcpy(bytes, &number, sizeof number); /* little-endian, as this machine */
    vgg_text_add_bytes(text, bytes, width);
}

static void add_string(vgg_text *text, const char *string) {
    vgg_text_add_bytes(text, string, strlen(string));
}

static vgg_status write_text(vgg_sink *sink, vgg_text *text, vgg_error *error) {
    size_t size = text->length;
    char *bytes = vgg_text_take(text);
    if (bytes == NULL)
        return vgg_fail_memory(error, "a zip archive's list", size);
    vgg_status status = vgg_sink_write(sink, bytes, size, error);
    vgg_free(bytes);
    return status;
}

/* Numbers of more than 32 bits stand in an extra field of their own, and ones here. */
static bool is_large(size_t number) {
    return number >= UINT32_MAX;
}

static uint64_t in_32_bits(size_t number) {
    return is_large(number) ? UINT32_MAX : number;
}

/* From "version needed" to "length of the extra fields", which both headers of a record have. */
static void add_common(vgg_text *text, const vgg_zip_record *r, size_t extra) {
    vgg_zip_add_number(text, is_large(r->size) || is_large(r->header) ? 45 : 20, 2);
    vgg_zip_add_number(text, UTF8_NAMES, 2);
    vgg_zip_add_number(text, 0, 2); /* stored */
    vgg_zip_add_number(text, 0, 2); /* midnight */
    vgg_zip_add_number(text, FIRST_DAY, 2);
    vgg_zip_add_number(text, r->crc, 4);
    vgg_zip_add_number(text, in_32_bits(r->size), 4);
    vgg_zip_add_number(text, in_32_bits(r->size), 4);
    vgg_zip_add_number(text, strlen(r->name), 2);
    vgg_zip_add_number(text, extra, 2);
}

static vgg_status write_record(vgg_sink *sink, vgg_zip_record *r, vgg_error *error) {
    vgg_text text = {0};
    r->header = sink->position;
    r->crc = (uint32_t)crc32_z(0, r->bytes, r->size);
    size_t wide = is_large(r->size) ? 20 : 0;
    size_t begin = sink->position + 30 + strlen(r->name) + wide + 4;
    size_t padding = vgg_round_up(begin, VGG_ALIGNMENT) - begin;
    add_string(&text, "PK\x03\x04");
    add_common(&text, r, wide + 4 + padding);
    add_string(&text, r->name);
    if (wide > 0) {
        vgg_zip_add_number(&text, ZIP64_ID, 2);
        vgg_zip_add_number(&text, 16, 2);
        vgg_zip_add_number(&text, r->size, 8);
        vgg_zip_add_number(&text, r->size, 8);
    }
    vgg_zip_add_number(&text, PADDING_ID, 2);
    vgg_zip_add_number(&text, padding, 2);
    for (size_t i = 0; i < padding; i++) {
        vgg_zip_add_number(&text, 0, 1);
    }
    vgg_status status = write_text(sink, &text, error);
    return status == VGG_OK ? vgg_sink_write(sink, r->bytes, r->size, error) : status;
}

static void list_record(vgg_text *text, const vgg_zip_record *r) {
    size_t wide = (is_large(r->size) ? 16u : 0u) + (is_large(r->header) ? 8u : 0u);
    add_string(text, "PK\x01\x02");
    vgg_zip_add_number(text, 45, 2); /* the version that wrote it */
    add_common(text, r, wide > 0 ? 4 + wide : 0);
    vgg_zip_add_number(text, 0, 2); /* length of a comment */
    vgg_zip_add_number(text, 0, 2); /* number of the disk */
    vgg_zip_add_number(text, 0, 2); /* attributes */
    vgg_zip_add_number(text, 0, 4);
    vgg_zip_add_number(text, in_32_bits(r->header), 4);
    add_string(text, r->name);
    if (wide == 0)
        return;
    vgg_zip_add_number(text, ZIP64_ID, 2);
    vgg_zip_add_number(text, wide, 2);
    if (is_large(r->size)) {
        vgg_zip_add_number(text, r->size, 8);
        vgg_zip_add_number(text, r->size, 8);
    }
    if (is_large(r->header))
        vgg_zip_add_number(text, r->header, 8);
}

/* The ends: of the 64-bit list where it is needed, and of the 32-bit one. */
static void add_ends(vgg_text *text, size_t count, size_t list, size_t list_size) {
    if (is_large(list) || count >= UINT16_MAX) {
        add_string(text, "PK\x06\x06");
        vgg_zip_add_number(text, 44, 8); /* bytes of this record from here on */
        vgg_zip_add_number(text, 45, 2);
        vgg_zip_add_number(text, 45, 2);
        vgg_zip_add_number(text, 0, 8); /* disks */
        vgg_zip_add_number(text, count, 8);
        vgg_zip_add_number(text, count, 8);
        vgg_zip_add_number(text, list_size, 8);
        vgg_zip_add_number(text, list, 8);
        add_string(text, "PK\x06\x07");
        vgg_zip_add_number(text, 0, 4);
        vgg_zip_add_number(text, list + list_size, 8);
        vgg_zip_add_number(text, 1, 4);
    }
    add_string(text, "PK\x05\x06");
    vgg_zip_add_number(text, 0, 4); /* disks */
    vgg_zip_add_number(text, vgg_size_min(count, UINT16_MAX), 2);
    vgg_zip_add_number(text, vgg_size_min(count, UINT16_MAX), 2);
    vgg_zip_add_number(text, in_32_bits(list_size), 4);
    vgg_zip_add_number(text, in_32_bits(list), 4);
    vgg_zip_add_number(text, 0, 2); /* length of a comment */
}

vgg_status vgg_zip_write(vgg_sink *sink, vgg_zip_record *records, size_t count, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = write_record(sink, &records[i], error);
    }
    if (status != VGG_OK)
        return status;
    vgg_text list = {0};
    for (size_t i = 0; i < count; i++) {
        list_record(&list, &records[i]);
    }
    add_ends(&list, count, sink->position, list.length);
    return write_text(sink, &list, error);
}
