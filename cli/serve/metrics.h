/* What is counted, and how it is told: in the text format of Prometheus. */
#ifndef VGG_SERVE_METRICS_H
#define VGG_SERVE_METRICS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VGG_SERVE_BUCKETS 13
#define VGG_SERVE_CODES 12

/* How long something took, so many times. */
typedef struct vgg_serve_times {
    uint64_t counts[VGG_SERVE_BUCKETS + 1]; /* the last is of whatever is longer than the buckets */
    double sum;
} vgg_serve_times;

/* Of one model. */
typedef struct vgg_serve_model_metrics {
    uint64_t pictures, batches; /* computed; their ratio is the mean batch */
    uint64_t full, late,
        failed; /* pictures that were not: for want of room or time, or unreadable */
    uint64_t loads, failed_loads;
    vgg_serve_times waiting;   /* from when a picture is there until it is computed */
    vgg_serve_times reading;   /* a picture */
    vgg_serve_times computing; /* a batch */
} vgg_serve_model_metrics;

typedef struct vgg_serve_metrics {
    pthread_mutex_t lock;
    vgg_serve_model_metrics *models; /* by their places */
    uint64_t requests[VGG_SERVE_CODES];
    vgg_serve_times answering; /* a request, from its header to the last byte of its answer */
    uint64_t refused;          /* requests that libmicrohttpd answers itself */
    uint64_t received, sent;   /* bytes of bodies and of answers */
    uint64_t lost_lines;       /* of the log, that nobody has read in time */
} vgg_serve_metrics;

/* False when memory ran out. */
bool vgg_serve_metrics_create(vgg_serve_metrics *metrics, size_t models);
void vgg_serve_metrics_free(vgg_serve_metrics *metrics);

/* Each takes the lock for a moment. */
void vgg_serve_metrics_time(vgg_serve_metrics *metrics, vgg_serve_times *times, double seconds);
void vgg_serve_metrics_add(vgg_serve_metrics *metrics, uint64_t *count, uint64_t more);
void vgg_serve_metrics_request(vgg_serve_metrics *metrics, unsigned code, double seconds,
                               size_t received, size_t sent);

/* With the lock: writes one family, whose samples have the labels. */
void vgg_serve_metrics_heading(FILE *out, const char *name, const char *kind, const char *help);
void vgg_serve_metrics_times(FILE *out, const char *name, const char *labels,
                             const vgg_serve_times *times);
/* The code of a counter of requests; 0: all others. */
unsigned vgg_serve_metrics_code(size_t number);

#endif
