/* The first convolution made from the data: its filters turn patches of pictures into values that
 * are not correlated and of equal variance, each with both signs (Jordan 2024, airbench94). */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/network.h"
#include "vgg/train.h"

/* Values of a patch: three channels of 3x3. */
#define PATCH_MOST 27
/* Patches of a picture, at most, on a regular grid. */
#define PATCHES_MOST 256
/* Added to a variance before it is divided by. */
#define VARIANCE_ADDED 5e-4
/* Sweeps of Jacobi's method; it needs about six. */
#define SWEEPS 30

typedef double matrix[PATCH_MOST][PATCH_MOST];

/* What is known of the patches so far. */
typedef struct patches {
    size_t kernel, channels, height, width, size; /* size: values of a patch */
    size_t step;                                  /* between patches */
    double count;
    matrix products; /* sums over patches */
} patches;

static void take_patch(patches *p, const float *picture, size_t y, size_t x) {
    double values[PATCH_MOST];
    size_t at = 0;
    for (size_t c = 0; c < p->channels; c++) {
        for (size_t i = 0; i < p->kernel; i++) {
            const float *row = picture + (c * p->height + y + i) * p->width + x;
            for (size_t j = 0; j < p->kernel; j++) {
                values[at++] = (double)row[j];
            }
        }
    }
    for (size_t i = 0; i < p->size; i++) {
        for (size_t j = 0; j <= i; j++) {
            p->products[i][j] += values[i] * values[j];
        }
    }
    p->count++;
}

static void take_picture(patches *p, const float *picture) {
    for (size_t y = 0; y + p->kernel <= p->height; y += p->step) {
        for (size_t x = 0; x + p->kernel <= p->width; x += p->step) {
            take_patch(p, picture, y, x);
        }
    }
}

/* ---- eigenvectors ---- */

/* One rotation of Jacobi's method, which makes a[p][q] zero. */
static void rotate(size_t size, matrix a, matrix vectors, size_t p, size_t q) {
    if (a[p][q] == 0)
        return;
    double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
    double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;
    for (size_t k = 0; k < size; k++) {
        double kp = a[k][p], kq = a[k][q];
        a[k][p] = c * kp - s * kq;
        a[k][q] = s * kp + c * kq;
    }
    for (size_t k = 0; k < size; k++) {
        double pk = a[p][k], qk = a[q][k], vp = vectors[k][p], vq = vectors[k][q];
        a[p][k] = c * pk - s * qk;
        a[q][k] = s * pk + c * qk;
        vectors[k][p] = c * vp - s * vq;
        vectors[k][q] = s * vp + c * vq;
    }
}

/* The symmetric matrix becomes diagonal, its eigenvectors the columns of `vectors`. */
static void diagonalise(size_t size, matrix a, matrix vectors) {
    memset(vectors, 0, sizeof(matrix));
    for (size_t i = 0; i < size; i++) {
        vectors[i][i] = 1;
    }
    for (size_t sweep = 0; sweep < SWEEPS; sweep++) {
        for (size_t p = 0; p + 1 < size; p++) {
            for (size_t q = p + 1; q < size; q++) {
                rotate(size, a, vectors, p, q);
            }
        }
    }
}

/* The number of the `rank`th largest diagonal value. */
static size_t ranked(size_t size, matrix a, size_t rank) {
    for (size_t i = 0; i < size; i++) {
        size_t larger = 0;
        for (size_t j = 0; j < size; j++) {
            larger += a[j][j] > a[i][i] || (j < i && a[j][j] == a[i][i]);
        }
        if (larger == rank)
            return i;
    }
    return 0;
}

/* ---- filters ---- */

/* The sign of an eigenvector is anybody's choice: its largest component is positive. */
static double sign_of(size_t size, matrix vectors, size_t column) {
    double largest = 0;
    for (size_t i = 0; i < size; i++) {
        largest = fabs(vectors[i][column]) > fabs(largest) ? vectors[i][column] : largest;
    }
    return largest < 0 ? -1 : 1;
}

/* Filters that there are no more directions for keep their values. */
static void fill_filters(patches *p, size_t filters, float *weights) {
    matrix vectors;
    for (size_t i = 0; i < p->size; i++) {
        for (size_t j = 0; j <= i; j++) {
            p->products[i][j] /= p->count;
            p->products[j][i] = p->products[i][j];
        }
    }
    diagonalise(p->size, p->products, vectors);
    size_t pairs = vgg_size_min(filters / 2, p->size);
    for (size_t pair = 0; pair < pairs; pair++) {
        size_t column = ranked(p->size, p->products, pair);
        double variance = fmax(p->products[column][column], 0);
        double scale = sign_of(p->size, vectors, column) / sqrt(variance + VARIANCE_ADDED);
        for (size_t i = 0; i < p->size; i++) {
            float value = (float)(vectors[i][column] * scale);
            weights[pair * p->size + i] = value;
            weights[(pairs + pair) * p->size + i] = -value;
        }
    }
}

/* ---- the data ---- */

static vgg_status collect(vgg_loader *loader, size_t pictures, patches *p, vgg_error *error) {
    size_t floats = p->channels * p->height * p->width, seen = 0;
    vgg_status status = vgg_loader_start(loader, 0, 0, error);
    for (const vgg_batch *batch; status == VGG_OK && seen < pictures;) {
        status = vgg_loader_next(loader, &batch, error);
        if (status != VGG_OK || batch == NULL)
            break;
        for (size_t n = 0; n < batch->count && seen < pictures; n++, seen++) {
            take_picture(p, batch->inputs + n * floats);
        }
    }
    if (status == VGG_OK && p->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "not one picture of the data could be read");
    return status;
}

static patches patches_of(const vgg_network *network) {
    const vgg_network_options *options = &network->options;
    patches p = {.kernel = network->layers[0].kernel,
                 .channels = options->channels,
                 .height = options->height,
                 .width = options->width,
                 .step = 1};
    p.size = p.channels * p.kernel * p.kernel;
    while ((p.height / p.step + 1) * (p.width / p.step + 1) > PATCHES_MOST) {
        p.step++;
    }
    return p;
}

vgg_status vgg_train_whiten(vgg_model *model, const vgg_dataset *train, size_t pictures,
                            uint64_t seed, vgg_skip_callback *skipped, void *user,
                            vgg_error *error) {
    vgg_network *network = vgg_model_mutable_network(model);
    if (network->layer_count == 0 || network->layers[0].type != VGG_LAYER_CONVOLUTION)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the network does not begin with a convolution, whose filters could be "
                        "made from the data");
    if (vgg_model_preprocess(model) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the model's preprocessing is not known");
    vgg_loader_options options;
    vgg_loader_options_init(&options, sizeof options);
    options.shuffle = true;
    options.seed = seed;
    options.skipped = skipped;
    options.user = user;
    vgg_loader *loader = NULL;
    patches p = patches_of(network);
    vgg_status status =
        vgg_loader_create(train, vgg_model_preprocess(model), &options, &loader, error);
    if (status == VGG_OK)
        status = collect(loader, pictures, &p, error);
    float *weights = status == VGG_OK ? vgg_network_own(network, 0) : NULL;
    if (weights != NULL)
        fill_filters(&p, network->layers[0].output.channels, weights);
    else if (status == VGG_OK)
        status = vgg_fail_memory(error, network->tensors[0].info.name,
                                 network->tensors[0].info.count * sizeof *weights);
    network->version++;
    vgg_loader_free(loader);
    return status;
}
