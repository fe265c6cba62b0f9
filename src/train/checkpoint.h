/* Saving a training, and continuing one. */
#ifndef VGG_TRAIN_CHECKPOINT_H
#define VGG_TRAIN_CHECKPOINT_H

#include "train/run.h"
#include "train/trainer.h"

/* Room for the key of a note, and for the name of a file. */
#define VGG_CHECKPOINT_NAME 64

/* ---- checkpoint.c: saving ---- */

/* The run begins: from now on it can be resumed, to its beginning as long as nothing is saved. What
 * the folder held before is gone. */
vgg_status vgg_checkpoint_begin(const vgg_trainer *trainer, vgg_error *error);

/* Notes what a resumed run has that its record does not: all of it in a run of a version without
 * one, and other data than before. */
vgg_status vgg_checkpoint_continue(const vgg_trainer *trainer, vgg_error *error);

/* How the trainer looks at its data. */
vgg_run_look vgg_checkpoint_look(const vgg_trainer *trainer);

/* Writes the model and the state, and makes the model the best one when `best`. hold: as in
 * vgg_run_commit. */
vgg_status vgg_checkpoint_save(const vgg_trainer *trainer, vgg_run *run, bool best, bool hold,
                               vgg_error *error);

/* Notes the end of an epoch whose model is saved already. */
vgg_status vgg_checkpoint_end_epoch(const vgg_trainer *trainer, bool best, vgg_error *error);

/* ---- checkpoint_load.c ---- */

/* Takes over weights, state and progress. */
vgg_status vgg_checkpoint_resume(vgg_trainer *trainer, vgg_run *run, vgg_error *error);

/* The name of the file of copy `number` of an optimiser; false when there is no such copy. */
bool vgg_checkpoint_copy_name(const vgg_optimiser_row *row, size_t number,
                              char name[VGG_CHECKPOINT_NAME]);

/* ---- checkpoint_notes.c ---- */

/* The progress and what the rows remember, as notes of the record; and the notes of the model. */
vgg_status vgg_checkpoint_describe(const vgg_trainer *trainer, vgg_notes *notes, vgg_error *error);
vgg_status vgg_checkpoint_describe_model(const vgg_trainer *trainer, vgg_error *error);

/* Takes over what the rows remember, and reads the progress; the notes must be of a training of the
 * same optimiser and the same frozen layers. */
vgg_status vgg_checkpoint_read(vgg_trainer *trainer, const vgg_notes *notes, vgg_progress *progress,
                               vgg_error *error);
/* The same for the state of a version without a record. */
vgg_status vgg_checkpoint_read_earlier(vgg_trainer *trainer, const vgg_model *state,
                                       vgg_progress *progress, vgg_error *error);
/* How many steps the model has seen. */
vgg_status vgg_checkpoint_read_model(const vgg_model *model, uint64_t *updates, vgg_error *error);

#endif
