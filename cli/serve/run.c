#include "cli/serve/run.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/message.h"
#include "cli/serve/file.h"

/* Bytes of a report; those of vgg have up to 5 MB. */
#define REPORT_MOST ((size_t)16 << 20)

bool vgg_serve_run_check(const char *folder) {
    struct stat info;
    if (stat(folder, &info) != 0)
        vgg_cli_complain("serve", "--run %s: %s", folder, strerror(errno));
    else if (!S_ISDIR(info.st_mode))
        vgg_cli_complain("serve", "--run %s: is not the folder of a run", folder);
    else
        return true;
    return false;
}

/* The report as it is now; -1: there is none. */
static int open_report(const char *folder, struct stat *info) {
    char *path = NULL;
    int file = -1;
    if (asprintf(&path, "%s/report.html", folder) >= 0)
        file = vgg_serve_file_open(path, info);
    free(path);
    return file;
}

/* ---- what the page is told ---- */

/* A text that is another whenever the report is; null: there is none. */
static json_t *version_of(const char *folder) {
    struct stat info;
    char text[96];
    int file = open_report(folder, &info);
    if (file < 0)
        return json_null();
    close(file);
    snprintf(text, sizeof text, "%llu-%lld-%09ld", (unsigned long long)info.st_ino,
             (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    return json_string(text);
}

/* The last part of the path: where it lies concerns nobody else. */
static json_t *name_of(const char *folder) {
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && folder[begin - 1] != '/') {
        begin--;
    }
    char *name = strndup(folder + begin, end - begin);
    json_t *text = vgg_cli_json_text(name);
    free(name);
    return text;
}

void vgg_serve_page_facts(vgg_serve_request *request) {
    const char *folder = request->server->run;
    json_t *run = json_null();
    /* A frame has no way to send a key. */
    if (folder != NULL && request->server->keys.count == 0)
        run = json_pack("{s:o, s:o}", "name", name_of(folder), "version", version_of(folder));
    vgg_serve_answer_json(request, MHD_HTTP_OK, json_pack("{s:o}", "run", run));
}

/* ---- the report ---- */

void vgg_serve_report_begin(vgg_serve_request *request) {
    request->job.model = &request->server->models.entries[0];
    if (request->server->run == NULL)
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "no training is shown: --run");
}

static void read_report(vgg_serve_request *request, int file, size_t size) {
    if (!vgg_serve_request_reserve(request, size + 1))
        return;
    char *text = malloc(size + 1);
    size_t done = text != NULL ? vgg_serve_file_read(file, text, size) : 0;
    vgg_serve_answer(request, MHD_HTTP_OK, "text/html; charset=utf-8", text, done);
    /* It has a policy of its own; whatever it runs can do nothing to this server. */
    request->policy = "sandbox allow-scripts; frame-ancestors 'self'";
}

bool vgg_serve_report_prepare(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    struct stat info;
    int file = open_report(request->server->run, &info);
    if (file < 0)
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "the training has no report yet");
    else if ((size_t)info.st_size > REPORT_MOST)
        vgg_serve_fail(request, MHD_HTTP_NOT_FOUND, "the report has more than %zu bytes",
                       REPORT_MOST);
    else
        read_report(request, file, (size_t)info.st_size);
    if (file >= 0)
        close(file);
    return false;
}

void vgg_serve_report_finish(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    vgg_serve_fail_job(request);
    vgg_serve_reply(request);
}
