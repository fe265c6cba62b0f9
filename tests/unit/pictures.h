/* A small data set of pictograms, and small models for it, for the tests of training and
 * evaluation. Everything lies in a fresh folder that is removed with all it holds. */
#ifndef PICTURES_H
#define PICTURES_H

#include "vgg_test.h"

#include "vgg/data.h"
#include "vgg/model.h"
#include "vgg/train.h"

/* Of the networks' input; the pictures are a little larger. */
#define SIDE ((size_t)16)
#define TRAIN_PICTURES ((size_t)60) /* of ten classes */
#define VALIDATION_PICTURES ((size_t)20)

extern vgg_dataset *train_part, *validation_part;

/* Group setup and teardown: the folder with the data set in `data`, opened. */
int open_pictures(void **state);
int close_pictures(void **state);

/* "<folder>/<name>", valid until 128 more were asked for. */
const char *in_folder(const char *name);
/* Fails when there is nothing at the path, unless `missing`: then when there is something. */
void assert_exists(const char *path, bool missing);
void assert_same_file(const char *left, const char *right);
char *read_text(const char *path);
void write_text(const char *path, const char *text);
/* Number of entries of a folder, "." and ".." apart. */
size_t count_entries(const char *path);

/* Opens both parts of `path`. */
void open_parts(const char *path, vgg_dataset **train, vgg_dataset **validation);

/* An initialised model of `arch` for `classes` classes without names. */
vgg_model *make_model(const char *arch, size_t classes, bool batch_norm, double dropout);
/* The same for the pictograms: "8,M,12,M/16", with dropout when it has batch normalisation. */
vgg_model *usual_model(bool batch_norm);

/* Sets all values of a tensor, named, to `value`. */
void fill_tensor(vgg_model *model, const char *name, float value);

/* Two epochs of twelve steps, one thread and one worker. */
vgg_train_options usual_training(const char *folder);

#endif
