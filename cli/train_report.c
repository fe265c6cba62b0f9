/* What `vgg train` says while it runs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/message.h"
#include "cli/stop.h"
#include "cli/train.h"
#include "cli/wrap.h"

/* Seconds between lines where there is no terminal to draw on. */
#define LINE_EVERY 10.0
/* Share of an epoch spent waiting for pictures that is more worth its place than the speed. */
#define WAITED_MUCH 0.1

vgg_cli_train_report vgg_cli_train_report_init(const vgg_cli_training *training) {
    const vgg_cli_train_options *options = &training->options;
    vgg_cli_train_report report = {
        .training = training,
        .quiet = options->quiet,
        .show_rate = strcmp(options->schedule, "constant") != 0,
        .threads = options->threads,
        .classes = vgg_dataset_class_count(training->train),
        .progress = vgg_cli_progress_on(stdout),
        .skipped = {.command = "train", .strict = options->strict},
    };
    report.progress.live = report.progress.live && !options->quiet;
    report.epoch_started = report.latest_line = vgg_cli_now();
    return report;
}

/* Slow networks see less than a picture a second, whose figure is worth a decimal. */
static int speed_digits(double images_per_s) {
    return images_per_s < 10.0 ? 1 : 0;
}

static void print_machine(vgg_cli_train_report *report, const vgg_train_event *event) {
    char memory[VGG_CLI_TEXT_SIZE], features[VGG_CLI_TEXT_SIZE];
    vgg_cli_bytes_text(memory, event->memory);
    size_t threads = report->threads > 0 ? report->threads : vgg_threads_default();
    if (event->feature_bytes > 0)
        printf("features  %s on the disk while it trains\n",
               vgg_cli_bytes_text(features, event->feature_bytes));
    vgg_cli_print_line("machine   %s, %zu thread%s, %s of memory",
                       report->training->options.computing.name, threads, threads == 1 ? "" : "s",
                       memory);
    putchar('\n');
    fflush(stdout);
}

/* A step of training, of the evaluation after an epoch, or of computing features. */
static void show_step(vgg_cli_train_report *report, const vgg_train_event *event) {
    char epoch[2 * VGG_CLI_TEXT_SIZE], text[5 * VGG_CLI_TEXT_SIZE];
    char left[VGG_CLI_TEXT_SIZE];
    bool due = report->progress.live ? vgg_cli_progress_due(&report->progress)
                                     : vgg_cli_now() - report->latest_line >= LINE_EVERY;
    if (!due)
        return;
    snprintf(epoch, sizeof epoch, "epoch %zu/%zu", event->epoch, event->epochs);
    vgg_cli_duration_text(left, event->seconds_left);
    if (event->type == VGG_EVENT_FEATURES)
        snprintf(epoch, sizeof epoch, "features");
    if (event->type == VGG_EVENT_FEATURES)
        snprintf(text, sizeof text, "computing  %s left", left);
    else if (event->type == VGG_EVENT_STEP)
        snprintf(text, sizeof text, "%.*f images/s  %s left  loss %.3f  acc %.1f %%",
                 speed_digits(event->images_per_s), event->images_per_s, left, event->loss,
                 100.0 * event->accuracy);
    else
        snprintf(text, sizeof text, "checking  %s left", left);
    if (report->progress.live) {
        vgg_cli_progress_draw(&report->progress, epoch,
                              (double)event->step / fmax((double)event->steps, 1.0), text);
        return;
    }
    printf("%s  step %zu/%zu  %s\n", epoch, event->step, event->steps, text);
    fflush(stdout);
    report->latest_line = vgg_cli_now();
}

/* Pictures that are read before the first step, to be known again. */
static void show_check(vgg_cli_train_report *report, const vgg_train_event *event) {
    if (report->progress.live && vgg_cli_progress_due(&report->progress))
        vgg_cli_progress_draw(&report->progress, "checking the data",
                              (double)event->step / fmax((double)event->steps, 1.0), "");
    else if (!report->progress.live && vgg_cli_now() - report->latest_line >= LINE_EVERY) {
        printf("checking the data  picture %zu/%zu\n", event->step, event->steps);
        fflush(stdout);
        report->latest_line = vgg_cli_now();
    }
}

/* A network that guesses has a loss of ln(classes); one that is still there after this many epochs
 * will hardly get away. */
#define EPOCHS_TO_BEGIN 2
#define LOSS_OF_GUESSING 0.985

static void advise(vgg_cli_train_report *report, const vgg_train_event *event) {
    bool guesses = event->loss > LOSS_OF_GUESSING * log((double)report->classes);
    if (vgg_model_output(report->training->model) == VGG_OUTPUT_SIGMOID)
        return; /* whose loss of guessing depends on how many labels pictures have */
    bool lower = event->validated && event->validation_loss < report->least_loss;
    bool improves = event->validated && event->epoch > 1 && (event->best || lower);
    if (lower || (event->validated && report->least_loss == 0))
        report->least_loss = event->validation_loss;
    if (report->advised || event->epoch < EPOCHS_TO_BEGIN || !guesses || improves)
        return;
    report->advised = true;
    char advice[256];
    snprintf(advice, sizeof advice,
             "the loss is still that of guessing, ln(%zu) = %.3f; a lower --lr, --batch-norm, less "
             "--dropout or another --init may help",
             report->classes, log((double)report->classes));
    vgg_cli_print_wrapped(advice, 0, 0);
}

/* The parts of an epoch's line, from left to right. */
enum { EPOCH, LOSS, ACCURACY, VAL_LOSS, TOP1, TOP5, RATE, SPEED, TIME, WAITED, BEST, PARTS };
typedef char epoch_parts[PARTS][VGG_CLI_TEXT_SIZE];

static void fill_parts(const vgg_cli_train_report *report, const vgg_train_event *event,
                       epoch_parts parts) {
    size_t size = VGG_CLI_TEXT_SIZE;
    snprintf(parts[EPOCH], size, "epoch %zu/%zu", event->epoch, event->epochs);
    snprintf(parts[LOSS], size, "  loss %.3f", event->loss);
    snprintf(parts[ACCURACY], size, "  acc %.1f %%", 100.0 * event->accuracy);
    if (event->validated) {
        snprintf(parts[VAL_LOSS], size, "  val loss %.3f", event->validation_loss);
        snprintf(parts[TOP1], size, "  val top-1 %.1f %%", 100.0 * event->validation_top1);
    }
    if (vgg_model_output(report->training->model) == VGG_OUTPUT_SIGMOID)
        snprintf(parts[ACCURACY], size, "  exact %.1f %%", 100.0 * event->accuracy);
    if (event->label_scores != NULL) {
        snprintf(parts[TOP1], size, "  val mAP %.1f %%",
                 100.0 * event->validation_mean_average_precision);
        snprintf(parts[TOP5], size, "  exact %.1f %%", 100.0 * event->validation_exact_match);
    } else if (event->validated && report->classes > VGG_CLI_TOP5_ABOVE) {
        snprintf(parts[TOP5], size, "  top-5 %.1f %%", 100.0 * event->validation_top5);
    }
    if (report->show_rate)
        snprintf(parts[RATE], size, "  lr %.6g", event->rate);
    if (event->images_per_s > 0) /* of an epoch whose steps another process did there is none */
        snprintf(parts[SPEED], size, "  %.*f images/s", speed_digits(event->images_per_s),
                 event->images_per_s);
    char time[VGG_CLI_TEXT_SIZE];
    vgg_cli_duration_text(time, vgg_cli_now() - report->epoch_started);
    snprintf(parts[TIME], size, "  %.20s", time);
    snprintf(parts[WAITED], size, "  waited for pictures %.0f %%", 100.0 * event->waited);
    if (event->best && event->validated)
        snprintf(parts[BEST], size, "  *best");
}

/* Leaves out what matters least until the line fits the terminal. */
static void fit_parts(const vgg_cli_progress *progress, bool waited_much, epoch_parts parts) {
    static const int drop[] = {WAITED, SPEED, WAITED, VAL_LOSS, TOP5, RATE, TIME};
    size_t length = 0, width = vgg_cli_terminal_width(progress->stream);
    for (size_t i = 0; i < PARTS; i++) {
        length += strlen(parts[i]);
    }
    for (size_t i = waited_much ? 1 : 0; i < sizeof drop / sizeof drop[0] && length > width; i++) {
        length -= strlen(parts[drop[i]]);
        parts[drop[i]][0] = '\0';
    }
}

static void print_epoch(vgg_cli_train_report *report, const vgg_train_event *event) {
    epoch_parts parts = {""};
    fill_parts(report, event, parts);
    if (report->progress.live)
        fit_parts(&report->progress, event->waited > WAITED_MUCH, parts);
    vgg_cli_progress_clear(&report->progress);
    for (size_t i = 0; i < PARTS; i++) {
        bool accent = i == BEST && parts[i][0] != '\0';
        printf("%s%s%s", accent ? vgg_cli_accent(stdout) : "", parts[i],
               accent ? vgg_cli_accent_end(stdout) : "");
    }
    putchar('\n');
    if (event->skipped_steps > report->skipped_steps)
        printf("%zu step%s left out: their gradients were too large for f16\n",
               event->skipped_steps - report->skipped_steps,
               event->skipped_steps - report->skipped_steps == 1 ? " was" : "s were");
    report->skipped_steps = event->skipped_steps;
    advise(report, event);
    fflush(stdout);
    report->epoch_started = report->latest_line = vgg_cli_now();
}

static void begin(vgg_cli_train_report *report, const vgg_train_event *event) {
    report->begun = true;
    report->skipped_steps = event->skipped_steps;
    if (report->quiet)
        return;
    vgg_cli_train_print_plan(report->training);
    print_machine(report, event);
}

void vgg_cli_train_warned(void *user, const char *message) {
    vgg_cli_train_report *report = user;
    if (report->begun)
        vgg_cli_picture_note(&report->skipped, message);
    else if (!report->quiet)
        vgg_cli_note((void *)"train", message);
}

bool vgg_cli_train_event(void *user, const vgg_train_event *event) {
    vgg_cli_train_report *report = user;
    if (event->type == VGG_EVENT_SKIPPED) {
        report->skipped.progress = &report->progress;
        return vgg_cli_skip(&report->skipped, event->name, event->why);
    }
    if (event->type == VGG_EVENT_PLAN) {
        vgg_cli_train_say_begun(report->training);
        vgg_cli_progress_clear(&report->progress);
        begin(report, event);
    } else if (!report->quiet && event->type == VGG_EVENT_CHECKED) {
        show_check(report, event);
    } else if (!report->quiet && event->type == VGG_EVENT_EPOCH) {
        print_epoch(report, event);
    } else if (!report->quiet) {
        show_step(report, event);
    }
    if (report->page != NULL)
        vgg_cli_train_page_hear(report->page, event);
    return !vgg_cli_stop_asked();
}
