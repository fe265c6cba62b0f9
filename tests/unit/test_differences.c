/* Gradients against differences of the loss, without any other program.
 *
 * Along a line w + t d through the values w of a tensor, from t = -REACH to REACH, the loss changes
 * by the integral of the gradient times d. A central difference is the integral with one point. One
 * point does not do here: in 32 bits the loss is good to some 1e-7, so that the line has to be
 * long, and on a long line some ReLUs and pools change sides, where the gradient jumps. The
 * integral may cross them; with POINTS points it misplaces each jump by at most half a point. */
#include "nets.h"

#include <math.h>

#include "base/random.h"
#include "nn/plan.h"
#include "plan_modes.h"
#include "vgg/loss.h"

#define IMAGES ((size_t)3)
#define CLASSES ((size_t)4)
#define REACH 0.003
#define POINTS 256
#define DIRECTIONS ((uint64_t)2) /* random signs; one more goes straight uphill */

/* As a share of the change. What is misplaced falls as 1 / POINTS: it is 2e-3 with 256 points, and
 * less than a tenth of that with 4096. */
#define BOUND 5e-3
#define NOISE 3e-6 /* of a loss of about one: some roundings of logits */

typedef struct probe {
    size_t input_count; /* of all images */
    vgg_network *network;
    vgg_plan *plan;
    float *inputs, *input_gradient;
} probe;

static double *doubles(size_t count) {
    double *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

static double loss_of(probe *p, float *gradient) {
    static const size_t labels[IMAGES] = {2, 0, 3};
    float logits[IMAGES * CLASSES];
    vgg_error error;
    assert_ok(vgg_plan_forward(p->plan, p->inputs, IMAGES, logits, &error), error);
    return vgg_cross_entropy(logits, labels, IMAGES, CLASSES, gradient);
}

/* The gradient of one tensor, or of the input, which has the number after the last tensor's. */
static const float *gradient_of(probe *p, size_t tensor) {
    float gradient[IMAGES * CLASSES];
    vgg_error error;
    loss_of(p, gradient);
    assert_ok(vgg_plan_backward(p->plan, gradient, p->input_gradient, &error), error);
    bool input = tensor == vgg_network_tensor_count(p->network);
    return input ? p->input_gradient : vgg_plan_gradient(p->plan, tensor);
}

/* One tensor, or the input, and a direction to move it in. */
typedef struct line {
    size_t tensor, count;
    const char *name;
    float *start, *moved;
    double *direction;
} line;

static void move(probe *p, const line *l, double t) {
    for (size_t i = 0; i < l->count; i++) {
        l->moved[i] = (float)((double)l->start[i] + t * l->direction[i]);
    }
    vgg_error error;
    if (l->tensor == vgg_network_tensor_count(p->network))
        memcpy(p->inputs, l->moved, l->count * sizeof *p->inputs);
    else
        assert_ok(vgg_network_set_values(p->network, l->tensor, l->moved, l->count, &error), error);
}

/* The difference and the integral. Returns how far they are apart beyond NOISE, relative to the
 * integral or to what it would be if all terms of the product had random signs. */
static double follow(probe *p, const line *l) {
    double integral = 0, squares = 0, spacing = 2 * REACH / POINTS;
    for (size_t k = 0; k < POINTS; k++) {
        move(p, l, ((double)k + 0.5) * spacing - REACH);
        const float *gradient = gradient_of(p, l->tensor);
        for (size_t i = 0; i < l->count; i++) {
            double term = (double)gradient[i] * l->direction[i] * spacing;
            integral += term;
            squares += POINTS * term * term;
        }
    }
    move(p, l, REACH);
    double difference = loss_of(p, NULL);
    move(p, l, -REACH);
    difference -= loss_of(p, NULL);
    move(p, l, 0);
    double apart = fabs(difference - integral) - NOISE;
    return apart <= 0 ? 0 : apart / fmax(fabs(integral), sqrt(squares));
}

/* Entries of size one: random signs, or the gradient's direction with a mean square of one. */
static void choose_direction(probe *p, line *l, uint64_t number) {
    double squares = 0;
    const float *gradient = gradient_of(p, l->tensor);
    for (size_t i = 0; i < l->count; i++) {
        squares += (double)gradient[i] * (double)gradient[i];
    }
    double size = sqrt(squares / (double)l->count);
    for (size_t i = 0; i < l->count; i++) {
        if (number == DIRECTIONS)
            l->direction[i] = size > 0 ? (double)gradient[i] / size : 0;
        else
            l->direction[i] = vgg_random_below(2, 6 + number, l->tensor, i) == 0 ? 1 : -1;
    }
}

static double check_tensor(probe *p, size_t tensor, const char *name, size_t count,
                           const float *start) {
    line l = {.tensor = tensor, .count = count, .name = name};
    l.start = malloc(count * sizeof *l.start);
    l.moved = malloc(count * sizeof *l.moved);
    l.direction = doubles(count);
    assert_true(l.start != NULL && l.moved != NULL);
    memcpy(l.start, start, count * sizeof *start);
    double worst = 0;
    /* Sanitizers see the same code in each direction. */
    uint64_t first = getenv("VGG_TEST_QUICK") != NULL ? DIRECTIONS : 0;
    for (uint64_t number = first; number <= DIRECTIONS; number++) {
        choose_direction(p, &l, number);
        double apart = follow(p, &l);
        if (!(apart <= BOUND))
            fail_msg("%s, direction %d: difference and gradient are %g apart", name, (int)number,
                     apart);
        worst = fmax(worst, apart);
    }
    free(l.direction);
    free(l.moved);
    free(l.start);
    return worst;
}

/* ---- networks ---- */

static void open_probe(probe *p, const vgg_network_options *network, vgg_mode mode, bool exact) {
    p->network = make_net(network);
    initialise(p->network, "glorot", 8);
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = IMAGES;
    options.threads = 1;
    options.mode = mode;
    options.exact = exact;
    options.gradients = true;
    options.input_gradient = true;
    vgg_error error;
    assert_ok(create_plan(p->network, &options, &p->plan, &error), error);
    vgg_plan_set_dropout(p->plan, 1, 0);
    p->input_count = IMAGES * 3 * network->height * network->width;
    p->inputs = malloc(p->input_count * sizeof *p->inputs);
    p->input_gradient = malloc(p->input_count * sizeof *p->input_gradient);
    assert_true(p->inputs != NULL && p->input_gradient != NULL);
    for (size_t i = 0; i < p->input_count; i++) {
        p->inputs[i] = (float)(2 * vgg_random_unit(9, 0, i) - 1);
    }
}

static void close_probe(probe *p) {
    vgg_plan_free(p->plan);
    vgg_network_free(p->network);
    free(p->inputs);
    free(p->input_gradient);
}

/* Returns whether a plan of the network took Winograd's convolutions. Sanitizers see both passes
 * whole with each tensor that is moved: the input and one are enough for them. */
static bool check_one(const char *arch, const vgg_network_options *options, vgg_mode mode,
                      bool exact) {
    probe p;
    open_probe(&p, options, mode, exact);
    bool winograd = uses_tiles(p.plan);
    size_t tensors = vgg_network_tensor_count(p.network);
    double worst = check_tensor(&p, tensors, "input", p.input_count, p.inputs);
    size_t end = getenv("VGG_TEST_QUICK") != NULL ? 1 : tensors;
    for (size_t t = 0; t < end; t++) {
        vgg_tensor_info info = tensor_info(p.network, t);
        if (info.learnable)
            worst = fmax(worst, check_tensor(&p, t, info.name, info.count,
                                             vgg_network_values(p.network, t)));
    }
    print_message("%s%s%s%s: %.1e\n", arch, options->batch_norm ? ", batch norm" : "",
                  mode == VGG_MODE_TRAIN ? ", train" : "", exact ? ", exact" : "", worst);
    close_probe(&p);
    return winograd;
}

/* Exactly, and as the cost rule chooses; returns whether that took Winograd's convolutions. */
static bool check_both(const char *arch, size_t side, vgg_layout layout, bool batch_norm,
                       vgg_mode mode) {
    vgg_network_options options = net_options(arch, CLASSES, 3, side);
    options.layout = layout;
    options.batch_norm = batch_norm;
    options.dropout = 0.25;
    assert_false(check_one(arch, &options, mode, true));
    return check_one(arch, &options, mode, false);
}

static void check(const char *arch, vgg_layout layout, bool batch_norm, vgg_mode mode) {
    assert_true(check_both(arch, 7, layout, batch_norm, mode));
}

static void plain(void **state) {
    (void)state;
    check("8,32,32,M,M,1x1:12/20", VGG_LAYOUT_PAPER, false, VGG_MODE_TRAIN);
    check("8,L,32,32,M,M/24,20", VGG_LAYOUT_TORCHVISION, false, VGG_MODE_EVAL);
}

/* Maps that a max-pool made, which convolutions of 3x3 read: too small for Winograd's in some
 * tiers.
 */
static void above_a_pool(void **state) {
    (void)state;
    check_both("8,M,16,16,M,1x1:12/20", 8, VGG_LAYOUT_PAPER, false, VGG_MODE_TRAIN);
    check_both("8,M,16,16,M,1x1:12/20", 8, VGG_LAYOUT_TORCHVISION, true, VGG_MODE_TRAIN);
}

static void with_batch_norm(void **state) {
    (void)state;
    check("8,32,32,M,M,1x1:12/20", VGG_LAYOUT_TORCHVISION, true, VGG_MODE_TRAIN);
    check("8,32,32,M,M,1x1:12/20", VGG_LAYOUT_PAPER, true, VGG_MODE_EVAL);
}

/* What no other op does: dropout of its own drops the same on either side of a difference. */
static void of_every_kind(void **state) {
    (void)state;
    if (getenv("VGG_TEST_QUICK") != NULL)
        skip(); /* minutes with sanitizers, which see these ops in test_torch_gradients too */
    check_both("c8,R,B,P,D0.3,c12v,B,R/D0.2,f9,D0.25,B,f8,R", 11, VGG_LAYOUT_PAPER, false,
               VGG_MODE_TRAIN);
    check_both("16v,32,c32v,M,R,D0.5,P/f9,f8,R,D0.1", 20, VGG_LAYOUT_GLOBAL, false, VGG_MODE_TRAIN);
    check_both("B,16,c32v,B,M/12", 12, VGG_LAYOUT_GLOBAL_MAX, true, VGG_MODE_EVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(above_a_pool),
        cmocka_unit_test(with_batch_norm),
        cmocka_unit_test(of_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
