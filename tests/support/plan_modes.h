/* Plans for either mode. */
#ifndef PLAN_MODES_H
#define PLAN_MODES_H

#include "vgg/plan.h"

/* By the function for what the options' mode says. */
static inline vgg_status create_plan(vgg_network *network, const vgg_plan_options *options,
                                     vgg_plan **plan, vgg_error *error) {
    return options->mode == VGG_MODE_TRAIN ? vgg_plan_create_training(network, options, plan, error)
                                           : vgg_plan_create(network, options, plan, error);
}

/* A plan that trains and is in the options' mode now. */
static inline vgg_status create_training_plan(vgg_network *network, const vgg_plan_options *options,
                                              vgg_plan **plan, vgg_error *error) {
    vgg_status status = vgg_plan_create_training(network, options, plan, error);
    return status == VGG_OK ? vgg_plan_set_mode(*plan, options->mode, error) : status;
}

#endif
