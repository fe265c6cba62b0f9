/* The rising-rate test: steps at rates that grow until the loss does. The conventions are fastai's.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "train/trainer.h"

#define LEAST 1e-7
#define MOST 10.0
#define STEPS 100
#define STEPS_MOST 10000
/* The smoothed loss keeps so much of itself. */
#define KEPT 0.98
/* Times the best smoothed loss: the end. */
#define DIVERGED 4.0
/* What suggestions do not look at: this share of the steps at first, and the last steps. */
#define FIRST_SHARE 10
#define LAST_STEPS 5
/* Fewer points suggest nothing. */
#define POINTS_LEAST 4

typedef struct search {
    vgg_rate_options options;
    vgg_trainer *trainer;
    vgg_rate_trial *trials; /* (options.steps) */
    size_t count;
    double best;
} search;

void vgg_rate_options_init(vgg_rate_options *options, size_t size) {
    const vgg_rate_options defaults = {
        .struct_size = size, .least = LEAST, .most = MOST, .steps = STEPS};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status read_options(const vgg_rate_options *given, vgg_rate_options *options,
                               vgg_error *error) {
    vgg_rate_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_rate_options", error);
    if (status != VGG_OK)
        return status;
    if (!(options->least > 0) || !(options->most > options->least) || !isfinite(options->most))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "learning rates from %g to %g, expected two above 0, the second larger",
                        options->least, options->most);
    if (options->steps < POINTS_LEAST || options->steps > STEPS_MOST)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu steps, expected %d to %d", options->steps,
                        POINTS_LEAST, STEPS_MOST);
    return VGG_OK;
}

/* ---- the weights ---- */

/* All values of the network, one tensor after the other; *values is freed by the caller. */
static vgg_status copy_weights(const vgg_network *network, float **values, vgg_error *error) {
    size_t count = 0, at = 0;
    for (size_t t = 0; t < network->tensor_count; t++) {
        count += network->tensors[t].info.count;
    }
    *values = vgg_malloc(count * sizeof **values);
    if (*values == NULL)
        return vgg_fail_memory(error, "a copy of the weights", count * sizeof **values);
    vgg_status status = VGG_OK;
    for (size_t t = 0; status == VGG_OK && t < network->tensor_count; t++) {
        size_t some = network->tensors[t].info.count;
        status = vgg_network_copy_values(network, t, *values + at, some, error);
        at += some;
    }
    return status;
}

static void restore_weights(vgg_network *network, const float *values) {
    for (size_t t = 0, at = 0; t < network->tensor_count; t++) {
        size_t count = network->tensors[t].info.count;
        vgg_network_set_values(network, t, values + at, count, NULL);
        at += count;
    }
}

/* ---- steps ---- */

/* Begins the next epoch without ending this one: nothing is evaluated or saved. */
static void turn_over(vgg_trainer *trainer) {
    trainer->progress.epoch++;
    trainer->progress.step = 0;
    trainer->progress.images = 0;
    trainer->progress.loss = 0;
    trainer->progress.hits = 0;
    trainer->in_epoch = false;
}

/* One step that learns something. */
static vgg_status step(vgg_trainer *trainer, double *loss, vgg_error *error) {
    for (;;) {
        const vgg_progress before = trainer->progress;
        bool more = false;
        vgg_status status = vgg_trainer_step_data(trainer, &more, error);
        size_t images = trainer->progress.images - before.images;
        if (status != VGG_OK)
            return status;
        if (more && images > 0) {
            *loss = (trainer->progress.loss - before.loss) / (double)images;
            return VGG_OK;
        }
        if (!more)
            turn_over(trainer);
    }
}

static vgg_rate_trial trial_of(const search *s, size_t i, double loss) {
    const vgg_rate_trial *before = i > 0 ? &s->trials[i - 1] : NULL;
    /* The mean of all losses so far, old ones less and less. */
    double weight = 1 - pow(KEPT, (double)(i + 1));
    double sum = before != NULL ? before->smoothed * (1 - pow(KEPT, (double)i)) : 0;
    return (vgg_rate_trial){.struct_size = sizeof(vgg_rate_trial),
                            .step = i + 1,
                            .rate = s->trainer->fixed_rate,
                            .loss = loss,
                            .smoothed = (KEPT * sum + (1 - KEPT) * loss) / weight};
}

/* *done: the loss has left what can be learnt from. */
static vgg_status try_rate(search *s, size_t i, bool *done, vgg_error *error) {
    double place = (double)i / (double)s->options.steps, loss = 0;
    s->trainer->fixed_rate = s->options.least * pow(s->options.most / s->options.least, place);
    vgg_status status = step(s->trainer, &loss, error);
    *done = status == VGG_ERROR_NUMERIC;
    if (status != VGG_OK)
        return *done ? VGG_OK : status;
    vgg_rate_trial *trial = &s->trials[s->count++];
    *trial = trial_of(s, i, loss);
    s->best = i == 0 ? trial->smoothed : fmin(s->best, trial->smoothed);
    *done = trial->smoothed > DIVERGED * s->best;
    if (s->options.tell != NULL && !s->options.tell(s->options.user, trial))
        return vgg_fail(error, VGG_ERROR_STOPPED, "stopped at a learning rate of %g", trial->rate);
    return VGG_OK;
}

static vgg_status try_rates(search *s, vgg_error *error) {
    vgg_status status = VGG_OK;
    bool done = false;
    for (size_t i = 0; status == VGG_OK && !done && i < s->options.steps; i++) {
        status = try_rate(s, i, &done, error);
    }
    return status;
}

/* ---- suggestions ---- */

/* The part of the curve that counts. */
typedef struct curve {
    const vgg_rate_trial *points;
    size_t count;
} curve;

static curve curve_of(const search *s) {
    size_t first = s->options.steps / FIRST_SHARE, last = LAST_STEPS;
    if (s->count < first + last + POINTS_LEAST)
        first = last = 0;
    return (curve){.points = s->trials + first, .count = s->count - first - last};
}

/* The middle of the longest decline: of the longest sequence of ever smaller losses, not
 * necessarily one after the other, whose length up to each point follows from those before it. */
static double valley_of(curve c, size_t *lengths) {
    size_t longest = 0;
    for (size_t i = 0; i < c.count; i++) {
        lengths[i] = 1;
        for (size_t j = 0; j < i; j++) {
            if (c.points[i].smoothed < c.points[j].smoothed && lengths[i] < lengths[j] + 1)
                lengths[i] = lengths[j] + 1;
        }
        longest = lengths[i] > lengths[longest] ? i : longest;
    }
    /* The place before the run is where it begins, which may be before the first point. */
    size_t length = lengths[longest], end = longest + 1;
    size_t place = end - length + length / 3 + length / 6;
    return c.points[place > 0 ? place - 1 : 0].rate;
}

/* Where the loss falls most for a step of the logarithm of the rate. */
static double steepest_of(curve c) {
    size_t steepest = 0;
    double most = HUGE_VAL;
    for (size_t i = 0; i + 1 < c.count; i++) {
        double slope = (c.points[i + 1].smoothed - c.points[i].smoothed) /
                       log(c.points[i + 1].rate / c.points[i].rate);
        steepest = slope < most ? i : steepest;
        most = fmin(most, slope);
    }
    return c.points[steepest].rate;
}

static double minimum_of(curve c) {
    size_t least = 0;
    for (size_t i = 1; i < c.count; i++) {
        least = c.points[i].smoothed < c.points[least].smoothed ? i : least;
    }
    return c.points[least].rate;
}

static vgg_status suggest(const search *s, vgg_rate_suggestion *suggestion, vgg_error *error) {
    if (s->count < POINTS_LEAST)
        return vgg_fail(error, VGG_ERROR_NUMERIC,
                        "the loss grew after %zu step%s already, at a learning rate of %g; begin "
                        "lower",
                        s->count, s->count == 1 ? "" : "s", s->trainer->fixed_rate);
    curve c = curve_of(s);
    size_t *lengths = vgg_malloc(c.count * sizeof *lengths);
    if (lengths == NULL)
        return vgg_fail_memory(error, "a curve", c.count * sizeof *lengths);
    const vgg_rate_suggestion own = {.struct_size = sizeof own,
                                     .steps = s->count,
                                     .valley = valley_of(c, lengths),
                                     .steep = steepest_of(c),
                                     .minimum = minimum_of(c)};
    vgg_free(lengths);
    return vgg_result_write(suggestion, &own, sizeof own, "vgg_rate_suggestion", error);
}

/* ---- all of it ---- */

static vgg_status find(search *s, vgg_model *model, const vgg_dataset *train,
                       const vgg_train_options *given, vgg_error *error) {
    vgg_train_options options;
    vgg_train_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_train_options", error);
    if (status != VGG_OK)
        return status;
    options.folder = NULL;
    options.run = NULL;
    options.callback = NULL;
    options.tensorboard = options.histograms = options.scores = options.cache_features = false;
    status = vgg_trainer_create(model, train, NULL, &options, &s->trainer, error);
    return status == VGG_OK ? try_rates(s, error) : status;
}

vgg_status vgg_train_find_rate(vgg_model *model, const vgg_dataset *train,
                               const vgg_train_options *options, const vgg_rate_options *rates,
                               vgg_rate_suggestion *suggestion, vgg_error *error) {
    search s = {0};
    vgg_status status = vgg_result_check(suggestion, "vgg_rate_suggestion", error);
    if (status == VGG_OK)
        status = read_options(rates, &s.options, error);
    if (status == VGG_OK && train == NULL)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "no data to train on");
    if (status != VGG_OK)
        return status;
    vgg_network *network = vgg_model_mutable_network(model);
    float *weights = NULL;
    status = copy_weights(network, &weights, error);
    if (status == VGG_OK && (s.trials = vgg_malloc(s.options.steps * sizeof *s.trials)) == NULL)
        status = vgg_fail_memory(error, "a curve", s.options.steps * sizeof *s.trials);
    if (status == VGG_OK) {
        status = find(&s, model, train, options, error);
        restore_weights(network, weights);
    }
    if (status == VGG_OK)
        status = suggest(&s, suggestion, error);
    vgg_trainer_free(s.trainer);
    vgg_free(weights);
    vgg_free(s.trials);
    return status;
}
