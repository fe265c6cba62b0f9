#include "cli/index_update.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/layer_list.h"
#include "cli/message.h"
#include "cli/picture_progress.h"
#include "cli/predict_walk.h"
#include "cli/shared_options.h"
#include "cli/terminal.h"

static const char *const pools[] = {"none", "avg", "max", "gem", NULL};

void vgg_cli_index_row_options(vgg_cli_index_request *request,
                               vgg_cli_option options[VGG_CLI_INDEX_ROW_OPTIONS]) {
    options[0] = vgg_cli_layer_option(
        &request->layer,
        "the layers that rows are made of, with commas between them: " VGG_CLI_LAYER_NAMES);
    options[0].fallback = "behind the last convolutions of the last two blocks";
    options[1] = (vgg_cli_option){
        .type = VGG_CLI_CHOICE,
        .name = "pool",
        .argument = "POOL",
        .value = &request->pool,
        .choices = pools,
        .help = "what becomes of a channel's values at all places, as in vgg features",
        .fallback = "gem"};
    options[2] = (vgg_cli_option){.type = VGG_CLI_TEXT,
                                  .name = "scale",
                                  .argument = "Q,...",
                                  .value = &request->scale,
                                  .help = "average the features of several sizes, likewise",
                                  .fallback = "the model's own size"};
    options[3] = vgg_cli_protocol_option(&request->protocol);
    options[3].fallback = "center";
}

void vgg_cli_index_run_options(vgg_cli_index_request *request,
                               vgg_cli_option options[VGG_CLI_INDEX_RUN_OPTIONS]) {
    options[0] = (vgg_cli_option){.type = VGG_CLI_FLAG,
                                  .name = "contents",
                                  .value = &request->contents,
                                  .help = "tell files that have changed by a sum of their bytes, "
                                          "for which all are read, in place of size and time"};
    options[1] = vgg_cli_batch_option(&request->batch);
    options[2] = vgg_cli_threads_option(&request->threads);
    options[3] = vgg_cli_device_option(&request->computing.device);
    options[4] = vgg_cli_precision_option(&request->computing.precision);
}

/* ---- opening ---- */

static int fail(const vgg_cli_index_request *request, const vgg_error *error) {
    vgg_cli_complain(request->command, "%s", error->message);
    return VGG_CLI_FAILURE;
}

static vgg_index_options options_of(const vgg_cli_index_request *request) {
    vgg_index_options options;
    vgg_index_options_init(&options, sizeof options);
    options.layers = request->layer;
    if (request->pool != NULL)
        options.pool = vgg_feature_pool_named(request->pool);
    options.scales = request->scale;
    if (request->protocol != NULL)
        options.protocol = vgg_protocol_named(request->protocol);
    options.batch = request->batch;
    options.threads = request->threads;
    options.precision = vgg_precision_named(request->computing.precision);
    options.device = vgg_device_named(request->computing.device);
    return options;
}

/* False, which is complained about, when the option was given and is not the file's. */
static bool is_same(const vgg_cli_index_request *request, const char *option, const char *given,
                    const char *found) {
    if (given == NULL || strcmp(given, found) == 0)
        return true;
    vgg_cli_complain(request->command, "%s: is of --%s %s, not of %s; --overwrite begins anew",
                     request->path, option, found, given);
    return false;
}

static int check_same(const vgg_cli_index_request *request, const vgg_index *index) {
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index, &info, NULL);
    bool same = is_same(request, "layer", request->layer, info.layers) &&
                is_same(request, "pool", request->pool, vgg_feature_pool_name(info.pool)) &&
                is_same(request, "protocol", request->protocol, vgg_protocol_name(info.protocol)) &&
                is_same(request, "scale", request->scale,
                        info.scales != NULL ? info.scales : "the model's own size");
    return same ? VGG_CLI_OK : VGG_CLI_USAGE;
}

/* "INDEX.part"; freed by the caller, NULL when memory ran out. */
static char *part_of(const char *path) {
    char *part;
    return asprintf(&part, "%s.part", path) < 0 ? NULL : part;
}

/* Whether there is something of that name, be it a link that leads nowhere. */
static bool is_there(const char *path) {
    struct stat info;
    return path != NULL && (lstat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR));
}

int vgg_cli_index_open(const vgg_cli_index_request *request, const vgg_model *model, bool *made,
                       vgg_index **index) {
    const vgg_index_options options = options_of(request);
    char *part = request->path != NULL ? part_of(request->path) : NULL;
    const char *from = request->path;
    vgg_error error;
    if (made != NULL) {
        /* What an update that was ended has left is ahead of the file. */
        bool fresh = request->path == NULL || request->overwrite;
        from = fresh                     ? NULL
               : is_there(part)          ? part
               : is_there(request->path) ? request->path
                                         : NULL;
        *made = from == NULL;
    }
    vgg_status status = from == NULL ? vgg_index_create(model, &options, index, &error)
                                     : vgg_index_open(from, model, &options, index, &error);
    free(part);
    if (status == VGG_ERROR_NOT_FOUND && from == NULL) /* a layer of that name */
        status = VGG_ERROR_ARGUMENT;
    if (status != VGG_OK)
        return from == NULL ? vgg_cli_fail(request->command, status, &error)
                            : fail(request, &error);
    return from == NULL ? VGG_CLI_OK : check_same(request, *index);
}

/* ---- updating ---- */

typedef struct update_state {
    const vgg_cli_index_request *request;
    vgg_cli_predict_walk walk;
    vgg_picture picture;
    size_t done, kept, total, failed;
    double started;
    vgg_cli_progress line;
} update_state;

/* Standard input and pipes have no place in an index: nothing of them could be found again. */
static void pass_pause(update_state *state) {
    state->failed++;
    vgg_cli_progress_clear(&state->line);
    if (state->walk.alone != NULL)
        vgg_cli_complain(state->request->command, "%s: is no file, which an index is made of",
                         state->walk.alone);
    else
        vgg_cli_predict_walk_complain(&state->walk, state->request->command);
}

static const vgg_picture *next_picture(void *user) {
    update_state *state = user;
    do {
        state->picture.path = vgg_cli_predict_walk_next(&state->walk);
        if (state->picture.path != NULL && !state->walk.again)
            return &state->picture;
        if (vgg_cli_predict_walk_paused(&state->walk))
            pass_pause(state);
    } while (state->walk.again || vgg_cli_predict_walk_paused(&state->walk));
    return NULL;
}

static bool hear(void *user, const vgg_index_event *event) {
    update_state *state = user;
    if (event->error != NULL || event->warning != NULL)
        vgg_cli_progress_clear(&state->line);
    if (event->error != NULL)
        vgg_cli_complain(state->request->command, "%s", event->error->message);
    if (event->warning != NULL)
        vgg_cli_note((void *)state->request->command, event->warning);
    state->failed += event->error != NULL;
    state->done++;
    state->kept += event->change == VGG_INDEX_KEPT;
    vgg_cli_picture_progress(&state->line, state->request->command, state->done, state->kept,
                             state->total, state->started);
    return true;
}

/* How many pictures there are, each counted under the first of its names, and what lies beside them
 * in the folders. `given`, (pictures + 1) of the index, becomes true for those that it has. */
static size_t look_ahead(const char *command, char **operands, size_t count, const vgg_index *index,
                         bool *given) {
    vgg_cli_predict_walk walk = {.operands = operands, .count = count, .marks = true};
    const char *path;
    size_t total = 0;
    do {
        while ((path = vgg_cli_predict_walk_next(&walk)) != NULL) {
            given[vgg_index_find(index, path)] = true;
            total += !walk.again;
        }
    } while (vgg_cli_predict_walk_paused(&walk));
    vgg_cli_left_out_note(&walk.left_out, command);
    vgg_cli_predict_walk_end(&walk);
    return total;
}

/* False, which is complained about, when there are files of pictures that would be forgotten. */
static bool check_kept(const vgg_cli_index_request *request, const vgg_index *index, size_t count,
                       const bool *given) {
    size_t others = 0, first = 0;
    for (size_t i = count; i-- > 0;) {
        if (given[i] || !is_there(vgg_index_name(index, i)))
            continue;
        others++;
        first = i;
    }
    if (others == 0)
        return true;
    vgg_cli_complain(request->command,
                     "%s: has %zu picture%s that %s not asked for, such as %s, and would lose %s; "
                     "name another INDEX, or let vgg index change this one",
                     request->path, others, others == 1 ? "" : "s", others == 1 ? "is" : "are",
                     vgg_index_name(index, first), others == 1 ? "it" : "them");
    return false;
}

/* Looks ahead. False, which is complained about, when the index may not become what is there. */
static bool begin(const vgg_cli_index_request *request, const vgg_index *index, char **operands,
                  size_t count, size_t *total) {
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index, &info, NULL);
    bool *given = calloc(info.pictures + 1, sizeof *given);
    if (given == NULL) {
        vgg_cli_complain(request->command, "out of memory for %zu pictures", info.pictures);
        return false;
    }
    *total = look_ahead(request->command, operands, count, index, given);
    bool kept = !request->keeps || check_kept(request, index, info.pictures, given);
    free(given);
    return kept;
}

/* Saves the index and removes what lay beside it. */
static vgg_status save(const vgg_cli_index_request *request, const vgg_index *index,
                       const char *part, vgg_error *error) {
    if (request->path == NULL)
        return VGG_OK;
    vgg_status status = vgg_index_save(index, request->path, error);
    if (status == VGG_OK)
        unlink(part);
    return status;
}

static int update_all(update_state *state, vgg_index *index, const char *part,
                      vgg_index_changes *changes) {
    const vgg_cli_index_request *request = state->request;
    vgg_index_update_options options;
    vgg_index_update_options_init(&options, sizeof options);
    options.contents = request->contents;
    options.part = part;
    options.told = hear;
    options.user = state;
    vgg_error error;
    vgg_status status = vgg_index_update(index, next_picture, state, &options, changes, &error);
    vgg_cli_progress_clear(&state->line);
    vgg_cli_predict_walk_end(&state->walk);
    if (status != VGG_OK)
        return fail(request, &error);
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index, &info, NULL);
    if (info.pictures == 0 && state->failed > 0)
        return VGG_CLI_FAILURE;
    if (save(request, index, part, &error) != VGG_OK)
        return fail(request, &error);
    return state->failed > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

char *vgg_cli_index_line(const char *path, const vgg_index *index,
                         const vgg_index_changes *changes) {
    char *line, pictures[VGG_CLI_TEXT_SIZE];
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index, &info, NULL);
    int length =
        asprintf(&line, "%s: %s pictures x %zu of %s (%zu added, %zu changed, %zu removed)", path,
                 vgg_cli_count_text(pictures, info.pictures), info.features, info.layers,
                 changes->added, changes->changed, changes->removed);
    return length < 0 ? NULL : line;
}

int vgg_cli_index_update(const vgg_cli_index_request *request, const vgg_model *model,
                         char **operands, size_t count, vgg_index **index,
                         vgg_index_changes *changes) {
    bool made;
    int status = vgg_cli_index_open(request, model, &made, index);
    if (status != VGG_CLI_OK)
        return status;
    char *part = request->path != NULL ? part_of(request->path) : NULL;
    if (request->path != NULL && part == NULL) {
        vgg_cli_complain(request->command, "out of memory for the name of a file");
        return VGG_CLI_FAILURE;
    }
    update_state state = {.request = request,
                          .walk = {.operands = operands, .count = count, .marks = true},
                          .started = vgg_cli_now(),
                          .line = vgg_cli_progress_on(stderr)};
    vgg_picture_init(&state.picture, sizeof state.picture);
    status = begin(request, *index, operands, count, &state.total)
                 ? update_all(&state, *index, part, changes)
                 : VGG_CLI_FAILURE;
    free(part);
    return status;
}
