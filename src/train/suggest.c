/* What to train on a data set when nothing else is known. */
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "vgg/train.h"

/* Four to eight layers. The first halves its input three times, the second five times. */
#define SMALL_ARCH "32,32,M,64,64,M,128,128,M/256"
#define LARGE_ARCH "32,M,64,M,128,128,M,256,256,M,256,256,M/256"
/* They have few hidden features to lose. */
#define SMALL_DROPOUT 0.2
/* Inputs whose sides are all below this get the first. */
#define LARGE_INPUT 64
/* Pictures of one size up to this are taken as they are. */
#define OWN_SIZE_MOST 64
#define DEFAULT_SIDE 128

static void suggest_input(const vgg_dataset_info *info, vgg_suggestion *suggestion) {
    if (suggestion->channels == 0)
        suggestion->channels = info->channels;
    if (suggestion->height == 0) {
        bool own = info->width > 0 && info->width <= OWN_SIZE_MOST && info->height > 0 &&
                   info->height <= OWN_SIZE_MOST;
        suggestion->height = own ? info->height : DEFAULT_SIDE;
        suggestion->width = own ? info->width : DEFAULT_SIDE;
    }
    bool fits = info->height == suggestion->height && info->width == suggestion->width;
    suggestion->resize = fits ? vgg_size_min(suggestion->height, suggestion->width) : 0;
    suggestion->preprocess = suggestion->channels == 1 ? "unit" : "torchvision";
    suggestion->flip = strcmp(info->kind, "MNIST IDX") != 0;
}

vgg_status vgg_train_suggest(const vgg_dataset_info *info, size_t channels, size_t height,
                             size_t width, vgg_suggestion *suggestion, vgg_error *error) {
    vgg_dataset_info known = {.struct_size = sizeof known};
    vgg_suggestion own = {
        .struct_size = sizeof own, .channels = channels, .height = height, .width = width};
    vgg_status status = vgg_options_read(&known, sizeof known, info, "vgg_dataset_info", error);
    if (status != VGG_OK)
        return status;
    suggest_input(&known, &own);
    bool small = own.height < LARGE_INPUT && own.width < LARGE_INPUT;
    own.arch = small ? SMALL_ARCH : LARGE_ARCH;
    own.batch_norm = true;
    own.dropout = SMALL_DROPOUT;
    return vgg_result_write(suggestion, &own, sizeof own, "vgg_suggestion", error);
}
