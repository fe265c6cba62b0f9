/* GET /metrics. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/memory_stream.h"
#include "cli/serve/about.h"

#define LABELS_SIZE 128

typedef struct family {
    const char *name, *kind, *help;
    size_t offset; /* of the member in vgg_serve_model_metrics */
} family;

#define MEMBER(member) offsetof(vgg_serve_model_metrics, member)

static const family counters[] = {
    {"vgg_pictures_total", "counter", "Pictures that were computed.", MEMBER(pictures)},
    {"vgg_batches_total", "counter", "Batches that were computed.", MEMBER(batches)},
    {"vgg_pictures_refused_total", "counter", "Pictures for which there was no room.",
     MEMBER(full)},
    {"vgg_pictures_late_total", "counter", "Pictures whose deadline had passed.", MEMBER(late)},
    {"vgg_pictures_failed_total", "counter", "Pictures that could not be read or computed.",
     MEMBER(failed)},
    {"vgg_model_loads_total", "counter", "Times that the model was loaded.", MEMBER(loads)},
    {"vgg_model_load_failures_total", "counter", "Times that it could not be loaded.",
     MEMBER(failed_loads)},
};
static const family times[] = {
    {"vgg_queue_duration_seconds", "histogram",
     "From when a picture is there until it is computed.", MEMBER(waiting)},
    {"vgg_read_duration_seconds", "histogram", "Decoding and preprocessing a picture.",
     MEMBER(reading)},
    {"vgg_compute_duration_seconds", "histogram", "Computing a batch.", MEMBER(computing)},
};

static const char *labels_of(const vgg_serve_server *server, size_t model,
                             char labels[LABELS_SIZE]) {
    snprintf(labels, LABELS_SIZE, "model=\"%s\"", server->models.entries[model].name);
    return labels;
}

/* With the lock. */
static void write_models(FILE *out, const vgg_serve_server *server) {
    char labels[LABELS_SIZE];
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        const family *f = &counters[i];
        vgg_serve_metrics_heading(out, f->name, f->kind, f->help);
        for (size_t m = 0; m < server->models.count; m++) {
            const char *of = (const char *)&server->metrics.models[m] + f->offset;
            fprintf(out, "%s{%s} %" PRIu64 "\n", f->name, labels_of(server, m, labels),
                    *(const uint64_t *)(const void *)of);
        }
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const family *f = &times[i];
        vgg_serve_metrics_heading(out, f->name, f->kind, f->help);
        for (size_t m = 0; m < server->models.count; m++) {
            const char *of = (const char *)&server->metrics.models[m] + f->offset;
            vgg_serve_metrics_times(out, f->name, labels_of(server, m, labels),
                                    (const vgg_serve_times *)(const void *)of);
        }
    }
}

/* With the lock. */
static void write_requests(FILE *out, const vgg_serve_metrics *metrics) {
    vgg_serve_metrics_heading(out, "vgg_requests_total", "counter", "Requests, by their status.");
    for (size_t i = 0; i < VGG_SERVE_CODES; i++) {
        unsigned code = vgg_serve_metrics_code(i);
        if (code != 0)
            fprintf(out, "vgg_requests_total{code=\"%u\"} %" PRIu64 "\n", code,
                    metrics->requests[i]);
        else
            fprintf(out, "vgg_requests_total{code=\"other\"} %" PRIu64 "\n", metrics->requests[i]);
    }
    vgg_serve_metrics_heading(out, "vgg_requests_refused_total", "counter",
                              "Requests that are malformed or whose header is too long.");
    fprintf(out, "vgg_requests_refused_total %" PRIu64 "\n", metrics->refused);
    vgg_serve_metrics_heading(out, "vgg_request_duration_seconds", "histogram",
                              "From the header of a request to the end of its answer.");
    vgg_serve_metrics_times(out, "vgg_request_duration_seconds", "", &metrics->answering);
    vgg_serve_metrics_heading(out, "vgg_received_bytes_total", "counter", "Bytes of bodies.");
    fprintf(out, "vgg_received_bytes_total %" PRIu64 "\n", metrics->received);
    vgg_serve_metrics_heading(out, "vgg_sent_bytes_total", "counter", "Bytes of answers.");
    fprintf(out, "vgg_sent_bytes_total %" PRIu64 "\n", metrics->sent);
    vgg_serve_metrics_heading(out, "vgg_log_lines_lost_total", "counter",
                              "Lines of the access log that nobody has read in time.");
    fprintf(out, "vgg_log_lines_lost_total %" PRIu64 "\n", metrics->lost_lines);
}

static void write_gauge(FILE *out, const char *name, const char *help, double value) {
    vgg_serve_metrics_heading(out, name, "gauge", help);
    fprintf(out, "%s %.9g\n", name, value);
}

static double resident_bytes(void) {
    unsigned long whole, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lu %lu", &whole, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

/* What stands now. */
static void write_state(FILE *out, vgg_serve_server *server) {
    char labels[LABELS_SIZE];
    struct rusage used;
    vgg_serve_metrics_heading(out, "vgg_pictures_waiting", "gauge", "Pictures that wait.");
    for (size_t m = 0; m < server->models.count; m++) {
        fprintf(out, "vgg_pictures_waiting{%s} %zu\n", labels_of(server, m, labels),
                vgg_serve_work_waiting(server->work, &server->models.entries[m]));
    }
    vgg_serve_metrics_heading(out, "vgg_model_version", "gauge", "Version of the model.");
    for (size_t m = 0; m < server->models.count; m++) {
        vgg_serve_version *version = vgg_serve_version_acquire(&server->models.entries[m]);
        fprintf(out, "vgg_model_version{%s} %zu\n", labels_of(server, m, labels), version->number);
        vgg_serve_version_release(version);
    }
    write_gauge(out, "vgg_connections", "Connections that are open.",
                (double)vgg_serve_connections_count(&server->connections));
    write_gauge(out, "vgg_requests_open", "Requests that have no answer yet.",
                (double)atomic_load(&server->open));
    write_gauge(out, "vgg_body_bytes", "Bytes of the bodies of these, and of answers of layers.",
                (double)atomic_load(&server->body_bytes));
    write_gauge(out, "process_resident_memory_bytes", "Memory of the process.", resident_bytes());
    write_gauge(out, "process_start_time_seconds", "When it was started.", server->started);
    vgg_serve_metrics_heading(out, "process_cpu_seconds_total", "counter", "Processor time.");
    if (getrusage(RUSAGE_SELF, &used) == 0)
        fprintf(out, "process_cpu_seconds_total %.6f\n",
                seconds_of(used.ru_utime) + seconds_of(used.ru_stime));
    vgg_serve_metrics_heading(out, "vgg_build_info", "gauge", "The version of vgg.");
    fprintf(out, "vgg_build_info{version=\"%s\"} 1\n", vgg_version());
}

void vgg_serve_metrics_page(vgg_serve_request *request) {
    vgg_serve_server *server = request->server;
    char *text = NULL;
    size_t length = 0;
    FILE *out = vgg_cli_memory_stream(&text, &length);
    if (out != NULL) {
        pthread_mutex_lock(&server->metrics.lock);
        write_requests(out, &server->metrics);
        write_models(out, server);
        pthread_mutex_unlock(&server->metrics.lock);
        write_state(out, server);
        if (fclose(out) != 0) {
            free(text);
            text = NULL;
        }
    }
    vgg_serve_answer(request, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text,
                     length);
}
