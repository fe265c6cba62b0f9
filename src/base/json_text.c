#include "base/json_text.h"

#include "base/text.h"

static int add(const char *bytes, size_t size, void *text) {
    vgg_text_add_bytes(text, bytes, size);
    return ((vgg_text *)text)->failed ? -1 : 0;
}

char *vgg_json_text(const json_t *value, size_t flags) {
    vgg_text text = {0};
    if (json_dump_callback(value, add, &text, flags) == 0)
        return vgg_text_take(&text);
    vgg_text_free(&text);
    return NULL;
}

json_t *vgg_json_appended(json_t *array, json_t *value) {
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

json_t *vgg_json_with(json_t *object, const char *name, json_t *value) {
    if (json_object_set_new(object, name, value) == 0)
        return object;
    json_decref(object);
    return NULL;
}
