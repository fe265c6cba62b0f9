/* Saving a training, and continuing one. */
#ifndef VGG_TRAIN_CHECKPOINT_H
#define VGG_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

/* Room for the key of a note, and for the name of a file. */
#define VGG_CHECKPOINT_NAME 64

/* Writes last.safetensors and the state, and best.safetensors when `best`. */
vgg_status vgg_checkpoint_save(const vgg_trainer *trainer, const char *folder, bool best,
                               vgg_error *error);

/* Takes over weights, state and progress. */
vgg_status vgg_checkpoint_resume(vgg_trainer *trainer, const char *folder, vgg_error *error);

/* ---- checkpoint_notes.c ---- */

/* Notes of a file of the state, and of the model itself. */
vgg_status vgg_checkpoint_describe(const vgg_trainer *trainer, vgg_model *state, vgg_error *error);
vgg_status vgg_checkpoint_describe_model(const vgg_trainer *trainer, vgg_error *error);

/* Takes over what the rows remember, and reads the progress; the state must be of a training of the
 * same optimiser and the same frozen layers. */
vgg_status vgg_checkpoint_read(vgg_trainer *trainer, const vgg_model *state, vgg_progress *progress,
                               vgg_error *error);
/* How many steps the model has seen. */
vgg_status vgg_checkpoint_read_model(const vgg_model *model, uint64_t *updates, vgg_error *error);

#endif
