/* vgg style: a picture with the content of one and the style of others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/shared_options.h"
#include "cli/stop.h"
#include "cli/style.h"
#include "cli/terminal.h"
#include "cli/unnamed_model.h"
#include "vgg/vgg.h"

typedef struct style_state {
    const vgg_cli_style_options *options;
    vgg_style *style;
    char *part;     /* the file that it goes on from */
    char *command;  /* with which it goes on; NULL when memory ran out */
    size_t begun;   /* iterations of earlier runs */
    double started; /* vgg_cli_now, of this one */
    vgg_cli_progress line;
} style_state;

static bool parse(vgg_cli_style_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    const vgg_cli_option wanted[] = {
        {.type = VGG_CLI_TEXTS,
         .name = "style",
         .argument = "PICTURE[:WEIGHT]",
         .value = &o->styles,
         .help = "a picture whose style is wanted; several are mixed by their weights, which are 1 "
                 "where none is said"},
        {.type = VGG_CLI_NUMBER,
         .name = "content-weight",
         .argument = "W",
         .value = &o->content_weight,
         .maximum = 1e12,
         .help = "how much the content counts"},
        {.type = VGG_CLI_NUMBER,
         .name = "style-weight",
         .argument = "W",
         .value = &o->style_weight,
         .maximum = 1e12,
         .help = "how much each layer of style counts"},
        {.type = VGG_CLI_NUMBER,
         .name = "variation-weight",
         .argument = "W",
         .value = &o->variation_weight,
         .maximum = 1e12,
         .help = "how much it counts that neighbouring pixels differ little"},
        {.type = VGG_CLI_TEXT,
         .name = "content-layer",
         .argument = "LAYER",
         .value = &o->content_layer,
         .help = "the layer that sees the content"},
        {.type = VGG_CLI_TEXT,
         .name = "style-layers",
         .argument = "LAYER,...",
         .value = &o->style_layers,
         .help = "those that see the style"},
        {.type = VGG_CLI_FLAG,
         .name = "average-pools",
         .value = &o->average_pools,
         .help = "take averages in the network's max-pools, which makes smoother pictures"},
    };
    const vgg_cli_option painting[] = {
        {.type = VGG_CLI_SIZE,
         .name = "size",
         .argument = "N",
         .value = &o->size,
         .minimum = 1,
         .maximum = VGG_IMAGE_MAX_SIDE,
         .help = "the long side of the picture that is made, which is at most that of CONTENT"},
        {.type = VGG_CLI_SIZE,
         .name = "style-size",
         .argument = "N",
         .value = &o->style_size,
         .minimum = 1,
         .maximum = VGG_IMAGE_MAX_SIDE,
         .help = "the long side that the pictures of style are resized to: the less, the finer are "
                 "their patterns",
         .fallback = "that of the picture that is made"},
        {.type = VGG_CLI_SIZE,
         .name = "iterations",
         .argument = "N",
         .value = &o->iterations,
         .minimum = 1,
         .maximum = 1e6,
         .help = "moves of L-BFGS"},
        {.type = VGG_CLI_TEXT,
         .name = "start",
         .argument = "START",
         .value = &o->start,
         .help = "where it begins: content, noise, or the name of a picture"},
        {.type = VGG_CLI_SEED,
         .name = "seed",
         .argument = "N",
         .value = &o->seed,
         .help = "of the noise"},
        {.type = VGG_CLI_SIZE,
         .name = "history",
         .argument = "N",
         .value = &o->history,
         .minimum = 1,
         .maximum = 1000,
         .help = "moves that L-BFGS remembers, each of which takes 24 bytes a pixel, in memory and "
                 "in OUT.part"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "out",
         .argument = "OUT.png",
         .value = &o->out,
         .help = "the picture"},
        {.type = VGG_CLI_TEXT,
         .name = "preview",
         .argument = "FILE.png",
         .value = &o->preview,
         .help = "write the picture as it is there, too, each time that OUT.png.part is written",
         .fallback = "none"},
        {.type = VGG_CLI_SIZE,
         .name = "save-every",
         .argument = "N",
         .value = &o->save_every,
         .minimum = 1,
         .maximum = 1e6,
         .help = "iterations after which OUT.png.part is written again, from which --resume goes "
                 "on"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT.png and FILE.png when they are there, and begin anew where a run was "
                 "ended"},
        {.type = VGG_CLI_FLAG,
         .name = "resume",
         .value = &o->resume,
         .help = "go on from OUT.png.part, if it is there, to the same picture; --iterations may "
                 "be another number"},
        vgg_cli_threads_option(&o->threads),
        vgg_cli_exact_option(&o->exact),
        vgg_cli_device_option(&o->computing.device),
        vgg_cli_precision_option(&o->computing.precision),
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"WHAT IS WANTED", wanted, sizeof wanted / sizeof wanted[0]},
        {"PAINTING", painting, sizeof painting / sizeof painting[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "style",
        .summary = "paint a picture in the style of others",
        .synopsis = "vgg style [options] CONTENT --style PICTURE[:WEIGHT]... -o OUT.png",
        .description =
            "Makes a picture that shows what CONTENT shows, painted as the pictures of --style "
            "are: one for which a layer of the network gives nearly what it gives for CONTENT, and "
            "other layers have nearly the correlations between channels (Gram matrices) that they "
            "have for the others (Gatys et al. 2016), found by L-BFGS.\n"
            "A VGG-19 trained on ImageNet is what people take, of which a file without a "
            "classifier does.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "130  Ctrl-C or SIGTERM: what was done is saved, and --resume goes on",
        .examples = "vgg style --model vgg19.pth photo.jpg --style waves.jpg -o painted.png\n"
                    "vgg style --model vgg19.pth photo.jpg --style a.jpg:3 --style b.jpg \\\n"
                    "    -o mixed.png --size 384 --preview now.png",
        .operand = "CONTENT",
        .operands_least = 1,
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* Whether the options suit each other; what does not is said. */
static bool goes_together(const vgg_cli_style_options *o) {
    const char *wrong = NULL;
    if (o->styles.count == 0)
        wrong = "--style PICTURE is missing";
    else if (o->out == NULL)
        wrong = "-o OUT.png is missing";
    else if (!vgg_cli_ends_in(o->out, ".png"))
        wrong = "--out: expected a name that ends in .png";
    else if (o->preview != NULL && !vgg_cli_ends_in(o->preview, ".png"))
        wrong = "--preview: expected a name that ends in .png";
    else if (o->preview != NULL && vgg_cli_same_file(o->preview, o->out))
        wrong = "--preview: is OUT.png, expected another file";
    if (wrong != NULL)
        vgg_cli_complain("style", "%s", wrong);
    return wrong == NULL;
}

/* ---- running ---- */

static vgg_style_options told(const vgg_cli_style_options *o,
                              const vgg_cli_style_pictures *pictures) {
    vgg_style_options options;
    vgg_style_options_init(&options, sizeof options);
    options.content_layer = o->content_layer;
    options.style_layers = o->style_layers;
    options.content_weight = o->content_weight;
    options.style_weight = o->style_weight;
    options.variation_weight = o->variation_weight;
    options.height = pictures->height;
    options.width = pictures->width;
    options.style_side = o->style_size;
    options.start_image = pictures->start.pixels != NULL ? &pictures->start : NULL;
    options.start = options.start_image != NULL                  ? VGG_STYLE_START_IMAGE
                    : strcmp(o->start, vgg_cli_style_noise) == 0 ? VGG_STYLE_START_NOISE
                                                                 : VGG_STYLE_START_CONTENT;
    options.seed = o->seed;
    /* With no more moves than it remembers, the length of its memory changes nothing. */
    options.history = o->history < o->iterations ? o->history : o->iterations;
    options.average_pools = o->average_pools;
    options.exact = o->exact;
    options.precision = vgg_precision_named(o->computing.precision);
    options.device = vgg_device_named(o->computing.device);
    options.threads = o->threads;
    return options;
}

static vgg_style_state now(const style_state *s) {
    vgg_style_state state = {.struct_size = sizeof state};
    vgg_style_now(s->style, &state, NULL);
    return state;
}

static vgg_status save_picture(const style_state *s, const char *path, vgg_error *error) {
    vgg_image image = {0};
    vgg_status status = vgg_style_picture(s->style, &image, error);
    if (status == VGG_OK)
        status = vgg_image_save_png(&image, path, error);
    vgg_image_free(&image);
    return status;
}

/* There is something to go on from, whatever happens. */
static void say_of_quitting(const style_state *s) {
    char quit[4096];
    snprintf(quit, sizeof quit, "quit; %s is as it was last written", s->part);
    vgg_cli_clean(quit);
    vgg_cli_stop_begun(quit);
}

/* What --resume goes on from, and the preview. */
static vgg_status save(const style_state *s, vgg_error *error) {
    vgg_status status = vgg_style_save(s->style, s->part, error);
    if (status == VGG_OK && s->options->preview != NULL)
        status = save_picture(s, s->options->preview, error);
    return status;
}

static void show_progress(style_state *s, const vgg_style_state *state) {
    if (!vgg_cli_progress_due(&s->line))
        return;
    char right[3 * VGG_CLI_TEXT_SIZE], time[VGG_CLI_TEXT_SIZE];
    size_t total = s->options->iterations, done = state->iteration - s->begun;
    double seconds = vgg_cli_now() - s->started;
    double left = done > 0 ? seconds / (double)done * (double)(total - state->iteration) : 0;
    snprintf(right, sizeof right, "%zu/%zu  loss %.4g  %s left", state->iteration, total,
             state->loss, done > 0 ? vgg_cli_duration_text(time, left) : "?");
    vgg_cli_progress_draw(&s->line, "style", (double)state->iteration / (double)total, right);
}

/* Moves on until it is done or somebody wants it to stop; then *stopped. */
static vgg_status paint(style_state *s, bool *stopped, vgg_error *error) {
    vgg_style_state state = now(s);
    vgg_status status = VGG_OK;
    size_t saved = state.iteration;
    s->started = vgg_cli_now();
    s->line = vgg_cli_progress_on(stderr);
    *stopped = vgg_cli_stop_asked();
    while (status == VGG_OK && !*stopped && !state.finished &&
           state.iteration < s->options->iterations) {
        show_progress(s, &state);
        status = vgg_style_iterate(s->style, error);
        state = now(s);
        *stopped = vgg_cli_stop_asked();
        bool last = state.finished || state.iteration >= s->options->iterations;
        if (status != VGG_OK || last || *stopped ||
            state.iteration < saved + s->options->save_every)
            continue;
        saved = state.iteration;
        status = save(s, error);
        if (status == VGG_OK)
            say_of_quitting(s);
    }
    vgg_cli_progress_clear(&s->line);
    *stopped = *stopped && !state.finished && state.iteration < s->options->iterations;
    return status;
}

static int end_stopped(const style_state *s) {
    vgg_error error;
    if (save(s, &error) != VGG_OK) {
        vgg_cli_complain("style", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    vgg_cli_print_line("stopped after iteration %zu; %s is saved", now(s).iteration, s->part);
    if (s->command != NULL) {
        printf("continue with:\n");
        vgg_cli_print_command("  %s", s->command);
    }
    return VGG_CLI_STOPPED;
}

/* Writes OUT; when that fails, what --resume ends it from. False, which is complained about, when
 * OUT is not written. */
static bool keep_picture(const style_state *s) {
    const vgg_cli_style_options *o = s->options;
    vgg_error error;
    if (save_picture(s, o->out, &error) == VGG_OK) {
        remove(s->part); /* of no more use; one that stays is only in the way */
        return true;
    }
    vgg_cli_complain("style", "%s", error.message);
    if (vgg_style_save(s->style, s->part, &error) == VGG_OK)
        vgg_cli_complain("style", "%s: is kept instead, and --resume makes %s of it", s->part,
                         o->out);
    else
        vgg_cli_complain("style", "%s", error.message);
    return false;
}

static int end_done(const style_state *s) {
    const vgg_cli_style_options *o = s->options;
    vgg_style_state state = now(s);
    char time[VGG_CLI_TEXT_SIZE];
    vgg_error error;
    if (!keep_picture(s))
        return VGG_CLI_FAILURE;
    vgg_cli_print_line(
        "loss %.4g (content %.4g, style %.4g, variation %.4g) after %zu iterations%s", state.loss,
        state.content, state.style, state.variation, state.iteration,
        state.finished && state.iteration < o->iterations ? ", which is its least" : "");
    vgg_cli_print_line("wrote %s in %s", o->out,
                       vgg_cli_duration_text(time, vgg_cli_now() - s->started));
    if (o->preview == NULL || save_picture(s, o->preview, &error) == VGG_OK)
        return VGG_CLI_OK;
    vgg_cli_complain("style", "%s", error.message);
    return VGG_CLI_FAILURE;
}

/* After an iteration whose loss is no number, the picture before it is kept. */
static int end_failed(const style_state *s, vgg_status status, const vgg_error *error) {
    vgg_cli_complain("style", "%s", error->message);
    if (status == VGG_ERROR_NUMERIC && now(s).iteration > 0 && keep_picture(s))
        vgg_cli_complain("style", "%s: is the picture after iteration %zu, the last good one",
                         s->options->out, now(s).iteration);
    return VGG_CLI_FAILURE;
}

/* What it will take, before it is taken. */
static vgg_status say_plan(const vgg_cli_style_options *o, const vgg_model *model,
                           const vgg_style_options *options, vgg_error *error) {
    size_t bytes;
    char memory[VGG_CLI_TEXT_SIZE], disk[VGG_CLI_TEXT_SIZE];
    vgg_status status = vgg_style_memory(model, options, &bytes, error);
    if (status != VGG_OK)
        return status;
    size_t channels = vgg_network_describe(vgg_model_network(model))->channels;
    size_t picture = options->height * options->width * channels * sizeof(float);
    vgg_cli_print_line("%zux%zu pixels, %zu iterations; up to %s of memory, and %s for %s.part",
                       options->width, options->height, o->iterations,
                       vgg_cli_bytes_text(memory, bytes),
                       vgg_cli_bytes_text(disk, picture * (3 + 2 * options->history)), o->out);
    fflush(stdout);
    return VGG_OK;
}

/* Makes it, from the beginning or from where an ended run was; the exit status. */
static int begin(style_state *s, const vgg_model *model, const vgg_cli_style_pictures *pictures) {
    const vgg_cli_style_options *o = s->options;
    vgg_style_options options = told(o, pictures);
    vgg_error error;
    vgg_status status = say_plan(o, model, &options, &error);
    if (status == VGG_OK)
        status = vgg_style_create(model, &pictures->content, pictures->sources, o->styles.count,
                                  &options, &s->style, &error);
    bool smaller = pictures->width < pictures->content.width; /* by --size */
    if (status == VGG_ERROR_NOT_FOUND /* a layer of that name */ ||
        (status == VGG_ERROR_SHAPE && smaller))
        status = VGG_ERROR_ARGUMENT;
    if (status != VGG_OK)
        return vgg_cli_fail("style", status, &error);
    if (!o->resume || access(s->part, F_OK) != 0 ||
        vgg_style_resume(s->style, s->part, &error) == VGG_OK)
        return VGG_CLI_OK;
    vgg_cli_complain("style", "%s", error.message);
    return VGG_CLI_FAILURE;
}

static int run(style_state *s, const vgg_model *model, const vgg_cli_style_pictures *pictures) {
    vgg_error error;
    bool stopped = false;
    vgg_cli_stop_catch("style", "iteration", "quit before the first iteration");
    int begun = begin(s, model, pictures);
    if (begun != VGG_CLI_OK)
        return begun;
    s->begun = now(s).iteration;
    if (s->begun > 0)
        say_of_quitting(s);
    else
        vgg_cli_stop_begun("quit; nothing is saved yet");
    vgg_status status = paint(s, &stopped, &error);
    if (status != VGG_OK)
        return end_failed(s, status, &error);
    return stopped ? end_stopped(s) : end_done(s);
}

/* The pictures first, so that a slip in a name is found before the model is read. */
static int read_and_run(style_state *s, char **argv) {
    vgg_cli_style_options o = *s->options;
    vgg_cli_style_pictures pictures = {0};
    vgg_model *model = NULL;
    bool unnamed = false;
    if (!vgg_cli_unnamed_model_take("style", &o.source, argv[1], &unnamed))
        return VGG_CLI_USAGE;
    int status = vgg_cli_style_read(&o, &pictures);
    if (status == VGG_CLI_OK)
        status = vgg_cli_model_open("style", &o.source, &model);
    if (status == VGG_CLI_OK && unnamed)
        vgg_cli_unnamed_model_note("style", model);
    if (status == VGG_CLI_OK && vgg_model_preprocess(model) == NULL)
        vgg_cli_complain("style",
                         "note: %s: does not say how pictures become its inputs; torchvision's "
                         "figures are taken",
                         o.source.path);
    if (status == VGG_CLI_OK)
        status = run(s, model, &pictures);
    vgg_style_free(s->style);
    vgg_model_free(model);
    vgg_cli_style_forget(&pictures);
    return status;
}

/* The line with which it goes on; NULL when memory ran out. */
static char *make_command(const char *line, bool resume) {
    char *command = NULL;
    if (line == NULL || asprintf(&command, "%s%s", line, resume ? "" : " --resume") < 0)
        return NULL;
    return command;
}

static int check_and_run(const vgg_cli_style_options *o, char **argv, const char *line) {
    style_state state = {.options = o, .command = make_command(line, o->resume)};
    int status = VGG_CLI_FAILURE;
    if (asprintf(&state.part, "%s.part", o->out) < 0) {
        state.part = NULL;
        vgg_cli_complain("style", "out of memory for the name of a file");
    } else if (vgg_cli_style_may_write(o, state.part)) {
        status = read_and_run(&state, argv);
    }
    free(state.part);
    free(state.command);
    return status;
}

int vgg_cli_style(int argc, char **argv) {
    vgg_style_options usual;
    vgg_style_options_init(&usual, sizeof usual);
    vgg_cli_style_options o = {.source = {.without_classifier = true, .any_preprocess = true},
                               .start = vgg_cli_style_content,
                               .content_layer = usual.content_layer,
                               .style_layers = usual.style_layers,
                               .content_weight = usual.content_weight,
                               .style_weight = usual.style_weight,
                               .variation_weight = usual.variation_weight,
                               .size = 512,
                               .iterations = 500,
                               .save_every = 50,
                               .history = usual.history,
                               .threads = vgg_cli_default_threads()};
    size_t operands;
    int status;
    char *line = vgg_cli_command_line("style", argc, argv); /* parsing moves its words */
    if (parse(&o, argc, argv, &operands, &status)) {
        o.content = argv[1];
        status = goes_together(&o) ? vgg_cli_computing_settle("style", &o.computing, o.exact, false)
                                   : VGG_CLI_USAGE;
        if (status == VGG_CLI_OK)
            status = check_and_run(&o, argv, line);
        status = vgg_cli_finish_output("style", status);
    }
    free(line);
    return status;
}
