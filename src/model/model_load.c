#include "model/model_load.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "model/bind.h"
#include "model/bytes.h"
#include "model/graph_input.h"
#include "model/model.h"

static const vgg_model_options defaults = {.struct_size = sizeof(vgg_model_options)};

void vgg_model_options_init(vgg_model_options *options, size_t size) {
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

void vgg_loading_free(vgg_loading *l) {
    vgg_network_free(l->network);
    vgg_labels_free(&l->labels);
    vgg_beside_free(&l->beside);
    for (size_t i = 0; i < l->fact_count; i++) {
        vgg_free(l->facts[i].value);
    }
    vgg_structure_free(&l->chosen.structure);
    vgg_evidence_free(&l->own_evidence);
    vgg_modules_free(&l->modules);
    vgg_names_free(&l->names);
    vgg_description_free(&l->description);
    vgg_tensor_source_free(&l->source);
}

/* The options of a caller that was compiled with an older or newer header. */
vgg_status vgg_loading_begin(vgg_loading *l, const vgg_bytes *input,
                             const vgg_model_options *options, vgg_error *error) {
    *l = (vgg_loading){.input = *input, .path = input->name, .options = defaults};
    vgg_model_options *out = &l->options;
    vgg_status status = vgg_options_read(out, sizeof *out, options, "vgg_model_options", error);
    if (status != VGG_OK)
        return status;
    if (out->layout != VGG_LAYOUT_UNSAID && vgg_layout_name(out->layout) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "there is no layout %d; the layouts are paper, torchvision, global and "
                        "global-max",
                        (int)out->layout);
    if (out->padding != VGG_PADDING_UNSAID && vgg_padding_name(out->padding) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "padding %d, expected same or valid",
                        (int)out->padding);
    if (out->output != VGG_OUTPUT_UNSAID && vgg_output_name(out->output) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "output %d, expected softmax or sigmoid",
                        (int)out->output);
    l->hints = (vgg_hints){.arch = out->arch,
                           .layout = out->layout,
                           .height = out->height,
                           .width = out->width,
                           .padding = out->padding,
                           .batch_norm = out->batch_norm,
                           .state_dict = out->state_dict};
    if (out->private_copy && l->input.kind == VGG_BYTES_FILE)
        l->input.kind = VGG_BYTES_COPY;
    l->meter = (vgg_meter){.tell = out->progress, .user = out->progress_user, .name = input->name};
    return VGG_OK;
}

vgg_status vgg_loading_open(vgg_loading *l, vgg_error *error) {
    vgg_status status = vgg_tensor_source_open(&l->input, &l->hints, &l->meter, &l->source, error);
    return status == VGG_OK ? vgg_meter_next(&l->meter, error) : status;
}

vgg_status vgg_loading_description(vgg_loading *l, vgg_error *error) {
    vgg_status status = vgg_description_read(&l->source.metadata, l->path, &l->description, error);
    if (status != VGG_OK || l->description.present)
        return status;
    return vgg_beside_read(&l->source, &l->beside, error);
}

/* The file's own preprocessing for an input of another size: the short side of a picture keeps its
 * proportion to the cut-out. */
static void scale_preprocess(vgg_preprocess *preprocess, size_t height, size_t width) {
    size_t before = vgg_size_min(preprocess->height, preprocess->width);
    size_t after = vgg_size_min(height, width);
    if (before != after)
        preprocess->resize = vgg_scaled_side(preprocess->resize, before, after);
    preprocess->height = height;
    preprocess->width = width;
}

/* The file's own, which its description must agree with. */
static vgg_status take_described(vgg_loading *l, vgg_error *error) {
    const vgg_preprocess *stored = &l->description.preprocess;
    if (stored->channels != l->description.channels || stored->height != l->description.height ||
        stored->width != l->description.width)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: \"vgg.preprocess\" of its metadata gives inputs of %zux%zux%zu, but "
                        "\"vgg.input\" is %zux%zux%zu",
                        l->path, stored->channels, stored->height, stored->width,
                        l->description.channels, l->description.height, l->description.width);
    l->preprocess_origin = VGG_ORIGIN_FILE;
    l->preprocess = *stored;
    scale_preprocess(&l->preprocess, l->network_options.height, l->network_options.width);
    return VGG_OK;
}

/* Figures that say how samples become numbers; the rest of a preprocessing has usual values. */
static bool says_figures(const vgg_preprocess_changes *changes) {
    return changes->parts & (VGG_PREPROCESS_SCALE | VGG_PREPROCESS_MEAN | VGG_PREPROCESS_DEVIATION);
}

static vgg_status take_preset(vgg_loading *l, const char *preset, vgg_origin origin,
                              vgg_error *error) {
    const vgg_network_options *n = &l->network_options;
    l->preprocess_origin = origin;
    l->preprocess.struct_size = sizeof l->preprocess;
    return vgg_preprocess_preset(preset, n->channels, n->height, n->width, &l->preprocess, error);
}

/* The figures of the checkpoint, unless they are those of another number of channels. */
static vgg_status take_beside(vgg_loading *l, vgg_error *error) {
    const vgg_network_options *n = &l->network_options;
    const vgg_beside *beside = &l->beside;
    if (beside->figures != 1 && beside->figures != n->channels)
        return VGG_OK;
    vgg_status status =
        vgg_beside_preprocess(beside, n->channels, n->height, n->width, &l->preprocess, error);
    if (status != VGG_OK) {
        vgg_error_prefix(error, "%s: %s", l->path, beside->figures_from);
        return status;
    }
    l->preprocess_origin = VGG_ORIGIN_BESIDE;
    return VGG_OK;
}

static vgg_status take_preprocess(vgg_loading *l, const vgg_preprocess_changes *changes,
                                  vgg_error *error) {
    if (l->options.preprocess != NULL)
        return take_preset(l, l->options.preprocess, VGG_ORIGIN_TOLD, error);
    if (l->description.has_preprocess)
        return take_described(l, error);
    if (l->beside.has_figures)
        return take_beside(l, error);
    if (l->source.preset != NULL)
        return take_preset(l, l->source.preset, VGG_ORIGIN_CONVENTION, error);
    return says_figures(changes) ? take_preset(l, "unit", VGG_ORIGIN_TOLD, error) : VGG_OK;
}

vgg_status vgg_loading_preprocess(vgg_loading *l, vgg_error *error) {
    vgg_preprocess_changes changes;
    vgg_preprocess_changes_init(&changes, sizeof changes);
    vgg_status status = vgg_options_read(&changes, sizeof changes, l->options.changes,
                                         "vgg_preprocess_changes", error);
    if (status == VGG_OK)
        status = take_preprocess(l, &changes, error);
    if (status == VGG_OK)
        status = vgg_loading_graph_input(l, error);
    if (status != VGG_OK || changes.parts == 0 || l->preprocess_origin == VGG_ORIGIN_UNKNOWN)
        return status;
    if (says_figures(&changes))
        l->preprocess_origin = VGG_ORIGIN_TOLD;
    return vgg_preprocess_change(&l->preprocess, &changes, error);
}

vgg_status vgg_loading_labels(vgg_loading *l, vgg_error *error) {
    l->labels_origin = VGG_ORIGIN_TOLD;
    if (l->options.labels != NULL)
        return vgg_labels_read(l->options.labels, l->network_options.classes, &l->labels, error);
    /* Those of a checkpoint are given up where they are not as many as the classes. */
    vgg_labels *from = &l->description.labels;
    l->labels_origin = VGG_ORIGIN_FILE;
    if (from->count == 0 && l->beside.labels.count == l->network_options.classes) {
        from = &l->beside.labels;
        l->labels_origin = VGG_ORIGIN_BESIDE;
    }
    l->labels = *from;
    *from = (vgg_labels){0};
    return VGG_OK;
}

vgg_status vgg_loading_remarks(vgg_loading *l, vgg_error *error) {
    const vgg_beside *beside = &l->beside;
    const vgg_preprocess *p = &l->preprocess;
    vgg_remarks *remarks = &l->source.remarks;
    bool noted = true;
    if (l->preprocess_origin == VGG_ORIGIN_BESIDE)
        noted = vgg_remarks_add(remarks, "how pictures become inputs is from %s (%s)%s%s%s",
                                beside->figures_from, p->name, p->channels == 3 ? "; RGB" : "",
                                beside->scale_said ? ""
                                : p->channels == 3 ? " and "
                                                   : "; ",
                                beside->scale_said ? ""
                                : p->scale == 1.0  ? "0 to 255 are assumed"
                                                   : "0 to 1 are assumed");
    if (noted && l->labels_origin == VGG_ORIGIN_BESIDE)
        noted =
            vgg_remarks_add(remarks, "the names of the classes are from %s", beside->labels_from);
    else if (noted && beside->labels.count > 0 && l->labels_origin != VGG_ORIGIN_TOLD)
        noted =
            vgg_remarks_add(remarks, "%s gives %zu names for %zu classes, and is passed over",
                            beside->labels_from, beside->labels.count, l->network_options.classes);
    if (noted && beside->height > 0 && l->options.height == 0 && l->source.graph.height == 0)
        noted = vgg_remarks_add(remarks, "the size of its inputs, %zux%zu, is from %s",
                                beside->height, beside->width, beside->size_from);
    return noted ? VGG_OK : vgg_fail_memory(error, "a remark", VGG_BESIDE_PLACE);
}

/* Every key of the file that is not the format's own travels on. */
static vgg_status take_notes(const vgg_notes *metadata, vgg_model *model, vgg_error *error) {
    for (size_t i = 0; i < metadata->count; i++) {
        const vgg_note *note = &metadata->items[i];
        if (!vgg_description_reserves(note->key) &&
            !vgg_notes_set(&model->notes, note->key, note->value))
            return vgg_fail_memory(error, "a note", strlen(note->value));
    }
    return VGG_OK;
}

static vgg_status make_model(vgg_loading *l, vgg_model **model, vgg_error *error) {
    const char *const *names = (const char *const *)l->labels.names;
    bool known = l->preprocess_origin != VGG_ORIGIN_UNKNOWN;
    vgg_status status =
        vgg_model_create(l->network, known ? &l->preprocess : NULL, names, model, error);
    if (status != VGG_OK) {
        vgg_error_prefix(error, "%s", l->path);
        return status;
    }
    l->network = NULL;
    (*model)->storage = l->source.storage;
    l->source.storage = (vgg_storage){0};
    (*model)->storage.meter = NULL;
    (*model)->format = l->source.format;
    (*model)->preprocess_origin = l->preprocess_origin;
    (*model)->softmax = l->source.softmax;
    (*model)->output = l->output;
    if (l->description.present)
        (*model)->temperature = l->description.temperature;
    status = vgg_loading_assumed(l, &(*model)->assumed, error);
    if (status == VGG_OK)
        status = take_notes(&l->source.metadata, *model, error);
    if (status != VGG_OK)
        vgg_model_free(*model);
    return status;
}

/* What was taken for granted. */
static void warn_of(const vgg_loading *l, const char *assumed) {
    const vgg_model_options *told = &l->options;
    const vgg_notes *metadata = &l->source.metadata;
    if (l->preprocess_origin == VGG_ORIGIN_CONVENTION)
        vgg_warn(told->warn, told->warn_user,
                 "%.500s: does not say how pictures become its inputs; assumed %s, as is usual "
                 "for %s files, since nothing else was given",
                 l->path, l->preprocess.name, l->source.format->name);
    for (size_t i = 0; i < l->source.remarks.count; i++) {
        vgg_warn(told->warn, told->warn_user, "%.500s: %s", l->path, l->source.remarks.lines[i]);
    }
    if (l->scale_assumed)
        vgg_warn(told->warn, told->warn_user,
                 "%.500s: its graph prepares its input further, but not from samples of 0 to 255; "
                 "assumed that they are divided by 255 first, as preset unit does",
                 l->path);
    /* A model that cannot take pictures yet has more to be told. */
    if (assumed != NULL && l->preprocess_origin != VGG_ORIGIN_UNKNOWN)
        vgg_warn(told->warn, told->warn_user, "%.500s: %s", l->path, assumed);
    for (size_t i = 0; i < metadata->count; i++) {
        if (!vgg_description_knows(metadata->items[i].key))
            vgg_warn(told->warn, told->warn_user,
                     "%.500s: its metadata has \"%.100s\", which libvgg %s does not know", l->path,
                     metadata->items[i].key, VGG_VERSION);
    }
}

static vgg_status load(const vgg_bytes *input, const vgg_model_options *options, vgg_model **model,
                       vgg_error *error) {
    vgg_loading l;
    vgg_model *made = NULL;
    vgg_status status = vgg_loading_begin(&l, input, options, error);
    if (status == VGG_OK)
        status = vgg_loading_open(&l, error);
    if (status == VGG_OK)
        status = vgg_loading_description(&l, error);
    if (status == VGG_OK)
        status = vgg_loading_network(&l, error);
    if (status == VGG_OK)
        status = vgg_bind_tensors(l.network, &l.names, &l.source,
                                  (vgg_bind_int8){.linear = l.description.int8,
                                                  .convolutions = l.description.int8_convolutions},
                                  error);
    if (status == VGG_OK)
        status = vgg_meter_next(&l.meter, error);
    if (status == VGG_OK)
        status = vgg_loading_preprocess(&l, error);
    if (status == VGG_OK)
        status = vgg_loading_labels(&l, error);
    if (status == VGG_OK)
        status = vgg_loading_remarks(&l, error);
    if (status == VGG_OK)
        status = make_model(&l, &made, error);
    if (status == VGG_OK) {
        warn_of(&l, vgg_model_assumed(made));
        made->remarks = l.source.remarks;
        l.source.remarks = (vgg_remarks){0};
    }
    vgg_loading_free(&l);
    if (status == VGG_OK)
        *model = made;
    return status;
}

vgg_status vgg_model_load(const char *path, const vgg_model_options *options, vgg_model **model,
                          vgg_error *error) {
    vgg_bytes input = vgg_bytes_of_file(path);
    return load(&input, options, model, error);
}

vgg_status vgg_model_load_memory(const void *bytes, size_t size, const char *name,
                                 const vgg_model_options *options, vgg_model **model,
                                 vgg_error *error) {
    vgg_bytes input;
    vgg_status status = vgg_bytes_in_memory(bytes, size, name, &input, error);
    return status == VGG_OK ? load(&input, options, model, error) : status;
}

vgg_status vgg_model_load_from(const vgg_reader *reader, const vgg_model_options *options,
                               vgg_model **model, vgg_error *error) {
    vgg_reader own;
    vgg_bytes input;
    vgg_status status = vgg_bytes_of_reader(reader, &own, &input, error);
    return status == VGG_OK ? load(&input, options, model, error) : status;
}
