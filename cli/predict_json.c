#include "cli/predict_json.h"

#include "cli/json.h"

bool vgg_cli_predict_is_none(const vgg_cli_predict_output *output, const vgg_prediction *best,
                             size_t count) {
    return count > 0 && best[0].probability < output->minimum;
}

void vgg_cli_predict_json_begin(FILE *out) {
    putc('[', out);
}

void vgg_cli_predict_json_end(FILE *out, const vgg_cli_predict_output *output) {
    fprintf(out, "%s]\n", output->written > 0 ? "\n" : "");
}

bool vgg_cli_predict_json_picture(FILE *out, const vgg_cli_predict_output *output,
                                  const char *image, const vgg_prediction *best, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        double value = output->logits ? best[i].logit : best[i].probability;
        list = vgg_cli_json_appended(
            list, json_pack("{s:I, s:o, s:o}", "index", (json_int_t)best[i].index, "label",
                            vgg_cli_json_text(best[i].label),
                            output->logits ? "logit" : "probability", vgg_cli_json_number(value)));
    }
    json_t *object =
        json_pack("{s:o, s:o}", "image", vgg_cli_json_text(image), "predictions", list);
    if (object == NULL)
        return false;
    bool none = vgg_cli_predict_is_none(output, best, count), told = true;
    if (output->multi_label)
        told = json_object_set_new(object, "multi_label", json_true()) == 0;
    if (told && output->minimum > 0)
        told = json_object_set_new(object, "none", json_boolean(none)) == 0;
    if (!told) {
        json_decref(object);
        return false;
    }
    fputs(output->written > 0 ? ",\n" : "\n", out);
    return vgg_cli_json_write(out, object, true, 2);
}
