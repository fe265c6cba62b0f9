#include "cli/serve/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/serve/cors.h"
#include "cli/serve/log.h"
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
    if (request->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (request->policy != NULL) {
        MHD_add_response_header(response, "Content-Security-Policy", request->policy);
        MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    }
    vgg_serve_cors_answer(request, response);
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

/* What is kept of a connection. */
static vgg_serve_connection *connection_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* The header is there. */
static enum MHD_Result begin(vgg_serve_server *server, struct MHD_Connection *connection,
                             const char *url, const char *method, void **state) {
    vgg_serve_request *request = vgg_serve_request_create(server, connection, url, method);
    if (request == NULL)
        return MHD_NO;
    *state = request;
    vgg_serve_connections_expect(&server->connections, connection_of(connection), 0);
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
        /* A connection that is suspended is waited for in the end. */
        if (!vgg_serve_work_reserve(request->server->work)) {
            request->job.outcome = VGG_SERVE_STOPPED;
            vgg_serve_fail_job(request);
            return send_answer(request);
        }
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
    vgg_serve_server *server = user;
    vgg_serve_request *request = *state;
    double now = vgg_serve_now();
    vgg_serve_connections_expect(&server->connections, connection_of(connection),
                                 now + server->limits.idle_timeout + server->limits.header_timeout);
    if (request == NULL)
        return;
    double seconds = now - request->begun;
    vgg_serve_metrics_request(&server->metrics, request->status, seconds, request->received,
                              request->length);
    if (server->log)
        vgg_serve_log_request(request, code == MHD_REQUEST_TERMINATED_COMPLETED_OK, seconds);
    vgg_serve_request_free(request);
    *state = NULL;
}

/* A connection begins or ends. */
static void connected(void *user, struct MHD_Connection *connection, void **kept,
                      enum MHD_ConnectionNotificationCode code) {
    vgg_serve_server *server = user;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        vgg_serve_connections_remove(&server->connections, *kept);
        *kept = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL)
        *kept = vgg_serve_connections_add(&server->connections, info->connect_fd,
                                          vgg_serve_now() + server->limits.header_timeout);
}

/* Decodes a part of an address in place and gives its length. One with a zero in it would be
 * another for the library, whose texts end there, so it stays as it is and names nothing. */
static size_t decode_address(void *user, struct MHD_Connection *connection, char *text) {
    (void)user;
    (void)connection;
    return strstr(text, "%00") != NULL ? strlen(text) : MHD_http_unescape(text);
}

/* What the library would print. A request that it cannot read it answers itself, and says so here
 * and nowhere else. */
static void hear(void *user, const char *format, va_list arguments) {
    static const char refused[] = "Error processing request (HTTP response code is ";
    vgg_serve_server *server = user;
    (void)arguments;
    if (strncmp(format, refused, strlen(refused)) == 0)
        vgg_serve_metrics_add(&server->metrics, &server->metrics.refused, 1);
}

bool vgg_serve_http_start(vgg_serve_server *server, int listening) {
    const vgg_serve_limits *limits = &server->limits;
    const struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->private_key},
        {MHD_OPTION_END, 0, NULL},
    };
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)hear, server},
        {MHD_OPTION_LISTEN_SOCKET, listening, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)decode_address, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, server},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connected, server},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)VGG_SERVE_CONNECTION_MEMORY, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limits->connections, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)limits->connections_per_client, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)limits->idle_timeout, NULL},
        {server->certificate != NULL ? MHD_OPTION_ARRAY : MHD_OPTION_END, 0, (void *)secure},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (server->certificate != NULL)
        flags |= MHD_USE_TLS;
    server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, server, MHD_OPTION_ARRAY,
                                      options, MHD_OPTION_END);
    if (server->daemon == NULL)
        vgg_cli_complain("serve", server->certificate != NULL
                                      ? "--tls-cert, --tls-key: these files are no certificate "
                                        "and its key in PEM"
                                      : "the thread that talks to clients cannot be started");
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
