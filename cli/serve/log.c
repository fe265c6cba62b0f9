#include "cli/serve/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/memory_stream.h"

/* A pipe that can be written to takes so much without waiting (PIPE_BUF). */
#define LINE_MOST 4096

/* The address of whoever asks, "unix" for a socket in a folder. */
static const char *client_of(const vgg_serve_request *request, char text[INET6_ADDRSTRLEN]) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    const void *bytes = NULL;
    if (address != NULL && address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address != NULL && address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (bytes == NULL || inet_ntop(address->sa_family, bytes, text, INET6_ADDRSTRLEN) == NULL)
        return "unix";
    return text;
}

static json_t *time_now(void) {
    char text[64];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, sizeof text - length, ".%03ldZ", now.tv_nsec / 1000000);
    return json_string(text);
}

static json_t *describe(const vgg_serve_request *request, bool complete, double seconds) {
    char client[INET6_ADDRSTRLEN];
    const vgg_serve_model *model = request->job.model;
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:i, s:b, s:I, s:I, s:I, s:o}", "time",
                     time_now(), "id", request->id, "client", client_of(request, client), "method",
                     vgg_cli_json_text(request->method), "path", vgg_cli_json_text(request->path),
                     "model", vgg_cli_json_text(model != NULL ? model->name : NULL), "status",
                     (int)request->status, "complete", complete, "pictures",
                     (json_int_t)request->pictures, "received", (json_int_t)request->received,
                     "sent", (json_int_t)request->length, "seconds",
                     json_real(1e-6 * (double)(long long)(1e6 * seconds)));
}

void vgg_serve_log_request(const vgg_serve_request *request, bool complete, double seconds) {
    char *line = NULL;
    size_t length = 0;
    FILE *out = vgg_cli_memory_stream(&line, &length);
    json_t *value = describe(request, complete, seconds);
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    bool written = false;
    if (out == NULL) {
        json_decref(value);
    } else {
        written = vgg_cli_json_write(out, value, false, 0) && fputc('\n', out) != EOF;
        written = fclose(out) == 0 && written && length <= LINE_MOST;
    }
    written = written && poll(&output, 1, 0) == 1 && (output.revents & POLLOUT) != 0 &&
              write(STDOUT_FILENO, line, length) == (ssize_t)length;
    if (!written)
        vgg_serve_metrics_add(&request->server->metrics, &request->server->metrics.lost_lines, 1);
    free(line);
}
