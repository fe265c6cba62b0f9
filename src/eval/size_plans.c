#include "eval/size_plans.h"

#include "base/memory.h"

static void drop(vgg_size_plans *plans, size_t which) {
    vgg_plan_free(plans->kept[which].plan);
    plans->kept[which] = plans->kept[--plans->count];
}

static size_t kept_bytes(const vgg_size_plans *plans) {
    size_t bytes = 0;
    for (size_t i = 0; i < plans->count; i++) {
        bytes += plans->kept[i].bytes;
    }
    return bytes;
}

static size_t longest_unused(const vgg_size_plans *plans) {
    size_t oldest = 0;
    for (size_t i = 1; i < plans->count; i++) {
        if (plans->kept[i].used < plans->kept[oldest].used)
            oldest = i;
    }
    return oldest;
}

/* Makes room for a plan of so many bytes. */
static void make_room(vgg_size_plans *plans, size_t bytes) {
    while (plans->count > 0 &&
           (plans->count == VGG_SIZE_PLANS_MOST || bytes > VGG_SIZE_PLANS_BYTES ||
            kept_bytes(plans) > VGG_SIZE_PLANS_BYTES - bytes || bytes > vgg_memory_available())) {
        drop(plans, longest_unused(plans));
    }
}

static vgg_status add(vgg_size_plans *plans, size_t height, size_t width, vgg_error *error) {
    vgg_plan_options planning = plans->planning;
    vgg_size_plan one = {.height = height, .width = width};
    planning.height = height;
    planning.width = width;
    vgg_status status = vgg_plan_memory(plans->network, &planning, &one.bytes, error);
    if (status != VGG_OK)
        return status;
    make_room(plans, one.bytes);
    status = vgg_plan_create(plans->network, &planning, &one.plan, error);
    if (status == VGG_OK)
        plans->kept[plans->count++] = one;
    return status;
}

vgg_status vgg_size_plans_get(vgg_size_plans *plans, size_t height, size_t width, vgg_plan **plan,
                              vgg_error *error) {
    size_t i = 0;
    while (i < plans->count && (plans->kept[i].height != height || plans->kept[i].width != width)) {
        i++;
    }
    vgg_status status = i < plans->count ? VGG_OK : add(plans, height, width, error);
    if (status != VGG_OK)
        return status;
    i = vgg_size_min(i, plans->count - 1);
    plans->kept[i].used = ++plans->uses;
    *plan = plans->kept[i].plan;
    return VGG_OK;
}

void vgg_size_plans_free(vgg_size_plans *plans) {
    while (plans->count > 0) {
        drop(plans, 0);
    }
}
