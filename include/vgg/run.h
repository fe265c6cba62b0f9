/* The folder of a training: what it holds, who has it in hand, and what changed since it began.
 *
 * - last.safetensors: the model of the last checkpoint.
 * - best.safetensors: the model of the best epoch so far.
 * - state.safetensors: what the optimiser keeps; further copies are state-<name>.safetensors.
 * - checkpoint.txt: how far the training has come, the lengths and sums of these files, what the
 *   data are and what the program noted; a key and a value in a line, and a sum over them in the
 *   last.
 * - log.jsonl: an object for each step and each epoch.
 * - features.cache: what frozen layers give, with vgg_train_options.cache_features, until the last
 *   epoch is complete.
 * - results.csv: a row for each epoch, in the columns of Ultralytics: seconds, losses, accuracies
 *   and learning rates.
 * - tensorboard/: event files of TensorBoard, where they are asked for.
 * - .lock: the number of the process that has the run in hand.
 *
 * A checkpoint is whole or it is not there, whenever the process ends: new files lie under names of
 * their own until checkpoint.txt, replaced in one step, names them. */
#ifndef VGG_RUN_H
#define VGG_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/model.h"
#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A run in the hands of this process. One thread at a time may use it. */
typedef struct vgg_run vgg_run;

typedef struct vgg_run_options {
    size_t struct_size; /* set by vgg_run_options_init */
    bool fresh; /* default false. The folder must not be there: VGG_ERROR_IO where it is, even when
                 * another process makes it at the same moment */
    bool read_only; /* default false. Only to be asked: nothing in the folder is made or touched,
                     * and another process may have it in hand. It cannot be trained in */
} vgg_run_options;

VGG_API void vgg_run_options_init(vgg_run_options *options, size_t size);

/* Takes the run in hand, and makes the folder where it is missing. A checkpoint that was cut off is
 * completed or undone, and what else an ended process left is removed: models on their way
 * (".vgg-<process>-<number>") and files of checkpoints that never came to be.
 *
 * VGG_ERROR_IO while another process, or another vgg_run of this one, has it in hand; the message
 * names the process. Where the file system knows no locks (flock), nobody is kept out. A process
 * that ends in whatever way lets its runs go; a child made by fork holds them as well until it ends
 * or executes another program. options may be NULL. */
VGG_API vgg_status vgg_run_open(const char *folder, const vgg_run_options *options, vgg_run **run,
                                vgg_error *error);
/* Lets it go. A folder that vgg_run_open made is removed when nothing has begun in it. */
VGG_API void vgg_run_close(vgg_run *run);

/* Belongs to the run. */
VGG_API const char *vgg_run_folder(const vgg_run *run);

typedef enum vgg_run_content {
    VGG_RUN_NOTHING = 0,
    VGG_RUN_BEGUN = 1,   /* a training began, and ended before its first checkpoint was whole */
    VGG_RUN_SAVED = 2,   /* a checkpoint, perhaps of an earlier version */
    VGG_RUN_DAMAGED = 3, /* checkpoint.txt cannot be read; vgg_run_check says why */
} vgg_run_content;

VGG_API vgg_run_content vgg_run_holds(const vgg_run *run);

/* Whether what the run has saved is what was written, byte for byte: VGG_ERROR_FORMAT names the
 * file, its sum and the expected one. A file of another length passes: it is no longer that of the
 * checkpoint, and whoever reads it finds out. Nothing is checked in a run of an earlier version,
 * which has no sums. vgg_trainer_resume checks as well; it is done once. */
VGG_API vgg_status vgg_run_check(vgg_run *run, vgg_error *error);

/* Text that travels with the run, such as the options that a program was given. What is set is
 * written when a training begins or saves next. The value belongs to the run and is valid until the
 * next change; NULL: there is none. A training that does not resume forgets what was not set since
 * the run was opened. */
VGG_API const char *vgg_run_note(const vgg_run *run, const char *key);
VGG_API vgg_status vgg_run_set_note(vgg_run *run, const char *key, const char *value,
                                    vgg_error *error);

/* The model that the run began with: its network, preprocessing and class names, without values,
 * to be made again where a training ended before its first checkpoint. The caller frees it.
 * VGG_ERROR_NOT_FOUND in a run of an earlier version. */
VGG_API vgg_status vgg_run_model(const vgg_run *run, vgg_model **model, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
