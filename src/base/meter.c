#include "base/meter.h"

#include "base/error.h"
#include "base/memory.h"

/* The caller is told again after this much. */
#define TOLD_EVERY ((size_t)1 << 20)

/* Bytes of `total`, of which each pass does its share. */
static size_t reached(const vgg_meter *m) {
    double passes = (double)m->pass + (double)m->done / (double)vgg_size_max(m->total, 1);
    size_t bytes = (size_t)((double)m->total * (passes / (double)m->passes));
    return m->pass == m->passes ? m->total : vgg_size_min(bytes, m->total);
}

static vgg_status tell(vgg_meter *m, size_t bytes, vgg_error *error) {
    m->told = bytes;
    if (m->tell(m->user, bytes, m->total))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "%s: stopped after %zu of %zu bytes, as was asked",
                    m->name, bytes, m->total);
}

vgg_status vgg_meter_add(vgg_meter *m, size_t bytes, vgg_error *error) {
    if (m == NULL || m->tell == NULL)
        return VGG_OK;
    m->done = vgg_size_min(m->total - m->done, bytes) + m->done;
    size_t now = reached(m);
    return bytes == 0 || now - m->told >= TOLD_EVERY ? tell(m, now, error) : VGG_OK;
}

vgg_status vgg_meter_next(vgg_meter *m, vgg_error *error) {
    if (m == NULL || m->tell == NULL)
        return VGG_OK;
    m->pass++;
    m->done = 0;
    return tell(m, reached(m), error);
}
