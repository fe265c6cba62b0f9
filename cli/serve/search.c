#include "cli/serve/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/serve/file.h"
#include "cli/serve/index.h"
#include "cli/small_picture.h"

#define TOP_MOST 1000
#define TOP_USUAL 10
/* Of the long side of a picture that is shown. */
#define SIDE_MOST 256

/* Keeps the index for the request. False: there is none, which was answered. */
static bool take_index(vgg_serve_request *request) {
    request->index = vgg_serve_index_acquire(&request->server->catalogue);
    if (request->index == NULL) {
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "there is no index to search in: --index");
        return false;
    }
    request->job.model = request->index->model;
    request->job.lane = VGG_SERVE_SEARCHING;
    return true;
}

/* What went wrong with a picture; memory that ran out may have left no words. */
static void fail(vgg_serve_request *request, vgg_status status, const vgg_error *error) {
    vgg_serve_fail(request, vgg_serve_code_of(status), "%s", error->message);
}

/* ---- searching ---- */

static enum MHD_Result read_parameter(void *user, enum MHD_ValueKind kind, const char *key,
                                      const char *value) {
    vgg_serve_request *request = user;
    (void)kind;
    if (strcmp(key, "top") == 0)
        vgg_serve_ask_number(request, key, value != NULL ? value : "", 1, TOP_MOST,
                             &request->job.top);
    else
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "unknown parameter %.64s, expected top", key);
    return request->status == 0 ? MHD_YES : MHD_NO;
}

void vgg_serve_search_begin(vgg_serve_request *request) {
    request->job.top = TOP_USUAL;
    if (take_index(request))
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, read_parameter,
                                  request);
}

/* What `vgg search --format json` prints, and where each picture is shown. */
static json_t *describe(const vgg_serve_index *index, const vgg_index_match *matches,
                        size_t found) {
    json_t *list = json_array();
    char shown[64];
    for (size_t i = 0; i < found; i++) {
        size_t picture = matches[i].picture;
        snprintf(shown, sizeof shown, "pictures/%zu-%zu", index->number, picture);
        list = vgg_cli_json_appended(
            list, json_pack("{s:o, s:o, s:s}", "image",
                            vgg_cli_json_text(vgg_serve_index_name(index, picture)), "similarity",
                            vgg_cli_json_number(matches[i].similarity), "thumbnail", shown));
    }
    return json_pack("[{s:s, s:o}]", "image", "-", "matches", list);
}

static void search(vgg_serve_request *request, const vgg_image *image) {
    vgg_serve_index *index = request->index;
    size_t top = request->job.top < index->pictures ? request->job.top : index->pictures, found = 0;
    vgg_index_match *matches = calloc(top + 1, sizeof *matches);
    vgg_error error = {.status = VGG_ERROR_MEMORY, .message = "out of memory for a search"};
    vgg_status status = VGG_ERROR_MEMORY;
    if (matches != NULL)
        status = vgg_index_search_image(index->opened, image, top, matches, &found, &error);
    if (status == VGG_OK)
        vgg_serve_answer_json(request, MHD_HTTP_OK, describe(index, matches, found));
    else
        fail(request, status, &error);
    free(matches);
}

bool vgg_serve_search_prepare(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    vgg_decode_options how;
    vgg_image image = {0};
    vgg_error error;
    if (request->body_size == 0) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "the request is empty, expected a picture");
        return false;
    }
    vgg_decode_options_init(&how, sizeof how);
    how.max_pixels = request->server->limits.max_pixels;
    vgg_status status =
        vgg_image_decode_with(request->body, request->body_size, "-", &how, &image, &error);
    if (status == VGG_OK)
        search(request, &image);
    else
        fail(request, status, &error);
    vgg_image_free(&image);
    return false;
}

/* ---- showing ---- */

/* The picture that the path names, "NUMBER OF THE INDEX-NUMBER OF THE PICTURE"; SIZE_MAX: none. */
static size_t named_picture(const vgg_serve_request *request) {
    const vgg_serve_index *index = request->index;
    const char *text = strrchr(request->url, '/') + 1;
    char right[64];
    int length = snprintf(right, sizeof right, "%zu-", index->number);
    if (strncmp(text, right, (size_t)length) != 0)
        return SIZE_MAX;
    text += length;
    size_t digits = strlen(text);
    if (digits == 0 || digits > 9 || strspn(text, "0123456789") != digits)
        return SIZE_MAX;
    size_t picture = (size_t)strtoul(text, NULL, 10);
    return picture < index->pictures ? picture : SIZE_MAX;
}

void vgg_serve_shown_begin(vgg_serve_request *request) {
    if (!take_index(request))
        return;
    request->shown = named_picture(request);
    if (request->shown == SIZE_MAX)
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND,
                       "the index has no such picture; /search says which it has, and they are "
                       "others when it has changed");
}

/* Answers with the picture in the bytes. */
static void show(vgg_serve_request *request, const char *bytes, size_t size) {
    vgg_decode_options how;
    vgg_image image = {0};
    vgg_error error;
    vgg_decode_options_init(&how, sizeof how);
    how.max_pixels = request->server->limits.max_pixels;
    how.least = SIDE_MOST;
    vgg_status status = vgg_image_decode_with(
        bytes, size, vgg_serve_index_name(request->index, request->shown), &how, &image, &error);
    if (status == VGG_OK)
        status = vgg_cli_shrink(&image, SIDE_MOST, &error);
    if (status == VGG_OK)
        status = vgg_serve_answer_picture(request, &image, VGG_IMAGE_JPEG, &error);
    if (status == VGG_ERROR_MEMORY)
        fail(request, status, &error);
    else if (status != VGG_OK)
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "%s", error.message);
    vgg_image_free(&image);
}

/* What is sent is made of the pixels: whatever else the file may be by now, nobody reads it. */
bool vgg_serve_shown_prepare(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    const vgg_serve_index *index = request->index;
    struct stat info;
    int file = vgg_serve_file_open(vgg_index_name(index->opened, request->shown), &info);
    if (file < 0) {
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "%s is not there any more",
                       vgg_serve_index_name(index, request->shown));
        return false;
    }
    size_t size = (size_t)info.st_size;
    if (size > request->server->limits.max_body) {
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "%s has more than %zu bytes",
                       vgg_serve_index_name(index, request->shown),
                       request->server->limits.max_body);
    } else if (vgg_serve_request_reserve(request, size + 1)) {
        char *bytes = malloc(size + 1);
        if (bytes != NULL)
            show(request, bytes, vgg_serve_file_read(file, bytes, size));
        else
            vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for a picture");
        free(bytes);
    }
    close(file);
    return false;
}

void vgg_serve_search_finish(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    if (job->outcome == VGG_SERVE_FULL)
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "too many searches wait already; come back later");
    else
        vgg_serve_fail_job(request);
    vgg_serve_reply(request);
}
