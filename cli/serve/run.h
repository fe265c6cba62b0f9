/* The report of a training, which may be going on. */
#ifndef VGG_SERVE_RUN_H
#define VGG_SERVE_RUN_H

#include "cli/serve/request.h"

/* Whether this is a folder that a report may come to; else that was complained about. */
bool vgg_serve_run_check(const char *folder);

/* /page.json, what the page is to show: see vgg_serve_route. */
void vgg_serve_page_facts(vgg_serve_request *request);

/* /report.html: likewise. */
void vgg_serve_report_begin(vgg_serve_request *request);
bool vgg_serve_report_prepare(vgg_serve_job *job);
void vgg_serve_report_finish(vgg_serve_job *job);

#endif
