#include "cli/eval_journal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "cli/message.h"

/* The names of the classes follow, each with the zero behind it, and their number before. */
static const char head[] = "vgg eval, pictures that are done, 2\n";
/* As much of it as other versions have too. */
enum { HEAD_SHARED = sizeof head - 3, NAME_MOST = 65536 };

/* A record begins with this; its name follows, and its row when it has one. */
typedef struct record {
    uint32_t mark, truth, length;
} record;
#define SCORED 0x64726373u
#define UNREAD 0x64726e75u

static bool fail(const vgg_cli_journal *journal, const char *action) {
    vgg_cli_complain("eval", "%s: cannot %s: %s", journal->path, action, strerror(errno));
    return false;
}

static bool fail_memory(void) {
    vgg_cli_complain("eval", "out of memory for the scores of pictures");
    return false;
}

/* ---- reading ---- */

static vgg_scores *create(const char *const *class_names, size_t classes) {
    vgg_scores_options options;
    vgg_scores *scores = NULL;
    vgg_scores_options_init(&options, sizeof options);
    options.rows = true;
    vgg_scores_create(class_names, classes, &options, &scores, NULL);
    return scores;
}

/* Adds the record that stands next in the file; false when it is not whole. */
static bool read_record(vgg_cli_journal *journal, FILE *file, float *row, char *name) {
    record r;
    if (fread(&r, sizeof r, 1, file) != 1 || (r.mark != SCORED && r.mark != UNREAD) ||
        r.length >= NAME_MOST || fread(name, 1, r.length, file) != r.length)
        return false;
    name[r.length] = '\0';
    if (r.mark == UNREAD)
        return vgg_scores_add_unreadable(journal->earlier, name, r.truth, NULL) == VGG_OK;
    return fread(row, sizeof *row, journal->classes, file) == journal->classes &&
           vgg_scores_add(journal->earlier, name, r.truth, row, NULL) == VGG_OK;
}

static bool read_records(vgg_cli_journal *journal, FILE *file) {
    float *row = calloc(journal->classes, sizeof *row);
    char *name = malloc(NAME_MOST + 1);
    size_t capacity = 0;
    bool memory = row != NULL && name != NULL;
    while (memory) {
        if (journal->count == capacity) {
            capacity = capacity < 64 ? 64 : 2 * capacity;
            size_t *larger = realloc(journal->offsets, capacity * sizeof *larger);
            memory = larger != NULL;
            if (!memory)
                break;
            journal->offsets = larger;
        }
        off_t at = ftello(file);
        if (at < 0 || !read_record(journal, file, row, name))
            break;
        journal->offsets[journal->count++] = (size_t)at;
    }
    free(row);
    free(name);
    return memory || fail_memory();
}

/* Whether the classes of the file are these. */
static bool same_classes(const vgg_cli_journal *journal, FILE *file,
                         const char *const *class_names) {
    uint64_t classes = 0;
    bool same = fread(&classes, sizeof classes, 1, file) == 1 && classes == journal->classes;
    for (size_t c = 0; same && c < journal->classes; c++) {
        const char *name = class_names[c];
        do {
            same = fgetc(file) == (unsigned char)*name;
        } while (same && *name++ != '\0');
    }
    return same;
}

/* OUT.part, when it is there and its own. */
static bool read_part(vgg_cli_journal *journal, const char *const *class_names) {
    char found[sizeof head] = "";
    FILE *file = fopen(journal->path, "rb");
    if (file == NULL)
        return errno == ENOENT || fail(journal, "open");
    bool own = fread(found, sizeof head - 1, 1, file) == 1 && strcmp(found, head) == 0;
    bool fine = true;
    if (own && !same_classes(journal, file, class_names)) {
        /* One that was cut off there has no pictures. */
        own = false;
        fine = feof(file) != 0;
        if (!fine)
            vgg_cli_complain("eval",
                             "%s: --resume: what is done is of a model with other classes; without "
                             "--resume it is begun anew",
                             journal->path);
    }
    if (own) {
        journal->earlier = create(class_names, journal->classes);
        fine = journal->earlier != NULL ? read_records(journal, file) : fail_memory();
    }
    fclose(file);
    return fine;
}

/* OUT, when it is there. */
static bool read_out(vgg_cli_journal *journal, const char *out, const char *const *class_names) {
    vgg_scores_read_options options;
    vgg_error error;
    if (access(out, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    vgg_scores_read_options_init(&options, sizeof options);
    options.class_names = class_names;
    options.classes = journal->classes;
    options.rows = true;
    if (vgg_scores_read(out, &options, &journal->earlier, &error) != VGG_OK) {
        vgg_cli_complain("eval", "%s", error.message);
        return false;
    }
    if (vgg_scores_kind(journal->earlier) != VGG_SCORE_LOGITS) {
        vgg_cli_complain("eval", "%s: holds no logits; it is from another program", out);
        return false;
    }
    journal->count =
        vgg_scores_count(journal->earlier) + vgg_scores_unreadable_count(journal->earlier);
    return true;
}

bool vgg_cli_journal_read(vgg_cli_journal *journal, const char *out, bool resume,
                          const char *const *class_names, size_t classes) {
    journal->classes = classes;
    journal->class_names = class_names;
    if (asprintf(&journal->path, "%s.part", out) < 0) {
        journal->path = NULL;
        return fail_memory();
    }
    struct stat info;
    if (stat(journal->path, &info) == 0 && !S_ISREG(info.st_mode)) {
        vgg_cli_complain("eval", "%s: is no plain file, as which what is done is kept",
                         journal->path);
        return false;
    }
    if (!resume)
        return true;
    if (!read_part(journal, class_names))
        return false;
    if (journal->count > 0)
        return true;
    /* Nothing whole is in OUT.part: it is begun anew. */
    free(journal->offsets);
    journal->offsets = NULL;
    vgg_scores_free(journal->earlier);
    journal->earlier = NULL;
    return read_out(journal, out, class_names);
}

bool vgg_cli_journal_take(vgg_cli_journal *journal, const char *name, size_t truth,
                          const float **row) {
    vgg_scored_picture info = {.struct_size = sizeof info};
    const char *unread = vgg_scores_unreadable_name(journal->earlier, journal->next_unread);
    *row = NULL;
    if (vgg_scores_picture(journal->earlier, journal->next, &info, NULL) == VGG_OK &&
        strcmp(info.name, name) == 0 && info.truth == truth) {
        *row = vgg_scores_row(journal->earlier, journal->next++);
        return true;
    }
    if (unread != NULL && strcmp(unread, name) == 0) {
        journal->next_unread++;
        return true;
    }
    vgg_cli_complain("eval",
                     "%s: --resume: what is done is of other data: the next picture is %s, found "
                     "%s; without --resume it is begun anew",
                     journal->path, name, info.name != NULL ? info.name : "none");
    return false;
}

/* ---- writing ---- */

/* Whether the file is there, has something in it, and does not begin as one of ours does. */
static bool is_of_others(const char *path) {
    char begin[HEAD_SHARED];
    FILE *file = fopen(path, "rbe");
    size_t got = file != NULL ? fread(begin, 1, sizeof begin, file) : 0;
    if (file != NULL)
        fclose(file);
    return memcmp(begin, head, got) != 0;
}

static bool write_head(vgg_cli_journal *journal) {
    uint64_t classes = journal->classes;
    bool written = true;
    if (is_of_others(journal->path)) {
        vgg_cli_complain("eval", "%s: is not of vgg eval, which would write there; move it away",
                         journal->path);
        return false;
    }
    journal->file = fopen(journal->path, "wb");
    if (journal->file == NULL)
        return fail(journal, "open");
    written = fwrite(head, sizeof head - 1, 1, journal->file) == 1 &&
              fwrite(&classes, sizeof classes, 1, journal->file) == 1;
    for (size_t c = 0; written && c < journal->classes; c++) {
        const char *name = journal->class_names[c];
        written = fwrite(name, strlen(name) + 1, 1, journal->file) == 1;
    }
    return written || fail(journal, "write");
}

bool vgg_cli_journal_begin(vgg_cli_journal *journal, size_t kept) {
    if (journal->offsets == NULL)
        return write_head(journal);
    size_t end = kept < journal->count ? journal->offsets[kept] : SIZE_MAX;
    journal->file = fopen(journal->path, "r+b");
    if (journal->file == NULL)
        return fail(journal, "open");
    if (end != SIZE_MAX && ftruncate(fileno(journal->file), (off_t)end) != 0)
        return fail(journal, "shorten");
    if (fseeko(journal->file, 0, SEEK_END) != 0)
        return fail(journal, "write");
    return true;
}

bool vgg_cli_journal_add(vgg_cli_journal *journal, const char *name, size_t truth,
                         const float *row) {
    const record r = {.mark = row != NULL ? SCORED : UNREAD,
                      .truth = (uint32_t)truth,
                      .length = (uint32_t)strlen(name)};
    if (journal->file == NULL)
        return true;
    if (fwrite(&r, sizeof r, 1, journal->file) != 1 ||
        fwrite(name, 1, r.length, journal->file) != r.length ||
        (row != NULL &&
         fwrite(row, sizeof *row, journal->classes, journal->file) != journal->classes))
        return fail(journal, "write");
    return true;
}

bool vgg_cli_journal_flush(vgg_cli_journal *journal) {
    return journal->file == NULL || fflush(journal->file) == 0 || fail(journal, "write");
}

void vgg_cli_journal_close(vgg_cli_journal *journal, bool complete) {
    if (journal->file != NULL)
        fclose(journal->file);
    if (complete && journal->path != NULL)
        unlink(journal->path);
    vgg_scores_free(journal->earlier);
    free(journal->offsets);
    free(journal->path);
    *journal = (vgg_cli_journal){0};
}
