/* What a client sends: a tensor of encoded pictures, or of inputs as the network takes them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/serve/base64.h"
#include "cli/serve/infer.h"

/* A tensor as it was sent; one of `data` and `bytes` is set. */
typedef struct tensor {
    const char *name, *datatype;
    json_t *shape, *data;
    const unsigned char *bytes;
    size_t size;
} tensor;

static bool fail(vgg_serve_request *request, const char *what) {
    vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "%s", what);
    return false;
}

/* ---- which tensor it is ---- */

/* The one input. */
static bool find_tensor(vgg_serve_request *request, json_t *root, size_t json_size, tensor *found) {
    json_t *inputs = json_object_get(root, "inputs"), *input = json_array_get(inputs, 0);
    if (json_array_size(inputs) != 1 || !json_is_object(input))
        return fail(request, "\"inputs\": expected an array of one object, the tensor " //
                    VGG_SERVE_IMAGE " or " VGG_SERVE_INPUT);
    *found = (tensor){.name = json_string_value(json_object_get(input, "name")),
                      .datatype = json_string_value(json_object_get(input, "datatype")),
                      .shape = json_object_get(input, "shape"),
                      .data = json_object_get(input, "data")};
    if (found->name == NULL || found->datatype == NULL || !json_is_array(found->shape))
        return fail(request, "the input needs a name, a datatype and a shape");
    json_t *parameters = json_object_get(input, "parameters");
    json_t *size = json_object_get(parameters, "binary_data_size");
    if ((size != NULL) == (found->data != NULL))
        return fail(request, "the input needs data, or the parameter binary_data_size, not both");
    if (found->data != NULL)
        return true;
    json_int_t bytes = json_is_integer(size) ? json_integer_value(size) : -1;
    if (bytes < 0 || (size_t)bytes != request->body_size - json_size) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "binary_data_size: found %lld, expected the %zu bytes that follow the JSON",
                       (long long)bytes, request->body_size - json_size);
        return false;
    }
    found->bytes = request->body + json_size;
    found->size = (size_t)bytes;
    return true;
}

/* The first number of the shape, of pictures; the others are as expected: those of `rest`. */
static bool read_count(vgg_serve_request *request, const tensor *given, const size_t *rest,
                       size_t rest_count) {
    size_t most = request->server->limits.max_pictures;
    json_t *first = json_array_get(given->shape, 0);
    json_int_t count = json_is_integer(first) ? json_integer_value(first) : 0;
    bool right = count >= 1 && json_array_size(given->shape) == rest_count + 1;
    for (size_t i = 0; right && i < rest_count; i++) {
        json_t *side = json_array_get(given->shape, i + 1);
        right = json_is_integer(side) && json_integer_value(side) == (json_int_t)rest[i];
    }
    if (!right && rest_count > 0)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "%s: expected the shape [N, %zu, %zu, %zu], N being 1 or more", given->name,
                       rest[0], rest[1], rest[2]);
    else if (!right)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "%s: expected the shape [N], N being 1 or more", given->name);
    else if ((size_t)count > most)
        vgg_serve_fail(request, MHD_HTTP_CONTENT_TOO_LARGE,
                       "%s has %lld pictures, expected at most %zu", given->name, (long long)count,
                       most);
    if (request->status != 0)
        return false;
    request->job.pictures = calloc((size_t)count, sizeof *request->job.pictures);
    if (request->job.pictures == NULL) {
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for pictures");
        return false;
    }
    request->job.count = (size_t)count;
    return true;
}

/* ---- encoded pictures ---- */

static bool add_picture(vgg_serve_request *request, size_t number, const unsigned char *bytes,
                        size_t size) {
    vgg_serve_picture *picture = &request->job.pictures[number];
    if (size == 0) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "picture %zu is empty", number);
        return false;
    }
    snprintf(picture->own_name, sizeof picture->own_name, "picture %zu", number);
    picture->name = picture->own_name;
    picture->bytes = bytes;
    picture->size = size;
    return true;
}

/* Elements of a length, in four bytes, and so many bytes. */
static bool read_elements(vgg_serve_request *request, const tensor *given) {
    const unsigned char *at = given->bytes, *end = given->bytes + given->size;
    for (size_t i = 0; i < request->job.count; i++) {
        if (end - at < 4)
            return fail(request, "the bytes of image end before its last element");
        size_t size = at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
        at += 4;
        if (size > (size_t)(end - at))
            return fail(request, "an element of image is longer than what follows");
        if (!add_picture(request, i, at, size))
            return false;
        at += size;
    }
    return at == end || fail(request, "image has bytes behind its last element");
}

/* Strings of base64, which are decoded into the body: all of it has been read. */
static bool read_strings(vgg_serve_request *request, const tensor *given) {
    unsigned char *out = request->body;
    if (!json_is_array(given->data) || json_array_size(given->data) != request->job.count)
        return fail(request, "image: expected as many strings of base64 as its shape says");
    for (size_t i = 0; i < request->job.count; i++) {
        json_t *text = json_array_get(given->data, i);
        size_t size;
        if (!json_is_string(text) ||
            !vgg_serve_base64_decode(json_string_value(text), json_string_length(text), out, &size))
            return fail(request, "image: expected strings of base64");
        if (!add_picture(request, i, out, size))
            return false;
        out += size;
    }
    return true;
}

/* ---- inputs ---- */

/* Refuses what no picture becomes, which would look as if the model were damaged. */
static bool check_finite(vgg_serve_request *request, const float *input, size_t number) {
    for (size_t i = 0; i < request->job.version->input; i++) {
        if (isfinite(input[i]))
            continue;
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "input: number %zu of picture %zu is %g as FP32, expected finite numbers", i,
                       number, (double)input[i]);
        return false;
    }
    return true;
}

/* `values` are floats, aligned or not. */
static bool copy_inputs(vgg_serve_request *request, const void *values) {
    vgg_serve_job *job = &request->job;
    size_t bytes = job->version->input * sizeof(float);
    for (size_t i = 0; i < job->count; i++) {
        job->pictures[i].input = malloc(bytes);
        if (job->pictures[i].input == NULL) {
            vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for inputs");
            return false;
        }
        memcpy(job->pictures[i].input, (const unsigned char *)values + i * bytes, bytes);
        if (!check_finite(request, job->pictures[i].input, i))
            return false;
    }
    return true;
}

static bool read_inputs(vgg_serve_request *request, const tensor *given, const float *numbers,
                        const size_t *ends, size_t arrays) {
    size_t wanted = request->job.count * request->job.version->input, found;
    const void *values;
    if (given->bytes != NULL) {
        values = given->bytes;
        found = given->size / sizeof(float);
        if (given->size % sizeof(float) != 0)
            found = SIZE_MAX;
    } else {
        json_int_t array = json_is_integer(given->data) ? json_integer_value(given->data) : -1;
        if (array < 0 || (size_t)array >= arrays)
            return fail(request, "input: expected an array of numbers");
        size_t begin = array > 0 ? ends[array - 1] : 0;
        values = numbers + begin;
        found = ends[array] - begin;
    }
    if (found != wanted) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "input: the data are not the %zu numbers of its shape", wanted);
        return false;
    }
    return copy_inputs(request, values);
}

bool vgg_serve_infer_read_input(vgg_serve_request *request, json_t *root, size_t json_size,
                                const float *numbers, const size_t *ends, size_t arrays) {
    const vgg_serve_version *version = request->job.version;
    const size_t rest[] = {version->channels, version->height, version->width};
    tensor given = {0};
    if (!find_tensor(request, root, json_size, &given))
        return false;
    bool image = strcmp(given.name, VGG_SERVE_IMAGE) == 0;
    if (!image && strcmp(given.name, VGG_SERVE_INPUT) != 0) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "there is no input %.64s, expected " VGG_SERVE_IMAGE " or " VGG_SERVE_INPUT,
                       given.name);
        return false;
    }
    if (strcmp(given.datatype, image ? "BYTES" : "FP32") != 0) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "%s: found the datatype %.16s, expected %s",
                       given.name, given.datatype, image ? "BYTES" : "FP32");
        return false;
    }
    if (!read_count(request, &given, rest, image ? 0 : 3))
        return false;
    if (!image)
        return read_inputs(request, &given, numbers, ends, arrays);
    return given.bytes != NULL ? read_elements(request, &given) : read_strings(request, &given);
}
