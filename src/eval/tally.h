/* What is counted of the pictures of an evaluation, and who is told of them. */
#ifndef VGG_EVAL_TALLY_H
#define VGG_EVAL_TALLY_H

#include "nn/hits.h"
#include "vgg/predict.h"

typedef struct vgg_tally {
    vgg_hits hits;
    vgg_label_scores *labels; /* of several labels, in place of ranks and loss; or NULL */
    vgg_label_scores *own;    /* the same, unless the caller's were empty and serve as well */
} vgg_tally;

/* What the options ask for beside the measuring, with a batch of so many pictures. */
vgg_status vgg_tally_check(const vgg_dataset *dataset, const vgg_eval_options *options,
                           size_t batch, vgg_error *error);

/* Whether a model of so many classes and this output can be measured on the data, with the scores
 * that the options have. */
vgg_status vgg_tally_check_model(const vgg_dataset *dataset, size_t classes, vgg_output output,
                                 const vgg_eval_options *options, vgg_error *error);

/* Begins an empty tally; vgg_tally_end also after a failure. */
vgg_status vgg_tally_begin(vgg_tally *tally, const vgg_model *model,
                           const vgg_eval_options *options, vgg_error *error);
void vgg_tally_end(vgg_tally *tally);

/* Counts a picture, and tells of it; its row is NULL when it could not be read. */
vgg_status vgg_tally_take(vgg_tally *tally, const vgg_dataset *dataset,
                          const vgg_eval_options *options, size_t item, const float *row,
                          vgg_error *error);

/* Tells how far it is, after `done` pictures. */
vgg_status vgg_tally_progress(const vgg_dataset *dataset, const vgg_eval_options *options,
                              size_t done, vgg_error *error);

vgg_status vgg_tally_result(const vgg_tally *tally, const vgg_eval_options *options,
                            vgg_eval_result *result, vgg_error *error);

#endif
