#include "cli/habits.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vgg/network.h"

/* The longest name that is compared; longer ones are none. */
#define NAME_MOST 40

/* PyTorch's examples, torchvision's references, timm, fastai, Keras and ultralytics call them so.
 * Underscores count as dashes. */
static const struct {
    const char *theirs, *ours;
} names[] = {
    {"learning-rate", "lr"},
    {"learningrate", "lr"},
    {"lr0", "lr"},
    {"rate", "lr"},
    {"batch-size", "batch"},
    {"batchsize", "batch"},
    {"bs", "batch"},
    {"batch", "max-batch"},
    {"batch-size", "max-batch"},
    {"epoch", "epochs"},
    {"num-epochs", "epochs"},
    {"n-epochs", "epochs"},
    {"nepochs", "epochs"},
    {"max-epochs", "epochs"},
    {"bn", "batch-norm"},
    {"batchnorm", "batch-norm"},
    {"batch-normalization", "batch-norm"},
    {"wd", "weight-decay"},
    {"l2", "weight-decay"},
    {"num-workers", "workers"},
    {"nworkers", "workers"},
    {"num-threads", "threads"},
    {"nthreads", "threads"},
    {"img-size", "input"},
    {"image-size", "input"},
    {"imgsz", "input"},
    {"input-size", "input"},
    {"input-shape", "input"},
    {"img", "input"},
    {"val-split", "validation-split"},
    {"validation-ratio", "validation-split"},
    {"valid-pct", "validation-split"},
    {"random-seed", "seed"},
    {"manual-seed", "seed"},
    {"output-dir", "output"},
    {"out-dir", "output"},
    {"outdir", "output"},
    {"out", "output"},
    {"output", "out"},
    {"out", "grid"},
    {"output", "grid"},
    {"output-file", "out"},
    {"outfile", "out"},
    {"save-dir", "output"},
    {"checkpoint-dir", "output"},
    {"architecture", "arch"},
    {"network", "arch"},
    {"backbone", "arch"},
    {"model-name", "arch"},
    {"scheduler", "schedule"},
    {"lr-scheduler", "schedule"},
    {"drop-rate", "dropout"},
    {"dropout-rate", "dropout"},
    {"step-size", "step-epochs"},
    {"lr-step-size", "step-epochs"},
    {"lr-gamma", "gamma"},
    {"optimiser", "optimizer"},
    {"opt", "optimizer"},
    {"optim", "optimizer"},
    {"weights", "model"},
    {"checkpoint", "model"},
    {"ckpt", "model"},
    {"model-path", "model"},
    {"weight", "model"},
    {"weights", "from"},
    {"pretrained", "from"},
    {"finetune", "from"},
    {"resume-from", "from"},
    {"init-weights", "from"},
    {"lr-min", "min-lr"},
    {"eta-min", "min-lr"},
    {"warmup", "warmup-epochs"},
    {"lr-warmup-epochs", "warmup-epochs"},
    {"smoothing", "label-smoothing"},
    {"label-smooth", "label-smoothing"},
    {"grad-clip", "clip-grad"},
    {"clip-grad-norm", "clip-grad"},
    {"max-grad-norm", "clip-grad"},
    {"early-stopping", "early-stop"},
    {"model-ema-decay", "ema"},
    {"colour-jitter", "color-jitter"},
    {"reprob", "random-erasing"},
    {"random-erase", "random-erasing"},
    {"mixup-alpha", "mixup"},
    {"cutmix-alpha", "cutmix"},
    {"auto-augment", "policy"},
    {"num-classes", "classes"},
    {"nclasses", "classes"},
    {"class-names", "labels"},
    {"label-file", "labels"},
    {"names", "labels"},
    {"top-k", "top"},
    {"topk", "top"},
    {"precision", "dtype"},
    {"interpolation", "filter"},
    {"normalize", "normalise"},
    {"deviation", "std"},
    {"scale", "multiply"},
    {"crop-mode", "fit"},
    {"resize", "short-side"},
    {"hflip", "flip"},
    {"split", "part"},
};

/* Words have spaces between them. */
typedef struct answer {
    const char *commands; /* NULL: any */
    const char *names, *text;
} answer;

/* What a command that has no option of these names answers; the first row that fits counts. */
static const answer answers[] = {
    {NULL, "gpu gpus gpu-id cuda device",
     "a GPU is --device cuda, of vgg predict, eval, train and all others that compute"},
    {NULL, "no-cuda cpu",
     "vgg computes on the processor unless --device says otherwise; leave it out"},
    {"train", "num-classes nclasses classes",
     "there are as many classes as the data has folders; leave it out"},
    {"train", "model",
     "the network is --arch, such as --arch vgg16, and the run's folder --output"},
    {"train", "loss criterion", "training is by cross-entropy; leave it out"},
    {"train", "amp", "that is --precision bf16 here"},
    {"train", "fp16", "that is --precision bf16 here, or f16 on a GPU"},
    {"train", "name project", "the run's folder is --output RUN"},
    {NULL, "amp", "that is --precision bf16 here; vgg convert --dtype f16 makes the file smaller"},
    {NULL, "fp16 half", "vgg convert --dtype f16 makes such a model file"},
    {NULL, "data dataset data-dir data-path datadir train-dir root",
     "DATA is written without an option, behind the command"},
    {"predict explain features search", "image images source img",
     "an IMAGE is written without an option, behind the command"},
    {"show bench", "model weights checkpoint ckpt",
     "MODEL is written without an option, behind the command"},
    {"inspect", "model weights checkpoint ckpt file",
     "FILE is written without an option, behind the command"},
    {"convert", "model weights checkpoint ckpt in input-file",
     "IN is written without an option, behind the command"},
    {"convert", "o out output output-file", "OUT is written without an option, behind IN"},
    {"generate", "o out output output-dir",
     "FOLDER is written without an option, behind the command"},
    {"search duplicates", "o out output report html",
     "the page is --page OUT.html; what is printed goes to standard output"},
    {"predict score distance summary inspect bench", "o out output output-file",
     "results go to standard output, which > FILE keeps"},
    {"predict explain show search distance", "batch batch-size bs",
     "how many pictures are computed at once is chosen here; leave it out"},
    {NULL, "normalize", "that is --preprocess PRESET here, or --mean and --std"},
    {NULL, "verbose", "there is nothing more to be said; leave it out"},
};

/* Small letters, and dashes for underscores; false for a name that is too long. */
static bool normalise(const char *name, char out[NAME_MOST]) {
    size_t length = strlen(name);
    if (length >= NAME_MOST)
        return false;
    for (size_t i = 0; i <= length; i++) {
        out[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
    }
    return true;
}

const char *vgg_cli_habit(const char *name, size_t number) {
    char own[NAME_MOST];
    if (!normalise(name, own))
        return NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].theirs, own) == 0 && number-- == 0)
            return names[i].ours;
    }
    return NULL;
}

/* Whether the word is one of the words. */
static bool has_word(const char *words, const char *word) {
    size_t length = strlen(word);
    for (const char *at = words; length > 0 && (at = strstr(at, word)) != NULL; at += length) {
        bool whole = at == words || at[-1] == ' ';
        if (whole && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

const char *vgg_cli_habit_answer(const char *command, const char *name) {
    char own[NAME_MOST];
    if (!normalise(name, own))
        return NULL;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const answer *a = &answers[i];
        if (has_word(a->names, own) && (a->commands == NULL || has_word(a->commands, command)))
            return a->text;
    }
    return NULL;
}

/* ---- architectures ---- */

/* The letters and digits of a name, in small letters. */
static bool squeeze(const char *text, char out[NAME_MOST]) {
    size_t length = 0;
    for (; *text != '\0'; text++) {
        if (strchr("-_ .", *text) != NULL)
            continue;
        if (!isalnum((unsigned char)*text) || length + 1 >= NAME_MOST)
            return false;
        out[length++] = (char)tolower((unsigned char)*text);
    }
    out[length] = '\0';
    return length > 0;
}

const char *vgg_cli_arch_name(const char *text, bool *batch_norm) {
    char own[NAME_MOST], name[NAME_MOST], common[NAME_MOST];
    if (text == NULL || !squeeze(text, own))
        return text;
    size_t length = strlen(own);
    bool normed = length > 2 && strcmp(own + length - 2, "bn") == 0;
    if (normed)
        own[length - 2] = '\0';
    const vgg_architecture *row;
    for (size_t i = 0; (row = vgg_architecture_at(i)) != NULL; i++) {
        squeeze(row->name, name);
        squeeze(row->common_name, common);
        /* "vgg16", "16", and "vggd". */
        bool is = strcmp(own, name) == 0 || strcmp(own, common) == 0 ||
                  strcmp(own, common + strlen("vgg")) == 0 ||
                  (strncmp(own, "vgg", 3) == 0 && strcmp(own + 3, name) == 0);
        if (is) {
            *batch_norm = *batch_norm || normed;
            return row->name;
        }
    }
    return text;
}
