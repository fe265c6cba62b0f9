#include "cuda/engines.h"

#include <stdbool.h>

#define ENGINES_MOST 48
#define NOTES_MOST CUDNN_NUMERICAL_NOTE_TYPE_COUNT

/* What an engine's notes must not say. Sums of fewer bits or in any order are never wanted; nor are
 * transforms, whose rounding errors are larger. float32 is multiplied as it is. */
static bool is_refused(cudnnBackendNumericalNote_t note, vgg_gpu_precision precision) {
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return true;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        return precision != VGG_GPU_TF32;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return precision == VGG_GPU_F32;
    default:
        return false;
    }
}

/* Whether a configuration's engine is wanted, and its number. */
static cudnnStatus_t is_wanted(cudnnBackendDescriptor_t config, vgg_gpu_precision precision,
                               bool *wanted, int64_t *number) {
    cudnnBackendDescriptor_t engine = NULL;
    cudnnBackendNumericalNote_t notes[NOTES_MOST];
    int64_t count = 0;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64,
                                          1, &count, number);
    count = 0;
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                          CUDNN_TYPE_NUMERICAL_NOTE, NOTES_MOST, &count, notes);
    *wanted = status == CUDNN_STATUS_SUCCESS;
    for (int64_t i = 0; *wanted && i < count && i < NOTES_MOST; i++) {
        *wanted = !is_refused(notes[i], precision);
    }
    if (engine != NULL)
        cudnnBackendDestroyDescriptor(engine);
    return status;
}

/* The plan of an engine, when it fits. */
static cudnnStatus_t make_plan(const vgg_gpu *gpu, cudnnBackendDescriptor_t config, size_t most,
                               vgg_cuda_engine *out) {
    cudnnBackendDescriptor_t plan = NULL;
    int64_t workspace = 0, count = 0;
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (gpu->properties != NULL)
        status = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &gpu->properties);
    else
        status = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
                                          1, &gpu->dnn);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendFinalize(plan);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                          CUDNN_TYPE_INT64, 1, &count, &workspace);
    if (status == CUDNN_STATUS_SUCCESS && (workspace < 0 || (uint64_t)workspace > most))
        status = CUDNN_STATUS_NOT_SUPPORTED;
    if (status != CUDNN_STATUS_SUCCESS) {
        cudnnBackendDestroyDescriptor(plan);
        return status;
    }
    out->plan = plan;
    out->workspace = (size_t)workspace;
    return CUDNN_STATUS_SUCCESS;
}

/* What cuDNN recommends for the graph, best first; the caller destroys the list and its entries,
 * also after a failure. */
typedef struct candidates {
    cudnnBackendDescriptor_t heuristics, configs[ENGINES_MOST];
    int64_t made, count;
} candidates;

static cudnnStatus_t ask(const vgg_gpu *gpu, cudnnBackendDescriptor_t graph,
                         cudnnBackendHeurMode_t mode, candidates *list) {
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &list->heuristics);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(list->heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(list->heuristics, CUDNN_ATTR_ENGINEHEUR_MODE,
                                          CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (status == CUDNN_STATUS_SUCCESS && gpu->properties != NULL)
        status = cudnnBackendSetAttribute(list->heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &gpu->properties);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendFinalize(list->heuristics);
    while (status == CUDNN_STATUS_SUCCESS && list->made < ENGINES_MOST) {
        status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                                              &list->configs[list->made]);
        list->made += status == CUDNN_STATUS_SUCCESS;
    }
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(list->heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, ENGINES_MOST, &list->count,
                                          list->configs);
    list->count = list->count < list->made ? list->count : list->made;
    return status;
}

static void destroy(candidates *list) {
    for (int64_t i = 0; i < list->made; i++) {
        cudnnBackendDestroyDescriptor(list->configs[i]);
    }
    if (list->heuristics != NULL)
        cudnnBackendDestroyDescriptor(list->heuristics);
}

/* Whether the next engine has its turn. Where memory is short it has not: other engines round
 * otherwise, and numbers must not depend on what else is in memory. */
static bool is_next(cudnnStatus_t found) {
    return found != CUDNN_STATUS_SUCCESS && !vgg_cuda_dnn_lacks_memory(found);
}

cudnnStatus_t vgg_cuda_choose_engine(const vgg_gpu *gpu, cudnnBackendDescriptor_t graph,
                                     vgg_gpu_precision precision, vgg_cuda_manner manner,
                                     size_t most, vgg_cuda_engine *engine) {
    static const cudnnBackendHeurMode_t modes[] = {
        [VGG_CUDA_RECOMMENDED] = CUDNN_HEUR_MODE_A, [VGG_CUDA_FALLBACK] = CUDNN_HEUR_MODE_FALLBACK};
    candidates list = {0};
    cudnnStatus_t found = ask(gpu, graph, modes[manner], &list);
    int64_t count = found == CUDNN_STATUS_SUCCESS ? list.count : 0;
    if (!vgg_cuda_dnn_lacks_memory(found))
        found = CUDNN_STATUS_NOT_SUPPORTED;
    for (int64_t i = 0; is_next(found) && i < count; i++) {
        bool wanted = false;
        cudnnStatus_t known = is_wanted(list.configs[i], precision, &wanted, &engine->number);
        if (known == CUDNN_STATUS_SUCCESS && wanted)
            found = make_plan(gpu, list.configs[i], most, engine);
    }
    destroy(&list);
    return found;
}
