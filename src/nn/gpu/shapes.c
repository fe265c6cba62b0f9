/* Sizes of maps on a GPU, and shapes of convolutions. */
#include "nn/gpu/gpu.h"

size_t vgg_gpu_values(plan_compiler *compiler, size_t channels, size_t pixels) {
    size_t rows = vgg_compiler_product(compiler, compiler->plan->options.batch, compiler->places);
    return vgg_compiler_product(compiler, vgg_compiler_product(compiler, channels, pixels), rows);
}

size_t vgg_gpu_add_map(plan_compiler *compiler, vgg_extent extent, vgg_gpu_element element) {
    size_t pixels = vgg_compiler_product(compiler, extent.height, extent.width);
    size_t values = vgg_gpu_values(compiler, vgg_gpu_lanes(extent.channels), pixels);
    return vgg_compiler_add_buffer(
        compiler, vgg_compiler_product(compiler, values, vgg_gpu_element_bytes(element)));
}

vgg_gpu_conv_shape vgg_gpu_shape_of(const vgg_plan *plan, const vgg_planned_op *op,
                                    vgg_gpu_pass pass) {
    return (vgg_gpu_conv_shape){.pass = pass,
                                .precision = vgg_gpu_state(plan)->precision,
                                .images = plan->options.batch,
                                .height = op->graph.in.height,
                                .width = op->graph.in.width,
                                .out_height = op->graph.out.height,
                                .out_width = op->graph.out.width,
                                .inputs = vgg_gpu_lanes(op->graph.in.channels),
                                .outputs = vgg_gpu_lanes(op->graph.out.channels),
                                .kernel = op->graph.kernel,
                                .padding = op->graph.valid ? 0 : op->graph.kernel / 2,
                                .relu = pass == VGG_GPU_FORWARD && op->graph.relu};
}

size_t vgg_gpu_make_conv(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_pass pass) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_conv **conv = &vgg_gpu_op_of(plan, op)->convs[pass];
    vgg_gpu_conv_shape shape = vgg_gpu_shape_of(plan, op, pass);
    vgg_gpu_note(state, vgg_gpu_take_conv(state->opened, &shape, conv));
    return *conv != NULL ? (*conv)->needs.workspace : 0;
}
