/* checkpoint.txt: a line that names the format, a line for each key, sorted, and a line with the
 * sum over all lines before it. Bytes that would end a word or a line are written as %XX. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/run.h"

#define FIRST_LINE "vgg-run 1\n"
/* What a record of 100,000 classes needs several times over. */
#define BYTES_MOST ((size_t)256 << 20)
#define SUM_WORD "sum "
#define SUM_DIGITS 16
/* The word, the digits and the end of the line. */
#define SUM_LINE (sizeof SUM_WORD - 1 + SUM_DIGITS + 1)

/* ---- writing ---- */

static void add_escaped(vgg_text *text, const char *word, bool blanks) {
    for (const char *c = word; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte == 0x7f || byte == '%' || (byte == ' ' && !blanks))
            vgg_text_add(text, "%%%02X", byte);
        else
            vgg_text_add_bytes(text, c, 1);
    }
}

static void add_lines(vgg_text *text, const vgg_notes *record) {
    vgg_text_add(text, FIRST_LINE);
    for (size_t i = 0; i < record->count; i++) {
        add_escaped(text, record->items[i].key, false);
        vgg_text_add(text, " ");
        add_escaped(text, record->items[i].value, true);
        vgg_text_add(text, "\n");
    }
    if (!text->failed)
        vgg_text_add(text, SUM_WORD "%016" PRIx64 "\n", vgg_checksum_of(text->data, text->length));
}

static vgg_status write_text(const char *path, const char *text, bool *replaced, vgg_error *error) {
    vgg_file_writer writer;
    vgg_status status = vgg_file_create(&writer, path, error);
    if (status == VGG_OK)
        status = vgg_file_write(&writer, text, strlen(text), error);
    if (status == VGG_OK)
        status = vgg_file_commit(&writer, error);
    *replaced = status == VGG_OK;
    return status;
}

vgg_status vgg_run_record_write(const char *path, const char *folder, const vgg_notes *record,
                                bool *replaced, vgg_error *error) {
    vgg_text lines = {0};
    *replaced = false;
    add_lines(&lines, record);
    char *text = vgg_text_take(&lines);
    if (text == NULL)
        return vgg_fail_memory(error, path, record->count * 64);
    /* The names of the files that it lists must be on the disk before it is. */
    vgg_status status = vgg_folder_sync(folder, error);
    if (status == VGG_OK)
        status = write_text(path, text, replaced, error);
    if (status == VGG_OK)
        status = vgg_folder_sync(folder, error);
    vgg_free(text);
    return status;
}

/* ---- reading ---- */

/* The value of a hexadecimal digit; -1 for another character. */
static int digit_of(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; false for a % without two digits. */
static bool unescape(char *word) {
    char *to = word;
    for (const char *c = word; *c != '\0'; c++) {
        if (*c != '%') {
            *to++ = *c;
            continue;
        }
        int high = digit_of(c[1]), low = high < 0 ? -1 : digit_of(c[2]);
        if (low < 0)
            return false;
        *to++ = (char)(16 * high + low);
        c += 2;
    }
    *to = '\0';
    return true;
}

static vgg_status fail_damaged(const char *path, const char *why, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is damaged: %s", path, why);
}

/* The text must end in the sum over all that stands before it. */
static vgg_status check_sum(const char *path, const char *text, size_t size, vgg_error *error) {
    const char *last = text + size - SUM_LINE;
    if (size < sizeof FIRST_LINE - 1 + SUM_LINE || text[size - 1] != '\n' ||
        strncmp(last, SUM_WORD, sizeof SUM_WORD - 1) != 0)
        return fail_damaged(path, "it does not end in its sum", error);
    char found[SUM_DIGITS + 1];
    snprintf(found, sizeof found, "%016" PRIx64, vgg_checksum_of(text, size - SUM_LINE));
    const char *expected = last + sizeof SUM_WORD - 1;
    if (memcmp(found, expected, SUM_DIGITS) == 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is damaged: its sum is %s, expected %.*s", path,
                    found, SUM_DIGITS, expected);
}

/* `text` is zero-terminated, and changed. */
static vgg_status parse(const char *path, char *text, size_t size, vgg_notes *record,
                        vgg_error *error) {
    if (size < sizeof FIRST_LINE - 1 || strncmp(text, FIRST_LINE, sizeof FIRST_LINE - 1) != 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: does not begin with \"%.*s\": it is damaged, or of a later version",
                        path, (int)sizeof FIRST_LINE - 2, FIRST_LINE);
    vgg_status status = check_sum(path, text, size, error);
    char *line = text + sizeof FIRST_LINE - 1, *end = text + size - SUM_LINE;
    while (status == VGG_OK && line < end) {
        char *next = strchr(line, '\n');
        if (next == NULL)
            return fail_damaged(path, "a line has no end", error);
        *next++ = '\0';
        char *value = strchr(line, ' ');
        if (value == NULL)
            return fail_damaged(path, "a line has no value", error);
        *value++ = '\0';
        if (!unescape(line) || !unescape(value))
            return fail_damaged(path, "a % stands before no number", error);
        status = vgg_run_record_set(record, line, value, error);
        line = next;
    }
    return status;
}

vgg_status vgg_run_record_read(const char *path, vgg_notes *record, vgg_error *error) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = vgg_file_read(path, BYTES_MOST, &bytes, &size, error);
    if (status == VGG_ERROR_NOT_FOUND)
        return VGG_OK;
    if (status != VGG_OK)
        return status;
    char *text = (char *)bytes;
    text[size] = '\0'; /* vgg_file_read leaves room for it */
    status = parse(path, text, size, record, error);
    vgg_free(text);
    if (status != VGG_OK)
        vgg_notes_free(record);
    return status;
}

/* ---- entries ---- */

vgg_status vgg_run_record_set(vgg_notes *record, const char *key, const char *value,
                              vgg_error *error) {
    if (vgg_notes_set(record, key, value))
        return VGG_OK;
    return vgg_fail_memory(error, "the record of a run", strlen(key) + strlen(value));
}

vgg_status vgg_run_record_set_count(vgg_notes *record, const char *key, uint64_t value,
                                    vgg_error *error) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return vgg_run_record_set(record, key, text, error);
}

static bool read_file(const char *value, vgg_run_file *file) {
    return sscanf(value, "%" SCNu64 " %" SCNu64 " %" SCNx64, &file->generation, &file->bytes,
                  &file->sum) == 3;
}

static bool find_file(const vgg_notes *record, const char *prefix, const char *name,
                      vgg_run_file *file) {
    char key[128];
    if ((size_t)snprintf(key, sizeof key, "%sfile.%s", prefix, name) >= sizeof key)
        return false;
    const char *value = vgg_notes_find(record, key);
    return value != NULL && read_file(value, file);
}

bool vgg_run_record_file(const vgg_notes *record, const char *name, vgg_run_file *file) {
    return find_file(record, "", name, file);
}

bool vgg_run_record_former(const vgg_notes *record, const char *name, vgg_run_file *file) {
    return find_file(record, VGG_RUN_FORMER, name, file);
}

const char *vgg_run_record_listed(const vgg_notes *record, size_t i, vgg_run_file *file) {
    const vgg_note *note = &record->items[i];
    bool listed = strncmp(note->key, "file.", 5) == 0 && read_file(note->value, file);
    return listed ? note->key + 5 : NULL;
}
