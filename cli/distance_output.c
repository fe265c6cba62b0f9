#include "cli/distance_output.h"

#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/csv.h"
#include "cli/json.h"
#include "cli/message.h"

static bool fail_memory(void) {
    vgg_cli_complain("distance", "out of memory for the distances");
    return false;
}

/* ---- text ---- */

static void print_text(const vgg_cli_distances *all, const vgg_distance *distance,
                       const vgg_cli_pair *pair, double value, const double *parts) {
    char left[512], right[512];
    if (all->folders) {
        printf("%-12.6g %s  %s\n", value, vgg_cli_clean_text(left, sizeof left, pair->left),
               vgg_cli_clean_text(right, sizeof right, pair->right));
        return;
    }
    printf("%s: %.6g\n", all->metric, value);
    for (size_t i = 0; i < vgg_distance_parts(distance); i++) {
        printf("  %-14s %.6g\n", vgg_distance_part_name(distance, i), parts[i]);
    }
}

/* ---- CSV ---- */

static void print_csv(const vgg_cli_distances *all, const vgg_distance *distance,
                      const vgg_cli_pair *pair, double value, const double *parts) {
    size_t count = vgg_distance_parts(distance);
    if (all->count == 0) {
        printf("a,b,%s", all->metric);
        for (size_t i = 0; i < count; i++) {
            printf(",%s", vgg_distance_part_name(distance, i));
        }
        fputs("\r\n", stdout);
    }
    vgg_cli_csv_field(pair->left);
    putchar(',');
    vgg_cli_csv_field(pair->right);
    printf(",%.9g", value);
    for (size_t i = 0; i < count; i++) {
        printf(",%.9g", parts[i]);
    }
    fputs("\r\n", stdout);
}

/* ---- JSON ---- */

static bool add_json(vgg_cli_distances *all, const vgg_distance *distance, const vgg_cli_pair *pair,
                     double value, const double *parts) {
    json_t *layers = json_object();
    bool good = layers != NULL;
    for (size_t i = 0; good && i < vgg_distance_parts(distance); i++) {
        good = json_object_set_new(layers, vgg_distance_part_name(distance, i),
                                   vgg_cli_json_number(parts[i])) == 0;
    }
    if (!good) {
        json_decref(layers);
        return false;
    }
    if (all->count == 0)
        all->rows = json_array();
    all->rows = vgg_cli_json_appended(
        all->rows, json_pack("{s:o, s:o, s:o, s:o}", "a", vgg_cli_json_text(pair->left), "b",
                             vgg_cli_json_text(pair->right), "distance", vgg_cli_json_number(value),
                             "layers", layers));
    return all->rows != NULL;
}

/* ---- all of them ---- */

bool vgg_cli_distances_add(vgg_cli_distances *all, const vgg_distance *distance,
                           const vgg_cli_pair *pair, double value, const double *parts) {
    bool good = true;
    if (strcmp(all->format, "json") == 0)
        good = add_json(all, distance, pair, value, parts);
    else if (strcmp(all->format, "csv") == 0)
        print_csv(all, distance, pair, value, parts);
    else
        print_text(all, distance, pair, value, parts);
    all->count++;
    all->sum += value;
    return good || fail_memory();
}

bool vgg_cli_distances_end(vgg_cli_distances *all) {
    double mean = all->sum / (double)all->count;
    if (all->count == 0)
        return true;
    if (strcmp(all->format, "json") == 0) {
        json_t *whole = json_pack("{s:s, s:o, s:o}", "metric", all->metric, "pairs", all->rows,
                                  "mean", vgg_cli_json_number(mean));
        all->rows = NULL;
        if (!vgg_cli_json_print(whole, true, 0))
            return fail_memory();
        putchar('\n');
    } else if (all->folders && strcmp(all->format, "text") == 0) {
        printf("%-12.6g mean %s of %zu %s\n", mean, all->metric, all->count,
               all->count == 1 ? "pair" : "pairs");
    }
    return true;
}
