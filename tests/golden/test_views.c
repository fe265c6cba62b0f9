/* Random views against those that make_view_goldens.py makes with NumPy and Pillow from the same
 * random numbers.
 *
 * view                         samples may differ by
 * moved by whole pixels        0
 * resized, turned, recoloured  1: Pillow of another version, and sums in another order
 * all of it one upon another   4: later operations spread apart what differs by 1 */
#include <math.h>

#include "base/file.h"
#include "base/random.h"
#include "vgg/image.h"
#include "vgg_test.h"

/* As in make_view_goldens.py. */
#define WIDTH ((size_t)31)
#define HEIGHT ((size_t)23)
#define SIDE ((size_t)16)
#define SAMPLES (SIDE * SIDE * 3)

typedef struct view_case {
    vgg_augment augment;
    size_t channels, resize;
    uint64_t seed, epoch, index;
    char line[160];
} view_case;

static unsigned char *read_file(const char *name, size_t *size) {
    char path[4096];
    unsigned char *bytes = NULL;
    vgg_error error;
    snprintf(path, sizeof path, "%s/views/%s", VGG_TEST_DATA, name);
    assert_ok(vgg_file_read(path, (size_t)1 << 20, &bytes, size, &error), error);
    return bytes;
}

static uint8_t sample_of(size_t x, size_t y, size_t c) {
    return (uint8_t)((5 * x + 3 * y + 40 * c + vgg_random_u64(x, y, c) % 48) % 256);
}

static vgg_image make_picture(size_t channels) {
    vgg_image image = {.width = WIDTH, .height = HEIGHT, .channels = channels};
    image.pixels = malloc(WIDTH * HEIGHT * channels);
    assert_non_null(image.pixels);
    for (size_t i = 0; i < WIDTH * HEIGHT * channels; i++) {
        size_t pixel = i / channels;
        image.pixels[i] = sample_of(pixel % WIDTH, pixel / WIDTH, i % channels);
    }
    return image;
}

static void set_member(view_case *item, const char *name, const char *text) {
    vgg_augment *a = &item->augment;
    const struct {
        const char *name;
        bool *on;
        double *number;
        uint64_t *whole;
        size_t *size;
    } members[] = {
        {"crop", &a->crop, NULL, NULL, NULL},
        {"flip", &a->flip, NULL, NULL, NULL},
        {"alternate", &a->alternate, NULL, NULL, NULL},
        {"policy", &a->policy, NULL, NULL, NULL},
        {"area", NULL, &a->area, NULL, NULL},
        {"scale", NULL, &a->scale, NULL, NULL},
        {"rotate", NULL, &a->rotate, NULL, NULL},
        {"colour", NULL, &a->colour, NULL, NULL},
        {"pca", NULL, &a->pca, NULL, NULL},
        {"erase", NULL, &a->erase, NULL, NULL},
        {"translate", NULL, NULL, NULL, &a->translate},
        {"channels", NULL, NULL, NULL, &item->channels},
        {"resize", NULL, NULL, NULL, &item->resize},
        {"seed", NULL, NULL, &item->seed, NULL},
        {"epoch", NULL, NULL, &item->epoch, NULL},
        {"index", NULL, NULL, &item->index, NULL},
    };
    size_t i = 0;
    while (i < sizeof members / sizeof *members && strcmp(members[i].name, name) != 0) {
        i++;
    }
    if (i == sizeof members / sizeof *members)
        fail_msg("no member %s", name);
    if (members[i].on != NULL)
        *members[i].on = strtoull(text, NULL, 10) != 0;
    if (members[i].number != NULL)
        *members[i].number = strtod(text, NULL);
    if (members[i].whole != NULL)
        *members[i].whole = strtoull(text, NULL, 10);
    if (members[i].size != NULL)
        *members[i].size = (size_t)strtoull(text, NULL, 10);
}

static view_case read_case(char *line) {
    view_case item = {.channels = 3};
    vgg_augment_init(&item.augment, sizeof item.augment);
    item.augment.crop = item.augment.flip = false;
    snprintf(item.line, sizeof item.line, "%s", line);
    char *rest = line;
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        assert_non_null(value);
        *value = '\0';
        set_member(&item, word, value + 1);
    }
    return item;
}

/* Samples are taken as they are. */
static vgg_preprocess plain(const view_case *item) {
    vgg_preprocess preprocess;
    vgg_preprocess_init(&preprocess, sizeof preprocess);
    preprocess.channels = item->channels;
    preprocess.width = preprocess.height = SIDE;
    preprocess.resize = item->resize;
    return preprocess;
}

/* The largest difference of a sample; `moved` becomes whether the view is not the centre. */
static int compare(const view_case *item, const unsigned char *expected, bool *moved) {
    float found[SAMPLES], centre[SAMPLES];
    vgg_image image = make_picture(item->channels);
    vgg_preprocess preprocess = plain(item);
    vgg_error error;
    assert_ok(vgg_preprocess_augmented(&preprocess, &item->augment, &image, item->seed, item->epoch,
                                       item->index, found, &error),
              error);
    assert_ok(vgg_preprocess_image(&preprocess, &image, centre, &error), error);
    free(image.pixels);
    int most = 0;
    *moved = false;
    for (size_t i = 0; i < SIDE * SIDE * item->channels; i++) {
        size_t pixel = i / item->channels, c = i % item->channels;
        int sample = (int)found[c * SIDE * SIDE + pixel];
        int difference = abs(sample - expected[i]);
        most = difference > most ? difference : most;
        *moved = *moved || found[i] < centre[i] || found[i] > centre[i];
    }
    return most;
}

static int tolerance_of(const view_case *item) {
    const vgg_augment *a = &item->augment;
    bool resized = a->area > 0 || a->scale > 0 || item->resize > 0;
    if (resized && a->policy)
        return 4;
    return resized || a->rotate > 0 || a->policy ? 1 : 0;
}

static void views(void **state) {
    (void)state;
    size_t size, at = 0, cases = 0, moving = 0, failures = 0;
    char *text = (char *)read_file("views.txt", &size);
    text[size - 1] = '\0';
    unsigned char *expected = read_file("views.bin", &size);
    char *rest = text;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), cases++) {
        view_case item = read_case(line);
        bool moved;
        assert_true(at + SIDE * SIDE * item.channels <= size);
        int most = compare(&item, expected + at, &moved);
        if (most > tolerance_of(&item)) {
            print_message("%s: differs by %d\n", item.line, most);
            failures++;
        }
        moving += moved;
        at += SIDE * SIDE * item.channels;
    }
    assert_int_equal(at, size);
    print_message("%zu views, %zu of them not the centre\n", cases, moving);
    assert_true(moving > cases * 3 / 4);
    assert_int_equal(failures, 0);
    free(text);
    free(expected);
}

static void impossible(void **state) {
    (void)state;
    static const struct {
        vgg_augment augment;
        const char *message;
    } cases[] = {
        {{.area = 1.5}, "area is 1.5, expected 0 to 1"},
        {{.scale = -1}, "scale is -1"},
        {{.rotate = 181}, "rotate is 181"},
        {{.colour = (double)NAN}, "colour is"},
        {{.pca = 11}, "pca is 11"},
        {{.erase = 2}, "erase is 2"},
        {{.translate = SIDE}, "translate is 16, expected less than the sides of 16 x 16"},
    };
    view_case item = {.channels = 3};
    vgg_preprocess preprocess = plain(&item);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_augment augment = cases[i].augment;
        vgg_error error = {0};
        augment.struct_size = sizeof augment;
        assert_int_equal(vgg_augment_check(&augment, &preprocess, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, cases[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views),
        cmocka_unit_test(impossible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
