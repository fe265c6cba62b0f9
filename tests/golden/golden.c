#include "golden.h"

#include <math.h>

#include "base/file.h"
#include "base/random.h"
#include "plan_modes.h"
#include "test_device.h"
#include "vgg/plan.h"
#include "vgg_test.h"

#define GOLDEN_LIMIT ((size_t)4 << 20)

void *vgg_golden_alloc(size_t count, size_t size) {
    void *block = calloc(count, size);
    if (block == NULL)
        fail_msg("out of memory: %zu values of %zu bytes", count, size);
    return block;
}

/* ---- files ---- */

static unsigned char *read_part(const char *name, const char *suffix, size_t *size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/torch/%s.%s", VGG_TEST_DATA, name, suffix);
    vgg_error error;
    unsigned char *bytes = NULL;
    assert_ok(vgg_file_read(path, GOLDEN_LIMIT, &bytes, size, &error), error);
    return bytes;
}

static void read_values(vgg_golden_set *set, const char *name) {
    size_t size;
    unsigned char *bytes = read_part(name, "bin", &size);
    set->value_count = size / 4;
    set->values = vgg_golden_alloc(set->value_count, sizeof *set->values);
    for (size_t i = 0; i < set->value_count; i++) {
        const unsigned char *b = bytes + 4 * i;
        uint32_t bits =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(set->values + i, &bits, sizeof bits);
    }
    free(bytes);
}

static void read_case(vgg_golden_set *set, const char *line) {
    vgg_golden_case *item = &set->cases[set->case_count++];
    char layout[16], mode[8];
    int batch_norm;
    int fields = sscanf(line,
                        "case %47s seed=%47s arch=%95s layout=%15s batch_norm=%d classes=%zu "
                        "input=%zux%zux%zu batch=%zu mode=%7s gain=%u steps=%zu rate=%lf",
                        item->name, item->seed, item->arch, layout, &batch_norm, &item->classes,
                        &item->channels, &item->height, &item->width, &item->batch, mode,
                        &item->gain, &item->steps, &item->rate);
    if (fields != 14)
        fail_msg("%d of 14 fields understood: %s", fields, line);
    item->batch_norm = batch_norm != 0;
    item->layout = vgg_layout_named(layout);
    item->mode = strcmp(mode, "train") == 0 ? VGG_MODE_TRAIN : VGG_MODE_EVAL;
    item->dropout = item->mode == VGG_MODE_TRAIN ? 0 : 0.5;
    item->first_array = set->array_count;
}

static void read_array(vgg_golden_set *set, const char *line) {
    vgg_golden_array *array = &set->arrays[set->array_count++];
    size_t first;
    if (sscanf(line, "array %47s %zu %zu", array->name, &array->count, &first) != 3 ||
        set->case_count == 0)
        fail_msg("not understood: %s", line);
    if (first > set->value_count || array->count > set->value_count - first)
        fail_msg("%zu values from %zu on, but there are %zu: %s", array->count, first,
                 set->value_count, line);
    array->values = set->values + first;
    set->cases[set->case_count - 1].arrays++;
}

void vgg_golden_open(vgg_golden_set *set, const char *name) {
    *set = (vgg_golden_set){0};
    read_values(set, name);
    size_t size, lines = 0;
    char *text = (char *)read_part(name, "txt", &size);
    text[size > 0 ? size - 1 : 0] = '\0'; /* in place of the last newline */
    for (const char *at = text; at != NULL; at = strchr(at + 1, '\n')) {
        lines++;
    }
    set->cases = vgg_golden_alloc(lines, sizeof *set->cases);
    set->arrays = vgg_golden_alloc(lines, sizeof *set->arrays);
    char *rest = text;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "case ", 5) == 0)
            read_case(set, line);
        else
            read_array(set, line);
    }
    free(text);
    if (set->case_count == 0)
        fail_msg("%s: no cases", name);
}

void vgg_golden_close(vgg_golden_set *set) {
    free(set->cases);
    free(set->arrays);
    free(set->values);
}

const float *vgg_golden_values(const vgg_golden_set *set, const vgg_golden_case *item,
                               const char *name, size_t count) {
    for (size_t i = item->first_array; i < item->first_array + item->arrays; i++) {
        if (strcmp(set->arrays[i].name, name) != 0)
            continue;
        if (set->arrays[i].count != count)
            fail_msg("%s: golden %s has %zu values, the network %zu", item->name, name,
                     set->arrays[i].count, count);
        return set->arrays[i].values;
    }
    fail_msg("%s: no golden for %s", item->name, name);
    return NULL;
}

/* ---- formulas ---- */

/* FNV-1a of "seed/what", the key of a stream. */
uint64_t vgg_golden_key(const char *seed, const char *what) {
    char key[128];
    snprintf(key, sizeof key, "%s/%s", seed, what);
    uint64_t state = 0xcbf29ce484222325u;
    for (const char *byte = key; *byte != '\0'; byte++) {
        state = (state ^ (unsigned char)*byte) * 0x100000001b3u;
    }
    return state;
}

uint32_t vgg_golden_bits(uint64_t key, size_t number) {
    return (uint32_t)(vgg_random_mix(key + 0x9e3779b97f4a7c15u * ((uint64_t)number + 1)) >> 40);
}

/* u(number), in [-1, 1). Products with powers of two are exact, so that a compiler which fuses a
 * product with the following sum changes nothing. */
static float stream_value(uint64_t key, size_t number) {
    return (float)(int32_t)vgg_golden_bits(key, number) * 0x1p-23f - 1.0f;
}

/* `count` weights of neurons with `fan_in` inputs, from number `first` of the stream on. */
static void fill_weights(float *values, size_t count, size_t fan_in, uint64_t key, size_t first,
                         float divisor) {
    float scale = (float)sqrt(6.0 / (double)fan_in);
    float last = stream_value(key, first);
    for (size_t i = 0; i < count; i++) {
        float next = stream_value(key, first + i + 1);
        values[i] = (next - 0.125f * last) * scale / divisor;
        last = next;
    }
}

static void fill_vector(float *values, const vgg_tensor_info *info, uint64_t key) {
    const char *kind = strrchr(info->name, '.') + 1;
    float centre = 0, reach = 0.125f;
    if (strcmp(kind, "weight") == 0) {
        centre = 1;
        reach = 0.25f;
    } else if (strcmp(kind, "running_mean") == 0) {
        reach = 0.25f;
    } else if (strcmp(kind, "running_var") == 0) {
        centre = 1;
        reach = 0.5f;
    }
    for (size_t i = 0; i < info->count; i++) {
        values[i] = centre + reach * stream_value(key, i);
    }
}

vgg_network *vgg_golden_network(const vgg_golden_case *item) {
    vgg_error error;
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = item->arch;
    options.layout = item->layout;
    options.batch_norm = item->batch_norm;
    options.classes = item->classes;
    options.channels = item->channels;
    options.height = item->height;
    options.width = item->width;
    options.dropout = item->dropout;
    vgg_network *network = NULL;
    assert_ok(vgg_network_create(&options, &network, &error), error);
    size_t tensors = vgg_network_tensor_count(network);
    for (size_t t = 0; t < tensors; t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        float *values = vgg_golden_alloc(info.count, sizeof *values);
        uint64_t key = vgg_golden_key(item->seed, info.name);
        /* The last linear layer owns the last two tensors: its weight and its bias. */
        if (info.dimensions > 1)
            fill_weights(values, info.count, info.count / info.shape[0], key, 0,
                         t + 2 == tensors ? (float)item->gain : 1);
        else
            fill_vector(values, &info, key);
        assert_ok(vgg_network_set_values(network, t, values, info.count, &error), error);
        free(values);
    }
    return network;
}

/* Replaces the filters whose version is not 0. */
static void choose_filters(float *values, const vgg_tensor_info *info, uint64_t key,
                           const float *versions) {
    size_t fan_in = info->count / info->shape[0];
    for (size_t k = 0; k < info->shape[0]; k++) {
        if (versions[k] != 0)
            fill_weights(values + k * fan_in, fan_in, fan_in, key,
                         (size_t)versions[k] * info->count + k * fan_in, 1);
    }
}

void vgg_golden_fit(const vgg_golden_set *set, const vgg_golden_case *item, vgg_network *network) {
    static const char prefix[] = "chosen/";
    for (size_t a = item->first_array; a < item->first_array + item->arrays; a++) {
        const vgg_golden_array *array = &set->arrays[a];
        if (strncmp(array->name, prefix, sizeof prefix - 1) != 0)
            continue;
        const char *name = array->name + sizeof prefix - 1;
        size_t t = vgg_network_find_tensor(network, name);
        vgg_tensor_info info = {.struct_size = sizeof info};
        vgg_error error;
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        assert_int_equal(array->count, info.shape[0]);
        float *values = vgg_golden_alloc(info.count, sizeof *values);
        assert_ok(vgg_network_copy_values(network, t, values, info.count, &error), error);
        if (info.dimensions > 1)
            choose_filters(values, &info, vgg_golden_key(item->seed, name), array->values);
        else
            memcpy(values, array->values, info.count * sizeof *values);
        assert_ok(vgg_network_set_values(network, t, values, info.count, &error), error);
        free(values);
    }
}

vgg_plan *vgg_golden_plan(vgg_network *network, const vgg_golden_case *item, size_t threads,
                          bool gradients) {
    vgg_error error;
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = item->batch;
    options.threads = threads;
    options.mode = item->mode;
    options.gradients = gradients;
    options.input_gradient = gradients;
    options.device = test_device();
    options.precision = item->precision;
    vgg_plan *plan = NULL;
    assert_ok(create_plan(network, &options, &plan, &error), error);
    return plan;
}

size_t *vgg_golden_classes(const vgg_golden_case *item, size_t step) {
    size_t *classes = vgg_golden_alloc(item->batch, sizeof *classes);
    uint64_t key = vgg_golden_key(item->seed, "class");
    for (size_t n = 0; n < item->batch; n++) {
        classes[n] = vgg_golden_bits(key, step * item->batch + n) % item->classes;
    }
    return classes;
}

float *vgg_golden_pictures(const vgg_golden_case *item, size_t step) {
    size_t pixels = item->channels * item->height * item->width;
    float *pictures = vgg_golden_alloc(item->batch * pixels, sizeof *pictures);
    size_t *classes = vgg_golden_classes(item, step);
    uint64_t prototype = vgg_golden_key(item->seed, "prototype");
    uint64_t noise = vgg_golden_key(item->seed, "noise");
    for (size_t n = 0; n < item->batch; n++) {
        for (size_t i = 0; i < pixels; i++) {
            pictures[n * pixels + i] =
                (float)item->gain *
                (stream_value(prototype, classes[n] * pixels + i) +
                 0.5f * stream_value(noise, (step * item->batch + n) * pixels + i));
        }
    }
    free(classes);
    return pictures;
}

/* ---- comparison ---- */

double vgg_golden_size(const float *values, size_t count) {
    double size = 0;
    for (size_t i = 0; i < count; i++) {
        size = fmax(size, fabs((double)values[i]));
    }
    return size;
}

double vgg_golden_distance(const float *found, const float *expected, size_t count) {
    double distance = 0;
    for (size_t i = 0; i < count; i++) {
        double delta = fabs((double)found[i] - (double)expected[i]);
        if (!isfinite(delta))
            return INFINITY;
        distance = fmax(distance, delta);
    }
    return distance;
}

/* Gradients that are this share of those of the tensor before are zeros. */
#define NO_GRADIENT 1e-9

void vgg_golden_note(vgg_golden_worst *worst, const char *name, double distance, double size) {
    if (size < NO_GRADIENT * worst->size_before)
        size = worst->size_before;
    worst->size_before = size;
    double difference = distance / size;
    if (isnan(worst->difference) || difference <= worst->difference)
        return;
    worst->difference = difference;
    snprintf(worst->name, sizeof worst->name, "%s", name);
}
