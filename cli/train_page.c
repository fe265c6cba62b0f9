/* What a run says of itself for people, beside its log: run.json, views.png and report.html. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/grid.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/report/picture.h"
#include "cli/report/report.h"
#include "cli/train.h"

/* Of the time of a training, for its page; seconds that are free; and those that renderings with
 * pictures have at least, all together: the best epoch may be the first. */
#define SHARE_MOST 0.012
#define SECONDS_FREE 0.1
#define SECONDS_RENDERED 0.25

struct vgg_cli_train_page {
    const vgg_cli_training *training;
    vgg_cli_thumbnails *thumbnails;
    vgg_cli_rendered rendered; /* of the best epoch */
    double began, spent;       /* seconds */
    double rendering;          /* of those, for evaluations */
    bool begun;                /* the training, before which nothing is written */
    bool pending;              /* an epoch came after the page was written */
    bool failed;               /* it cannot be written, which was said */
    bool views;                /* are drawn, or were */
    bool drawn;                /* confusion.png is of the best epoch */
};

/* ---- run.json ---- */

static void add_text(json_t *object, const char *name, const char *value) {
    json_object_set_new(object, name, vgg_cli_json_text(value));
}

static void add_count(json_t *object, const char *name, size_t value) {
    char text[VGG_CLI_TEXT_SIZE];
    add_text(object, name, vgg_cli_count_text(text, value));
}

static json_t *describe_options(const vgg_cli_training *training) {
    vgg_cli_train_options *o = (vgg_cli_train_options *)(uintptr_t)&training->options;
    vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS];
    json_t *object = json_object();
    vgg_cli_learning_options(o, options);
    for (size_t i = 0; i < VGG_CLI_LEARNING_OPTIONS; i++) {
        char buffer[VGG_CLI_VALUE_SIZE];
        const char *value = vgg_cli_option_text(&options[i], buffer);
        if (value != NULL && (i < VGG_CLI_BASE_OPTIONS || *options[i].given))
            add_text(object, options[i].name, value);
    }
    return object;
}

static json_t *describe_data(const vgg_cli_training *training) {
    json_t *object = json_object();
    add_text(object, "path", training->options.data);
    add_text(object, "kind", training->info.kind);
    add_count(object, "classes", vgg_dataset_class_count(training->train));
    add_count(object, "training pictures", vgg_dataset_count(training->train));
    add_count(object, "validation pictures",
              training->validation != NULL ? vgg_dataset_count(training->validation) : 0);
    return object;
}

static json_t *describe_network(const vgg_cli_training *training) {
    const vgg_network *network = vgg_model_network(training->model);
    const vgg_network_options *options = vgg_network_describe(network);
    char text[VGG_CLI_TEXT_SIZE];
    json_t *object = json_object();
    add_text(object, "arch", options->arch);
    add_text(object, "batch normalisation", options->batch_norm ? "yes" : "no");
    add_text(object, "layout", vgg_layout_name(options->layout));
    snprintf(text, sizeof text, "%zux%zux%zu", options->channels, options->height, options->width);
    add_text(object, "input", text);
    add_text(object, "dropout", vgg_cli_number_text(text, options->dropout));
    add_count(object, "parameters", vgg_network_parameters(network));
    add_count(object, "multiply-adds", vgg_network_multiply_adds(network));
    return object;
}

/* The processor's name as the system has it. */
static void add_processor(json_t *object) {
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        add_text(object, "processor", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (file != NULL)
        fclose(file);
}

static json_t *describe_machine(const vgg_cli_training *training) {
    char text[VGG_CLI_TEXT_SIZE];
    size_t threads = training->options.threads;
    json_t *object = json_object();
    add_processor(object);
    add_text(object, "instructions", vgg_cpu_tier());
    add_count(object, "threads", threads > 0 ? threads : vgg_threads_default());
    snprintf(text, sizeof text, "vgg %s", vgg_version());
    add_text(object, "program", text);
    return object;
}

/* What run.json says; NULL where it cannot be read, and *short_of_memory: for want of memory. */
static json_t *read_about(const char *folder, bool *short_of_memory) {
    FILE *file = vgg_cli_run_open(folder, "run.json");
    *short_of_memory = file == NULL && errno == ENOMEM;
    json_t *about = file != NULL ? vgg_cli_json_read_file(file, short_of_memory) : NULL;
    if (file != NULL)
        fclose(file);
    return about;
}

/* A resumed run was begun by another command, at another time. */
static void keep_beginning(json_t *about, const json_t *former) {
    static const char *const kept[] = {"command", "began"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_t *value = json_object_get(former, kept[i]);
        if (json_is_string(value))
            json_object_set(about, kept[i], value);
    }
}

/* Takes the object over, which was made, or read, since vgg_cli_json_watch; NULL: for want of
 * memory it was not. */
static bool write_json(const vgg_cli_training *training, json_t *about) {
    char *text = json_dumps(about, JSON_INDENT(2));
    bool done = text != NULL && !vgg_cli_json_is_short();
    json_decref(about);
    vgg_cli_output output;
    if (!done)
        vgg_cli_complain("train", "out of memory for %s/run.json", training->options.folder);
    done = done && vgg_cli_output_open(&output, "train", training->options.folder, "run.json");
    if (done) {
        fprintf(output.stream, "%s\n", text);
        done = vgg_cli_output_close(&output);
    }
    free(text);
    return done;
}

static bool write_about(const vgg_cli_training *training) {
    char began[VGG_CLI_TEXT_SIZE];
    time_t now = time(NULL);
    struct tm parts;
    bool short_of_memory = false;
    vgg_cli_json_watch();
    json_t *former =
        training->options.resume ? read_about(training->options.folder, &short_of_memory) : NULL;
    json_t *about = short_of_memory ? NULL : json_object();
    strftime(began, sizeof began, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    add_text(about, "command", training->line);
    add_text(about, "began", began);
    keep_beginning(about, former);
    json_decref(former);
    json_object_set_new(about, "options", describe_options(training));
    json_object_set_new(about, "data", describe_data(training));
    json_object_set_new(about, "network", describe_network(training));
    json_object_set_new(about, "machine", describe_machine(training));
    return write_json(training, about);
}

/* How long the process trained, and what of that was spent on the page, which is to be little. */
static void note_seconds(const vgg_cli_train_page *page) {
    bool short_of_memory;
    vgg_cli_json_watch();
    json_t *about = read_about(page->training->options.folder, &short_of_memory);
    if (about == NULL && !short_of_memory && !vgg_cli_json_is_short())
        return;
    json_object_set_new(about, "seconds", json_real(vgg_cli_now() - page->began));
    json_object_set_new(about, "page_seconds", json_real(page->spent));
    write_json(page->training, about);
}

/* ---- views.png ---- */

/* Some pictures of the batch, in rows. */
static vgg_status save_views(const vgg_preprocess *shape, const vgg_train_event *event,
                             const char *path, vgg_error *error) {
    size_t columns = shape->width > 64 || shape->height > 64 ? 4 : 8;
    size_t rows = event->input_count / columns;
    size_t floats = shape->channels * shape->height * shape->width;
    rows = rows < 1 ? 1 : rows > columns ? columns : rows;
    vgg_cli_grid grid;
    vgg_status status = VGG_OK;
    if (!vgg_cli_grid_create(&grid, rows, columns, shape)) {
        snprintf(error->message, sizeof error->message, "out of memory for %s", path);
        return VGG_ERROR_MEMORY;
    }
    for (size_t i = 0; status == VGG_OK && i < rows * columns && i < event->input_count; i++) {
        status =
            vgg_cli_grid_draw(&grid, i / columns, i % columns, event->inputs + i * floats, error);
    }
    if (status == VGG_OK)
        status = vgg_image_save_png(&grid.image, path, error);
    vgg_cli_grid_free(&grid);
    return status;
}

/* Without them the page has none, which is noted. */
static void draw_views(const vgg_cli_training *training, const vgg_train_event *event) {
    const char *folder = training->options.folder;
    char *path = NULL;
    vgg_error error;
    if (asprintf(&path, "%s/views.png", folder) < 0)
        vgg_cli_complain("train", "note: out of memory for %s/views.png", folder);
    else if (save_views(vgg_model_preprocess(training->model), event, path, &error) != VGG_OK)
        vgg_cli_complain("train", "note: %s; the page of the run is without views", error.message);
    free(path);
}

/* ---- report.html ---- */

/* Seconds that the page may take now. */
static double left(const vgg_cli_train_page *page) {
    return fmax(SHARE_MOST * (vgg_cli_now() - page->began), SECONDS_FREE) - page->spent;
}

/* Finds the pictures of the evaluation; false when memory ran out. */
static bool begin_pictures(vgg_cli_train_page *page, const vgg_scores *scores, double allowed) {
    const vgg_dataset *const sets[] = {page->training->validation};
    if (page->thumbnails == NULL)
        page->thumbnails = vgg_cli_thumbnails_create("train", sets, 1);
    return page->thumbnails != NULL && vgg_cli_thumbnails_begin(page->thumbnails, scores, allowed);
}

/* The best epoch is always rendered; its pictures take time, and are drawn when the page is due. */
static void render(vgg_cli_train_page *page, const vgg_train_event *event, bool due) {
    const char *folder = page->training->options.folder;
    char part[VGG_CLI_TEXT_SIZE];
    if (event->scores == NULL || (!event->best && page->rendered.sections != NULL))
        return;
    page->drawn = due;
    if (due)
        vgg_cli_confusion_picture(event->scores, folder);
    double began = vgg_cli_now(), allowed = fmax(left(page), SECONDS_RENDERED - page->rendering);
    bool room = begin_pictures(page, event->scores, allowed);
    snprintf(part, sizeof part, "validation, after epoch %zu", event->epoch);
    const vgg_cli_evaluation evaluation = {
        .part = part, .scores = event->scores, .thumbnails = page->thumbnails};
    page->failed = !room || !vgg_cli_render(&page->rendered, &evaluation);
    if (page->failed)
        vgg_cli_complain("train", "out of memory for %s/report.html", folder);
    page->rendering += vgg_cli_now() - began;
}

static void write_page(vgg_cli_train_page *page) {
    const char *folder = page->training->options.folder;
    vgg_cli_run_facts facts;
    char *path = NULL;
    page->failed = asprintf(&path, "%s/report.html", folder) < 0;
    if (page->failed)
        vgg_cli_complain("train", "out of memory for %s/report.html", folder);
    page->failed = page->failed || !vgg_cli_run_facts_read(&facts, "train", folder);
    if (!page->failed) {
        page->failed = !vgg_cli_report_runs("train", path, (const vgg_cli_run_facts *[]){&facts}, 1,
                                            page->training->model, &page->rendered);
        vgg_cli_run_facts_free(&facts);
    }
    page->pending = page->failed;
    free(path);
}

static void draw_results(const char *folder) {
    vgg_cli_run_facts facts;
    if (!vgg_cli_run_facts_read(&facts, "train", folder))
        return;
    vgg_cli_results_picture(&facts, folder);
    vgg_cli_run_facts_free(&facts);
}

/* Of another epoch than the page it would mislead. */
static void remove_confusion(const char *folder) {
    char *path = NULL;
    if (asprintf(&path, "%s/confusion.png", folder) < 0)
        return;
    unlink(path);
    free(path);
}

vgg_cli_train_page *vgg_cli_train_page_begin(const vgg_cli_training *training) {
    vgg_cli_train_page *page = calloc(1, sizeof *page);
    if (page == NULL) {
        vgg_cli_complain("train", "out of memory for %s/report.html", training->options.folder);
        return NULL;
    }
    page->training = training;
    page->began = vgg_cli_now();
    if (training->options.resume) {
        page->failed = !vgg_cli_rendered_read(&page->rendered, "train", training->options.folder);
        page->views = true;
        page->drawn = true;
    }
    return page;
}

void vgg_cli_train_page_hear(vgg_cli_train_page *page, const vgg_train_event *event) {
    double now = vgg_cli_now();
    if (page == NULL || page->failed)
        return;
    if (event->type == VGG_EVENT_PLAN) {
        page->begun = true;
        page->failed = !write_about(page->training);
        /* A run that is resumed may have ended before its page was written. */
        page->pending = page->training->options.resume;
    }
    if (event->type == VGG_EVENT_STEP && !page->views && event->inputs != NULL) {
        draw_views(page->training, event);
        page->views = true;
    }
    if (event->type == VGG_EVENT_EPOCH) {
        bool due = left(page) > 0 || event->epoch == event->epochs;
        page->pending = true;
        if (due || event->best)
            render(page, event, due);
        if (due && !page->failed)
            write_page(page);
    }
    page->spent += vgg_cli_now() - now;
}

bool vgg_cli_train_page_end(vgg_cli_train_page *page, bool trained) {
    if (page == NULL)
        return true;
    bool wanted = trained && page->begun;
    double now = vgg_cli_now();
    if (wanted && page->pending && !page->failed)
        write_page(page);
    if (wanted && !page->failed)
        draw_results(page->training->options.folder);
    if (wanted && page->rendered.sections != NULL && !page->drawn)
        remove_confusion(page->training->options.folder);
    page->spent += vgg_cli_now() - now;
    if (wanted && !page->failed)
        note_seconds(page);
    vgg_cli_thumbnails_free(page->thumbnails);
    vgg_cli_rendered_free(&page->rendered);
    bool done = !page->failed;
    free(page);
    return done;
}
