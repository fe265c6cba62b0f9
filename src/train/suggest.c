/* What to train on a data set when nothing else is known. */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "vgg/train.h"

/* A row of the table: for pictures whose sides are both below `below`, of which a class has up to
 * `most`. The first that fits is taken. */
typedef struct suggestion_row {
    size_t below, most;
    const char *arch;
    vgg_layout layout;
    double dropout;
    size_t epochs;
    bool policy; /* views are changed at random, rather than their colours */
} suggestion_row;

/* Eight layers each. The first halves its input three times; the second does so four times, and
 * averages what is left of it, so that it has few weights for few pictures. */
#define SMALL_ARCH "32,32,M,64,64,M,128,128,M/256"
#define LARGE_ARCH "32,M,64,M,128,128,M,256,256,M,256,256"

static const suggestion_row rows[] = {
    {64, 100, SMALL_ARCH, VGG_LAYOUT_PAPER, 0.2, 100, false},
    {64, 1000, SMALL_ARCH, VGG_LAYOUT_PAPER, 0.2, 40, false},
    {64, SIZE_MAX, SMALL_ARCH, VGG_LAYOUT_PAPER, 0.2, 20, false},
    {SIZE_MAX, 100, LARGE_ARCH, VGG_LAYOUT_GLOBAL, 0.2, 200, true},
    {SIZE_MAX, 200, LARGE_ARCH, VGG_LAYOUT_GLOBAL, 0.2, 80, false},
    {SIZE_MAX, 1000, LARGE_ARCH, VGG_LAYOUT_GLOBAL, 0.2, 40, false},
    {SIZE_MAX, SIZE_MAX, LARGE_ARCH, VGG_LAYOUT_GLOBAL, 0.2, 30, false},
};

/* For inputs whose short side leaves nothing for the last max-pools of a row's network: networks
 * with fewer of them, for a short side of `least` or more, whatever the long one. */
typedef struct flat_row {
    size_t least;
    const char *arch;
} flat_row;

static const flat_row flat_rows[] = {{8, "32,M,64,M,128,128,M,256,256"},
                                     {4, "32,M,64,M,128,128,256,256"},
                                     {2, "32,M,64,64,128,128"},
                                     {0, "32,64,64,128"}};
/* The least short sides of the networks above. */
#define SMALL_LEAST 8
#define LARGE_LEAST 16

/* Fewer pictures than this are few. */
#define FEW_PICTURES 20000
/* Pictures of one size up to this are taken as they are; others become this large. */
#define OWN_SIZE_MOST 64
#define DEFAULT_SIDE 96

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

/* Data of which the number of pictures is not known has many. */
static const suggestion_row *find_row(const vgg_dataset_info *info,
                                      const vgg_suggestion *suggestion) {
    size_t side = vgg_size_max(suggestion->height, suggestion->width);
    bool known = info->pictures > 0 && info->classes > 0;
    size_t each = known ? info->pictures / info->classes : SIZE_MAX;
    const suggestion_row *row = rows;
    while ((row->below != SIZE_MAX && side >= row->below) || each > row->most) {
        row++;
    }
    return row;
}

static void suggest_network(const suggestion_row *row, vgg_suggestion *suggestion) {
    size_t least = vgg_size_min(suggestion->height, suggestion->width);
    suggestion->arch = row->arch;
    suggestion->layout = row->layout;
    if (least < (row->below == SIZE_MAX ? LARGE_LEAST : SMALL_LEAST)) {
        const flat_row *flat = flat_rows;
        while (least < flat->least) {
            flat++;
        }
        suggestion->arch = flat->arch;
        suggestion->layout = VGG_LAYOUT_GLOBAL;
    }
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
    const suggestion_row *row = find_row(&known, &own);
    suggest_network(row, &own);
    own.batch_norm = true;
    own.dropout = row->dropout;
    own.epochs = row->epochs;
    own.policy = row->policy;
    own.few = known.pictures > 0 && known.pictures < FEW_PICTURES;
    return vgg_result_write(suggestion, &own, sizeof own, "vgg_suggestion", error);
}
