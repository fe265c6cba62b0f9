/* What a client gets: the tensors that it asked for, in JSON or behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/memory_stream.h"
#include "cli/serve/infer.h"
#include "vgg/loss.h"

#define TEXT_SIZE 512

/* The answer while it is made. */
typedef struct writer {
    const vgg_serve_request *request;
    FILE *binary; /* tensors that follow the JSON */
    float *row;   /* probabilities of one picture */
} writer;

/* ---- elements ---- */

/* The values of a picture; a row that lasts until the next. */
static const float *values_of(const writer *to, const vgg_serve_output *output, size_t picture) {
    const vgg_serve_job *job = &to->request->job;
    if (output->kind == VGG_SERVE_LAYER)
        return job->pictures[picture].layers + output->begin;
    const float *logits = job->pictures[picture].logits;
    if (output->kind == VGG_SERVE_LOGITS)
        return logits;
    if (vgg_model_output(job->version->model) == VGG_OUTPUT_SIGMOID)
        vgg_sigmoid(logits, job->version->classes, to->row);
    else
        vgg_softmax(logits, 1, job->version->classes, to->row);
    return to->row;
}

/* An element of text: the likeliest label, or value, number and label of the place-th class. */
static void text_of(const vgg_serve_output *output, const vgg_prediction *class,
                    char text[TEXT_SIZE]) {
    double value = output->kind == VGG_SERVE_LOGITS ? class->logit : class->probability;
    if (output->kind == VGG_SERVE_LABEL && class->label != NULL)
        snprintf(text, TEXT_SIZE, "%s", class->label);
    else if (output->kind == VGG_SERVE_LABEL)
        snprintf(text, TEXT_SIZE, "%zu", class->index);
    else if (class->label != NULL)
        snprintf(text, TEXT_SIZE, "%.9g:%zu:%s", value, class->index, class->label);
    else
        snprintf(text, TEXT_SIZE, "%.9g:%zu", value, class->index);
}

static void put_number(FILE *out, size_t value) {
    for (int byte = 0; byte < 4; byte++) {
        fputc((int)(value >> (8 * byte) & 0xff), out);
    }
}

/* The elements of one picture; NULL when memory ran out. */
static json_t *add_texts(const writer *to, const vgg_serve_output *output, size_t picture,
                         json_t *data) {
    const vgg_serve_picture *one = &to->request->job.pictures[picture];
    size_t count = output->kind == VGG_SERVE_LABEL ? 1 : output->classification;
    for (size_t i = 0; i < count; i++) {
        char text[TEXT_SIZE];
        text_of(output, &one->best[i], text);
        if (output->binary) {
            put_number(to->binary, strlen(text));
            fputs(text, to->binary);
        } else {
            data = vgg_cli_json_appended(data, vgg_cli_json_text(text));
        }
    }
    return data;
}

static json_t *add_values(const writer *to, const vgg_serve_output *output, size_t picture,
                          json_t *data) {
    const float *values = values_of(to, output, picture);
    size_t count =
        output->kind == VGG_SERVE_LAYER ? output->values : to->request->job.version->classes;
    if (output->binary) {
        fwrite(values, sizeof *values, count, to->binary);
        return data;
    }
    for (size_t i = 0; i < count; i++) {
        data = vgg_cli_json_appended(data, json_real((double)values[i]));
    }
    return data;
}

/* ---- tensors ---- */

static json_t *shape_of(const writer *to, const vgg_serve_output *output) {
    json_int_t count = (json_int_t)to->request->job.count;
    if (output->kind == VGG_SERVE_LABEL)
        return json_pack("[I]", count);
    if (output->kind == VGG_SERVE_LAYER) {
        json_t *shape = json_pack("[I]", count);
        for (size_t i = 0; i < output->dimensions; i++) {
            shape = vgg_cli_json_appended(shape, json_integer((json_int_t)output->shape[i]));
        }
        return shape;
    }
    size_t row =
        output->classification > 0 ? output->classification : to->request->job.version->classes;
    return json_pack("[I,I]", count, (json_int_t)row);
}

/* A tensor, and its bytes where they follow the JSON; NULL when memory ran out. */
static json_t *write_output(const writer *to, const vgg_serve_output *output) {
    bool text = output->kind == VGG_SERVE_LABEL || output->classification > 0;
    json_t *data = json_array();
    long begin = output->binary ? ftell(to->binary) : 0;
    for (size_t i = 0; i < to->request->job.count; i++) {
        data = text ? add_texts(to, output, i, data) : add_values(to, output, i, data);
    }
    json_t *tensor = json_pack("{s:s, s:s, s:o}", "name", output->name, "datatype",
                               text ? "BYTES" : "FP32", "shape", shape_of(to, output));
    if (!output->binary) {
        if (json_object_set_new(tensor, "data", data) == 0)
            return tensor;
    } else {
        json_decref(data);
        json_t *size =
            json_pack("{s:I}", "binary_data_size", (json_int_t)(ftell(to->binary) - begin));
        if (begin >= 0 && json_object_set_new(tensor, "parameters", size) == 0)
            return tensor;
    }
    json_decref(tensor);
    return NULL;
}

static json_t *write_root(const writer *to) {
    const vgg_serve_request *request = to->request;
    json_t *outputs = json_array();
    char version[32];
    for (size_t i = 0; i < request->infer->count; i++) {
        outputs = vgg_cli_json_appended(outputs, write_output(to, &request->infer->outputs[i]));
    }
    snprintf(version, sizeof version, "%zu", request->job.version->number);
    json_t *root = json_pack("{s:s, s:s, s:o}", "model_name", request->job.model->name,
                             "model_version", version, "outputs", outputs);
    if (request->infer->id != NULL && json_object_set(root, "id", request->infer->id) != 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* ---- the answer ---- */

/* Writes the JSON and what follows it; *header: bytes of the JSON. NULL when memory ran out. */
static char *write_answer(const vgg_serve_request *request, size_t *header, size_t *length) {
    char *text = NULL, *binary = NULL;
    size_t binary_size = 0;
    writer to = {.request = request,
                 .binary = vgg_cli_memory_stream(&binary, &binary_size),
                 .row = malloc(request->job.version->classes * sizeof(float))};
    FILE *out = vgg_cli_memory_stream(&text, length);
    bool written = out != NULL && to.binary != NULL && to.row != NULL &&
                   vgg_cli_json_write(out, write_root(&to), false, 0);
    if (to.binary != NULL)
        written = fclose(to.binary) == 0 && written;
    if (written)
        written = fflush(out) == 0;
    *header = *length;
    if (written && binary_size > 0)
        written = fwrite(binary, 1, binary_size, out) == binary_size;
    if (out != NULL)
        written = fclose(out) == 0 && written;
    free(binary);
    free(to.row);
    if (written)
        return text;
    free(text);
    return NULL;
}

static bool is_binary(const struct vgg_serve_infer *infer) {
    for (size_t i = 0; i < infer->count; i++) {
        if (infer->outputs[i].binary)
            return true;
    }
    return false;
}

void vgg_serve_infer_finish(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    size_t header = 0, length = 0;
    if (!vgg_serve_fail_job(request)) {
        bool binary = is_binary(request->infer);
        char *text = write_answer(request, &header, &length);
        vgg_serve_answer(request, MHD_HTTP_OK,
                         binary ? "application/octet-stream" : "application/json", text, length);
        if (binary && text != NULL)
            snprintf(request->json_size, sizeof request->json_size, "%zu", header);
    }
    vgg_serve_reply(request);
}
