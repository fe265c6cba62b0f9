#include "cli/serve/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/serve/request.h"
#include "cli/serve/routes.h"

/* The length that the header gives the body, as far as it makes sense. */
static size_t announced(const vgg_serve_request *request) {
    const char *length = vgg_serve_request_header(request, "Content-Length");
    return length != NULL ? (size_t)strtoull(length, NULL, 10) : 0;
}

static enum MHD_Result send_answer(vgg_serve_request *request) {
    char retry[16];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(request->length, request->text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    request->text = NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, request->type);
    MHD_add_response_header(response, "X-Request-Id", request->id);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (request->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow);
    if (request->json_size[0] != '\0')
        MHD_add_response_header(response, "Inference-Header-Content-Length", request->json_size);
    if (request->retry_after > 0) {
        snprintf(retry, sizeof retry, "%u", request->retry_after);
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, retry);
    }
    if (atomic_load(&request->server->draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result queued = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* The header is there. */
static enum MHD_Result begin(vgg_serve_server *server, struct MHD_Connection *connection,
                             const char *url, const char *method, void **state) {
    vgg_serve_request *request = vgg_serve_request_create(server, connection, url);
    if (request == NULL)
        return MHD_NO;
    *state = request;
    vgg_serve_route_request(request, method);
    if (announced(request) > server->limits.max_body && request->status == 0)
        vgg_serve_fail(request, MHD_HTTP_CONTENT_TOO_LARGE,
                       "the request has %zu bytes, expected at most %zu", announced(request),
                       server->limits.max_body);
    /* What is wrong is said behind the body, since most clients send that first, unless the client
     * waits for a word or the body is beyond all patience. */
    bool asks = vgg_serve_request_header(request, MHD_HTTP_HEADER_EXPECT) != NULL;
    if (request->status != 0 && (asks || !vgg_serve_request_bears(request, announced(request))))
        return send_answer(request);
    return MHD_YES;
}

/* Called when the header is there, for each piece of the body, behind the body, and when a
 * connection goes on that was suspended. */
static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *piece,
                              size_t *size, void **state) {
    vgg_serve_request *request = *state;
    (void)version;
    if (request == NULL)
        return begin(user, connection, url, method, state);
    if (*size > 0) {
        bool go_on = vgg_serve_request_take(request, piece, *size);
        *size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    if (request->status == 0 && !request->submitted) {
        request->submitted = true;
        request->job.prepare = request->route->prepare;
        request->job.finish = request->route->finish;
        MHD_suspend_connection(connection);
        vgg_serve_work_submit(request->server->work, &request->job);
        return MHD_YES;
    }
    return send_answer(request);
}

static void completed(void *user, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code) {
    (void)user;
    (void)connection;
    (void)code;
    vgg_serve_request_free(*state);
    *state = NULL;
}

/* What the library would print; clients' mistakes are their own. */
static void log_nothing(void *user, const char *format, va_list arguments) {
    (void)user;
    (void)format;
    (void)arguments;
}

bool vgg_serve_http_start(vgg_serve_server *server, int listening) {
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_nothing, NULL},
        {MHD_OPTION_LISTEN_SOCKET, listening, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, server},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)VGG_SERVE_CONNECTION_MEMORY, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)server->limits.connections, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)server->limits.connections_per_client, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)server->limits.idle_timeout, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        handle, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (server->daemon == NULL)
        vgg_cli_complain("serve", "the thread that talks to clients cannot be started");
    return server->daemon != NULL;
}

void vgg_serve_http_drain(vgg_serve_server *server) {
    atomic_store(&server->draining, true);
    MHD_socket listening = MHD_quiesce_daemon(server->daemon);
    if (listening != MHD_INVALID_SOCKET)
        close(listening);
}

void vgg_serve_http_stop(vgg_serve_server *server) {
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}
