/* The folder of a training inside.
 *
 * Its record is checkpoint.txt: keys with values. Every change of the folder is one change of the
 * record: files that the change brings are written as ".checkpoint-<generation>-<name>", the record
 * that lists them ("file.<name>": generation, bytes, sum) is replaced by rename, and then the files
 * get their names. Whoever opens the run later finds either generation whole: a file whose listed
 * generation still lies under such a name is renamed, and every other of those names is a leftover.
 */
#ifndef VGG_TRAIN_RUN_H
#define VGG_TRAIN_RUN_H

#include "base/notes.h"
#include "vgg/data.h"
#include "vgg/model.h"
#include "vgg/run.h"

#define VGG_RUN_LAST "last.safetensors"
#define VGG_RUN_BEST "best.safetensors"
#define VGG_RUN_STATE "state.safetensors"
/* Before the keys of what the program noted, in the record. */
#define VGG_RUN_NOTED "note."
/* Before the keys of the record before, in the record of a change that may be taken back. */
#define VGG_RUN_FORMER "former."

struct vgg_run {
    char *folder;
    char *record_path;
    int lock;  /* of the file .lock; -1: there is none */
    bool made; /* the folder, by the opening */
    bool damaged, checked;
    bool replaced; /* last.safetensors is another file than the checkpoint's */
    bool earlier;  /* of a version that kept no record */
    vgg_error damage;
    vgg_notes record; /* as it is on the disk; empty: there is none */
    vgg_notes next;   /* a change on its way */
    bool held;        /* the last change can be taken back */
    bool unnamed;     /* its files have not all got their names yet */
    bool read_only;   /* nothing in the folder is touched */
    vgg_notes notes;  /* the program's, set since the opening */
};

/* ---- run_record.c: checkpoint.txt ---- */

/* Reads the record. A missing one leaves *record empty. */
vgg_status vgg_run_record_read(const char *path, vgg_notes *record, vgg_error *error);
/* Replaces the file. *replaced: that was done, even when it failed later. */
vgg_status vgg_run_record_write(const char *path, const char *folder, const vgg_notes *record,
                                bool *replaced, vgg_error *error);

/* What the record says of a file. */
typedef struct vgg_run_file {
    uint64_t generation, bytes, sum;
} vgg_run_file;

/* False when the record does not list it. */
bool vgg_run_record_file(const vgg_notes *record, const char *name, vgg_run_file *file);

/* The same of the record before. */
bool vgg_run_record_former(const vgg_notes *record, const char *name, vgg_run_file *file);

/* The name of the file that entry `i` lists; NULL when it is another entry. */
const char *vgg_run_record_listed(const vgg_notes *record, size_t i, vgg_run_file *file);

/* vgg_notes_set that says why it failed. */
vgg_status vgg_run_record_set(vgg_notes *record, const char *key, const char *value,
                              vgg_error *error);
vgg_status vgg_run_record_set_count(vgg_notes *record, const char *key, uint64_t value,
                                    vgg_error *error);

/* ---- run_files.c: the files of a run ---- */

/* Room for a path; one that is longer is none that the system takes. */
typedef char vgg_run_name[4352];

/* Writes "<folder>/<name>", or with a generation what the file is called until the record lists it;
 * returns the buffer. */
const char *vgg_run_path(const vgg_run *run, const char *name, vgg_run_name path);
const char *vgg_run_path_of(const vgg_run *run, const char *name, uint64_t generation,
                            vgg_run_name path);

/* Gives files that the record lists their names, and removes leftovers; with run->held those of the
 * former record are none. */
vgg_status vgg_run_settle(vgg_run *run, vgg_error *error);
/* After a reading of the record: whether its last change can be taken back. */
vgg_status vgg_run_find_held(vgg_run *run, vgg_error *error);

/* Completes a checkpoint of a version that kept no record. */
vgg_status vgg_run_settle_earlier(vgg_run *run, vgg_error *error);

/* Whether a listed file has the listed bytes. *same: it has their length; otherwise it is not the
 * checkpoint's file, which is no error here. */
vgg_status vgg_run_check_file(const vgg_run *run, const char *name, bool *same, vgg_error *error);

/* ---- run_change.c: changes ---- */

/* Begins a change: of what the record says, or with `anew` of an empty one. It is ended by
 * vgg_run_commit, or undone by vgg_run_abandon. */
vgg_status vgg_run_change(vgg_run *run, bool anew, vgg_error *error);
/* Writes a model as the file of that name. */
vgg_status vgg_run_write(vgg_run *run, const vgg_model *model, const char *name, vgg_error *error);
/* Lists a file that is there already, as it is. */
vgg_status vgg_run_adopt(vgg_run *run, const char *name, vgg_error *error);
/* Makes the last model, with the same bytes, the best one. False when it has to be written, because
 * the file system has no links or the file is not the checkpoint's own. */
bool vgg_run_link_best(vgg_run *run, vgg_error *error);
/* With `hold` the record and the files before stay, too, until the next change: whoever has the run
 * in hand until then, in this process or another, can take this one back. */
vgg_status vgg_run_commit(vgg_run *run, bool hold, vgg_error *error);
void vgg_run_abandon(vgg_run *run);
/* Undoes the last change when its files are held. */
vgg_status vgg_run_take_back(vgg_run *run, vgg_error *error);

/* ---- run_data.c: what the data is ---- */

/* How the data is looked at. */
typedef struct vgg_run_look {
    bool contents;                   /* all bytes are read */
    vgg_progress_callback *progress; /* counts pictures of both parts whose bytes are read */
    void *user;
} vgg_run_look;

/* *changes becomes a line that names what is not as the record has it, freed by the caller; NULL
 * when there is nothing such or nothing is known. */
vgg_status vgg_run_compare_data(vgg_run *run, const vgg_dataset *train,
                                const vgg_dataset *validation, const vgg_run_look *look,
                                char **changes, vgg_error *error);

/* Notes the data in the change on its way. */
vgg_status vgg_run_note_data(vgg_run *run, const vgg_dataset *train, const vgg_dataset *validation,
                             const vgg_run_look *look, vgg_error *error);
/* Whether the record has sums over the bytes of the data. */
bool vgg_run_knows_contents(const vgg_run *run);

#endif
