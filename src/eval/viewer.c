#include "eval/viewer.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/protocol.h"
#include "eval/scales.h"

static bool views_whole(const vgg_viewer *viewer) {
    return viewer->protocol == VGG_PROTOCOL_DENSE || viewer->protocol == VGG_PROTOCOL_DENSE_CROPS;
}

static bool views_grid(const vgg_viewer *viewer) {
    return viewer->protocol == VGG_PROTOCOL_CROPS || viewer->protocol == VGG_PROTOCOL_DENSE_CROPS;
}

bool vgg_viewer_wanted(const vgg_model *model, const vgg_predictor_options *options) {
    const vgg_preprocess *own = vgg_model_preprocess(model);
    return options->protocol > VGG_PROTOCOL_FLIP || options->scales != NULL ||
           (own != NULL && own->side_count > 0);
}

/* ---- making ---- */

/* The scales of the model. */
static void take_sides(vgg_viewer *viewer, bool squares) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(viewer->model);
    viewer->scale_count = vgg_size_min(preprocess->side_count, VGG_SCALES_MOST);
    memcpy(viewer->scales, preprocess->sides, viewer->scale_count * sizeof *viewer->scales);
    viewer->squares = squares;
}

/* Takes the scales, and the preprocessing without its own. */
static vgg_status take_scales(vgg_viewer *viewer, const vgg_predictor_options *options,
                              vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(viewer->model);
    if (preprocess->fit != VGG_FIT_CROP && vgg_viewer_wanted(viewer->model, options))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "the model's pictures are fitted by \"%s\"; the protocol %s and scales "
                        "need the fit crop, which keeps a picture's proportions",
                        vgg_fit_name(preprocess->fit), vgg_protocol_name(options->protocol));
    viewer->preprocess = *preprocess;
    viewer->scale_count = 1;
    viewer->scales[0] = preprocess->resize;
    if (options->scales == NULL && preprocess->side_count > 0)
        take_sides(viewer, options->protocol <= VGG_PROTOCOL_FLIP);
    if (options->scales != NULL &&
        !vgg_scales_read(options->scales, viewer->scales, &viewer->scale_count))
        return vgg_scales_fail(options->scales, error);
    if (preprocess->fit == VGG_FIT_CROP)
        viewer->preprocess.resize = 0;
    return VGG_OK;
}

static vgg_status check_scales(const vgg_viewer *viewer, bool given, vgg_error *error) {
    const vgg_preprocess *p = &viewer->preprocess;
    bool cuts_only = viewer->protocol <= VGG_PROTOCOL_FLIP;
    size_t least = cuts_only ? 1 : vgg_size_max(p->width, p->height);
    for (size_t i = 0; i < viewer->scale_count; i++) {
        size_t scale = viewer->scales[i];
        if (!given && scale == 0)
            continue; /* the picture's own size */
        if (scale < least || scale > VGG_IMAGE_MAX_SIDE)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "a short side of %zu, expected %zu to %d: the protocol %s takes "
                            "%zux%zu from it",
                            scale, least, VGG_IMAGE_MAX_SIDE, vgg_protocol_name(viewer->protocol),
                            p->width, p->height);
    }
    return VGG_OK;
}

static vgg_plan_options planning(const vgg_viewer *viewer, const vgg_predictor_options *options,
                                 vgg_threads *threads) {
    vgg_plan_options plan;
    vgg_plan_options_init(&plan, sizeof plan);
    plan.shared_threads = threads;
    plan.exact = options->exact;
    plan.precision = options->precision;
    plan.device = options->device;
    plan.height = viewer->preprocess.height;
    plan.width = viewer->preprocess.width;
    return plan;
}

/* Cut-outs at once: a grid, or the middles of all scales, unless the caller wants fewer. */
static size_t most_cuts(const vgg_viewer *viewer, const vgg_predictor_options *options) {
    size_t most = views_grid(viewer) ? VGG_GRID_CUTS : viewer->scale_count;
    return options->batch > 0 ? vgg_size_min(options->batch, most) : most;
}

/* The plan for cut-outs; the algorithms do not depend on how many are computed at once. */
static vgg_status plan_cuts(vgg_viewer *viewer, const vgg_predictor_options *options,
                            vgg_threads *threads, vgg_error *error) {
    const vgg_network *network = vgg_model_network(viewer->model);
    vgg_plan_options plan = planning(viewer, options, threads);
    size_t bytes = 0;
    viewer->batch = most_cuts(viewer, options);
    plan.tuned_batch = views_grid(viewer) ? VGG_GRID_CUTS : viewer->scale_count;
    plan.batch = viewer->batch;
    vgg_status status = vgg_plan_memory(network, &plan, &bytes, error);
    while (status == VGG_OK && options->batch == 0 && plan.batch > 1 &&
           bytes > vgg_memory_available() / 2) {
        plan.batch = viewer->batch = (plan.batch + 1) / 2;
        status = vgg_plan_memory(network, &plan, &bytes, error);
    }
    if (status == VGG_OK)
        status = vgg_plan_create(network, &plan, &viewer->cuts, error);
    viewer->memory += bytes;
    return status;
}

/* Bytes of a plan of whole pictures, the shortest of which has this side. */
static vgg_status whole_bytes(const vgg_viewer *viewer, size_t side, size_t *bytes,
                              vgg_error *error) {
    vgg_plan_options plan = viewer->wholes.planning;
    plan.height = viewer->squares ? side : vgg_size_max(side, plan.height);
    plan.width = viewer->squares ? side : vgg_size_max(side, plan.width);
    return vgg_plan_memory(viewer->wholes.network, &plan, bytes, error);
}

/* Those for whole pictures are made when their sizes are known; what no size can have, or the
 * smallest cannot, is said now. */
static vgg_status plan_wholes(vgg_viewer *viewer, const vgg_predictor_options *options,
                              vgg_threads *threads, vgg_error *error) {
    vgg_plan_options plan = planning(viewer, options, threads);
    plan.batch = 2;
    plan.dense = !viewer->squares;
    viewer->wholes =
        (vgg_size_plans){.network = vgg_model_network(viewer->model), .planning = plan};
    size_t least = viewer->scales[0], most = least, bytes = 0;
    for (size_t i = 1; i < viewer->scale_count; i++) {
        least = vgg_size_min(least, viewer->scales[i]);
        most = vgg_size_max(most, viewer->scales[i]);
    }
    vgg_status status = whole_bytes(viewer, least, &bytes, error);
    if (status == VGG_OK)
        status = whole_bytes(viewer, most, &bytes, error);
    viewer->memory += bytes;
    return status;
}

/* Memory for inputs; what was there is lost. */
static vgg_status reserve(vgg_viewer *viewer, size_t floats, vgg_error *error) {
    if (floats <= viewer->room)
        return VGG_OK;
    vgg_free(viewer->inputs);
    viewer->room = 0;
    viewer->inputs = vgg_aligned_alloc(floats * sizeof *viewer->inputs);
    if (viewer->inputs == NULL)
        return vgg_fail_memory(error, "the views of a picture", floats * sizeof *viewer->inputs);
    viewer->room = floats;
    return VGG_OK;
}

/* Floats of an input of that size. */
static size_t input_floats(const vgg_viewer *viewer, size_t width, size_t height) {
    return viewer->preprocess.channels * width * height;
}

static vgg_status make_room(vgg_viewer *viewer, vgg_error *error) {
    const vgg_preprocess *p = &viewer->preprocess;
    bool each = vgg_model_output(viewer->model) == VGG_OUTPUT_SIGMOID;
    size_t cuts = vgg_size_max(viewer->batch, 2), rows = 2 * cuts;
    size_t floats = cuts * input_floats(viewer, p->width, p->height);
    viewer->logits = vgg_aligned_alloc(rows * viewer->classes * sizeof *viewer->logits);
    if (viewer->logits == NULL)
        return vgg_fail_memory(error, "logits", rows * viewer->classes * sizeof(float));
    vgg_posterior *const posteriors[] = {&viewer->dense, &viewer->cropped, &viewer->mean};
    vgg_status status = reserve(viewer, floats, error);
    for (size_t i = 0; status == VGG_OK && i < sizeof posteriors / sizeof *posteriors; i++) {
        status = vgg_posterior_make(posteriors[i], viewer->classes, each, error);
    }
    viewer->memory += (floats + rows * viewer->classes) * sizeof(float);
    return status;
}

/* Pictures are read ahead, each in all scales, a byte for each sample: counted as squares, longer
 * ones take more. */
static vgg_status count_pictures(vgg_viewer *viewer, vgg_error *error) {
    size_t bytes = 0;
    for (size_t i = 0; i < viewer->scale_count; i++) {
        bytes += viewer->scales[i] * viewer->scales[i];
    }
    bytes *= VGG_VIEW_WINDOW * viewer->preprocess.channels;
    if (bytes > vgg_memory_available() / 2)
        return vgg_fail_memory(error, "pictures in these scales, of which eight are read ahead",
                               bytes);
    viewer->memory += bytes;
    return VGG_OK;
}

vgg_status vgg_viewer_create(const vgg_model *model, const vgg_predictor_options *options,
                             vgg_threads *threads, vgg_viewer **out, vgg_error *error) {
    vgg_viewer *viewer = vgg_calloc(1, sizeof *viewer);
    if (viewer == NULL)
        return vgg_fail_memory(error, "the views of pictures", sizeof *viewer);
    viewer->model = model;
    viewer->protocol = options->protocol;
    viewer->classes = vgg_network_describe(vgg_model_network(model))->classes;
    vgg_status status = take_scales(viewer, options, error);
    if (status == VGG_OK)
        status = check_scales(viewer, options->scales != NULL, error);
    if (status == VGG_OK)
        status = count_pictures(viewer, error);
    bool sized = views_whole(viewer) || viewer->squares;
    if (status == VGG_OK && sized)
        status = plan_wholes(viewer, options, threads, error);
    if (status == VGG_OK && viewer->protocol != VGG_PROTOCOL_DENSE && !viewer->squares)
        status = plan_cuts(viewer, options, threads, error);
    if (status == VGG_OK)
        status = make_room(viewer, error);
    if (status != VGG_OK) {
        vgg_viewer_free(viewer);
        return status;
    }
    *out = viewer;
    return VGG_OK;
}

void vgg_viewer_free(vgg_viewer *viewer) {
    if (viewer == NULL)
        return;
    vgg_plan_free(viewer->cuts);
    vgg_size_plans_free(&viewer->wholes);
    vgg_posterior_free(&viewer->dense);
    vgg_posterior_free(&viewer->cropped);
    vgg_posterior_free(&viewer->mean);
    vgg_free(viewer->inputs);
    vgg_free(viewer->logits);
    vgg_free(viewer);
}

/* ---- scaling ---- */

/* A picture that has the network's channels, at a scale. */
static vgg_status scale_one(const vgg_viewer *viewer, size_t scale, const vgg_image *image,
                            vgg_image *scaled, vgg_error *error) {
    if (scale == 0)
        return vgg_image_convert(image, image->channels, scaled, error);
    return vgg_image_resize_short(image, scale, viewer->preprocess.filter, scaled, error);
}

vgg_status vgg_viewer_scale(const vgg_viewer *viewer, const vgg_image *image, vgg_scaled *scaled,
                            vgg_error *error) {
    vgg_image converted = {0};
    bool fitted = viewer->preprocess.fit != VGG_FIT_CROP; /* another fit looks at the size */
    vgg_status status = vgg_image_convert(image, viewer->preprocess.channels, &converted, error);
    for (size_t i = 0; status == VGG_OK && i < viewer->scale_count; i++) {
        status = scale_one(viewer, fitted ? 0 : viewer->scales[i], &converted, &scaled->images[i],
                           error);
    }
    vgg_image_free(&converted);
    return status;
}

void vgg_scaled_free(vgg_scaled *scaled) {
    for (size_t i = 0; i < VGG_SCALES_MOST; i++) {
        vgg_image_free(&scaled->images[i]);
    }
}

/* ---- viewing ---- */

static vgg_status view_whole(vgg_viewer *viewer, const vgg_image *scaled, vgg_error *error) {
    size_t floats = input_floats(viewer, scaled->width, scaled->height);
    vgg_preprocess whole = viewer->preprocess;
    vgg_plan *plan = NULL;
    whole.width = scaled->width;
    whole.height = scaled->height;
    vgg_status status =
        vgg_size_plans_get(&viewer->wholes, scaled->height, scaled->width, &plan, error);
    if (status == VGG_OK)
        status = reserve(viewer, 2 * floats, error);
    if (status == VGG_OK)
        status = vgg_preprocess_normalise(&whole, scaled, viewer->inputs, error);
    if (status != VGG_OK)
        return status;
    vgg_protocol_mirror(viewer->inputs, viewer->inputs + floats, floats / whole.width, whole.width);
    status = vgg_plan_forward(plan, viewer->inputs, 2, viewer->logits, error);
    for (size_t i = 0; status == VGG_OK && i < 2; i++) {
        vgg_posterior_add(&viewer->dense, viewer->logits + i * viewer->classes,
                          vgg_model_temperature(viewer->model));
    }
    return status;
}

/* Computes the cut-outs that lie in the batch, and their mirrors. They are added in an order that
 * does not depend on the batch. */
static vgg_status compute_cuts(vgg_viewer *viewer, size_t count, vgg_error *error) {
    const vgg_preprocess *p = &viewer->preprocess;
    bool mirrors = viewer->protocol != VGG_PROTOCOL_CENTER;
    double temperature = vgg_model_temperature(viewer->model);
    float *mirrored = viewer->logits + count * viewer->classes;
    vgg_status status =
        vgg_plan_forward(viewer->cuts, viewer->inputs, count, viewer->logits, error);
    if (status == VGG_OK && mirrors) {
        vgg_protocol_mirror(viewer->inputs, viewer->inputs,
                            count * input_floats(viewer, 1, p->height), p->width);
        status = vgg_plan_forward(viewer->cuts, viewer->inputs, count, mirrored, error);
    }
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        size_t row = i * viewer->classes;
        vgg_posterior_add(&viewer->cropped, viewer->logits + row, temperature);
        if (mirrors)
            vgg_posterior_add(&viewer->cropped, mirrored + row, temperature);
    }
    return status;
}

/* Where number i of a row of the grid begins. */
static ptrdiff_t grid_offset(size_t number, size_t side, size_t cut) {
    return (ptrdiff_t)rint((double)(number * (side - cut)) / (VGG_GRID_SIDE - 1));
}

static vgg_status check_grid(const vgg_viewer *viewer, const vgg_image *scaled, vgg_error *error) {
    const vgg_preprocess *p = &viewer->preprocess;
    if (scaled->width >= p->width && scaled->height >= p->height)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "the picture is %zu x %zu, expected %zu x %zu or more to cut a grid of that "
                    "size from",
                    scaled->width, scaled->height, p->width, p->height);
}

/* Cut-out number `number` of a grid into the input of a place of the batch. */
static vgg_status cut(vgg_viewer *viewer, const vgg_image *scaled, size_t number, size_t place,
                      vgg_error *error) {
    const vgg_preprocess *p = &viewer->preprocess;
    vgg_image part = {0};
    vgg_status status =
        vgg_image_crop(scaled, grid_offset(number % VGG_GRID_SIDE, scaled->width, p->width),
                       grid_offset(number / VGG_GRID_SIDE, scaled->height, p->height), p->width,
                       p->height, &part, error);
    if (status == VGG_OK)
        status = vgg_preprocess_normalise(
            p, &part, viewer->inputs + place * input_floats(viewer, p->width, p->height), error);
    vgg_image_free(&part);
    return status;
}

static vgg_status view_grid(vgg_viewer *viewer, const vgg_image *scaled, vgg_error *error) {
    vgg_status status = check_grid(viewer, scaled, error);
    for (size_t first = 0; status == VGG_OK && first < VGG_GRID_CUTS; first += viewer->batch) {
        size_t count = vgg_size_min(viewer->batch, VGG_GRID_CUTS - first);
        for (size_t i = 0; status == VGG_OK && i < count; i++) {
            status = cut(viewer, scaled, first + i, i, error);
        }
        if (status == VGG_OK)
            status = compute_cuts(viewer, count, error);
    }
    return status;
}

/* The middles of all scales. */
static vgg_status view_middles(vgg_viewer *viewer, const vgg_scaled *scaled, vgg_error *error) {
    const vgg_preprocess *p = &viewer->preprocess;
    vgg_status status = VGG_OK;
    for (size_t first = 0; status == VGG_OK && first < viewer->scale_count;
         first += viewer->batch) {
        size_t count = vgg_size_min(viewer->batch, viewer->scale_count - first);
        for (size_t i = 0; status == VGG_OK && i < count; i++) {
            float *input = viewer->inputs + i * input_floats(viewer, p->width, p->height);
            status = vgg_preprocess_image(p, &scaled->images[first + i], input, error);
        }
        if (status == VGG_OK)
            status = compute_cuts(viewer, count, error);
    }
    return status;
}

/* Adds to the sums the logits of the square of a scale, and of its mirror where that is a view. */
static vgg_status view_square(vgg_viewer *viewer, size_t scale, const vgg_image *scaled,
                              double *sums, vgg_error *error) {
    size_t side = viewer->scales[scale], floats = input_floats(viewer, side, side);
    size_t views = viewer->protocol == VGG_PROTOCOL_FLIP ? 2 : 1;
    vgg_preprocess square = viewer->preprocess;
    vgg_plan *plan = NULL;
    square.width = square.height = side;
    vgg_status status = vgg_size_plans_get(&viewer->wholes, side, side, &plan, error);
    if (status == VGG_OK)
        status = reserve(viewer, views * floats, error);
    if (status == VGG_OK)
        status = vgg_preprocess_image(&square, scaled, viewer->inputs, error);
    if (status != VGG_OK)
        return status;
    if (views > 1)
        vgg_protocol_mirror(viewer->inputs, viewer->inputs + floats, floats / side, side);
    status = vgg_plan_forward(plan, viewer->inputs, views, viewer->logits, error);
    for (size_t i = 0; status == VGG_OK && i < views * viewer->classes; i++) {
        sums[i % viewer->classes] += (double)viewer->logits[i] / (double)views;
    }
    return status;
}

/* One posterior, of the mean of the logits of all squares. */
static vgg_status view_squares(vgg_viewer *viewer, const vgg_scaled *scaled, vgg_error *error) {
    double *sums = vgg_calloc(viewer->classes, sizeof *sums);
    if (sums == NULL)
        return vgg_fail_memory(error, "logits", viewer->classes * sizeof *sums);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < viewer->scale_count; i++) {
        status = view_square(viewer, i, &scaled->images[i], sums, error);
    }
    for (size_t c = 0; c < viewer->classes; c++) {
        viewer->logits[c] = (float)(sums[c] / (double)viewer->scale_count);
    }
    if (status == VGG_OK)
        vgg_posterior_add(&viewer->cropped, viewer->logits, vgg_model_temperature(viewer->model));
    vgg_free(sums);
    return status;
}

vgg_status vgg_viewer_view(vgg_viewer *viewer, const vgg_scaled *scaled, vgg_error *error) {
    vgg_status status = VGG_OK;
    vgg_posterior_clear(&viewer->dense);
    vgg_posterior_clear(&viewer->cropped);
    vgg_posterior_clear(&viewer->mean);
    for (size_t i = 0; status == VGG_OK && i < viewer->scale_count; i++) {
        if (views_whole(viewer))
            status = view_whole(viewer, &scaled->images[i], error);
        /* Inputs are shared: the grid follows when the whole picture is done. */
        if (status == VGG_OK && views_grid(viewer))
            status = view_grid(viewer, &scaled->images[i], error);
    }
    if (status == VGG_OK && viewer->squares)
        status = view_squares(viewer, scaled, error);
    else if (status == VGG_OK && viewer->protocol <= VGG_PROTOCOL_FLIP)
        status = view_middles(viewer, scaled, error);
    if (status != VGG_OK)
        return status;
    if (viewer->dense.count > 0)
        vgg_posterior_join(&viewer->mean, &viewer->dense);
    if (viewer->cropped.count > 0)
        vgg_posterior_join(&viewer->mean, &viewer->cropped);
    return VGG_OK;
}
