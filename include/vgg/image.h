/* Pictures: decoding, resizing, and the preprocessing that turns one into a network's input.
 *
 * The size of a picture is width x height, that of an input channels x height x width.
 *
 * Every function here may be called from any number of threads at once, on different images. */
#ifndef VGG_IMAGE_H
#define VGG_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/status.h"
#include "vgg/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Decoded pictures larger than this are refused before memory is taken for them. */
#define VGG_IMAGE_MAX_SIDE 30000
#define VGG_IMAGE_MAX_PIXELS 200000000

/* A picture of 8-bit samples, `channels` (1 grey, 3 red-green-blue) interleaved, rows from top to
 * bottom without gaps: sample c of column x, row y is pixels[(y * width + x) * channels + c].
 * Start with {0}; vgg_image_free releases the pixels and makes it {0} again. Frozen. */
typedef struct vgg_image {
    size_t width, height, channels;
    uint8_t *pixels;
} vgg_image;

VGG_API void vgg_image_free(vgg_image *image);

/* Decodes a JPEG, PNG, WebP, BMP, GIF, TIFF, HEIF (HEIC, AVIF) or PNM (PBM, PGM, PPM; plain and
 * raw) picture, told apart by content; formats that the library was built without are refused by
 * the name of the build's option. Of a GIF or TIFF it is the first picture, of a HEIF the primary
 * one. The result is grey or RGB as the picture is: palettes are looked up, 16-bit samples rounded
 * to 8, transparency laid over white (Pillow's convert("RGB") drops both: the lower byte and the
 * opacity), CMYK and YCCK turned into RGB, and the EXIF orientation of a JPEG, PNG, WebP, TIFF or
 * HEIF applied, so that the picture stands upright. `name` is used in messages only.
 * A picture cut short or with damaged pixels is VGG_ERROR_FORMAT, never half a picture; a JPEG that
 * has all its rows but no end marker behind them is whole. Another kind of file (an animated WebP,
 * an HTML page), one beyond the limits above or one that takes more memory to decode than befits
 * its size is VGG_ERROR_UNSUPPORTED, and the message says what it is. Memory that ran out is
 * VGG_ERROR_MEMORY.
 * On success the caller releases *image with vgg_image_free; what it held before is not freed. */
VGG_API vgg_status vgg_image_decode(const void *bytes, size_t size, const char *name,
                                    vgg_image *image, vgg_error *error);

/* The same for a file. */
VGG_API vgg_status vgg_image_load(const char *path, vgg_image *image, vgg_error *error);

/* The same, but a JPEG is decoded at a half, a quarter or an eighth of its size as long as its
 * short side stays at `least` or more (0: always whole): much faster, for one that will be made
 * smaller anyway. With `least` twice the short side of a resize that follows, the result differs
 * from that of the whole picture by less than 2 of 255 on average, in addition to what follows from
 * rounding sides up, which stretches the picture by less than a pixel of its reduced size. Pictures
 * of other formats are whole. */
VGG_API vgg_status vgg_image_decode_reduced(const void *bytes, size_t size, const char *name,
                                            size_t least, vgg_image *image, vgg_error *error);
VGG_API vgg_status vgg_image_load_reduced(const char *path, size_t least, vgg_image *image,
                                          vgg_error *error);

typedef struct vgg_decode_options {
    size_t struct_size;         /* set by vgg_decode_options_init */
    size_t least;               /* as in vgg_image_decode_reduced, default 0 */
    vgg_warning_callback *warn; /* default NULL. Hears of a picture that is whole and yet not as its
                                 * format wants it: a JPEG without an end marker */
    void *warn_user;
    size_t max_pixels; /* a picture of more is VGG_ERROR_UNSUPPORTED by what its header says, before
                        * memory is taken for it. Default 0: VGG_IMAGE_MAX_PIXELS, which is the
                        * most */
} vgg_decode_options;

VGG_API void vgg_decode_options_init(vgg_decode_options *options, size_t size);

/* vgg_image_decode and vgg_image_load with options, which may be NULL. */
VGG_API vgg_status vgg_image_decode_with(const void *bytes, size_t size, const char *name,
                                         const vgg_decode_options *options, vgg_image *image,
                                         vgg_error *error);
VGG_API vgg_status vgg_image_load_with(const char *path, const vgg_decode_options *options,
                                       vgg_image *image, vgg_error *error);

/* True when the file's name ends in one of the endings of a picture that vgg_image_decode reads
 * (.jpg .jpeg .jpe .jfif .png .webp .pnm .pbm .pgm .ppm .bmp .dib .gif .tif .tiff .heic .heif
 * .avif, in either case), without those of formats that this library was built without. */
VGG_API bool vgg_image_name_is_picture(const char *name);

/* The option of the build ("VGG_WITH_HEIF") without which this library does not read pictures whose
 * names end so; NULL for an ending that it reads, or that is no picture's. */
VGG_API const char *vgg_image_name_missing(const char *name);

/* Writes the picture as PNG: under its name when complete, or not at all. */
VGG_API vgg_status vgg_image_save_png(const vgg_image *image, const char *path, vgg_error *error);

typedef enum vgg_image_format {
    VGG_IMAGE_PNG = 0,
    VGG_IMAGE_JPEG = 1, /* with its colours halved in both directions */
} vgg_image_format;

/* Encodes the picture and hands the bytes to the function, one piece after the other. quality: of
 * a JPEG, 1 to 100 on libjpeg's scale. Not looked at for a PNG. VGG_ERROR_UNSUPPORTED, naming the
 * build's option, for a format that the library was built without. */
VGG_API vgg_status vgg_image_encode(const vgg_image *image, vgg_image_format format,
                                    unsigned quality, vgg_write_callback *write, void *user,
                                    vgg_error *error);

/* A copy with 1 or 3 channels. Grey from colour is ITU-R 601-2 luma, (299 R + 587 G + 114 B) /
 * 1000, rounded as Pillow's convert("L") rounds. */
VGG_API vgg_status vgg_image_convert(const vgg_image *image, size_t channels, vgg_image *out,
                                     vgg_error *error);

/* The upright rectangle of `width` x `height` at column x, row y; what lies outside of the picture
 * is black. x and y may be negative. */
VGG_API vgg_status vgg_image_crop(const vgg_image *image, ptrdiff_t x, ptrdiff_t y, size_t width,
                                  size_t height, vgg_image *out, vgg_error *error);

/* Mirrors left and right, in place. */
VGG_API void vgg_image_flip(vgg_image *image);

typedef enum vgg_filter {
    VGG_FILTER_BILINEAR = 0, /* triangle, radius 1 */
    VGG_FILTER_BICUBIC = 1,  /* Keys' cubic with a = -0.5, radius 2 */
} vgg_filter;

/* Resizes with a filter that widens when the picture shrinks (antialiasing). Equal to the
 * Image.resize of Pillow 13 with the same filter; earlier versions differ by 1 of 255 in places
 * where the rows lose more than twice as much as the columns. */
VGG_API vgg_status vgg_image_resize(const vgg_image *image, size_t width, size_t height,
                                    vgg_filter filter, vgg_image *out, vgg_error *error);

/* Resizes so that the short side becomes `side`; the long one becomes floor(side * long / short),
 * as torchvision's Resize(side) has it. */
VGG_API vgg_status vgg_image_resize_short(const vgg_image *image, size_t side, vgg_filter filter,
                                          vgg_image *out, vgg_error *error);

/* How a picture of any size comes to the size of the cut-out. The values are pinned. */
typedef enum vgg_fit {
    VGG_FIT_CROP = 0,   /* resized by its short side, then the centre is cut out: torchvision's
                         * Resize(resize) and CenterCrop; without a resize the picture as it is */
    VGG_FIT_SQUASH = 1, /* resized to the size of the cut-out whatever its proportions, as
                         * torchvision's Resize((height, width)); with a resize to the cut-out's
                         * proportions and that short side, of which the centre is cut out */
    VGG_FIT_PAD = 2,    /* resized to lie whole within the cut-out, in the middle of black, as
                         * Pillow's ImageOps.pad has it; takes no resize */
    VGG_FIT_NONE = 3,   /* it has the size already; others are refused. Takes no resize */
} vgg_fit;

/* Most sides of squares that a picture is looked at in. */
#define VGG_PREPROCESS_SIDES 16

/* How a picture becomes an input of the network: resize the short side, cut out the centre, scale,
 * subtract the mean and divide by the deviation per channel, in a channel order. A model file
 * carries these figures; nothing is guessed. */
typedef struct vgg_preprocess {
    size_t struct_size;   /* set by vgg_preprocess_init */
    char name[32];        /* the preset it came from, default "" */
    size_t channels;      /* 1 or 3; a picture is converted to it. Default 3 */
    size_t width, height; /* of the cut-out, which is the input of the network; default 0: they are
                           * to be set */
    size_t resize;        /* short side before the cut-out; default 0 leaves the size as it is */
    vgg_filter filter;    /* default VGG_FILTER_BILINEAR */
    bool bgr;       /* channel order of the input: blue-green-red instead of red-green-blue, default
                     * false */
    double scale;   /* first: sample * scale, sample in 0..255. Default 1 */
    double mean[3]; /* then: - mean[c], / deviation[c]; c counts in the order of the input. Default
                     * 0 and 1 */
    double deviation[3];
    vgg_fit fit;       /* default VGG_FIT_CROP */
    size_t side_count; /* default 0. Otherwise a picture is looked at as so many squares of these
                        * sides, each cut out of the middle of the picture resized to a short side
                        * as long, and the logits of all are averaged. Predictors and evaluations
                        * do that by the protocols center and flip, and where they are given no
                        * scales; others take the sides for those. All else sees width, height and
                        * resize alone */
    size_t sides[VGG_PREPROCESS_SIDES];
} vgg_preprocess;

VGG_API void vgg_preprocess_init(vgg_preprocess *preprocess, size_t size);

/* Fills in a preset for an input of `channels` x `height` x `width`, in a struct whose struct_size
 * is set:
 *   "torchvision"  RGB, 1/255, mean (0.485, 0.456, 0.406), deviation (0.229, 0.224, 0.225)
 *   "caffe"        BGR, mean (103.939, 116.779, 123.68) of 0..255; Keras's VGG models use it too
 *   "paper"        RGB, mean (123.68, 116.779, 103.939) of 0..255
 *   "unit"         RGB, 1/255, no mean: 0 to 1
 *   "signed"       RGB, 1/255, mean and deviation 0.5: -1 to 1
 *   "cifar10"      RGB, 1/255, mean (0.4914, 0.4822, 0.4465), deviation (0.2023, 0.1994, 0.2010):
 *                  those of kuangliu/pytorch-cifar and chenyaofo/pytorch-cifar-models
 *   "cifar100"     RGB, 1/255, mean (0.5070, 0.4865, 0.4409), deviation (0.2673, 0.2564, 0.2761):
 *                  those of chenyaofo/pytorch-cifar-models
 *   "mnist"        1/255, mean 0.1307, deviation 0.3081: those of PyTorch's example
 *   "clip"         RGB, 1/255, mean (0.48145466, 0.4578275, 0.40821073), deviation (0.26862954,
 *                  0.26130258, 0.27577711), the bicubic filter: those of openai/CLIP
 * With 1 channel the means and deviations become their average over the three. The short side is
 * resized to round(min(height, width) * 256 / 224) with the bilinear filter (Simonyan & Zisserman,
 * section 3.2: S = 256 for 224); with the last four to that of the cut-out. VGG_ERROR_NOT_FOUND,
 * naming the presets, for another name. */
VGG_API vgg_status vgg_preprocess_preset(const char *name, size_t channels, size_t height,
                                         size_t width, vgg_preprocess *preprocess,
                                         vgg_error *error);

/* The name of the preset with that number, from 0 on; NULL beyond the last. */
VGG_API const char *vgg_preprocess_preset_name(size_t number);

/* Figures that are said one by one, in place of those of a preset or of a file. */
typedef enum vgg_preprocess_part {
    VGG_PREPROCESS_SCALE = 1,
    VGG_PREPROCESS_MEAN = 2,
    VGG_PREPROCESS_DEVIATION = 4,
    VGG_PREPROCESS_ORDER = 8,
    VGG_PREPROCESS_RESIZE = 16,
    VGG_PREPROCESS_FIT = 32,
    VGG_PREPROCESS_FILTER = 64,
} vgg_preprocess_part;

typedef struct vgg_preprocess_changes {
    size_t struct_size; /* set by vgg_preprocess_changes_init */
    unsigned parts; /* what is said: a sum of vgg_preprocess_part, default 0; the rest stays as it
                     * is, and its members here are not looked at */
    double scale;
    size_t mean_count, deviation_count; /* of the figures: 1, for every channel, or as many as there
                                         * are channels */
    double mean[3], deviation[3];       /* of red, green and blue, whatever the input's order */
    bool bgr;                           /* the order */
    size_t resize;
    vgg_fit fit;
    vgg_filter filter;
} vgg_preprocess_changes;

VGG_API void vgg_preprocess_changes_init(vgg_preprocess_changes *changes, size_t size);

/* Changes what is said, in a struct whose struct_size is set; a fit or a resize leaves no sides.
 * With other figures or another order the name becomes "custom"; a new fit without a resize gets
 * that of the presets for VGG_FIT_CROP, and none for the others. A new order turns means and
 * deviations that stay around with their channels. VGG_ERROR_ARGUMENT for figures that
 * vgg_preprocess_check refuses, and for a mean beyond the samples that the scale makes, 0 to 255 *
 * scale, unless the scale is said with it; *preprocess is then as it was. */
VGG_API vgg_status vgg_preprocess_change(vgg_preprocess *preprocess,
                                         const vgg_preprocess_changes *changes, vgg_error *error);

/* "crop", "squash", "pad" or "none"; NULL for another number. */
VGG_API const char *vgg_fit_name(vgg_fit fit);
/* "bilinear" or "bicubic"; NULL for another number. */
VGG_API const char *vgg_filter_name(vgg_filter filter);

/* Checks that all members are usable: sizes from 1 to VGG_IMAGE_MAX_SIDE, 1 or 3 channels, finite
 * numbers, deviations that are not 0. */
VGG_API vgg_status vgg_preprocess_check(const vgg_preprocess *preprocess, vgg_error *error);

/* Resizes as `fit` says, cuts out the centre (offset round half to even of the difference / 2, as
 * torchvision's CenterCrop) and normalises. A picture smaller than the cut-out is padded with
 * black, the picture in the middle. input: channels x height x width floats, owned by the caller.
 * VGG_ERROR_SHAPE for a picture of another size with VGG_FIT_NONE. */
VGG_API vgg_status vgg_preprocess_image(const vgg_preprocess *preprocess, const vgg_image *image,
                                        float *input, vgg_error *error);

/* vgg_image_decode_with and that together, to the same bits, but of an upright JPEG with the
 * input's channels no pixels are made that the input does not show, which of a photograph of 3 to 2
 * are a third and more. What is wrong there is found all the same. Messages begin with `name`. */
VGG_API vgg_status vgg_preprocess_encoded(const vgg_preprocess *preprocess, const void *bytes,
                                          size_t size, const char *name,
                                          const vgg_decode_options *options, float *input,
                                          vgg_error *error);
/* The same for a file. */
VGG_API vgg_status vgg_preprocess_file(const vgg_preprocess *preprocess, const char *path,
                                       const vgg_decode_options *options, float *input,
                                       vgg_error *error);

/* Only the last part: an image that has the size of the cut-out and the right channels becomes
 * floats. */
VGG_API vgg_status vgg_preprocess_normalise(const vgg_preprocess *preprocess,
                                            const vgg_image *image, float *input, vgg_error *error);

/* The way back: the picture of the size of the cut-out that an input was before it was normalised,
 * with samples rounded to 0 to 255. The caller releases *image with vgg_image_free. */
VGG_API vgg_status vgg_preprocess_restore(const vgg_preprocess *preprocess, const float *input,
                                          vgg_image *image, vgg_error *error);

/* The random view of a picture that training sees. */
typedef struct vgg_augment {
    size_t struct_size; /* set by vgg_augment_init */
    bool crop; /* a cut-out at a random place; along a side where the picture leaves no choice, at a
                * random place around the middle, within a black margin of 1/8 of that side. Default
                * true */
    bool flip; /* mirrored with probability 1/2, default true */
    /* All of the following are off by default: 0 or false. */
    bool alternate; /* with flip: mirrored in every other epoch, beginning with one of the first two
                     * at random */
    double area;    /* from 0 to 1: in place of the cut-out a part of the whole picture, of at least
                     * this share of its area and with sides of 3 to 4 up to 4 to 3, resized to the
                     * input's size: torchvision's RandomResizedCrop */
    double scale;   /* the short side is resized to a size between that of the preprocessing and
                     * `scale` times it: the paper's scale jitter */
    size_t translate; /* moved by up to so many pixels in both directions; what comes in is the
                       * picture reflected */
    double rotate;    /* turned by up to so many degrees either way; likewise */
    bool policy;      /* one operation of random kind and strength: TrivialAugment */
    double colour;    /* brightness, contrast and saturation are multiplied by factors between 1 -
                       * colour and 1 + colour: torchvision's ColorJitter without hue */
    double pca;       /* deviation of what is added along the principal components of ImageNet's
                       * colours (Krizhevsky et al. 2012, who use 0.1) */
    double erase;     /* probability that a rectangle of 2 to 33 % of the input becomes 0:
                       * torchvision's RandomErasing */
} vgg_augment;

VGG_API void vgg_augment_init(vgg_augment *augment, size_t size);

/* VGG_ERROR_ARGUMENT, naming it, for a member out of its range. */
VGG_API vgg_status vgg_augment_check(const vgg_augment *augment, const vgg_preprocess *preprocess,
                                     vgg_error *error);

/* Whether the view that vgg_preprocess_augmented makes of the same four is mirrored. */
VGG_API bool vgg_augment_mirrors(const vgg_augment *augment, uint64_t seed, uint64_t epoch,
                                 uint64_t index);

/* Like vgg_preprocess_image, for a random view: `augment` (NULL: that of vgg_augment_init) says
 * what may be random, and the three numbers, `index` being the picture's, choose. */
VGG_API vgg_status vgg_preprocess_augmented(const vgg_preprocess *preprocess,
                                            const vgg_augment *augment, const vgg_image *image,
                                            uint64_t seed, uint64_t epoch, uint64_t index,
                                            float *input, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
