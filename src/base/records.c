#include "base/records.h"

#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* The last bytes of the file. */
typedef struct foot {
    char name[16];
    uint64_t origin;               /* what the records follow from */
    uint64_t records, bytes, sums; /* the last: a sum over the sums */
} foot;

/* By kind: the name in the foot, and what a message calls it. */
static const struct {
    char name[16];
    const char *text;
} kinds[] = {
    [VGG_RECORDS_OF_TRAINING] = {"vgg features 1", "a training"},
    [VGG_RECORDS_OF_DATASET] = {"vgg data set 1", "a data set"},
};

/* The sum of a record that is none. */
#define NONE UINT64_C(0)

static uint64_t sum_of(const float *values, size_t count) {
    uint64_t sum = vgg_checksum_of(values, count * sizeof *values);
    return sum == NONE ? sum + 1 : sum;
}

vgg_status vgg_records_plan(vgg_records *records, vgg_records_kind kind, size_t count, size_t bytes,
                            vgg_error *error) {
    size_t sums = 0;
    bool fits = vgg_size_mul(count, sizeof *records->sums, &sums) &&
                vgg_size_add(sums, bytes, &records->bytes) &&
                vgg_size_add(records->bytes, sizeof(foot), &records->bytes);
    records->kind = kind;
    records->count = count;
    if (fits)
        records->sums = vgg_calloc(count + 1, sizeof *records->sums);
    if (records->sums == NULL)
        return vgg_fail_memory(error, "the sums of cached features", fits ? sums : SIZE_MAX);
    return VGG_OK;
}

void vgg_records_free(vgg_records *records) {
    if (records->ready)
        close(records->file);
    vgg_free(records->path);
    vgg_free(records->sums);
    *records = (vgg_records){0};
}

/* ---- opening ---- */

static vgg_status read_bytes(const vgg_records *records, size_t offset, void *bytes, size_t size,
                             bool *whole, vgg_error *error) {
    size_t got = 0;
    vgg_status status =
        vgg_file_read_some(records->file, records->path, offset, bytes, size, &got, error);
    *whole = status == VGG_OK && got == size;
    return status;
}

static bool is_of(const foot *end, size_t size, vgg_records_kind kind) {
    return memcmp(end->name, kinds[kind].name, sizeof end->name) == 0 && end->bytes == size;
}

/* Whether the open file, of `size` bytes, has the foot and the sums that it should. */
static vgg_status check_file(vgg_records *records, size_t size, uint64_t origin, bool *own,
                             bool *found, vgg_error *error) {
    foot end;
    size_t sums = records->count * sizeof *records->sums;
    vgg_status status = read_bytes(records, size - sizeof end, &end, sizeof end, found, error);
    for (vgg_records_kind kind = 0; *found && kind < sizeof kinds / sizeof *kinds; kind++) {
        if (kind != records->kind && is_of(&end, size, kind))
            status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                              "%s: has cached features of %s, expected those of %s; move it away",
                              records->path, kinds[kind].text, kinds[records->kind].text);
    }
    *own = *found && is_of(&end, size, records->kind);
    *found = *own && end.origin == origin && end.records == records->count &&
             end.bytes == records->bytes;
    if (!*found)
        return status;
    status = read_bytes(records, size - sizeof end - sums, records->sums, sums, found, error);
    *found = *found && vgg_checksum_of(records->sums, sums) == end.sums;
    return status;
}

vgg_status vgg_records_open(vgg_records *records, const char *path, uint64_t origin, bool *own,
                            vgg_error *error) {
    size_t size = 0;
    bool found = false, known = false;
    if (own != NULL)
        *own = false;
    if (records->path == NULL && (records->path = vgg_text_copy(path)) == NULL)
        return vgg_fail_memory(error, "file names", strlen(path));
    vgg_status status = vgg_file_open(records->path, &records->file, &size, error);
    if (status != VGG_OK)
        return status == VGG_ERROR_NOT_FOUND ? VGG_OK : status;
    if (size >= sizeof(foot))
        status = check_file(records, size, origin, &known, &found, error);
    records->ready = found;
    if (!found)
        close(records->file);
    if (own != NULL)
        *own = known;
    return status;
}

/* ---- writing ---- */

static vgg_status check_space(const vgg_records *records, vgg_error *error) {
    size_t left = vgg_folder_space(records->writer.temporary);
    char wanted[VGG_SIZE_TEXT], there[VGG_SIZE_TEXT];
    if (records->bytes <= left)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_IO, "%s: takes %s, and %s are left on the disk", records->path,
                    vgg_size_text(wanted, records->bytes), vgg_size_text(there, left));
}

vgg_status vgg_records_create(vgg_records *records, vgg_error *error) {
    records->next = 0;
    vgg_status status = vgg_file_create(&records->writer, records->path, error);
    if (status != VGG_OK)
        return status;
    status = check_space(records, error);
    if (status != VGG_OK)
        vgg_file_abandon(&records->writer);
    return status;
}

vgg_status vgg_records_add(vgg_records *records, const float *values, size_t count,
                           vgg_error *error) {
    static const float zeros[1024];
    uint64_t *sum = &records->sums[records->next++];
    vgg_status status = VGG_OK;
    *sum = values != NULL ? sum_of(values, count) : NONE;
    if (values != NULL)
        return vgg_file_write(&records->writer, values, count * sizeof *values, error);
    for (size_t done = 0, some; status == VGG_OK && done < count; done += some) {
        some = vgg_size_min(count - done, sizeof zeros / sizeof *zeros);
        status = vgg_file_write(&records->writer, zeros, some * sizeof *zeros, error);
    }
    return status;
}

vgg_status vgg_records_finish(vgg_records *records, uint64_t origin, vgg_status status,
                              vgg_error *error) {
    size_t sums = records->count * sizeof *records->sums;
    foot end = {.origin = origin,
                .records = records->count,
                .bytes = records->bytes,
                .sums = vgg_checksum_of(records->sums, sums)};
    memcpy(end.name, kinds[records->kind].name, sizeof end.name);
    if (status == VGG_OK)
        status = vgg_file_write(&records->writer, records->sums, sums, error);
    if (status == VGG_OK)
        status = vgg_file_write(&records->writer, &end, sizeof end, error);
    if (status == VGG_OK)
        status = vgg_file_commit(&records->writer, error);
    if (status != VGG_OK)
        vgg_file_abandon(&records->writer);
    return status;
}

void vgg_records_abandon(vgg_records *records) {
    vgg_file_abandon(&records->writer);
}

/* ---- reading ---- */

bool vgg_records_have(const vgg_records *records, size_t record) {
    return records->sums[record] != NONE;
}

vgg_status vgg_records_read(const vgg_records *records, size_t record, size_t offset, float *values,
                            size_t count, vgg_error *error) {
    bool whole;
    vgg_status status = read_bytes(records, offset, values, count * sizeof *values, &whole, error);
    if (status == VGG_OK && (!whole || sum_of(values, count) != records->sums[record]))
        status = vgg_fail(error, VGG_ERROR_IO,
                          "%s: record %zu has other bytes than were written; without the file it "
                          "is computed again",
                          records->path, record);
    return status;
}
