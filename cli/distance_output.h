/* What vgg distance prints: as text, JSON or CSV. */
#ifndef VGG_CLI_DISTANCE_OUTPUT_H
#define VGG_CLI_DISTANCE_OUTPUT_H

#include <jansson.h>

#include "cli/distance_pairs.h"
#include "vgg/distance.h"

/* Start with {0} and the first three. */
typedef struct vgg_cli_distances {
    const char *format; /* "text", "json" or "csv" */
    const char *metric;
    bool folders; /* there may be several pairs */
    size_t count; /* so far */
    double sum;
    json_t *rows;
} vgg_cli_distances;

/* Each is false when memory ran out, which is complained about. `parts` has what each part of the
 * distance adds. */
bool vgg_cli_distances_add(vgg_cli_distances *all, const vgg_distance *distance,
                           const vgg_cli_pair *pair, double value, const double *parts);
bool vgg_cli_distances_end(vgg_cli_distances *all);

#endif
