#include "formats/containers/archive.h"

#include <string.h>

#include <zip.h>

#include "base/error.h"
#include "base/memory.h"

struct vgg_archive {
    vgg_storage *storage;
    const char *path; /* for messages */
    zip_t *zip;
    const unsigned char **used; /* what vgg_archive_use gave, for each record */
    /* How libzip reads the map. */
    size_t position, last_read; /* where the last read began */
    zip_error_t fault;
};

/* libzip has no function that says where in the file a record's bytes lie. It reads them from here,
 * though, so the place of the first of them is seen. */
static zip_int64_t read_map(vgg_archive *archive, void *data, zip_uint64_t length) {
    const vgg_storage *storage = archive->storage;
    size_t left = storage->size - archive->position;
    size_t count = length < left ? (size_t)length : left;
    memcpy(data, storage->map + archive->position, count);
    archive->last_read = archive->position;
    archive->position += count;
    return (zip_int64_t)count;
}

static zip_int64_t seek_map(vgg_archive *archive, void *data, zip_uint64_t length) {
    zip_int64_t to = zip_source_seek_compute_offset(archive->position, archive->storage->size, data,
                                                    length, &archive->fault);
    if (to < 0)
        return -1;
    archive->position = (size_t)to;
    return 0;
}

static zip_int64_t describe_map(const vgg_archive *archive, void *data, zip_uint64_t length) {
    zip_stat_t *info = data;
    if (length < sizeof *info)
        return -1;
    zip_stat_init(info);
    info->size = archive->storage->size;
    info->valid = ZIP_STAT_SIZE;
    return sizeof *info;
}

static zip_int64_t answer(void *context, void *data, zip_uint64_t length,
                          zip_source_cmd_t command) {
    vgg_archive *archive = context;
    switch (command) {
    case ZIP_SOURCE_OPEN:
        archive->position = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return read_map(archive, data, length);
    case ZIP_SOURCE_SEEK:
        return seek_map(archive, data, length);
    case ZIP_SOURCE_TELL:
        return (zip_int64_t)archive->position;
    case ZIP_SOURCE_STAT:
        return describe_map(archive, data, length);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&archive->fault, data, length);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
        return 0;
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_SEEKABLE;
    default:
        zip_error_set(&archive->fault, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

static vgg_status fail_open(vgg_archive *archive, zip_error_t *fault, vgg_error *error) {
    int code = zip_error_code_zip(fault);
    if (code == ZIP_ER_MEMORY)
        return vgg_fail_memory(error, "the list of a zip archive", archive->storage->size);
    if (code == ZIP_ER_NOZIP)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is a zip archive without its list of records, which stands at the "
                        "end: truncated at byte %zu?",
                        archive->path, archive->storage->size);
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is a broken zip archive: %s", archive->path,
                    zip_error_strerror(fault));
}

static vgg_status open_zip(vgg_archive *archive, vgg_error *error) {
    zip_error_t fault;
    zip_error_init(&fault);
    vgg_status status = VGG_OK;
    zip_source_t *map = zip_source_function_create(answer, archive, &fault);
    if (map != NULL)
        archive->zip = zip_open_from_source(map, ZIP_RDONLY, &fault);
    if (archive->zip == NULL) {
        status = fail_open(archive, &fault, error);
        if (map != NULL)
            zip_source_free(map);
    }
    zip_error_fini(&fault);
    return status;
}

vgg_status vgg_archive_open(vgg_storage *storage, const char *path, vgg_archive **archive,
                            vgg_error *error) {
    vgg_archive *made = vgg_calloc(1, sizeof *made);
    if (made == NULL)
        return vgg_fail_memory(error, "a zip archive", sizeof *made);
    made->storage = storage;
    made->path = path;
    zip_error_init(&made->fault);
    vgg_status status = open_zip(made, error);
    if (status == VGG_OK) {
        size_t count = vgg_archive_count(made);
        made->used = vgg_calloc(count + 1, sizeof *made->used);
        if (made->used == NULL)
            status = vgg_fail_memory(error, "the list of a zip archive", count);
    }
    if (status != VGG_OK) {
        vgg_archive_close(made);
        return status;
    }
    *archive = made;
    return VGG_OK;
}

void vgg_archive_close(vgg_archive *archive) {
    if (archive == NULL)
        return;
    if (archive->zip != NULL)
        zip_discard(archive->zip);
    zip_error_fini(&archive->fault);
    vgg_free(archive->used);
    vgg_free(archive);
}

size_t vgg_archive_count(const vgg_archive *archive) {
    zip_int64_t count = zip_get_num_entries(archive->zip, 0);
    return count < 0 ? 0 : (size_t)count;
}

const char *vgg_archive_name(const vgg_archive *archive, size_t record) {
    const char *name = zip_get_name(archive->zip, record, 0);
    return name == NULL ? "" : name;
}

vgg_status vgg_archive_find(const vgg_archive *archive, const char *name, bool *found,
                            size_t *record, vgg_error *error) {
    zip_int64_t at = zip_name_locate(archive->zip, name, 0);
    *found = at >= 0;
    if (*found)
        *record = (size_t)at;
    else if (zip_error_code_zip(zip_get_error(archive->zip)) == ZIP_ER_MEMORY)
        return vgg_fail_memory(error, archive->path, strlen(name));
    return VGG_OK;
}

/* ---- records ---- */

static vgg_status fail_record(const vgg_archive *archive, size_t record, const char *what,
                              vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: its record \"%.80s\" %s", archive->path,
                    vgg_archive_name(archive, record), what);
}

static vgg_status describe(const vgg_archive *archive, size_t record, zip_stat_t *info,
                           vgg_error *error) {
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    zip_stat_init(info);
    if (zip_stat_index(archive->zip, record, 0, info) != 0 || (info->valid & needed) != needed)
        return fail_record(archive, record, "is broken", error);
    if ((info->valid & ZIP_STAT_ENCRYPTION_METHOD) && info->encryption_method != ZIP_EM_NONE)
        return fail_record(archive, record, "is encrypted", error);
    return VGG_OK;
}

/* Bytes after which a caller may stop. */
#define UNPACK_STEP ((size_t)4 << 20)

/* Unpacks all of it; only then libzip has compared the checksum. */
static vgg_status unpack(const vgg_archive *archive, size_t record, unsigned char *bytes,
                         size_t size, vgg_error *error) {
    zip_file_t *file = zip_fopen_index(archive->zip, record, 0);
    if (file == NULL)
        return fail_record(archive, record, zip_strerror(archive->zip), error);
    vgg_status status = VGG_OK;
    size_t done = 0;
    unsigned char beyond;
    while (status == VGG_OK && done <= size) {
        zip_int64_t got =
            done < size ? zip_fread(file, bytes + done, vgg_size_min(size - done, UNPACK_STEP))
                        : zip_fread(file, &beyond, 1);
        if (got < 0)
            status = fail_record(archive, record, zip_file_strerror(file), error);
        else if (got == 0)
            break;
        else {
            done += (size_t)got;
            status = vgg_meter_add(archive->storage->meter, (size_t)got, error);
        }
    }
    zip_fclose(file);
    if (status == VGG_OK && done != size)
        status = fail_record(archive, record, "has not the size that its list says", error);
    return status;
}

vgg_status vgg_archive_read(vgg_archive *archive, size_t record, size_t limit,
                            unsigned char **bytes, size_t *size, vgg_error *error) {
    zip_stat_t info;
    vgg_status status = describe(archive, record, &info, error);
    if (status != VGG_OK)
        return status;
    if (info.size > limit)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its record \"%.80s\" has %llu bytes, expected at most %zu",
                        archive->path, vgg_archive_name(archive, record),
                        (unsigned long long)info.size, limit);
    unsigned char *memory = vgg_malloc((size_t)info.size + 1);
    if (memory == NULL)
        return vgg_fail_memory(error, "a record of a zip archive", (size_t)info.size);
    status = unpack(archive, record, memory, (size_t)info.size, error);
    if (status != VGG_OK) {
        vgg_free(memory);
        return status;
    }
    memory[info.size] = 0;
    *bytes = memory;
    *size = (size_t)info.size;
    return VGG_OK;
}

/* Where in the map a record begins that is stored as it is. */
static vgg_status locate(vgg_archive *archive, size_t record, size_t size,
                         const unsigned char **bytes, vgg_error *error) {
    const vgg_storage *storage = archive->storage;
    *bytes = storage->map;
    if (size == 0)
        return VGG_OK;
    zip_file_t *file = zip_fopen_index(archive->zip, record, ZIP_FL_COMPRESSED);
    if (file == NULL)
        return fail_record(archive, record, zip_strerror(archive->zip), error);
    unsigned char first;
    archive->last_read = storage->size;
    zip_int64_t got = zip_fread(file, &first, 1);
    zip_fclose(file);
    size_t begin = archive->last_read;
    if (got != 1 || begin >= storage->size || size > storage->size - begin)
        return fail_record(archive, record, "reaches beyond the end of the file", error);
    *bytes = storage->map + begin;
    return VGG_OK;
}

vgg_status vgg_archive_use(vgg_archive *archive, size_t record, const unsigned char **bytes,
                           size_t *size, vgg_error *error) {
    zip_stat_t info;
    vgg_status status = describe(archive, record, &info, error);
    if (status != VGG_OK)
        return status;
    *size = (size_t)info.size;
    *bytes = archive->used[record];
    if (*bytes != NULL)
        return VGG_OK;
    if (info.comp_method == ZIP_CM_STORE) {
        if (info.comp_size != info.size)
            return fail_record(archive, record, "is stored with two different sizes", error);
        status = locate(archive, record, *size, bytes, error);
    } else {
        void *memory;
        status = vgg_storage_memory(archive->storage, archive->path, *size, "a compressed record",
                                    &memory, error);
        if (status == VGG_OK)
            status = unpack(archive, record, memory, *size, error);
        *bytes = memory;
    }
    if (status == VGG_OK)
        archive->used[record] = *bytes;
    return status;
}
