#include "cli/serve/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/memory_stream.h"
#include "cli/predict_json.h"
#include "cli/serve/multipart.h"

/* What a picture is called that has no name of its own: as `vgg predict` calls standard input. */
#define UNNAMED "-"
#define TOP_MOST 1000000

static void ask_top(vgg_serve_request *request, const char *value) {
    vgg_serve_ask_number(request, "top", value, 1, TOP_MOST, &request->job.top);
}

static void ask_logits(vgg_serve_request *request, const char *value) {
    vgg_serve_ask_flag(request, "logits", value, &request->logits);
}

static enum MHD_Result read_parameter(void *user, enum MHD_ValueKind kind, const char *key,
                                      const char *value) {
    static const struct {
        const char *name;
        void (*ask)(vgg_serve_request *request, const char *value);
    } parameters[] = {{"model", vgg_serve_ask_model}, {"top", ask_top}, {"logits", ask_logits}};
    vgg_serve_request *request = user;
    (void)kind;
    if (request->status != 0)
        return MHD_NO;
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        if (strcmp(key, parameters[i].name) == 0) {
            parameters[i].ask(request, value != NULL ? value : "");
            return MHD_YES;
        }
    }
    vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                   "unknown parameter %.64s, expected model, top or logits", key);
    return MHD_NO;
}

void vgg_serve_plain_begin(vgg_serve_request *request) {
    const char *type = vgg_serve_request_header(request, "Content-Type");
    request->job.model = &request->server->models.entries[0];
    request->job.top = request->server->top;
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, read_parameter, request);
    if (request->status == 0 && type != NULL && strncasecmp(type, "application/json", 16) == 0)
        vgg_serve_fail(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                       "%s takes an encoded picture or a form with pictures, not JSON, which "
                       "/v2/models/%s/infer takes",
                       request->url, request->job.model->name);
}

/* The form's parts are pictures, each with the name of its file. */
static bool take_form(vgg_serve_request *request, const char *boundary) {
    vgg_serve_job *job = &request->job;
    size_t most = request->server->limits.max_pictures;
    vgg_serve_part *parts = calloc(most + 1, sizeof *parts);
    size_t count = 0;
    const char *problem = parts == NULL
                              ? "out of memory for its parts"
                              : vgg_serve_multipart_parse(request->body, request->body_size,
                                                          boundary, parts, most + 1, &count);
    if (problem != NULL && count <= most)
        vgg_serve_fail(request, parts == NULL ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_BAD_REQUEST,
                       "the form cannot be read: %s", problem);
    else if (count == 0)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "the form has no parts, expected pictures as: image");
    else if (count > most)
        vgg_serve_fail(request, MHD_HTTP_CONTENT_TOO_LARGE,
                       "the form has more than %zu parts, expected at most so many", most);
    for (size_t i = 0; request->status == 0 && i < count; i++) {
        if (strcmp(parts[i].name, "image") != 0)
            vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                           "the form has a part %.64s, expected pictures as: image",
                           parts[i].name[0] != '\0' ? parts[i].name : "without a name");
    }
    for (size_t i = 0; request->status == 0 && i < count; i++) {
        const char *name =
            parts[i].file != NULL && parts[i].file[0] != '\0' ? parts[i].file : UNNAMED;
        job->pictures[i] =
            (vgg_serve_picture){.bytes = parts[i].content, .size = parts[i].size, .name = name};
        job->count = i + 1;
    }
    free(parts);
    return request->status == 0;
}

bool vgg_serve_plain_prepare(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    char boundary[VGG_SERVE_BOUNDARY_SIZE];
    if (request->body_size == 0) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "the request is empty, expected a picture");
        return false;
    }
    bool form =
        vgg_serve_multipart_type(vgg_serve_request_header(request, "Content-Type"), boundary);
    job->pictures = calloc(form ? request->server->limits.max_pictures : 1, sizeof *job->pictures);
    if (job->pictures == NULL) {
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for pictures");
        return false;
    }
    if (form)
        return take_form(request, boundary);
    job->pictures[0] =
        (vgg_serve_picture){.bytes = request->body, .size = request->body_size, .name = UNNAMED};
    job->count = 1;
    return true;
}

/* What `vgg predict --format json` prints; NULL when memory ran out. */
static char *write_predictions(const vgg_serve_request *request, size_t *length) {
    const vgg_serve_job *job = &request->job;
    vgg_cli_predict_output output = {.format = VGG_CLI_PREDICT_JSON,
                                     .logits = request->logits,
                                     .multi_label = vgg_model_output(job->version->model) ==
                                                    VGG_OUTPUT_SIGMOID};
    char *text = NULL;
    FILE *out = vgg_cli_memory_stream(&text, length);
    if (out == NULL)
        return NULL;
    bool written = true;
    vgg_cli_predict_json_begin(out);
    for (; written && output.written < job->count; output.written++) {
        const vgg_serve_picture *picture = &job->pictures[output.written];
        written = vgg_cli_predict_json_picture(out, &output, picture->name, picture->best,
                                               picture->found);
    }
    vgg_cli_predict_json_end(out, &output);
    if (fclose(out) == 0 && written)
        return text;
    free(text);
    return NULL;
}

void vgg_serve_plain_finish(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    size_t length = 0;
    if (!vgg_serve_fail_job(request)) {
        char *text = write_predictions(request, &length);
        vgg_serve_answer(request, MHD_HTTP_OK, "application/json", text, length);
    }
    vgg_serve_reply(request);
}
