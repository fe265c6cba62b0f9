#include "cli/serve/infer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/json.h"
#include "cli/serve/json_numbers.h"

const char *const vgg_serve_output_names[VGG_SERVE_OUTPUTS] = {"probabilities", "logits", "label"};

void vgg_serve_infer_free(struct vgg_serve_infer *infer) {
    if (infer == NULL)
        return;
    json_decref(infer->id);
    free(infer);
}

void vgg_serve_infer_begin(vgg_serve_request *request) {
    const char *encoding = vgg_serve_request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0)
        vgg_serve_fail(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                       "the body is encoded as %.32s, expected it as it is", encoding);
}

/* The bytes of the JSON, which binary tensors may follow. False: that was answered. */
static bool json_size(vgg_serve_request *request, size_t *size) {
    const char *header = vgg_serve_request_header(request, "Inference-Header-Content-Length");
    *size = request->body_size;
    if (header == NULL)
        return true;
    size_t length = strlen(header);
    bool number = length > 0 && length < 12 && strspn(header, "0123456789") == length;
    if (number)
        *size = (size_t)strtoull(header, NULL, 10);
    if (number && *size <= request->body_size)
        return true;
    vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                   "Inference-Header-Content-Length: found \"%.20s\", expected a number of bytes "
                   "up to the %zu of the body",
                   header, request->body_size);
    return false;
}

static bool read_id(vgg_serve_request *request, json_t *root) {
    json_t *id = json_object_get(root, "id");
    if (id != NULL && !json_is_string(id)) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "\"id\" is no string");
        return false;
    }
    request->infer->id = json_incref(id);
    return true;
}

static bool read_root(vgg_serve_request *request, size_t size, const vgg_serve_numbers *numbers) {
    json_error_t why;
    bool short_of_memory = false;
    json_t *root = vgg_cli_json_read((const char *)request->body, size, JSON_REJECT_DUPLICATES,
                                     &why, &short_of_memory);
    if (short_of_memory)
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for the request");
    else if (root == NULL)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "the JSON cannot be read: byte %d: %s",
                       why.position, why.text);
    else if (!json_is_object(root))
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "the JSON is no object");
    bool read = request->status == 0 && read_id(request, root) &&
                vgg_serve_infer_read_outputs(request, root) &&
                vgg_serve_infer_read_input(request, root, size, numbers->values, numbers->ends,
                                           numbers->arrays) &&
                vgg_serve_infer_count_layers(request);
    json_decref(root);
    return read;
}

bool vgg_serve_infer_prepare(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    vgg_serve_numbers numbers = {0};
    size_t size;
    if (!json_size(request, &size))
        return false;
    request->infer = calloc(1, sizeof *request->infer);
    if (request->infer == NULL || size == 0) {
        if (size == 0)
            vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "the request is empty, expected JSON");
        else
            vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for a request");
        return false;
    }
    size_t most = (request->server->limits.max_pictures + 1) * job->version->input;
    const char *problem = vgg_serve_json_take_numbers((char *)request->body, size, most, &numbers);
    if (problem != NULL)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "the JSON cannot be read: %s", problem);
    bool prepared = problem == NULL && read_root(request, size, &numbers);
    free(numbers.values);
    return prepared;
}
