#include "eval/posterior.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"

vgg_status vgg_posterior_make(vgg_posterior *posterior, size_t classes, bool each,
                              vgg_error *error) {
    *posterior = (vgg_posterior){.classes = classes,
                                 .each = each,
                                 .yes = vgg_calloc(classes, sizeof *posterior->yes),
                                 .no = each ? vgg_calloc(classes, sizeof *posterior->no) : NULL};
    if (posterior->yes == NULL || (each && posterior->no == NULL))
        return vgg_fail_memory(error, "probabilities", classes * sizeof *posterior->yes);
    return VGG_OK;
}

void vgg_posterior_free(vgg_posterior *posterior) {
    vgg_free(posterior->yes);
    vgg_free(posterior->no);
    *posterior = (vgg_posterior){0};
}

void vgg_posterior_clear(vgg_posterior *posterior) {
    posterior->count = 0;
}

double vgg_add_logs(double a, double b) {
    double most = a > b ? a : b, least = a > b ? b : a;
    return isinf(least) ? most : most + log1p(exp(least - most));
}

static void add(const vgg_posterior *to, double *sums, size_t class_index, double value) {
    sums[class_index] = to->count == 0 ? value : vgg_add_logs(sums[class_index], value);
}

double vgg_log_sigmoid(double x) {
    return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

double vgg_log_sum(const float *logits, size_t count, double temperature) {
    double most = (double)logits[0], sum = 0;
    for (size_t i = 1; i < count; i++) {
        most = fmax(most, (double)logits[i]);
    }
    for (size_t i = 0; i < count; i++) {
        sum += exp(((double)logits[i] - most) / temperature);
    }
    return most / temperature + log(sum);
}

void vgg_posterior_add(vgg_posterior *posterior, const float *logits, double temperature) {
    double all = posterior->each ? 0 : vgg_log_sum(logits, posterior->classes, temperature);
    for (size_t c = 0; c < posterior->classes; c++) {
        double logit = (double)logits[c] / temperature;
        add(posterior, posterior->yes, c, posterior->each ? vgg_log_sigmoid(logit) : logit - all);
        if (posterior->each)
            add(posterior, posterior->no, c, vgg_log_sigmoid(-logit));
    }
    posterior->count++;
}

void vgg_posterior_join(vgg_posterior *posterior, const vgg_posterior *other) {
    double all = log((double)other->count);
    for (size_t c = 0; c < posterior->classes; c++) {
        add(posterior, posterior->yes, c, other->yes[c] - all);
        if (posterior->each)
            add(posterior, posterior->no, c, other->no[c] - all);
    }
    posterior->count++;
}

void vgg_posterior_logits(const vgg_posterior *posterior, float *logits) {
    double all = log((double)posterior->count);
    for (size_t c = 0; c < posterior->classes; c++) {
        logits[c] = (float)(posterior->yes[c] - (posterior->each ? posterior->no[c] : all));
    }
}
