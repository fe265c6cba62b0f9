#include "cli/serve/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/serve/http.h"
#include "cli/serve/listen.h"
#include "cli/serve/memory.h"

/* Seconds between two looks at whether requests are done that a server waits for. */
#define LOOK 0.01
/* Seconds in which clients hear that there will be no answer. */
#define FAREWELL 0.5
/* Files that are open beside the connections. */
#define OTHER_FILES 64

static void sleep_for(double seconds) {
    struct timespec span = {.tv_sec = (time_t)seconds};
    span.tv_nsec = (long)(1e9 * (seconds - (double)span.tv_sec));
    nanosleep(&span, NULL);
}

/* The signals that end the server, which are waited for in place of being caught. */
static sigset_t ending_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
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
static void end_requests(vgg_serve_server *server, double grace) {
    vgg_serve_http_drain(server);
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
    const vgg_serve_work_options work = {.readers = options->workers,
                                         .queue = options->queue,
                                         .max_batch = options->max_batch,
                                         .max_delay = options->max_delay / 1000,
                                         .max_pixels = server->limits.max_pixels};
    if (!vgg_serve_models_load(&server->models))
        return false;
    server->work = vgg_serve_work_create(&server->models, &work);
    if (server->work == NULL) {
        vgg_cli_complain("serve", "%zu threads that read pictures cannot be started",
                         options->workers);
        return false;
    }
    say_models(server);
    vgg_serve_memory_say(server, &work);
    if (!vgg_serve_listen_begin(listener) || !vgg_serve_http_start(server, listener->socket))
        return false;
    vgg_cli_complain("serve", "listening at %s", listener->address);
    return true;
}

static int serve(vgg_serve_server *server, const vgg_serve_options *options) {
    vgg_serve_listener listener;
    sigset_t signals = ending_signals();
    int number, status = VGG_CLI_FAILURE;
    if (!vgg_serve_listen_take(&listener, options->listen))
        return VGG_CLI_FAILURE;
    if (start(server, options, &listener)) {
        while (sigwait(&signals, &number) != 0) {
        }
        vgg_cli_complain("serve", "%s: answering what has come in",
                         number == SIGINT ? "interrupted" : "SIGTERM");
        end_requests(server, options->grace);
        status = VGG_CLI_OK;
    } else {
        close(listener.socket);
    }
    vgg_serve_listen_end(&listener);
    vgg_serve_work_free(server->work);
    return status;
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
                              .idle_timeout = options->idle_timeout};
}

int vgg_serve_run(const vgg_serve_options *options) {
    static vgg_serve_server server;
    sigset_t signals = ending_signals();
    vgg_threads_options threads;
    vgg_error error;
    /* Before any thread is made: all of them leave the signals to this one. */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    allow_connections(options->connections);
    server.limits = limits_of(options);
    server.top = options->top;
    if (getrandom(&server.first_id, sizeof server.first_id, GRND_NONBLOCK) < 0)
        server.first_id = (uint64_t)time(NULL) << 32;
    if (!vgg_serve_models_name(&server.models, &options->models, &options->source))
        return VGG_CLI_USAGE;
    vgg_threads_options_init(&threads, sizeof threads);
    threads.count = options->threads;
    vgg_serve_computing *computing = &server.models.computing;
    if (vgg_threads_create(&threads, &computing->threads, &error) != VGG_OK) {
        vgg_cli_complain("serve", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    computing->batch = options->max_batch;
    computing->exact = options->exact;
    computing->protocol = options->protocol;
    int status = serve(&server, options);
    vgg_serve_models_free(&server.models);
    vgg_threads_free(computing->threads);
    return status;
}
