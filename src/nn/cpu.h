/* What the processor's row in the table of devices is made of. */
#ifndef VGG_NN_CPU_H
#define VGG_NN_CPU_H

#include "nn/device.h"

/* ---- plan_compile.c ---- */

vgg_status vgg_cpu_compile(vgg_plan *plan, const vgg_graph *graph, vgg_error *error);

/* ---- plan_refresh.c ---- */

vgg_status vgg_cpu_refresh(vgg_plan *plan, bool values, vgg_error *error);

/* ---- cpu_passes.c ---- */

vgg_status vgg_cpu_forward(vgg_plan *plan, const vgg_forward_pass *pass, vgg_error *error);
vgg_status vgg_cpu_backward(vgg_plan *plan, const vgg_tap_pass *pass, size_t first, size_t end,
                            vgg_error *error);
vgg_blown vgg_cpu_find_blown(vgg_plan *plan, const vgg_forward_pass *pass);

/* ---- cpu_learn.c ---- */

vgg_status vgg_cpu_adopt(vgg_plan *plan, vgg_network *copy, vgg_error *error);
void vgg_cpu_forget(vgg_plan *plan, vgg_network *copy);
vgg_status vgg_cpu_fetch(vgg_plan *plan, const vgg_network *network, vgg_error *error);
float *vgg_cpu_place(vgg_plan *plan, const vgg_network *network, size_t tensor);
float *vgg_cpu_gradient_place(const vgg_plan *plan, size_t tensor);
const float *vgg_cpu_gradient(const vgg_plan *plan, size_t tensor);
void vgg_cpu_sgd(vgg_plan *plan, const vgg_sgd_task *task);
void vgg_cpu_adamw(vgg_plan *plan, const vgg_adamw_task *task);
void vgg_cpu_blend(vgg_plan *plan, const vgg_blend_task *task);
void vgg_cpu_square_sums(vgg_plan *plan, const float *values, size_t count, double *sums);
void vgg_cpu_scale(vgg_plan *plan, float *values, size_t count, float factor);
void vgg_cpu_add(vgg_plan *plan, const float *from, float *to, size_t count);
void vgg_cpu_copy(vgg_plan *plan, const float *from, float *to, size_t count);

/* ---- plan_update.c ---- */

void vgg_cpu_update_linear(vgg_plan *plan, const vgg_network *velocity, vgg_sgd_rates rates);

#endif
