/* What all metrics sum up alike. */
#include "inside/distance.h"

double vgg_distance_add_up(const vgg_distance *distance, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += distance->sums[i];
    }
    return sum;
}
