/* What the folder of a run says of it, while it goes on as well. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/json.h"
#include "cli/message.h"
#include "cli/report/report.h"

static const char *const keys[VGG_CLI_COLUMNS] = {
    [VGG_CLI_EPOCH] = "epoch",
    [VGG_CLI_TRAIN_LOSS] = "loss",
    [VGG_CLI_TRAIN_ACCURACY] = "accuracy",
    [VGG_CLI_LOSS] = "validation_loss",
    [VGG_CLI_TOP1] = "validation_top1",
    [VGG_CLI_TOP5] = "validation_top5",
    [VGG_CLI_PRECISION] = "validation_mean_average_precision",
    [VGG_CLI_EXACT] = "validation_exact_match",
    [VGG_CLI_RATE] = "rate",
    [VGG_CLI_SPEED] = "images_per_s",
};

FILE *vgg_cli_run_open(const char *folder, const char *name) {
    char *path = NULL;
    errno = 0;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return NULL;
    struct stat info;
    /* A link to a device, such as /dev/null, has no end or nothing in it. */
    bool plain = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    int reason = plain ? 0 : errno != 0 ? errno : EINVAL;
    FILE *file = plain ? fopen(path, "re") : NULL;
    reason = plain && file == NULL ? errno : reason;
    free(path);
    errno = reason;
    return file;
}

bool vgg_cli_run_lacks(int reason) {
    return reason == ENOENT || reason == ENOTDIR || reason == EINVAL;
}

/* ---- log.jsonl ---- */

static bool add_row(vgg_cli_run_facts *facts, const json_t *line) {
    size_t row = facts->epochs;
    for (size_t c = 0; c < VGG_CLI_COLUMNS; c++) {
        double *column = realloc(facts->columns[c], (row + 1) * sizeof *column);
        if (column == NULL)
            return false;
        const json_t *value = json_object_get(line, keys[c]);
        column[row] = json_is_number(value) ? json_number_value(value) : NAN;
        facts->columns[c] = column;
    }
    facts->several = facts->several || isfinite(facts->columns[VGG_CLI_EXACT][row]);
    if (json_is_true(json_object_get(line, "best")))
        facts->best = row;
    facts->epochs++;
    return true;
}

/* Lines of steps are many and not looked at; the last line may be on its way. False, with the
 * reason in errno, when it cannot be read. */
static bool read_log(vgg_cli_run_facts *facts, FILE *file) {
    char *line = NULL;
    size_t room = 0;
    bool done = true;
    facts->best = SIZE_MAX;
    errno = 0;
    while (done && getline(&line, &room, file) >= 0) {
        if (strstr(line, "\"type\":\"epoch\"") == NULL)
            continue;
        bool short_of_memory = false;
        json_t *object = vgg_cli_json_read(line, strlen(line), 0, NULL, &short_of_memory);
        done = object != NULL ? add_row(facts, object) : !short_of_memory;
        json_decref(object);
    }
    int reason = errno;
    done = done && !ferror(file) && reason != ENOMEM;
    free(line);
    errno = reason;
    if (facts->best >= facts->epochs)
        facts->best = facts->epochs;
    return done;
}

/* ---- the other files ---- */

/* The time in the last row of results.csv, NAN where there is none; false as read_log. */
static bool read_seconds(const char *folder, double *seconds) {
    FILE *file = vgg_cli_run_open(folder, "results.csv");
    char *line = NULL;
    size_t room = 0;
    double value;
    *seconds = NAN;
    if (file == NULL)
        return vgg_cli_run_lacks(errno);
    errno = 0;
    while (getline(&line, &room, file) >= 0) {
        if (sscanf(line, "%*u,%lf,", &value) == 1)
            *seconds = value;
    }
    int reason = errno;
    bool done = !ferror(file) && reason != ENOMEM;
    free(line);
    fclose(file);
    errno = reason;
    return done;
}

/* What run.json says, NULL where there is none or it is damaged; false as read_log. */
static bool read_about(const char *folder, json_t **about) {
    FILE *file = vgg_cli_run_open(folder, "run.json");
    *about = NULL;
    if (file == NULL)
        return vgg_cli_run_lacks(errno);
    bool short_of_memory = false;
    *about = vgg_cli_json_read_file(file, &short_of_memory);
    int reason = short_of_memory ? ENOMEM : errno;
    bool done = !ferror(file) && !short_of_memory;
    fclose(file);
    errno = reason;
    return done;
}

bool vgg_cli_run_facts_read(vgg_cli_run_facts *facts, const char *command, const char *folder) {
    *facts = (vgg_cli_run_facts){.folder = folder};
    FILE *file = vgg_cli_run_open(folder, "log.jsonl");
    if (file == NULL) {
        vgg_cli_complain(command, "%s: is no run, expected %s/log.jsonl: %s", folder, folder,
                         strerror(errno));
        return false;
    }
    const char *name = "log.jsonl";
    bool done = read_log(facts, file);
    int reason = errno;
    fclose(file);
    if (done) {
        name = "results.csv";
        done = read_seconds(folder, &facts->seconds);
        reason = errno;
    }
    if (done) {
        name = "run.json";
        done = read_about(folder, &facts->about);
        reason = errno;
    }
    if (!done)
        vgg_cli_complain(command, "%s/%s: cannot read: %s", folder, name, strerror(reason));
    return done;
}

void vgg_cli_run_facts_free(vgg_cli_run_facts *facts) {
    for (size_t c = 0; c < VGG_CLI_COLUMNS; c++) {
        free(facts->columns[c]);
    }
    json_decref(facts->about);
    *facts = (vgg_cli_run_facts){0};
}

const char *vgg_cli_run_fact(const vgg_cli_run_facts *facts, const char *group, const char *name) {
    const json_t *object = group == NULL ? facts->about : json_object_get(facts->about, group);
    return json_string_value(json_object_get(object, name));
}
