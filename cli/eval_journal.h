/* What a long evaluation has done so far, in OUT.part beside OUT: a record for each picture, in
 * their order, which is there as soon as its batch is computed. A record that was cut off is passed
 * over. The file is this program's alone, for this machine. */
#ifndef VGG_CLI_EVAL_JOURNAL_H
#define VGG_CLI_EVAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "vgg/scores.h"

/* Start with {0}. */
typedef struct vgg_cli_journal {
    char *path;               /* OUT.part */
    FILE *file;               /* NULL: nothing is written */
    vgg_scores *earlier;      /* with rows; NULL: nothing is done yet */
    size_t count;             /* of pictures that are done, the unreadable ones among them */
    size_t next, next_unread; /* of `earlier`, that come next */
    size_t *offsets;          /* where the records of OUT.part begin; NULL: it has none */
    size_t classes;
    const char *const *class_names; /* the caller's */
} vgg_cli_journal;

/* What is done of an evaluation that writes OUT, unless it begins anew. The class names are those
 * of the model, and outlive the journal. False, which is complained about, when OUT is there and
 * cannot be read, and when what is done is of other classes. */
bool vgg_cli_journal_read(vgg_cli_journal *journal, const char *out, bool resume,
                          const char *const *class_names, size_t classes);

/* Takes the next picture that is done, which must have this name and class: its row, NULL for an
 * unreadable one. False, which is complained about, when it is another. */
bool vgg_cli_journal_take(vgg_cli_journal *journal, const char *name, size_t truth,
                          const float **row);

/* Begins to write behind the first `kept` pictures that are done; those that OUT.part does not have
 * are written. False, which is complained about. */
bool vgg_cli_journal_begin(vgg_cli_journal *journal, size_t kept);
/* Writes a picture; row NULL: an unreadable one. False, which is complained about. */
bool vgg_cli_journal_add(vgg_cli_journal *journal, const char *name, size_t truth,
                         const float *row);
/* Lets the system have what was written, which it keeps when the process ends. */
bool vgg_cli_journal_flush(vgg_cli_journal *journal);

/* Ends it; the file is removed when the evaluation is complete. */
void vgg_cli_journal_close(vgg_cli_journal *journal, bool complete);

#endif
