/* Small pictures within the page. */
#include <stdlib.h>
#include <string.h>

#include "cli/memory_stream.h"
#include "cli/message.h"
#include "cli/report/html.h"
#include "cli/report/report.h"
#include "cli/small_picture.h"
#include "cli/terminal.h"

/* Of the long side. */
#define SIDE_MOST 96
#define QUALITY 78
/* Of all on a page. */
#define BYTES_MOST ((size_t)3500000)
#define UNKNOWN SIZE_MAX

struct vgg_cli_thumbnails {
    const char *command; /* of notes */
    const vgg_dataset *sets[VGG_CLI_SETS_MOST];
    size_t firsts[VGG_CLI_SETS_MOST + 1]; /* items of the sets before each, and of all */
    size_t set_count;
    char **made;    /* an address for each item that was asked for, or NULL */
    size_t *places; /* (pictures of the scores) the item of each, or UNKNOWN */
    size_t left;    /* bytes that the page has room for */
    double until;   /* when no more are made */
    bool noted;     /* that a picture of this page cannot be read */
    bool lacking;   /* memory for a picture of this page */
};

vgg_cli_thumbnails *vgg_cli_thumbnails_create(const char *command, const vgg_dataset *const *sets,
                                              size_t count) {
    vgg_cli_thumbnails *thumbnails = calloc(1, sizeof *thumbnails);
    if (thumbnails == NULL)
        return NULL;
    thumbnails->command = command;
    for (size_t i = 0; i < count; i++) {
        thumbnails->sets[i] = sets[i];
        thumbnails->firsts[i + 1] = thumbnails->firsts[i] + vgg_dataset_count(sets[i]);
    }
    thumbnails->set_count = count;
    size_t items = thumbnails->firsts[count];
    thumbnails->made = calloc(items + 1, sizeof *thumbnails->made);
    if (thumbnails->made != NULL)
        return thumbnails;
    vgg_cli_thumbnails_free(thumbnails);
    return NULL;
}

void vgg_cli_thumbnails_free(vgg_cli_thumbnails *thumbnails) {
    if (thumbnails == NULL)
        return;
    for (size_t i = 0; thumbnails->made != NULL && i < thumbnails->firsts[thumbnails->set_count];
         i++) {
        free(thumbnails->made[i]);
    }
    free(thumbnails->made);
    free(thumbnails->places);
    free(thumbnails);
}

/* ---- finding ---- */

static size_t set_of(const vgg_cli_thumbnails *thumbnails, size_t item) {
    size_t set = 0;
    while (item >= thumbnails->firsts[set + 1]) {
        set++;
    }
    return set;
}

static const char *name_of(const vgg_cli_thumbnails *thumbnails, size_t item) {
    size_t set = set_of(thumbnails, item);
    return vgg_dataset_item_name(thumbnails->sets[set], item - thumbnails->firsts[set]);
}

/* Pictures that could not be read have no scores: the items go on alone there. */
bool vgg_cli_thumbnails_begin(vgg_cli_thumbnails *thumbnails, const vgg_scores *scores,
                              double seconds) {
    size_t count = vgg_scores_count(scores), items = thumbnails->firsts[thumbnails->set_count];
    size_t *places = realloc(thumbnails->places, (count + 1) * sizeof *places);
    if (places == NULL)
        return false;
    thumbnails->places = places;
    thumbnails->left = BYTES_MOST;
    thumbnails->until = vgg_cli_now() + seconds;
    thumbnails->noted = false;
    thumbnails->lacking = false;
    for (size_t i = 0, item = 0; i < count; i++) {
        vgg_scored_picture picture = {.struct_size = sizeof picture};
        places[i] = UNKNOWN;
        if (vgg_scores_picture(scores, i, &picture, NULL) != VGG_OK)
            continue;
        size_t at = item;
        while (at < items && strcmp(name_of(thumbnails, at), picture.name) != 0) {
            at++;
        }
        if (at == items)
            continue;
        places[i] = at;
        item = at + 1;
    }
    return true;
}

/* ---- making ---- */

static bool write_bytes(void *user, const void *bytes, size_t size) {
    FILE *encoded = user;
    return fwrite(bytes, 1, size, encoded) == size;
}

/* "data:image/jpeg;base64,..." of bytes; freed by the caller, NULL when memory ran out. */
static char *address_of(const char *bytes, size_t size) {
    char *address = NULL;
    size_t length = 0;
    FILE *text = vgg_cli_memory_stream(&address, &length);
    if (text == NULL)
        return NULL;
    fputs("data:image/jpeg;base64,", text);
    vgg_cli_html_base64(text, bytes, size);
    if (fclose(text) == 0)
        return address;
    free(address);
    return NULL;
}

/* The picture as an address, which is freed by the caller. */
static vgg_status encode(const vgg_image *image, char **address, vgg_error *error) {
    char *bytes = NULL;
    size_t size = 0;
    FILE *encoded = vgg_cli_memory_stream(&bytes, &size);
    vgg_status status = VGG_ERROR_MEMORY;
    if (encoded != NULL) {
        status = vgg_image_encode(image, VGG_IMAGE_JPEG, QUALITY, write_bytes, encoded, error);
        status = fclose(encoded) == 0 ? status : VGG_ERROR_MEMORY;
    }
    if (status == VGG_OK) {
        *address = address_of(bytes, size);
        status = *address != NULL ? VGG_OK : VGG_ERROR_MEMORY;
    }
    free(bytes);
    return status;
}

/* NULL, which is noted, when the picture is not made. */
static char *make(vgg_cli_thumbnails *thumbnails, size_t item) {
    size_t set = set_of(thumbnails, item);
    vgg_image small;
    vgg_error error;
    vgg_status status = vgg_dataset_read_reduced(
        thumbnails->sets[set], item - thumbnails->firsts[set], SIDE_MOST, &small, &error);
    if (status == VGG_OK)
        status = vgg_cli_shrink(&small, SIDE_MOST, &error);
    char *address = NULL;
    if (status == VGG_OK) {
        status = encode(&small, &address, &error);
        vgg_image_free(&small);
    }
    if (status != VGG_OK && status != VGG_ERROR_MEMORY && !thumbnails->noted) {
        vgg_cli_complain(thumbnails->command, "note: %s; the page is without it", error.message);
        thumbnails->noted = true;
    }
    thumbnails->lacking = thumbnails->lacking || status == VGG_ERROR_MEMORY;
    return address;
}

const char *vgg_cli_thumbnail(vgg_cli_thumbnails *thumbnails, size_t picture) {
    size_t item = thumbnails->places[picture];
    if (item == UNKNOWN || thumbnails->left == 0)
        return NULL;
    if (thumbnails->made[item] == NULL && vgg_cli_now() < thumbnails->until)
        thumbnails->made[item] = make(thumbnails, item);
    const char *address = thumbnails->made[item];
    if (address == NULL)
        return NULL;
    size_t bytes = strlen(address);
    if (bytes > thumbnails->left) {
        thumbnails->left = 0;
        return NULL;
    }
    thumbnails->left -= bytes;
    return address;
}

bool vgg_cli_thumbnails_whole(const vgg_cli_thumbnails *thumbnails) {
    return !thumbnails->lacking;
}
