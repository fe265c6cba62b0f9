/* A plan while it is made: plan_ops.c for the forward pass, plan_gradients.c for the backward pass,
 * plan_lives.c for the memory of both. */
#ifndef VGG_NN_COMPILER_H
#define VGG_NN_COMPILER_H

#include "kernels/conv_cost.h"
#include "nn/plan.h"

/* How the values that flow at a place of the network lie in memory. */
typedef enum value_form { FORM_PLAIN, FORM_BLOCKED, FORM_ROWS } value_form;

typedef struct plan_compiler {
    vgg_plan *plan;
    value_form form; /* of what flows now */
    size_t current;  /* its buffer */
    size_t places;   /* rows of an image in it */
    vgg_extent map;  /* of which the linear layer that comes now sees windows; else 0 high */
    bool overflow;   /* some size did not fit */
} plan_compiler;

/* Lists for so many ops and buffers. */
vgg_status vgg_compiler_allocate(vgg_plan *plan, size_t ops, size_t buffers, vgg_error *error);
/* The first op that backward passes reach. */
size_t vgg_compiler_lowest(const vgg_plan *plan);
/* Every learnable tensor has a gradient, but those of deferred linear layers and of frozen ones. */
void vgg_compiler_place_gradients(vgg_plan *plan);

/* An op that only moves values into the form that the reader wants. */
vgg_op vgg_compiler_moving(vgg_op_kind kind, const vgg_op *reader);
/* Appends an op that reads what flows and writes it in a form to the buffer y. */
vgg_planned_op *vgg_compiler_add_op(plan_compiler *compiler, const vgg_op *graph, value_form form,
                                    size_t y);

/* A product of sizes, noting when it does not fit. */
size_t vgg_compiler_product(plan_compiler *compiler, size_t a, size_t b);
/* Floats of the plan's batch of an extent in a form, at all places that an image has there. */
size_t vgg_compiler_floats(plan_compiler *compiler, vgg_extent extent, value_form form);

size_t vgg_compiler_add_buffer(plan_compiler *compiler, size_t bytes);
size_t vgg_compiler_add_caller_buffer(plan_compiler *compiler);
/* For the plan's batch of an extent in a form. */
size_t vgg_compiler_add_values(plan_compiler *compiler, vgg_extent extent, value_form form);
/* That many floats for each worker. */
size_t vgg_compiler_add_worker_scratch(plan_compiler *compiler, size_t floats);
/* Floats of the plan's constants; returns where they begin. */
size_t vgg_compiler_add_constants(plan_compiler *compiler, size_t count);

/* The constants of the cost rule that the plan's convolutions follow. */
const vgg_conv_costs *vgg_compiler_costs(const vgg_plan *plan);

/* Decides how to do each op of the graph, in the order of the forward pass. */
void vgg_compile_forward(plan_compiler *compiler, const vgg_graph *graph);
/* Behind which op the derivative of this one's ReLU is taken: its own, or that of the max-pool
 * behind it, which passes signs on, unless somebody looks in between. NULL: it has none that is
 * taken apart; batch norm finds the sign from its input. */
vgg_planned_op *vgg_compiler_relu_end(vgg_plan *plan, vgg_planned_op *op);
/* Gives the ops what they need for the backward pass. */
void vgg_compile_backward(plan_compiler *compiler);
/* Decides which maps are of bfloat16. */
void vgg_compile_maps(vgg_plan *plan);
/* Finds the moments of every buffer, and its place. */
vgg_status vgg_compile_lives(plan_compiler *compiler, vgg_error *error);

#endif
