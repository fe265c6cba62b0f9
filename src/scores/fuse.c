/* Several networks on the same pictures, taken together. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "scores/scores.h"

static vgg_status check_classes(const vgg_scores *first, const vgg_scores *other,
                                vgg_error *error) {
    if (other->classes != first->classes)
        return vgg_fail(error, VGG_ERROR_SHAPE,
                        "scores of %zu classes and of %zu: expected the same classes",
                        first->classes, other->classes);
    for (size_t c = 0; c < first->classes; c++) {
        if (strcmp(first->class_names[c], other->class_names[c]) != 0)
            return vgg_fail(error, VGG_ERROR_SHAPE,
                            "class %zu is \"%s\" in some scores and \"%s\" in others: expected the "
                            "same classes",
                            c, first->class_names[c], other->class_names[c]);
    }
    return VGG_OK;
}

/* Whether a picture is at the same place in both. */
static vgg_status check_picture(const vgg_scores *first, const vgg_scores *other, size_t picture,
                                vgg_error *error) {
    const char *name = vgg_scores_name(first, first->items[picture].name);
    const char *theirs = vgg_scores_name(other, other->items[picture].name);
    if (strcmp(name, theirs) != 0)
        return vgg_fail(error, VGG_ERROR_CHANGED,
                        "picture %zu is %s in some scores and %s in others: expected the same "
                        "pictures",
                        picture, name, theirs);
    if (first->items[picture].truth != other->items[picture].truth)
        return vgg_fail(error, VGG_ERROR_CHANGED,
                        "%s belongs to one class in some scores and to another in others", name);
    return VGG_OK;
}

static vgg_status check_members(const vgg_scores *const *members, size_t count, vgg_error *error) {
    if (count == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "no scores to take together");
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        if (!members[i]->rows)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "scores are taken together by their rows, which were not kept");
        if (members[i]->count != members[0]->count)
            return vgg_fail(error, VGG_ERROR_SHAPE,
                            "scores of %zu pictures and of %zu: expected the same pictures",
                            members[0]->count, members[i]->count);
        status = check_classes(members[0], members[i], error);
    }
    return status;
}

/* Room for the mean probabilities of a picture, and for those of one member. */
typedef struct fuse_room {
    double *sums;
    float *row;
} fuse_room;

static vgg_status fuse_picture(const vgg_scores *const *members, size_t count, size_t picture,
                               const fuse_room *room, vgg_scores *fused, vgg_error *error) {
    const vgg_scores *first = members[0];
    const vgg_score *item = &first->items[picture];
    vgg_status status = VGG_OK;
    memset(room->sums, 0, first->classes * sizeof *room->sums);
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = check_picture(first, members[i], picture, error);
        if (status == VGG_OK)
            status = vgg_scores_probabilities(members[i], picture, room->row, error);
        for (size_t c = 0; status == VGG_OK && c < first->classes; c++) {
            room->sums[c] += (double)room->row[c];
        }
    }
    for (size_t c = 0; c < first->classes; c++) {
        room->row[c] = (float)(room->sums[c] / (double)count);
    }
    if (status == VGG_OK)
        status = vgg_scores_add(fused, vgg_scores_name(first, item->name), item->truth, room->row,
                                error);
    return status;
}

static vgg_status fuse_all(const vgg_scores *const *members, size_t count, vgg_scores *fused,
                           vgg_error *error) {
    const vgg_scores *first = members[0];
    const fuse_room room = {vgg_calloc(first->classes, sizeof(double)),
                            vgg_calloc(first->classes, sizeof(float))};
    vgg_status status = VGG_OK;
    size_t unread = 0;
    if (room.sums == NULL || room.row == NULL)
        status = vgg_fail_memory(error, "probabilities", first->classes * sizeof(double));
    for (size_t i = 0; status == VGG_OK && i <= first->count; i++) {
        for (;
             status == VGG_OK && unread < first->unread_count && first->unread[unread].before <= i;
             unread++) {
            const vgg_unread *one = &first->unread[unread];
            status = vgg_scores_add_unreadable(fused, vgg_scores_name(first, one->name), one->truth,
                                               error);
        }
        if (status == VGG_OK && i < first->count)
            status = fuse_picture(members, count, i, &room, fused, error);
    }
    vgg_free(room.sums);
    vgg_free(room.row);
    return status;
}

vgg_status vgg_scores_fuse(const vgg_scores *const *members, size_t count, vgg_scores **fused,
                           vgg_error *error) {
    vgg_status status = check_members(members, count, error);
    if (status != VGG_OK)
        return status;
    vgg_scores_options options;
    vgg_scores_options_init(&options, sizeof options);
    options.kind = VGG_SCORE_PROBABILITIES;
    options.rows = true;
    vgg_scores *made = NULL;
    status = vgg_scores_create((const char *const *)members[0]->class_names, members[0]->classes,
                               &options, &made, error);
    if (status == VGG_OK)
        status = fuse_all(members, count, made, error);
    if (status != VGG_OK) {
        vgg_scores_free(made);
        return status;
    }
    *fused = made;
    return VGG_OK;
}
