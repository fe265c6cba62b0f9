#include "data/archive_input.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

static la_ssize_t read_block(struct archive *archive, void *user, const void **block) {
    vgg_archive_input *input = user;
    ssize_t got;
    do {
        got = read(input->descriptor, input->block, sizeof input->block);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        archive_set_error(archive, errno, "cannot read: %s", strerror(errno));
    *block = input->block;
    return got;
}

/* Passes bytes that nobody wants. */
static la_int64_t skip_bytes(struct archive *archive, void *user, la_int64_t bytes) {
    const vgg_archive_input *input = user;
    (void)archive;
    return lseek(input->descriptor, bytes, SEEK_CUR) < 0 ? 0 : bytes;
}

static la_int64_t seek_to(struct archive *archive, void *user, la_int64_t offset, int whence) {
    const vgg_archive_input *input = user;
    off_t at = lseek(input->descriptor, offset, whence);
    if (at < 0)
        archive_set_error(archive, errno, "cannot read: %s", strerror(errno));
    return at < 0 ? ARCHIVE_FATAL : at;
}

vgg_archive_input *vgg_archive_input_create(int descriptor) {
    vgg_archive_input *input = vgg_calloc(1, sizeof *input);
    if (input == NULL)
        return NULL;
    input->descriptor = descriptor;
    input->archive = archive_read_new();
    input->entry = archive_entry_new();
    if (input->archive == NULL || input->entry == NULL) {
        vgg_archive_input_free(input);
        return NULL;
    }
    return input;
}

bool vgg_archive_input_begin(vgg_archive_input *input) {
    struct archive *archive = input->archive;
    return archive_read_set_read_callback(archive, read_block) == ARCHIVE_OK &&
           archive_read_set_skip_callback(archive, skip_bytes) == ARCHIVE_OK &&
           archive_read_set_seek_callback(archive, seek_to) == ARCHIVE_OK &&
           archive_read_set_callback_data(archive, input) == ARCHIVE_OK &&
           archive_read_open1(archive) == ARCHIVE_OK;
}

void vgg_archive_input_free(vgg_archive_input *input) {
    if (input == NULL)
        return;
    archive_entry_free(input->entry);
    archive_read_free(input->archive);
    vgg_free(input);
}
