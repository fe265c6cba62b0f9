#include "cli/serve/serve.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/serve/cors.h"
#include "cli/serve/file.h"
#include "cli/serve/http.h"
#include "cli/serve/listen.h"
#include "cli/serve/memory.h"
#include "cli/serve/notify.h"
#include "cli/serve/run.h"

/* Bytes of blocks, and of what is free at the end of the heap, that are not given back: as many as
 * the pixels of a photograph of usual size, since fresh pages for each cost 7 % of the answers. */
#define BLOCK_KEPT (1024 * 1024)
/* Seconds between two looks at whether requests are done that a server waits for. */
#define LOOK 0.01
/* Seconds between two looks at files and connections. */
#define WATCH 0.5
/* Seconds in which clients hear that there will be no answer. */
#define FAREWELL 0.5
/* Files that are open beside the connections. */
#define OTHER_FILES 64

static void sleep_for(double seconds) {
    struct timespec span = {.tv_sec = (time_t)seconds};
    span.tv_nsec = (long)(1e9 * (seconds - (double)span.tv_sec));
    nanosleep(&span, NULL);
}

/* The signals that end the server, which are waited for in place of being caught, as is SIGHUP. */
static sigset_t ending_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

static sigset_t all_signals(void) {
    sigset_t signals = ending_signals();
    sigaddset(&signals, SIGHUP);
    return signals;
}

/* Each connection is an open file. */
static void allow_connections(size_t connections) {
    struct rlimit limit;
    rlim_t wanted = connections + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- ending ---- */

/* Waits until nobody waits for an answer, for so long at most, or until another signal comes. */
static void wait_for_requests(vgg_serve_server *server, double seconds) {
    sigset_t signals = ending_signals();
    struct timespec look = {.tv_nsec = (long)(1e9 * LOOK)};
    double end = vgg_serve_now() + seconds;
    while (atomic_load(&server->open) > 0 && vgg_serve_now() < end) {
        if (sigtimedwait(&signals, NULL, &look) > 0)
            return;
    }
}

/* Answers what it has taken, within the time there is for it, and then no more. */
static void end_requests(vgg_serve_server *server, const char *why, double grace) {
    vgg_serve_http_drain(server);
    vgg_cli_complain("serve", "%s: answering what has come in", why);
    wait_for_requests(server, grace);
    size_t left = atomic_load(&server->open);
    if (left > 0)
        vgg_cli_complain("serve", "%zu request%s had no answer in the end", left,
                         left > 1 ? "s" : "");
    vgg_serve_work_abandon(server->work);
    while (vgg_serve_work_jobs(server->work) > 0) {
        sleep_for(LOOK);
    }
    wait_for_requests(server, FAREWELL); /* those that were abandoned are told so */
    vgg_serve_http_stop(server);
}

/* ---- beginning ---- */

static void say_models(const vgg_serve_server *server) {
    for (size_t i = 0; i < server->models.count; i++) {
        const vgg_serve_model *model = &server->models.entries[i];
        const vgg_serve_version *version = model->version;
        char note[VGG_ERROR_TEXT];
        snprintf(note, sizeof note, "%s: %zu classes, pictures of %zux%zux%zu%s%s", model->name,
                 version->classes, version->channels, version->height, version->width,
                 strcmp(model->name, model->source.path) == 0 ? "" : ", from ",
                 strcmp(model->name, model->source.path) == 0 ? "" : model->source.path);
        vgg_cli_complain("serve", "%s", note);
    }
}

static bool start(vgg_serve_server *server, const vgg_serve_options *options,
                  vgg_serve_listener *listener) {
    size_t searches = options->index != NULL ? options->queue : 0;
    const vgg_serve_work_options work = {
        .readers = options->workers,
        .queue = options->queue,
        .lanes = {[VGG_SERVE_EXPLAINING] = 1, [VGG_SERVE_SEARCHING] = searches},
        .max_batch = options->max_batch,
        .max_delay = options->max_delay / 1000,
        .max_pixels = server->limits.max_pixels,
        .metrics = &server->metrics};
    if (!vgg_serve_models_load(&server->models))
        return false;
    server->work = vgg_serve_work_create(&server->models, &work);
    if (server->work == NULL) {
        vgg_cli_complain("serve", "%zu threads that read pictures cannot be started",
                         options->workers);
        return false;
    }
    say_models(server);
    if (!vgg_serve_catalogue_open(&server->catalogue, &server->models))
        return false;
    vgg_serve_memory_say(server, &work);
    if (!vgg_serve_listen_begin(listener) || !vgg_serve_http_start(server, listener->socket))
        return false;
    vgg_cli_complain("serve", "listening at %s", listener->address);
    vgg_serve_notify("READY=1");
    return true;
}

/* Until a signal ends the server, which it returns: looks after files and connections. */
static int watch(vgg_serve_server *server, bool files) {
    sigset_t signals = all_signals();
    struct timespec look = {.tv_nsec = (long)(1e9 * WATCH)};
    for (;;) {
        int number = sigtimedwait(&signals, NULL, &look);
        if (number == SIGTERM || number == SIGINT)
            return number;
        vgg_serve_connections_look(&server->connections, vgg_serve_now());
        if (number != SIGHUP && !files)
            continue;
        vgg_serve_models_renew(&server->models, number == SIGHUP);
        vgg_serve_catalogue_renew(&server->catalogue, &server->models, number == SIGHUP);
    }
}

static int serve(vgg_serve_server *server, const vgg_serve_options *options) {
    vgg_serve_listener listener;
    int status = VGG_CLI_FAILURE;
    if (!vgg_serve_listen_take(&listener, options->listen, server->certificate != NULL))
        return VGG_CLI_FAILURE;
    if (start(server, options, &listener)) {
        int number = watch(server, options->watch);
        vgg_serve_notify("STOPPING=1");
        end_requests(server, number == SIGINT ? "interrupted" : "SIGTERM", options->grace);
        status = VGG_CLI_OK;
    } else {
        close(listener.socket);
    }
    vgg_serve_listen_end(&listener);
    vgg_serve_work_free(server->work);
    return status;
}

/* Reads the files of keys and for TLS. */
static bool read_files(vgg_serve_server *server, const vgg_serve_options *options) {
    if (options->keys != NULL && !vgg_serve_keys_load(&server->keys, options->keys))
        return false;
    if (options->certificate == NULL)
        return true;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
        vgg_cli_complain("serve", "--tls-cert: this libmicrohttpd was built without TLS");
        return false;
    }
    server->certificate = vgg_serve_file_text(options->certificate, "--tls-cert");
    if (server->certificate != NULL)
        server->private_key = vgg_serve_file_text(options->private_key, "--tls-key");
    return server->private_key != NULL;
}

static vgg_serve_limits limits_of(const vgg_serve_options *options) {
    return (vgg_serve_limits){.max_body = (size_t)(options->max_body * 1e6),
                              .max_bodies = (size_t)(options->max_bodies * 1e6),
                              .max_pictures = options->max_pictures < options->queue
                                                  ? options->max_pictures
                                                  : options->queue,
                              .max_pixels = (size_t)(options->max_pixels * 1e6),
                              .connections = options->connections,
                              .connections_per_client = options->connections_per_client,
                              .timeout = options->timeout,
                              .idle_timeout = options->idle_timeout,
                              .header_timeout = options->header_timeout};
}

/* Makes the threads that all models compute with. */
static bool make_threads(vgg_serve_computing *computing, const vgg_serve_options *options) {
    vgg_threads_options threads;
    vgg_error error;
    vgg_threads_options_init(&threads, sizeof threads);
    threads.count = options->threads;
    computing->batch = options->max_batch;
    computing->exact = options->exact;
    computing->precision = options->precision;
    computing->device = options->device;
    computing->protocol = options->protocol;
    if (vgg_threads_create(&threads, &computing->threads, &error) == VGG_OK)
        return true;
    vgg_cli_complain("serve", "%s", error.message);
    return false;
}

static void set_up(vgg_serve_server *server, const vgg_serve_options *options) {
    server->limits = limits_of(options);
    server->top = options->top;
    server->log = options->log;
    server->run = options->run;
    server->catalogue.path = options->index;
    pthread_mutex_init(&server->catalogue.lock, NULL);
    server->origins = options->origins;
    server->started = (double)time(NULL);
    if (getrandom(&server->first_id, sizeof server->first_id, GRND_NONBLOCK) < 0)
        server->first_id = (uint64_t)time(NULL) << 32;
    server->models.metrics = &server->metrics;
    vgg_serve_connections_create(&server->connections);
}

/* glibc keeps an arena of memory for each of several threads, and lets blocks that are freed raise
 * the size from which blocks go back to the system, so that what a server holds creeps up for hours
 * after all that it needs has been there. */
static void keep_memory_small(void) {
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, BLOCK_KEPT);
    mallopt(M_TRIM_THRESHOLD, BLOCK_KEPT);
#endif
}

int vgg_serve_run(const vgg_serve_options *options) {
    static vgg_serve_server server;
    sigset_t signals = all_signals();
    int status = VGG_CLI_FAILURE;
    keep_memory_small();
    /* Before any thread is made: all of them leave the signals to this one. */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    allow_connections(options->connections);
    if ((options->run != NULL && !vgg_serve_run_check(options->run)) ||
        !vgg_serve_listen_check(options->listen) || !vgg_serve_cors_check(&options->origins))
        return VGG_CLI_USAGE;
    if (!vgg_serve_models_name(&server.models, &options->models, &options->source))
        return VGG_CLI_USAGE;
    set_up(&server, options);
    if (!vgg_serve_metrics_create(&server.metrics, server.models.count))
        vgg_cli_complain("serve", "out of memory");
    else if (read_files(&server, options) && make_threads(&server.models.computing, options))
        status = serve(&server, options);
    vgg_serve_catalogue_close(&server.catalogue);
    vgg_serve_models_free(&server.models);
    vgg_threads_free(server.models.computing.threads);
    vgg_serve_metrics_free(&server.metrics);
    vgg_serve_connections_destroy(&server.connections);
    vgg_serve_keys_free(&server.keys);
    free(server.certificate);
    free(server.private_key);
    return status;
}
