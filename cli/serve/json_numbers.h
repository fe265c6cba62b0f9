/* Tensors in JSON. Their numbers are read straight into floats, and what is left of the text is
 * small: a general reader would make an object of each, which takes many times the request. */
#ifndef VGG_SERVE_JSON_NUMBERS_H
#define VGG_SERVE_JSON_NUMBERS_H

#include <stddef.h>

#define VGG_SERVE_ARRAYS_MOST 8
/* How deep the text may nest. */
#define VGG_SERVE_JSON_DEPTH 32
/* Values and names that it may have beside the numbers of tensors. */
#define VGG_SERVE_JSON_VALUES 100000

typedef struct vgg_serve_numbers {
    float *values; /* of all arrays, one after the other; freed by the caller */
    size_t count, capacity;
    size_t ends[VGG_SERVE_ARRAYS_MOST]; /* of the arrays among the values */
    size_t arrays;
} vgg_serve_numbers;

/* Takes the arrays of numbers that are called "data", however they nest, out of the text, in whose
 * places their numbers from 0 on are left; "data" may be an array of something else, or empty, but
 * nothing that is no array. At most `most` numbers in all. Start with {0}. NULL, or what is wrong;
 * what the text is otherwise is not looked at, so that it may be no JSON at all. */
const char *vgg_serve_json_take_numbers(char *text, size_t size, size_t most,
                                        vgg_serve_numbers *numbers);

#endif
