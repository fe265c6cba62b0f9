#include "eval/protocol.h"

#include <math.h>

#include "base/error.h"
#include "base/text.h"
#include "eval/posterior.h"

static const char *const names[] = {[VGG_PROTOCOL_CENTER] = "center",
                                    [VGG_PROTOCOL_FLIP] = "flip",
                                    [VGG_PROTOCOL_DENSE] = "dense",
                                    [VGG_PROTOCOL_CROPS] = "crops",
                                    [VGG_PROTOCOL_DENSE_CROPS] = "dense+crops"};
#define PROTOCOLS (sizeof names / sizeof *names)

const char *vgg_protocol_name(vgg_protocol protocol) {
    return (size_t)protocol < PROTOCOLS ? names[protocol] : NULL;
}

vgg_protocol vgg_protocol_named(const char *name) {
    size_t found = vgg_text_find(name, names, PROTOCOLS);
    return found < PROTOCOLS ? (vgg_protocol)found : VGG_PROTOCOL_CENTER;
}

vgg_status vgg_protocol_check(vgg_protocol protocol, vgg_error *error) {
    if (vgg_protocol_name(protocol) != NULL)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "protocol %d, expected 0 to %zu", (int)protocol,
                    PROTOCOLS - 1);
}

void vgg_protocol_mirror(const float *from, float *to, size_t rows, size_t width) {
    for (size_t row = 0; row < rows; row++) {
        const float *left = from + row * width;
        float *out = to + row * width;
        for (size_t i = 0; i < (width + 1) / 2; i++) {
            float first = left[i], last = left[width - 1 - i];
            out[i] = last;
            out[width - 1 - i] = first;
        }
    }
}

/* A row of logits becomes that of the averaged probabilities. Values that are not finite stay so.
 */
static void average(float *logits, const float *other, size_t classes) {
    double own = vgg_log_sum(logits, classes, 1), theirs = vgg_log_sum(other, classes, 1);
    for (size_t c = 0; c < classes; c++) {
        double a = (double)logits[c] - own, b = (double)other[c] - theirs;
        double most = a > b ? a : b;
        logits[c] = (float)(most + log((exp(a - most) + exp(b - most)) / 2));
    }
}

/* The same where each class has a probability of its own. */
static void average_each(float *logits, const float *other, size_t classes) {
    for (size_t c = 0; c < classes; c++) {
        double own = (double)logits[c], theirs = (double)other[c];
        double yes = vgg_add_logs(vgg_log_sigmoid(own), vgg_log_sigmoid(theirs));
        double no = vgg_add_logs(vgg_log_sigmoid(-own), vgg_log_sigmoid(-theirs));
        logits[c] = (float)(yes - no);
    }
}

static void cool(float *logits, size_t count, double temperature) {
    for (size_t i = 0; i < count; i++) {
        logits[i] = (float)((double)logits[i] / temperature);
    }
}

/* The logits of one view. */
static vgg_status forward(vgg_plan *plan, const vgg_protocol_room *room, const float *inputs,
                          size_t count, float *logits, vgg_error *error) {
    vgg_status status = vgg_plan_forward(plan, inputs, count, logits, error);
    bool is_one = room->temperature >= 1 && room->temperature <= 1;
    if (status == VGG_OK && !is_one)
        cool(logits, count * room->classes, room->temperature);
    return status;
}

vgg_status vgg_protocol_forward(vgg_plan *plan, vgg_protocol protocol,
                                const vgg_protocol_room *room, const float *inputs, size_t count,
                                float *logits, vgg_error *error) {
    vgg_status status = forward(plan, room, inputs, count, logits, error);
    if (status != VGG_OK || protocol == VGG_PROTOCOL_CENTER)
        return status;
    vgg_protocol_mirror(inputs, room->mirrored, count * room->input / room->width, room->width);
    status = forward(plan, room, room->mirrored, count, room->logits, error);
    for (size_t n = 0; status == VGG_OK && n < count; n++) {
        float *row = logits + n * room->classes;
        const float *other = room->logits + n * room->classes;
        (room->each ? average_each : average)(row, other, room->classes);
    }
    return status;
}
