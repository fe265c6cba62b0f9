#include "cli/serve/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

/* Upper ends of the buckets, in seconds. */
static const double ends[VGG_SERVE_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                               0.25,  0.5,    1,     2.5,  5,     10};
static const unsigned codes[VGG_SERVE_CODES] = {200, 204, 400, 401, 404, 405,
                                                413, 415, 500, 503, 504, 0};

bool vgg_serve_metrics_create(vgg_serve_metrics *metrics, size_t models) {
    *metrics = (vgg_serve_metrics){.models = calloc(models, sizeof *metrics->models)};
    pthread_mutex_init(&metrics->lock, NULL);
    return metrics->models != NULL;
}

void vgg_serve_metrics_free(vgg_serve_metrics *metrics) {
    pthread_mutex_destroy(&metrics->lock);
    free(metrics->models);
    metrics->models = NULL;
}

static void add_time(vgg_serve_times *times, double seconds) {
    size_t bucket = 0;
    while (bucket < VGG_SERVE_BUCKETS && seconds > ends[bucket]) {
        bucket++;
    }
    times->counts[bucket]++;
    times->sum += seconds;
}

void vgg_serve_metrics_time(vgg_serve_metrics *metrics, vgg_serve_times *times, double seconds) {
    pthread_mutex_lock(&metrics->lock);
    add_time(times, seconds);
    pthread_mutex_unlock(&metrics->lock);
}

void vgg_serve_metrics_add(vgg_serve_metrics *metrics, uint64_t *count, uint64_t more) {
    pthread_mutex_lock(&metrics->lock);
    *count += more;
    pthread_mutex_unlock(&metrics->lock);
}

void vgg_serve_metrics_request(vgg_serve_metrics *metrics, unsigned code, double seconds,
                               size_t received, size_t sent) {
    size_t number = 0;
    while (codes[number] != code && codes[number] != 0) {
        number++;
    }
    pthread_mutex_lock(&metrics->lock);
    metrics->requests[number]++;
    add_time(&metrics->answering, seconds);
    metrics->received += received;
    metrics->sent += sent;
    pthread_mutex_unlock(&metrics->lock);
}

unsigned vgg_serve_metrics_code(size_t number) {
    return codes[number];
}

void vgg_serve_metrics_heading(FILE *out, const char *name, const char *kind, const char *help) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

void vgg_serve_metrics_times(FILE *out, const char *name, const char *labels,
                             const vgg_serve_times *times) {
    const char *comma = labels[0] != '\0' ? "," : "";
    uint64_t total = 0;
    for (size_t i = 0; i < VGG_SERVE_BUCKETS; i++) {
        total += times->counts[i];
        fprintf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma, ends[i], total);
    }
    total += times->counts[VGG_SERVE_BUCKETS];
    fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, total);
    const char *open = labels[0] != '\0' ? "{" : "", *close = labels[0] != '\0' ? "}" : "";
    fprintf(out, "%s_sum%s%s%s %.9g\n", name, open, labels, close, times->sum);
    fprintf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, total);
}
