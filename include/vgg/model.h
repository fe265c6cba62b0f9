/* Models: a network with its weights, the preprocessing of its input and the names of its classes,
 * and the files that hold one. */
#ifndef VGG_MODEL_H
#define VGG_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/image.h"
#include "vgg/network.h"
#include "vgg/status.h"
#include "vgg/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Any number of threads may read one model as long as nobody changes it. */
typedef struct vgg_model vgg_model;

/* What becomes of a network's logits. */
typedef enum vgg_output {
    VGG_OUTPUT_UNSAID = 0,  /* in options: left open */
    VGG_OUTPUT_SOFTMAX = 1, /* one class: the probabilities of all classes are 1 together */
    VGG_OUTPUT_SIGMOID = 2, /* several labels: each class has a probability of its own */
} vgg_output;

/* "softmax" or "sigmoid"; NULL for any other value. */
VGG_API const char *vgg_output_name(vgg_output output);
/* The output of that name; VGG_OUTPUT_UNSAID when there is none. */
VGG_API vgg_output vgg_output_named(const char *name);

/* A model around a network, which it then owns and frees. preprocess is copied and may be NULL when
 * it is not known; class names are copied: either NULL, or as many as the network has classes. A
 * network without a convolution is VGG_ERROR_ARGUMENT: no file of it would open again. */
VGG_API vgg_status vgg_model_create(vgg_network *network, const vgg_preprocess *preprocess,
                                    const char *const *class_names, vgg_model **model,
                                    vgg_error *error);
VGG_API void vgg_model_free(vgg_model *model);

/* All of these belong to the model. */
VGG_API const vgg_network *vgg_model_network(const vgg_model *model);
/* The same network, for what changes it: training, vgg_network_set_values and the like. */
VGG_API vgg_network *vgg_model_mutable_network(vgg_model *model);
VGG_API const vgg_preprocess *vgg_model_preprocess(const vgg_model *model); /* NULL: not known */
VGG_API vgg_origin vgg_model_preprocess_origin(const vgg_model *model);
VGG_API const char *const *vgg_model_class_names(const vgg_model *model); /* NULL: not known */

/* False for the model of a file without one, which without_classifier of vgg_model_options opens.
 * The layers of its network up to the last before the pool that classifiers begin with are those of
 * the file; behind them stand that pool, of each channel, and a linear layer of zeros for one
 * class, so that it is a network as others are. Features, distances and styles are made with it;
 * what names classes (predicting, measuring, explaining) and saving are VGG_ERROR_UNSUPPORTED. */
VGG_API bool vgg_model_has_classifier(const vgg_model *model);

/* VGG_OUTPUT_SOFTMAX unless the file or the caller says otherwise. A model for several labels is
 * trained on and measured by all labels of a picture (vgg_dataset_options.several_labels). */
VGG_API vgg_output vgg_model_output(const vgg_model *model);
VGG_API vgg_status vgg_model_set_output(vgg_model *model, vgg_output output, vgg_error *error);

/* What the network's logits are divided by before they become probabilities, 1 unless the file or
 * the caller says otherwise: fitted on a validation part (vgg_scores_fit_temperature), it makes
 * probabilities of confidences and leaves the order of the classes alone. Predicting and measuring
 * hand out the divided logits. It travels with the model: files of safetensors and PyTorch keep it
 * as "vgg.temperature"; in the others, and under names_from, the last layer's weights are divided
 * by it. Training forgets it, and so does vgg_model_adapt. */
VGG_API double vgg_model_temperature(const vgg_model *model);
/* VGG_ERROR_ARGUMENT for one that is not a finite number above 0. */
VGG_API vgg_status vgg_model_set_temperature(vgg_model *model, double temperature,
                                             vgg_error *error);

/* Has pictures looked at as squares of these sides, as vgg_preprocess says; none with a count of 0.
 * VGG_ERROR_ARGUMENT for a model without preprocessing, and for what vgg_preprocess_check refuses.
 * Files that keep the preprocessing keep them; vgg_model_adapt does not. */
VGG_API vgg_status vgg_model_set_sides(vgg_model *model, const size_t *sides, size_t count,
                                       vgg_error *error);

/* A copy of the model for other classes, to train from there: its last layer is new, initialised by
 * "kaiming" with the seed, and the rest, with the preprocessing, that of the model. class_names may
 * be NULL. */
VGG_API vgg_status vgg_model_adapt(const vgg_model *model, const char *const *class_names,
                                   size_t classes, uint64_t seed, vgg_model **adapted,
                                   vgg_error *error);

/* The paper's first weights for deep networks: copies the first four convolutions and the last
 * three linear layers of a trained network (it was A), as far as the shapes are the same; *taken is
 * how many layers that were. */
VGG_API vgg_status vgg_network_take_ends(vgg_network *network, const vgg_network *from,
                                         size_t *taken, vgg_error *error);

/* What the model is, without its values and notes, as lines of text that are freed with
 * vgg_string_free: its network, preprocessing and class names. */
VGG_API vgg_status vgg_model_describe(const vgg_model *model, char **text, vgg_error *error);

/* A number that stands for the model: XXH64 of what vgg_model_describe says, of all values and of
 * the scales of convolutions in int8. What was computed with a model of the same number needs not
 * be computed again. */
VGG_API vgg_status vgg_model_fingerprint(const vgg_model *model, uint64_t *sum, vgg_error *error);

/* A model of which vgg_model_describe made that text, without values (vgg_network_initialise gives
 * it some). VGG_ERROR_FORMAT for any other text. */
VGG_API vgg_status vgg_model_create_described(const char *text, vgg_model **model,
                                              vgg_error *error);

/* Free text that travels with the model, such as training facts: value of a key, NULL when it has
 * none. Keys that the format itself uses ("format", "vgg.…") cannot be set. */
VGG_API const char *vgg_model_note(const vgg_model *model, const char *key);
VGG_API vgg_status vgg_model_set_note(vgg_model *model, const char *key, const char *value,
                                      vgg_error *error);

typedef struct vgg_model_options {
    size_t struct_size;     /* set by vgg_model_options_init */
    const char *arch;       /* default NULL: from the file's description, or read off its shapes */
    vgg_layout layout;      /* default unsaid: the file's, or torchvision's for a file without a
                             * description */
    const char *preprocess; /* a preset, for a file that carries none, or instead of the one it
                             * carries; default NULL: the file's */
    const char *labels;     /* a text file with a class name per line, or "imagenet" for the 1,000
                             * names of ILSVRC 2012; default NULL: the file's */
    size_t height, width;   /* of the input, default 0: the file's, or 224 for a file without */
    size_t classes; /* how many it must have: a file with another number is refused; default 0: any
                     * number */
    vgg_answer batch_norm; /* for a Darknet file, which does not say; default unsaid: what its size
                            * shows. Any other answer than the file's is an error */
    vgg_progress_callback *progress; /* default NULL: not called. Counts bytes of the file; stopped,
                                      * nothing is loaded */
    void *progress_user;
    vgg_warning_callback *warn; /* default NULL. Hears what is taken for granted because the file
                                 * does not say it (the preprocessing, by the convention of its
                                 * format; the input's size), and which of its metadata this
                                 * library does not know. An inspection, whose facts these are, does
                                 * not call it */
    void *warn_user;
    const vgg_preprocess_changes *changes; /* figures in place of those of the preprocessing, or,
                                            * where the file carries none and no preset is given,
                                            * of the preset "unit", when they say how samples are
                                            * scaled; default NULL: none. Used during the call */
    bool private_copy; /* of a file, and of those it refers to: they are read into memory in place
                        * of being mapped, which takes as much of it and its time; default off.
                        * Nothing that happens to a file afterwards reaches the model, and one that
                        * is made shorter meanwhile is VGG_ERROR_IO */
    const char *state_dict; /* which state dict of a PyTorch checkpoint that has several: its key,
                             * or the path to it, "models.student", or "." for the whole; default
                             * NULL: the only one, or the one under a usual name */
    vgg_padding padding; /* default unsaid: the file's, or VGG_PADDING_SAME for a file that does not
                          * say */
    vgg_output output;   /* default unsaid: the file's, or VGG_OUTPUT_SOFTMAX for one that does not
                          * say */
    bool without_classifier; /* opens a file whose layers with weights are convolutions alone, for
                              * what its layers give; default false: it is refused. See
                              * vgg_model_has_classifier */
} vgg_model_options;

VGG_API void vgg_model_options_init(vgg_model_options *options, size_t size);

/* Opens a model file of any format that is read: one that vgg_model_save wrote, or one of PyTorch's
 * with torchvision's or timm's tensor names, whose architecture is read off the shapes, or one of
 * ONNX, Keras, Caffe or Darknet. options may be NULL. The file is mapped, and weights in float32,
 * float16, bfloat16 or the int8 of vgg_model_save are used from the map without copying where they
 * are aligned.
 *
 * A file must not be changed in place while the model is open: values would change with it, and
 * where it was made shorter the system sends SIGBUS to the thread that reads a value. A file that
 * another is renamed over, as vgg_model_save does, stays as it is for a model that has it open.
 * Where files are not one's own, private_copy is for them.
 *
 * Errors say which tensor has which shape or type and which was expected, which tensors are missing
 * or not used, and at which byte a truncated or malformed file ends or goes wrong. */
VGG_API vgg_status vgg_model_load(const char *path, const vgg_model_options *options,
                                  vgg_model **model, vgg_error *error);

/* The same for a file whose bytes are in memory, such as one that is part of a program or came from
 * elsewhere. The bytes are borrowed as those of a mapped file are: they must outlive the model and
 * stay as they are (vgg_model_load_from copies). Weights are used without copying where they are
 * aligned, for which the bytes should begin at a multiple of 64. name: what messages call it in
 * place of a path; NULL: "the model".
 *
 * An ONNX model whose values are in files of their own is refused: there is no folder to look for
 * them in. */
VGG_API vgg_status vgg_model_load_memory(const void *bytes, size_t size, const char *name,
                                         const vgg_model_options *options, vgg_model **model,
                                         vgg_error *error);

/* The model in the box: a small trained network that is part of the library, a safetensors file of
 * `size` bytes for vgg_model_load_memory and vgg_inspect_memory. It knows ten garments;
 * models/clothing.md says how well. The bytes begin at a multiple of 64 and last as long as the
 * process; any thread may use them. A program that is linked with the static library has them in it
 * only when it calls this. VGG_ERROR_UNSUPPORTED from a library that was built without
 * (VGG_WITH_BUILTIN). */
VGG_API vgg_status vgg_builtin_model(const void **bytes, size_t *size, vgg_error *error);

/* The same for a file that is read through a function of the caller's, into memory of its size,
 * which the model keeps. The reader is not used after the call. VGG_ERROR_MEMORY when there is no
 * memory of that size, before anything is read. */
VGG_API vgg_status vgg_model_load_from(const vgg_reader *reader, const vgg_model_options *options,
                                       vgg_model **model, vgg_error *error);

/* Writes the model, whole or not at all. Tensors are stored as the network has them
 * (vgg_network_dtype), under torchvision's names; __metadata__ holds "format" ("pt"),
 * "vgg.format_version", "vgg.arch", "vgg.layout", "vgg.batch_norm", "vgg.padding" ("valid") and
 * "vgg.output" ("sigmoid") where they are not as usual, "vgg.int8" ("per-output",
 * with weights of I8, which have a tensor "classifier.0.weight_scale" and so on beside them),
 * "vgg.classes" (a JSON array of names), "vgg.input", "vgg.preprocess" (a JSON object),
 * "vgg.dropout" and the notes. The same model gives the same bytes. */
VGG_API vgg_status vgg_model_save(const vgg_model *model, const char *path, vgg_error *error);

typedef struct vgg_save_options {
    size_t struct_size; /* set by vgg_save_options_init */
    const char *format; /* "safetensors", ...; default NULL: by the ending of the file's name, and
                         * safetensors for an ending that belongs to no format */
    bool softmax; /* ends the graph in a softmax, or in the sigmoid of a model for several labels,
                   * for formats that hold a graph; default off */
    vgg_progress_callback *progress; /* default NULL: not called. Counts bytes of values; stopped,
                                      * there is no file */
    void *progress_user;
    const char *names_from; /* a file of PyTorch's or safetensors whose layers are those of the
                             * model in the same order: tensors are written under its names, in its
                             * order and its shapes, with what stands beside its layers, so that
                             * load_state_dict(strict=True) of the class that it is of takes them;
                             * without what a model here says of itself. Default NULL */
} vgg_save_options;

VGG_API void vgg_save_options_init(vgg_save_options *options, size_t size);

/* vgg_model_save for other formats. options may be NULL. VGG_ERROR_UNSUPPORTED for a format that is
 * not written, naming those that are, and for weights of I8 in another than safetensors. */
VGG_API vgg_status vgg_model_save_as(const vgg_model *model, const char *path,
                                     const vgg_save_options *options, vgg_error *error);

/* Writes the bytes that vgg_model_save_as would write to a file through a function of the caller's,
 * in order and in pieces of any size. options may be NULL; without a format it is safetensors.
 * Whatever was written before an error is the caller's to undo. */
VGG_API vgg_status vgg_model_write(const vgg_model *model, const vgg_save_options *options,
                                   vgg_write_callback *write, void *user, vgg_error *error);

/* The format that a model was loaded from, such as "safetensors"; NULL for one that was not. */
VGG_API const char *vgg_model_format(const vgg_model *model);

/* A line about what was taken from beside the weights of the file that it was loaded from, chosen
 * or passed over, such as which of several state dicts; NULL beyond the last. */
VGG_API const char *vgg_model_remark(const vgg_model *model, size_t remark);

/* Whether the graph of the file that it was loaded from ends in a softmax. The network ends before
 * it, in logits, so that it is applied once by whatever asks for probabilities. */
VGG_API bool vgg_model_softmax(const vgg_model *model);

/* What was taken of the network of a file although nothing in it shows it, in one line; NULL when
 * nothing was. */
VGG_API const char *vgg_model_assumed(const vgg_model *model);

/* The 1,000 class names of ILSVRC 2012, in the usual order of its outputs (sorted by WordNet id),
 * each the first name of its synset. */
#define VGG_IMAGENET_CLASSES 1000
VGG_API const char *const *vgg_imagenet_class_names(void);
/* Their WordNet ids ("n01440764"), in the same order, by which the folders of ImageNet are called;
 * see vgg_dataset_options.class_ids. */
VGG_API const char *const *vgg_imagenet_class_ids(void);

#ifdef __cplusplus
}
#endif
#endif
