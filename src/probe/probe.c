/* Fitting a linear classifier, its C by cross-validation. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "base/text.h"
#include "probe/problem.h"

#define FOLDS 5
#define FOLDS_MOST 100
static const double choices[] = {1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10};
#define CHOICES (sizeof choices / sizeof *choices)

static const char *const kinds[] = {[VGG_PROBE_SVM] = "svm", [VGG_PROBE_SOFTMAX] = "softmax"};
#define KINDS (sizeof kinds / sizeof *kinds)

const char *vgg_probe_kind_name(vgg_probe_kind kind) {
    return (size_t)kind < KINDS ? kinds[kind] : NULL;
}

vgg_probe_kind vgg_probe_kind_named(const char *name) {
    size_t found = vgg_text_find(name, kinds, KINDS);
    return found < KINDS ? (vgg_probe_kind)found : VGG_PROBE_SVM;
}

void vgg_probe_options_init(vgg_probe_options *options, size_t size) {
    const vgg_probe_options defaults = {.struct_size = size, .standardise = true, .folds = FOLDS};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

typedef struct fit {
    const vgg_probe_options *options;
    vgg_probe_problem problem;
    float *rows;            /* standardised; NULL: as given */
    double *means, *scales; /* (features): a row's x becomes (x - mean) * scale */
    size_t *folds;
    double *at; /* weights, then biases */
    float *floats;
    size_t fits, all; /* done, and of how many */
} fit;

/* ---- what is given ---- */

/* Whether each row is of a class that there is, and each class has rows. */
static vgg_status check_classes(const size_t *classes, size_t count, size_t class_count,
                                vgg_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (classes[i] >= class_count)
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "row %zu is of class %zu, expected 0 to %zu",
                            i, classes[i], class_count - 1);
    }
    bool *has_rows = vgg_calloc(class_count, sizeof *has_rows);
    if (has_rows == NULL)
        return vgg_fail_memory(error, "a classifier", class_count);
    for (size_t i = 0; i < count; i++) {
        has_rows[classes[i]] = true;
    }
    size_t k = 0;
    while (k < class_count && has_rows[k]) {
        k++;
    }
    vgg_free(has_rows);
    return k == class_count ? VGG_OK
                            : vgg_fail(error, VGG_ERROR_ARGUMENT, "class %zu has no rows", k);
}

static vgg_status check(const float *rows, const size_t *classes, size_t count, size_t features,
                        size_t class_count, const vgg_probe_options *options, vgg_error *error) {
    if (count < 2 || class_count < 2 || features == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a classifier of %zu rows of %zu features and %zu classes, expected two "
                        "rows and classes or more",
                        count, features, class_count);
    if (vgg_probe_kind_name(options->kind) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a classifier of kind %d", (int)options->kind);
    if (!(options->c >= 0 && options->c <= 1e12) || options->folds < 2 ||
        options->folds > FOLDS_MOST)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "C %g and %zu folds, expected 0 to 1e12 and 2 to %d", options->c,
                        options->folds, FOLDS_MOST);
    for (size_t i = 0; i < count * features; i++) {
        if (!isfinite(rows[i]))
            return vgg_fail(error, VGG_ERROR_NUMERIC, "row %zu is not of finite numbers",
                            i / features);
    }
    return check_classes(classes, count, class_count, error);
}

/* ---- making room ---- */

static vgg_status make_room(fit *f, size_t count, size_t features, size_t classes,
                            vgg_error *error) {
    size_t bytes, scores, weights, floats;
    bool fits =
        vgg_size_mul(count, features, &bytes) && vgg_size_mul(bytes, sizeof(float), &bytes) &&
        vgg_size_mul(count, 2 * classes, &scores) &&
        vgg_size_mul(classes, features + 1, &weights) &&
        vgg_size_add(scores, 2 * weights, &floats) && vgg_size_mul(floats, sizeof(float), &floats);
    if (!fits)
        return vgg_fail_memory(error, "a classifier", SIZE_MAX);
    if (f->options->standardise)
        f->rows = vgg_aligned_alloc(bytes);
    f->means = vgg_calloc(2 * features, sizeof *f->means);
    f->folds = vgg_calloc(count, 2 * sizeof *f->folds);
    f->at = vgg_calloc(weights, sizeof *f->at);
    f->floats = vgg_aligned_alloc(floats);
    if ((f->options->standardise && f->rows == NULL) || f->means == NULL || f->folds == NULL ||
        f->at == NULL || f->floats == NULL)
        return vgg_fail_memory(error, "a classifier", bytes + floats);
    f->scales = f->means + features;
    vgg_probe_problem *p = &f->problem;
    p->weights = f->floats;
    p->biases = p->weights + classes * features;
    p->weights_gradient = p->biases + classes;
    p->biases_gradient = p->weights_gradient + classes * features;
    p->scores = p->biases_gradient + classes;
    p->slopes = p->scores + count * classes;
    return VGG_OK;
}

/* Shifts and scales the features; those that are the same in all rows become 0. */
static void standardise(fit *f, const float *rows) {
    vgg_probe_problem *p = &f->problem;
    for (size_t d = 0; d < p->features; d++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < p->count; i++) {
            sum += (double)rows[i * p->features + d];
        }
        f->means[d] = sum / (double)p->count;
        for (size_t i = 0; i < p->count; i++) {
            double apart = (double)rows[i * p->features + d] - f->means[d];
            squares += apart * apart;
        }
        double deviation = sqrt(squares / (double)p->count);
        f->scales[d] =
            deviation > 1e-12 * fabs(f->means[d]) && deviation > 1e-30 ? 1 / deviation : 0;
    }
    for (size_t i = 0; i < p->count * p->features; i++) {
        size_t d = i % p->features;
        f->rows[i] = (float)(((double)rows[i] - f->means[d]) * f->scales[d]);
    }
    p->rows = f->rows;
}

/* Deals the rows of each class out to the folds, in an order by chance. */
static void deal(fit *f) {
    vgg_probe_problem *p = &f->problem;
    size_t *order = f->folds + p->count, next = 0;
    vgg_random_permutation(order, p->count, f->options->seed, 0);
    for (size_t k = 0; k < p->classes; k++) {
        for (size_t i = 0; i < p->count; i++) {
            if (p->truth[order[i]] == k)
                f->folds[order[i]] = next++ % f->options->folds;
        }
    }
    p->folds = f->folds;
}

/* ---- fitting ---- */

static vgg_status minimise(fit *f, vgg_probe_result *result, vgg_error *error) {
    vgg_status status = vgg_probe_minimise(&f->problem, f->at, result, error);
    f->fits++;
    if (status == VGG_OK && f->options->progress != NULL &&
        !f->options->progress(f->options->user, f->fits, f->all))
        status = vgg_fail(error, VGG_ERROR_STOPPED, "the fit was stopped");
    return status;
}

/* Rows of the fold that was left out that are right. */
static size_t count_right(fit *f) {
    vgg_probe_problem *p = &f->problem;
    size_t right = 0;
    for (size_t i = 0; i < p->count; i++) {
        const float *scores = p->scores + i * p->classes;
        size_t best = 0;
        for (size_t k = 1; k < p->classes; k++) {
            best = scores[k] > scores[best] ? k : best;
        }
        right += p->folds[i] == p->left_out && best == p->truth[i];
    }
    return right;
}

static vgg_status choose_c(fit *f, vgg_probe_result *result, vgg_error *error) {
    vgg_probe_problem *p = &f->problem;
    size_t right[CHOICES] = {0}, best = 0, weights = vgg_probe_size(p);
    for (size_t fold = 0; fold < f->options->folds; fold++) {
        memset(f->at, 0, weights * sizeof *f->at);
        p->left_out = fold;
        for (size_t i = 0; i < CHOICES; i++) {
            p->c = choices[i]; /* from where the one before has ended */
            vgg_status status = minimise(f, result, error);
            if (status != VGG_OK)
                return status;
            /* The last evaluation may have been of a place that was passed over. */
            double *gradient = vgg_malloc(weights * sizeof *gradient);
            if (gradient == NULL)
                return vgg_fail_memory(error, "a classifier", weights * sizeof *gradient);
            vgg_probe_evaluate(p, f->at, gradient);
            vgg_free(gradient);
            right[i] += count_right(f);
        }
    }
    for (size_t i = 1; i < CHOICES; i++) {
        best = right[i] > right[best] ? i : best;
    }
    result->c = choices[best];
    result->accuracy = (double)right[best] / (double)p->count;
    memset(f->at, 0, weights * sizeof *f->at);
    return VGG_OK;
}

/* Weights for rows as they were given; those of a feature that hardly varies may be too large for
 * numbers. */
static vgg_status hand_out(const fit *f, float *weights, float *biases, vgg_error *error) {
    const vgg_probe_problem *p = &f->problem;
    bool finite = true;
    for (size_t k = 0; k < p->classes; k++) {
        double bias = f->at[p->classes * p->features + k];
        for (size_t d = 0; d < p->features; d++) {
            double weight = f->at[k * p->features + d];
            if (f->options->standardise) {
                weight *= f->scales[d];
                bias -= weight * f->means[d];
            }
            weights[k * p->features + d] = (float)weight;
            finite = finite && isfinite(weights[k * p->features + d]);
        }
        biases[k] = (float)bias;
        finite = finite && isfinite(biases[k]);
    }
    return finite ? VGG_OK
                  : vgg_fail(error, VGG_ERROR_NUMERIC, "the weights are no finite numbers");
}

static vgg_status fit_all(fit *f, const float *rows, vgg_probe_result *result, vgg_error *error) {
    vgg_probe_problem *p = &f->problem;
    vgg_status status = make_room(f, p->count, p->features, p->classes, error);
    if (status != VGG_OK)
        return status;
    p->rows = rows;
    if (f->options->standardise)
        standardise(f, rows);
    deal(f);
    result->c = f->options->c;
    result->accuracy = NAN;
    f->all = f->options->c > 0 ? 1 : CHOICES * f->options->folds + 1;
    if (f->options->c <= 0)
        status = choose_c(f, result, error);
    p->left_out = SIZE_MAX;
    p->c = result->c;
    return status == VGG_OK ? minimise(f, result, error) : status;
}

vgg_status vgg_probe_fit(const float *rows, const size_t *classes, size_t count, size_t features,
                         size_t class_count, const vgg_probe_options *given, float *weights,
                         float *biases, vgg_probe_result *result, vgg_error *error) {
    vgg_probe_options options;
    vgg_probe_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_probe_options", error);
    if (status == VGG_OK && result != NULL)
        status = vgg_result_check(result, "vgg_probe_result", error);
    if (status == VGG_OK)
        status = check(rows, classes, count, features, class_count, &options, error);
    if (status != VGG_OK)
        return status;
    vgg_threads *own = NULL;
    vgg_probe_result found = {.struct_size = sizeof found};
    fit f = {.options = &options,
             .problem = {.kind = options.kind,
                         .count = count,
                         .features = features,
                         .classes = class_count,
                         .truth = classes}};
    status = vgg_kernels_get(&f.problem.kernels, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(options.shared_threads, options.threads, &f.problem.threads,
                                    &own, error);
    if (status == VGG_OK)
        status = fit_all(&f, rows, &found, error);
    if (status == VGG_OK)
        status = hand_out(&f, weights, biases, error);
    vgg_threads_free(own);
    vgg_free(f.rows);
    vgg_free(f.means);
    vgg_free(f.folds);
    vgg_free(f.at);
    vgg_free(f.floats);
    if (status == VGG_OK && result != NULL)
        vgg_result_write(result, &found, sizeof found, "vgg_probe_result", NULL);
    return status;
}
