/* What the parts of an inspection share. */
#ifndef VGG_MODEL_INSPECT_H
#define VGG_MODEL_INSPECT_H

#include "model/model_load.h"
#include "vgg/inspect.h"

#define VGG_NOT_STORED ((size_t)-1)

typedef struct vgg_found_problem {
    vgg_problem shown;
    char *tensor, *message; /* owned: what `shown` points to */
} vgg_found_problem;

struct vgg_inspection {
    char *path;
    vgg_loading loading;
    vgg_inspected_file file;
    char *network_reason;
    vgg_inspected_fact facts[VGG_MOST_FACTS];
    vgg_inspected_tensor *tensors; /* as many and in the order of loading.source */
    bool **zero_rows; /* for each tensor, whether all values of a row, shape[1..], are 0: for the
                       * weights of the network, else NULL */
    size_t *matches;  /* for each tensor of the network that of the file, or VGG_NOT_STORED; NULL
                       * without a network */
    vgg_found_problem *problems;
    size_t problem_count, problem_capacity;
    bool failed; /* memory ran out for a problem */
};

/* Adds a problem; tensor may be NULL. */
void vgg_inspection_add(vgg_inspection *inspection, vgg_problem_kind kind, const char *tensor,
                        size_t count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Measures the values. scale: of weights of int8, else NULL. zero_rows may be NULL without a scale,
 * else it has room for shape[0] rows. */
vgg_status vgg_inspect_values(const vgg_stored_tensor *stored, const vgg_stored_tensor *scale,
                              vgg_meter *meter, bool *zero_rows, vgg_inspected_tensor *tensor,
                              vgg_error *error);

/* Finds the tensors of the network in the file: missing, unused and wrong ones are problems. */
vgg_status vgg_inspect_network(vgg_inspection *inspection, vgg_error *error);

/* Dead outputs, values that are not finite, and absurd scales, when the values have been measured.
 */
void vgg_inspect_health(vgg_inspection *inspection);

#endif
