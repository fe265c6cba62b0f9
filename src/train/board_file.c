/* The event files of TensorBoard: records of protocol buffers, each between its length and a
 * checksum. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/board.h"

/* ---- messages ---- */

static void add_byte(vgg_text *message, unsigned byte) {
    char c = (char)byte;
    vgg_text_add_bytes(message, &c, 1);
}

static void add_varint(vgg_text *message, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        add_byte(message, (unsigned)(value & 0x7f) | 0x80);
    }
    add_byte(message, (unsigned)value);
}

/* Little-endian, in any host. */
static void add_fixed(vgg_text *message, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        add_byte(message, (unsigned)(value >> (8 * i)) & 0xff);
    }
}

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void add_key(vgg_text *message, unsigned field, unsigned type) {
    add_varint(message, field << 3 | type);
}

void vgg_message_whole(vgg_text *message, unsigned field, uint64_t value) {
    add_key(message, field, VARINT);
    add_varint(message, value);
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void vgg_message_double(vgg_text *message, unsigned field, double value) {
    add_key(message, field, FIXED64);
    add_fixed(message, bits_of(value), 8);
}

void vgg_message_float(vgg_text *message, unsigned field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(message, field, FIXED32);
    add_fixed(message, bits, 4);
}

void vgg_message_bytes(vgg_text *message, unsigned field, const void *bytes, size_t size) {
    add_key(message, field, BYTES);
    add_varint(message, size);
    vgg_text_add_bytes(message, bytes, size);
}

void vgg_message_doubles(vgg_text *message, unsigned field, const double *values, size_t count) {
    add_key(message, field, BYTES);
    add_varint(message, 8 * count);
    for (size_t i = 0; i < count; i++) {
        add_fixed(message, bits_of(values[i]), 8);
    }
}

void vgg_message_within(vgg_text *message, unsigned field, vgg_text *inner) {
    message->failed = message->failed || inner->failed;
    if (!message->failed)
        vgg_message_bytes(message, field, inner->data, inner->length);
    vgg_text_free(inner);
}

/* ---- records ---- */

/* CRC-32C, of the polynomial 0x1edc6f41 mirrored. */
static uint32_t sum_of(const unsigned char *bytes, size_t size) {
    uint32_t sum = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            sum = sum >> 1 ^ (sum & 1 ? UINT32_C(0x82f63b78) : 0);
        }
    }
    return ~sum;
}

/* What stands in the file, so that a checksum of checksums makes sense. */
static uint32_t masked_sum_of(const void *bytes, size_t size) {
    uint32_t sum = sum_of(bytes, size);
    return (sum >> 15 | sum << 17) + UINT32_C(0xa282ead8);
}

static vgg_status write_record(vgg_board_file *file, const vgg_text *event, vgg_error *error) {
    vgg_text head = {0}, tail = {0};
    add_fixed(&head, event->length, 8);
    if (!head.failed)
        add_fixed(&head, masked_sum_of(head.data, head.length), 4);
    add_fixed(&tail, masked_sum_of(event->data, event->length), 4);
    vgg_status status = VGG_OK;
    if (head.failed || tail.failed)
        status = vgg_fail_memory(error, file->path, event->length);
    errno = 0;
    if (status == VGG_OK && (fwrite(head.data, 1, head.length, file->stream) != head.length ||
                             fwrite(event->data, 1, event->length, file->stream) != event->length ||
                             fwrite(tail.data, 1, tail.length, file->stream) != tail.length ||
                             fflush(file->stream) != 0))
        status = vgg_file_fail(error, file->path, "write");
    vgg_text_free(&head);
    vgg_text_free(&tail);
    return status;
}

/* ---- events ---- */

enum { WALL_TIME = 1, STEP = 2, FILE_VERSION = 3, SUMMARY = 5, SESSION = 7 }; /* of an event */

static vgg_status write_event(vgg_board_file *file, uint64_t step, unsigned field,
                              const void *bytes, size_t size, vgg_error *error) {
    struct timespec now;
    vgg_text event = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    vgg_message_double(&event, WALL_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    if (step > 0)
        vgg_message_whole(&event, STEP, step);
    vgg_message_bytes(&event, field, bytes, size);
    vgg_status status =
        event.failed ? vgg_fail_memory(error, file->path, size) : write_record(file, &event, error);
    vgg_text_free(&event);
    return status;
}

vgg_status vgg_board_file_write(vgg_board_file *file, uint64_t step, vgg_text *summary,
                                vgg_error *error) {
    vgg_status status = VGG_OK;
    if (summary->failed)
        status = vgg_fail_memory(error, file->path, summary->length);
    else if (summary->length > 0)
        status = write_event(file, step, SUMMARY, summary->data, summary->length, error);
    vgg_text_free(summary);
    return status;
}

/* Begins the file, and tells TensorBoard to forget the steps from `first` on that an earlier file
 * of the folder has: they are trained again. */
static vgg_status begin(vgg_board_file *file, uint64_t first, vgg_error *error) {
    static const char version[] = "brain.Event:2";
    static const unsigned char start[] = {1 << 3 | VARINT, 1}; /* the session's status */
    vgg_status status = write_event(file, 0, FILE_VERSION, version, sizeof version - 1, error);
    if (status == VGG_OK)
        status = write_event(file, first, SESSION, start, sizeof start, error);
    return status;
}

/* The name has the second and the process: no file that is there is written again. */
static vgg_status create(vgg_board_file *file, const char *folder, vgg_error *error) {
    char name[128], host[64] = "host";
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c != '\0'; c++) {
        *c = *c == '/' ? '-' : *c;
    }
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%ld.v2", (long long)time(NULL),
             host, (long)getpid());
    file->path = vgg_path_join(folder, name);
    if (file->path == NULL)
        return vgg_fail_memory(error, "the event file", strlen(folder));
    vgg_status status = vgg_folder_create(folder, error);
    if (status == VGG_OK && (file->stream = fopen(file->path, "ae")) == NULL)
        status = vgg_file_fail(error, file->path, "create");
    return status;
}

vgg_status vgg_board_file_open(vgg_board_file *file, const char *folder, uint64_t first,
                               vgg_error *error) {
    *file = (vgg_board_file){0};
    vgg_status status = create(file, folder, error);
    if (status == VGG_OK)
        status = begin(file, first, error);
    if (status != VGG_OK)
        vgg_board_file_close(file);
    return status;
}

void vgg_board_file_close(vgg_board_file *file) {
    if (file->stream != NULL)
        fclose(file->stream);
    vgg_free(file->path);
    *file = (vgg_board_file){0};
}
