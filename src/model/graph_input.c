/* What a file's graph does with its input before the first convolution becomes part of the
 * preprocessing: of samples from 0 to 255 it is all of it, and of such that were scaled already it
 * comes behind what scaled them. */
#include "model/graph_input.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

/* Whether the graph wants samples as pictures have them: it divides them by much, or takes means of
 * their size away. */
static bool takes_samples(const vgg_graph_input *input, size_t channels) {
    bool small = true, about_one = true, far = false;
    for (size_t c = 0; c < channels; c++) {
        small = small && fabs(input->factor[c]) < 0.5;
        about_one = about_one && fabs(input->factor[c]) <= 1.5;
        far = far || fabs(input->offset[c]) > 2;
    }
    return small || (about_one && far);
}

static void turn_round(double figures[3]) {
    double first = figures[0];
    figures[0] = figures[2];
    figures[2] = first;
}

/* Puts sample * factor + offset behind what the preprocessing does. */
static void put_behind(const vgg_graph_input *input, vgg_preprocess *p) {
    if (input->bgr && p->channels == 3) {
        p->bgr = !p->bgr;
        turn_round(p->mean);
        turn_round(p->deviation);
    }
    for (size_t c = 0; c < p->channels; c++) {
        p->mean[c] -= input->offset[c] * p->deviation[c] / input->factor[c];
        p->deviation[c] /= input->factor[c];
    }
    p->name[0] = '\0';
}

/* Whether both do the same with a sample. */
static bool do_the_same(const vgg_preprocess *a, const vgg_preprocess *b) {
    bool same = a->bgr == b->bgr;
    for (size_t c = 0; c < a->channels; c++) {
        double x = a->scale / a->deviation[c], y = b->scale / b->deviation[c];
        double s = a->mean[c] / a->deviation[c], t = b->mean[c] / b->deviation[c];
        same = same && fabs(x - y) <= 1e-6 * fabs(x) && fabs(s - t) <= 1e-6 * (1 + fabs(s));
    }
    return same;
}

/* The preprocessing of a graph that takes samples. */
static vgg_status prepare_samples(vgg_loading *l, vgg_error *error) {
    vgg_preprocess of_graph;
    const vgg_network_options *n = &l->network_options;
    of_graph.struct_size = sizeof of_graph;
    vgg_status status =
        vgg_preprocess_preset("unit", n->channels, n->height, n->width, &of_graph, error);
    if (status != VGG_OK)
        return status;
    /* In the way of presets: a scale of all samples where there is one. */
    const vgg_graph_input *input = &l->source.graph.input;
    of_graph.scale = input->factor[0];
    for (size_t c = 0; c < n->channels; c++) {
        of_graph.deviation[c] = input->factor[0] / input->factor[c];
        of_graph.mean[c] = -input->offset[c] * of_graph.deviation[c];
    }
    of_graph.bgr = input->bgr && n->channels == 3;
    of_graph.name[0] = '\0';
    if (l->options.preprocess == NULL) {
        l->preprocess = of_graph;
        l->preprocess_origin = VGG_ORIGIN_GRAPH;
        return VGG_OK;
    }
    if (do_the_same(&of_graph, &l->preprocess))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "%s: its graph prepares its input itself, from samples of 0 to 255, and not as "
                    "\"%.40s\" does: leave the preprocessing out",
                    l->path, l->options.preprocess);
}

vgg_status vgg_loading_graph_input(vgg_loading *l, vgg_error *error) {
    const vgg_graph_input *input = &l->source.graph.input;
    const vgg_network_options *n = &l->network_options;
    for (size_t c = 0; input->present && c < n->channels; c++) {
        if (!(fabs(input->factor[c]) > 0))
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: its graph multiplies its input by 0",
                            l->path);
    }
    if (!input->present || l->description.has_preprocess)
        return VGG_OK;
    if (takes_samples(input, n->channels))
        return prepare_samples(l, error);
    if (l->options.preprocess == NULL) {
        l->preprocess.struct_size = sizeof l->preprocess;
        vgg_status status =
            vgg_preprocess_preset("unit", n->channels, n->height, n->width, &l->preprocess, error);
        if (status != VGG_OK)
            return status;
        l->preprocess_origin = VGG_ORIGIN_GRAPH;
        l->scale_assumed = true;
    }
    put_behind(input, &l->preprocess);
    return VGG_OK;
}
