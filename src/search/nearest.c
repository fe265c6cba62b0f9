/* Searching: the cosines of rows with all pictures, and the largest of them. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "search/index.h"

/* Room for the similarities of `queries` rows, and for a bias of zeros. */
static vgg_status make_room(vgg_index *index, size_t queries, vgg_error *error) {
    size_t pictures = index->table.count, bytes;
    if (pictures <= index->room && queries <= index->queries)
        return VGG_OK;
    vgg_free(index->zeros);
    vgg_free(index->similarities);
    index->room = index->queries = 0;
    index->similarities = NULL;
    bool fits = vgg_size_mul(pictures, queries * sizeof(float), &bytes);
    index->zeros = vgg_calloc(pictures, sizeof *index->zeros);
    if (fits && index->zeros != NULL)
        index->similarities = vgg_aligned_alloc(bytes);
    if (index->similarities == NULL)
        return vgg_fail_memory(error, "a search", fits ? bytes : SIZE_MAX);
    index->room = pictures;
    index->queries = queries;
    return VGG_OK;
}

vgg_status vgg_index_compare(vgg_index *index, const float *rows, size_t count,
                             const float **similarities, vgg_error *error) {
    vgg_status status = make_room(index, count, error);
    if (status != VGG_OK)
        return status;
    /* The rows of the pictures stand where a linear layer has its weights. */
    vgg_linear_task task = {.images = count,
                            .inputs = index->features,
                            .outputs = index->table.count,
                            .x = rows,
                            .weights = index->table.rows,
                            .element = VGG_ELEMENT_FLOAT32,
                            .bias = index->zeros,
                            .y = index->similarities};
    size_t units = (task.outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS;
    vgg_threads_run(index->threads, units, index->kernels->linear_forward, &task);
    *similarities = index->similarities;
    return VGG_OK;
}

size_t vgg_index_nearest(const float *similarities, size_t pictures, size_t top, size_t except,
                         size_t *numbers) {
    size_t found = 0;
    for (size_t i = 0; i < pictures; i++) {
        float similarity = similarities[i];
        if (i == except || (found == top && !(similarity > similarities[numbers[found - 1]])))
            continue;
        size_t at = found < top ? found++ : found - 1;
        for (; at > 0 && similarity > similarities[numbers[at - 1]]; at--) {
            numbers[at] = numbers[at - 1];
        }
        numbers[at] = i;
    }
    return found;
}

vgg_status vgg_index_search(vgg_index *index, const float *row, size_t top,
                            vgg_index_match *matches, size_t *found, vgg_error *error) {
    *found = 0;
    top = vgg_size_min(top, index->table.count);
    if (top == 0)
        return VGG_OK;
    size_t *numbers = vgg_malloc(top * sizeof *numbers);
    if (numbers == NULL)
        return vgg_fail_memory(error, "a search", top * sizeof *numbers);
    const float *similarities;
    vgg_status status = vgg_index_compare(index, row, 1, &similarities, error);
    if (status == VGG_OK)
        *found = vgg_index_nearest(similarities, index->table.count, top, SIZE_MAX, numbers);
    for (size_t i = 0; i < *found; i++) {
        matches[i] = (vgg_index_match){.picture = numbers[i],
                                       .name = vgg_index_name(index, numbers[i]),
                                       .similarity = (double)similarities[numbers[i]]};
    }
    vgg_free(numbers);
    return status;
}

/* ---- pictures ---- */

/* The row of a picture on its own. */
typedef struct query {
    vgg_index *index;
    vgg_picture picture;
    bool given;
    float *row;
    vgg_error *error;
    vgg_status status;
} query;

static const vgg_picture *next_query(void *user) {
    query *one = user;
    bool first = !one->given;
    one->given = true;
    return first ? &one->picture : NULL;
}

static bool take_row(void *user, const vgg_extract_result *result) {
    query *one = user;
    if (result->error != NULL)
        one->status = vgg_fail(one->error, result->error->status, "%s", result->error->message);
    else
        vgg_index_join(one->index, result->values, one->row);
    return true;
}

static vgg_status search_picture(query *one, size_t top, vgg_index_match *matches, size_t *found,
                                 vgg_error *error) {
    *found = 0;
    one->error = error;
    size_t bytes = one->index->features * sizeof *one->row;
    one->row = vgg_malloc(bytes);
    if (one->row == NULL)
        return vgg_fail_memory(error, "a search", bytes);
    vgg_status status = vgg_extract_many(one->index->extractor, next_query, take_row, one, error);
    if (status == VGG_OK)
        status = one->status;
    if (status == VGG_OK)
        status = vgg_index_search(one->index, one->row, top, matches, found, error);
    vgg_free(one->row);
    return status;
}

vgg_status vgg_index_search_image(vgg_index *index, const vgg_image *image, size_t top,
                                  vgg_index_match *matches, size_t *found, vgg_error *error) {
    query one = {.index = index};
    vgg_picture_init(&one.picture, sizeof one.picture);
    one.picture.image = image;
    return search_picture(&one, top, matches, found, error);
}

vgg_status vgg_index_search_file(vgg_index *index, const char *path, size_t top,
                                 vgg_index_match *matches, size_t *found, vgg_error *error) {
    query one = {.index = index};
    vgg_picture_init(&one.picture, sizeof one.picture);
    one.picture.path = path;
    return search_picture(&one, top, matches, found, error);
}
