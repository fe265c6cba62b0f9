#include "train/parts.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/device.h"

/* The highest level at which a sum waits is that of the highest bit of the last part's number. */
static size_t levels_of(size_t parts) {
    size_t levels = 0;
    for (size_t last = parts - 1; last > 0; last >>= 1) {
        levels++;
    }
    return levels;
}

size_t vgg_part_sums_bytes(size_t parts, size_t floats) {
    size_t bytes;
    if (!vgg_size_mul(levels_of(parts), floats, &bytes) ||
        !vgg_size_mul(bytes, sizeof(float), &bytes))
        return SIZE_MAX;
    return bytes;
}

vgg_status vgg_part_sums_create(vgg_part_sums *sums, vgg_plan *plan, size_t parts, size_t floats,
                                vgg_error *error) {
    size_t bytes = vgg_part_sums_bytes(parts, floats);
    *sums = (vgg_part_sums){.plan = plan, .floats = floats};
    if (bytes == 0)
        return VGG_OK;
    if (bytes <= plan->device->available(plan))
        sums->levels = plan->device->take(plan, bytes);
    if (sums->levels == NULL)
        return vgg_fail_memory(error, "the gradients of a step in parts", bytes);
    return VGG_OK;
}

void vgg_part_sums_free(vgg_part_sums *sums) {
    if (sums->levels != NULL)
        sums->plan->device->give_back(sums->plan, sums->levels);
    sums->levels = NULL;
}

void vgg_part_sums_add(vgg_part_sums *sums, float *gradients, size_t part, size_t parts) {
    vgg_plan *plan = sums->plan;
    bool last = part + 1 == parts;
    size_t level = 0;
    /* A bit of the part's number says that a sum waits at that level. The part goes up as long as
     * there is one; the last, whose neighbours will not come, to the top. */
    for (; part >> level > 0; level++) {
        bool waits = (part >> level & 1) == 1;
        if (waits)
            plan->device->add(plan, sums->levels + level * sums->floats, gradients, sums->floats);
        else if (!last)
            break;
    }
    if (!last)
        plan->device->copy(plan, gradients, sums->levels + level * sums->floats, sums->floats);
}
