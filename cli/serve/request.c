#include "cli/serve/request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/memory_stream.h"
#include "cli/serve/index.h"
#include "cli/serve/infer.h"

#define BODY_LEAST 4096
/* Seconds after which a client may come back that found no room. */
#define RETRY_AFTER 1
/* A client that sends more than is taken gets its answer when it is done, which many wait for; but
 * not beyond so many times as much. */
#define PATIENCE 4
#define NUMBER_DIGITS 7
#define JPEG_QUALITY 85

/* The name that the client gives its request, where that is a plain one. */
static void name_request(vgg_serve_request *request) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *given = vgg_serve_request_header(request, "X-Request-Id");
    size_t length = given != NULL ? strlen(given) : 0;
    if (length > 0 && length < sizeof request->id && strspn(given, letters) == length)
        strcpy(request->id, given);
    else
        snprintf(request->id, sizeof request->id, "%016" PRIx64,
                 request->server->first_id + atomic_fetch_add(&request->server->requests, 1));
}

vgg_serve_request *vgg_serve_request_create(vgg_serve_server *server,
                                            struct MHD_Connection *connection, const char *url,
                                            const char *method) {
    vgg_serve_request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->url = url;
    snprintf(request->method, sizeof request->method, "%s", method);
    snprintf(request->path, sizeof request->path, "%s", url);
    request->begun = vgg_serve_now();
    request->job.deadline = request->begun + server->limits.timeout;
    atomic_fetch_add(&server->open, 1);
    name_request(request);
    return request;
}

static void free_pictures(vgg_serve_job *job) {
    for (size_t i = 0; job->pictures != NULL && i < job->count; i++) {
        vgg_serve_picture *picture = &job->pictures[i];
        free(picture->input);
        free(picture->message);
        free(picture->best);
        free(picture->logits);
        free(picture->layers);
    }
    free(job->pictures);
    job->pictures = NULL;
    job->count = 0;
}

static void free_body(vgg_serve_request *request) {
    free(request->body);
    request->body = NULL;
    atomic_fetch_sub(&request->server->body_bytes, request->body_capacity);
    request->body_size = request->body_capacity = 0;
}

/* What the answer no longer needs. */
static void release(vgg_serve_request *request) {
    if (request->job.count > 0)
        request->pictures = request->job.count;
    free_pictures(&request->job);
    vgg_serve_version_release(request->job.version);
    request->job.version = NULL;
    free_body(request);
}

void vgg_serve_request_free(vgg_serve_request *request) {
    if (request == NULL)
        return;
    release(request);
    vgg_serve_infer_free(request->infer);
    vgg_serve_index_release(request->index);
    free(request->text);
    atomic_fetch_sub(&request->server->body_bytes, request->reserved);
    atomic_fetch_sub(&request->server->open, 1);
    free(request);
}

const char *vgg_serve_request_header(const vgg_serve_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- the body ---- */

/* Counts more bytes among those of all requests. */
static bool count_bytes(vgg_serve_request *request, size_t more) {
    vgg_serve_server *server = request->server;
    if (atomic_fetch_add(&server->body_bytes, more) + more <= server->limits.max_bodies)
        return true;
    atomic_fetch_sub(&server->body_bytes, more);
    vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                   "the requests that are there take %zu bytes together, which is all that there "
                   "is for them",
                   server->limits.max_bodies);
    return false;
}

bool vgg_serve_request_reserve(vgg_serve_request *request, size_t bytes) {
    if (!count_bytes(request, bytes))
        return false;
    request->reserved += bytes;
    return true;
}

/* Room for so many bytes and a zero, counted among those of all requests. */
static bool reserve(vgg_serve_request *request, size_t size) {
    vgg_serve_server *server = request->server;
    if (size < request->body_capacity)
        return true;
    size_t capacity = request->body_capacity > 0 ? request->body_capacity : BODY_LEAST;
    while (capacity <= size) {
        capacity *= 2;
    }
    if (capacity > server->limits.max_body)
        capacity = server->limits.max_body + 1;
    if (!count_bytes(request, capacity - request->body_capacity))
        return false;
    request->body_capacity = capacity;
    unsigned char *body = realloc(request->body, capacity);
    if (body == NULL) {
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for a request");
        return false;
    }
    request->body = body;
    return true;
}

/* Adds to the body what is within the limits. */
static void add(vgg_serve_request *request, const void *bytes, size_t size) {
    size_t most = request->server->limits.max_body;
    if (size > most - request->body_size) {
        vgg_serve_fail(request, MHD_HTTP_CONTENT_TOO_LARGE,
                       "the request has more than %zu bytes, expected at most so many", most);
        return;
    }
    if (!reserve(request, request->body_size + size))
        return;
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
    request->body[request->body_size] = '\0';
}

bool vgg_serve_request_bears(const vgg_serve_request *request, size_t size) {
    return size / PATIENCE <= request->server->limits.max_body;
}

bool vgg_serve_request_take(vgg_serve_request *request, const void *bytes, size_t size) {
    request->received += size;
    if (request->status == 0)
        add(request, bytes, size);
    if (request->status != 0)
        free_body(request);
    return vgg_serve_request_bears(request, request->received) &&
           vgg_serve_now() < request->job.deadline;
}

/* ---- the answer ---- */

void vgg_serve_answer(vgg_serve_request *request, unsigned status, const char *type, char *text,
                      size_t length) {
    static const char nothing[] = "{\"error\": \"out of memory for the answer\"}\n";
    if (text == NULL) {
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
        type = "application/json";
        text = strdup(nothing);
        length = text != NULL ? strlen(text) : 0;
    }
    free(request->text);
    request->text = text;
    request->length = length;
    request->type = type;
    request->status = status;
    bool later = status == MHD_HTTP_SERVICE_UNAVAILABLE && !atomic_load(&request->server->draining);
    request->retry_after = later ? RETRY_AFTER : 0;
}

void vgg_serve_answer_json(vgg_serve_request *request, unsigned status, json_t *value) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = vgg_cli_memory_stream(&text, &length);
    if (out == NULL) {
        json_decref(value);
    } else {
        bool written = vgg_cli_json_write(out, value, false, 0) && fputc('\n', out) != EOF;
        if (fclose(out) != 0 || !written) {
            free(text);
            text = NULL;
        }
    }
    vgg_serve_answer(request, status, "application/json", text, length);
}

static bool write_bytes(void *user, const void *bytes, size_t size) {
    return fwrite(bytes, 1, size, user) == size;
}

vgg_status vgg_serve_answer_picture(vgg_serve_request *request, const vgg_image *picture,
                                    vgg_image_format format, vgg_error *error) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = vgg_cli_memory_stream(&text, &length);
    vgg_status status = VGG_ERROR_MEMORY;
    if (out != NULL) {
        status = vgg_image_encode(picture, format, JPEG_QUALITY, write_bytes, out, error);
        if (fclose(out) != 0 || status != VGG_OK) {
            free(text);
            text = NULL;
        }
    }
    if (out == NULL || status == VGG_OK)
        vgg_serve_answer(request, MHD_HTTP_OK, format == VGG_IMAGE_PNG ? "image/png" : "image/jpeg",
                         text, length);
    return out == NULL ? VGG_OK : status;
}

void vgg_serve_fail(vgg_serve_request *request, unsigned status, const char *format, ...) {
    char message[VGG_ERROR_TEXT + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    vgg_serve_answer_json(request, status, json_pack("{s:o}", "error", vgg_cli_json_text(message)));
}

void vgg_serve_ask_model(vgg_serve_request *request, const char *name) {
    request->job.model = vgg_serve_models_find(&request->server->models, name, strlen(name));
    if (request->job.model == NULL)
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND,
                       "there is no model %.64s; /v2/models lists them", name);
}

void vgg_serve_ask_flag(vgg_serve_request *request, const char *key, const char *value,
                        bool *flag) {
    *flag = strcmp(value, "true") == 0;
    if (!*flag && strcmp(value, "false") != 0)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "%s: found \"%.20s\", expected true or false",
                       key, value);
}

void vgg_serve_ask_number(vgg_serve_request *request, const char *key, const char *value,
                          size_t least, size_t most, size_t *number) {
    size_t length = strlen(value), found = SIZE_MAX;
    if (length > 0 && length <= NUMBER_DIGITS && strspn(value, "0123456789") == length)
        found = (size_t)strtoul(value, NULL, 10);
    if (found >= least && found <= most)
        *number = found;
    else
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "%s: found \"%.20s\", expected a whole number from %zu to %zu", key, value,
                       least, most);
}

unsigned vgg_serve_code_of(vgg_status status) {
    switch (status) {
    case VGG_ERROR_MEMORY:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    case VGG_ERROR_UNSUPPORTED:
        return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    case VGG_ERROR_NUMERIC:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    default:
        return MHD_HTTP_BAD_REQUEST;
    }
}

bool vgg_serve_fail_job(vgg_serve_request *request) {
    const vgg_serve_job *job = &request->job;
    switch (job->outcome) {
    case VGG_SERVE_FAILED:
        return true;
    case VGG_SERVE_FULL:
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "too many pictures wait for %s already; come back later", job->model->name);
        return true;
    case VGG_SERVE_LATE:
        vgg_serve_fail(request, MHD_HTTP_GATEWAY_TIMEOUT,
                       "no answer within the %g seconds that a request may take",
                       request->server->limits.timeout);
        return true;
    case VGG_SERVE_STOPPED:
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is being stopped");
        return true;
    case VGG_SERVE_DONE:
        break;
    }
    for (size_t i = 0; i < job->count; i++) {
        const vgg_serve_picture *picture = &job->pictures[i];
        if (picture->status == VGG_ERROR_NUMERIC && picture->bytes == NULL) {
            vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                           "picture %zu: the result for these numbers is not finite; expected "
                           "what the model's preprocessing makes of a picture",
                           i);
            return true;
        }
        if (picture->status != VGG_OK) {
            vgg_serve_fail(request, vgg_serve_code_of(picture->status), "%s",
                           picture->message != NULL ? picture->message : "out of memory");
            return true;
        }
    }
    return false;
}

void vgg_serve_reply(vgg_serve_request *request) {
    release(request);
    MHD_resume_connection(request->connection);
}
