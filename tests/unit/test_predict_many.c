/* Many pictures: in order, with the bits of each alone, whatever else is among them. */
#include "pictures.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vgg/predict.h"
#include "vgg/threads.h"

#define CLASSES 10
#define KINDS 8
#define TOP 3

/* What the pictures are taken from: bytes of a file, a decoded picture, names of files. */
static struct {
    char png[512], missing[512];
    unsigned char *bytes;
    size_t size;
    vgg_image image;
} from;

static int set_up(void **state) {
    vgg_error error;
    if (open_pictures(state) != 0)
        return 1;
    snprintf(from.png, sizeof from.png, "%s", in_folder("one.png"));
    snprintf(from.missing, sizeof from.missing, "%s", in_folder("missing.png"));
    assert_ok(vgg_pictogram_draw(2, 40, 5, 0, &from.image, &error), error);
    assert_ok(vgg_image_save_png(&from.image, from.png, &error), error);
    FILE *file = fopen(from.png, "rb");
    assert_non_null(file);
    from.bytes = malloc(1 << 16);
    assert_non_null(from.bytes);
    from.size = fread(from.bytes, 1, 1 << 16, file);
    fclose(file);
    vgg_image_free(&from.image);
    assert_ok(vgg_pictogram_draw(7, 33, 5, 1, &from.image, &error), error);
    return 0;
}

static int tear_down(void **state) {
    free(from.bytes);
    vgg_image_free(&from.image);
    return close_pictures(state);
}

/* Picture `number` of a sequence in which three of eight cannot be read. */
static void describe(size_t number, vgg_picture *picture) {
    switch (number % KINDS) {
    case 0:
        picture->path = from.png;
        break;
    case 1:
        picture->bytes = from.bytes;
        picture->size = from.size;
        break;
    case 2:
        picture->path = from.missing;
        break;
    case 3:
        picture->image = &from.image;
        picture->name = "drawn";
        break;
    case 4:
        picture->bytes = from.bytes;
        picture->size = from.size / 2;
        picture->name = "half";
        break;
    case 5:
        picture->path = from.png;
        picture->name = "renamed";
        break;
    case 6:
        break; /* nothing at all */
    default:
        picture->image = &from.image;
    }
}

typedef struct expected {
    bool readable[KINDS];
    vgg_prediction best[KINDS][TOP];
} expected;

typedef struct run {
    const expected *right;
    size_t count;           /* pictures that there are */
    size_t asked, answered; /* so far */
    size_t most_ahead, stop_at, wrong;
    vgg_picture picture; /* the next */
} run;

static const vgg_picture *next(void *user) {
    run *now = user;
    if (now->asked == now->count)
        return NULL;
    vgg_picture_init(&now->picture, sizeof now->picture);
    describe(now->asked, &now->picture);
    now->picture.user = (char *)now + now->asked++;
    size_t ahead = now->asked - now->answered;
    now->most_ahead = ahead > now->most_ahead ? ahead : now->most_ahead;
    return &now->picture;
}

static bool same_predictions(const vgg_prediction *left, const vgg_prediction *right) {
    for (size_t i = 0; i < TOP; i++) {
        if (left[i].index != right[i].index ||
            memcmp(&left[i].logit, &right[i].logit, sizeof left[i].logit) != 0 ||
            memcmp(&left[i].probability, &right[i].probability, sizeof left[i].logit) != 0)
            return false;
    }
    return true;
}

static bool compare(void *user, const vgg_predict_result *result) {
    run *now = user;
    size_t kind = now->answered % KINDS;
    vgg_picture picture = {0};
    describe(now->answered, &picture);
    now->wrong += result->struct_size != sizeof *result || result->number != now->answered ||
                  result->user != (char *)now + now->answered;
    now->wrong += picture.name != NULL && strcmp(result->name, picture.name) != 0;
    now->wrong += (result->error == NULL) != now->right->readable[kind];
    if (result->error != NULL)
        now->wrong += result->best != NULL || result->error->status == VGG_OK ||
                      strstr(result->error->message, result->name) == NULL;
    else
        now->wrong += result->found != TOP ||
                      (double)result->logits[result->best[0].index] != result->best[0].logit ||
                      !same_predictions(result->best, now->right->best[kind]);
    now->answered++;
    return now->answered != now->stop_at;
}

static vgg_predictor *make(const vgg_model *model, size_t batch, vgg_threads *threads) {
    vgg_predictor_options options;
    vgg_predictor *predictor = NULL;
    vgg_error error;
    vgg_predictor_options_init(&options, sizeof options);
    options.batch = batch;
    options.shared_threads = threads;
    options.threads = 2;
    assert_ok(vgg_predictor_create(model, &options, &predictor, &error), error);
    return predictor;
}

/* Each kind alone. */
static expected alone(vgg_predictor *predictor) {
    expected right = {0};
    for (size_t kind = 0; kind < KINDS; kind++) {
        vgg_image image = {0};
        vgg_error error;
        size_t found;
        right.readable[kind] = kind != 2 && kind != 4 && kind != 6;
        if (!right.readable[kind])
            continue;
        vgg_picture picture = {0};
        describe(kind, &picture);
        if (picture.path != NULL) {
            assert_ok(
                vgg_predict_file(predictor, picture.path, TOP, right.best[kind], &found, &error),
                error);
            continue;
        }
        if (picture.bytes != NULL)
            assert_ok(vgg_image_decode(picture.bytes, picture.size, "bytes", &image, &error),
                      error);
        assert_ok(vgg_predict_image(predictor, picture.image != NULL ? picture.image : &image, TOP,
                                    right.best[kind], &found, &error),
                  error);
        vgg_image_free(&image);
    }
    return right;
}

static void check(vgg_predictor *predictor, const expected *right, size_t count) {
    run now = {.right = right, .count = count};
    vgg_error error;
    assert_ok(vgg_predict_many(predictor, next, TOP, compare, &now, &error), error);
    assert_int_equal(now.wrong, 0);
    assert_int_equal(now.answered, count);
    assert_true(now.most_ahead <= 2 * vgg_predictor_batch(predictor));
}

static void check_model(vgg_model *model) {
    static const size_t batches[] = {1, 2, 3, 7, 0}, counts[] = {0, 1, 2, 9, 41, 150};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        vgg_predictor *single = make(model, batches[i], NULL);
        vgg_predictor *many = make(model, batches[i], NULL);
        expected right = alone(single);
        assert_int_equal(vgg_predictor_batch(many), batches[i] == 0 ? 32 : batches[i]);
        assert_true(vgg_predictor_memory(many) > 0);
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            check(many, &right, counts[k]);
        }
        expected again = alone(many);
        assert_memory_equal(&right, &again, sizeof right);
        vgg_predictor_free(single);
        vgg_predictor_free(many);
    }
    vgg_model_free(model);
}

static void as_each_alone(void **state) {
    (void)state;
    check_model(usual_model(true));
}

/* A plan for one picture would choose other algorithms here than one for many. */
static void algorithms_of_the_batch(void **state) {
    (void)state;
    check_model(make_model("16,M,256,M,256,256/16", CLASSES, false, 0));
}

static void stopped(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    vgg_predictor *predictor = make(model, 4, NULL);
    expected right = alone(predictor);
    for (size_t stop_at = 1; stop_at < 12; stop_at++) {
        run now = {.right = &right, .count = 30, .stop_at = stop_at};
        vgg_error error;
        assert_int_equal(vgg_predict_many(predictor, next, TOP, compare, &now, &error),
                         VGG_ERROR_STOPPED);
        assert_int_equal(now.answered, stop_at);
        assert_int_equal(now.wrong, 0);
    }
    check(predictor, &right, 30);
    vgg_predictor_free(predictor);
    vgg_model_free(model);
}

static bool count_numeric(void *user, const vgg_predict_result *result) {
    size_t *count = user;
    assert_non_null(result->error);
    *count += result->error->status == VGG_ERROR_NUMERIC;
    return true;
}

static const vgg_picture *ten_drawn(void *user) {
    static const vgg_picture drawn = {.struct_size = sizeof drawn, .image = &from.image};
    size_t *left = (size_t *)user + 1;
    return (*left)-- > 0 ? &drawn : NULL;
}

static void damaged_weights(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    fill_tensor(model, "classifier.3.bias", (float)(0.0 / 0.0));
    vgg_predictor *predictor = make(model, 3, NULL);
    size_t counts[2] = {0, 10};
    vgg_error error;
    assert_ok(vgg_predict_many(predictor, ten_drawn, TOP, count_numeric, counts, &error), error);
    assert_int_equal(counts[0], 10);
    vgg_predictor_free(predictor);
    vgg_model_free(model);
}

/* ---- in company ---- */

static void backwards(void *user, size_t tasks, void (*task)(void *context, size_t index),
                      void *context) {
    (void)user;
    while (tasks > 0) {
        task(context, --tasks);
    }
}

static void on_an_executor(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_threads_options options;
    vgg_threads *threads = NULL;
    vgg_error error;
    vgg_threads_options_init(&options, sizeof options);
    options.count = 3;
    options.executor = backwards;
    assert_ok(vgg_threads_create(&options, &threads, &error), error);
    vgg_predictor *single = make(model, 7, NULL), *many = make(model, 7, threads);
    expected right = alone(single);
    check(many, &right, 50);
    vgg_predictor_free(single);
    vgg_predictor_free(many);
    vgg_threads_free(threads);
    vgg_model_free(model);
}

typedef struct caller {
    vgg_predictor *predictor;
    const expected *right;
    size_t wrong;
} caller;

static void *predict_often(void *argument) {
    caller *self = argument;
    for (size_t i = 0; i < 10; i++) {
        run now = {.right = self->right, .count = 40 + i};
        vgg_status status = vgg_predict_many(self->predictor, next, TOP, compare, &now, NULL);
        self->wrong += status != VGG_OK || now.wrong > 0 || now.answered != now.count;
    }
    return NULL;
}

static void two_share_threads(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_threads *threads = NULL;
    vgg_error error;
    assert_ok(vgg_threads_create(NULL, &threads, &error), error);
    vgg_predictor *single = make(model, 5, NULL);
    expected right = alone(single);
    caller callers[2];
    pthread_t handles[2];
    for (size_t i = 0; i < 2; i++) {
        callers[i] = (caller){.predictor = make(model, 5, threads), .right = &right};
        assert_int_equal(pthread_create(&handles[i], NULL, predict_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(handles[i], NULL);
        assert_int_equal(callers[i].wrong, 0);
        vgg_predictor_free(callers[i].predictor);
    }
    vgg_predictor_free(single);
    vgg_threads_free(threads);
    vgg_model_free(model);
}

/* A child goes on with what it inherited. Not under AddressSanitizer: that of GCC 12 does not hold
 * the locks of its memory over fork, and now and then a child waits for one forever. */
static void inherited_over_fork(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip();
#endif
    vgg_model *model = usual_model(true);
    vgg_predictor *predictor = make(model, 5, NULL);
    expected right = alone(predictor);
    check(predictor, &right, 20);
    for (size_t i = 0; i < 4; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(60); /* instead of waiting forever */
            caller self = {.predictor = predictor, .right = &right};
            predict_often(&self);
            vgg_predictor_free(predictor);
            _exit(self.wrong == 0 ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    vgg_predictor_free(predictor);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_each_alone),
        cmocka_unit_test(algorithms_of_the_batch),
        cmocka_unit_test(stopped),
        cmocka_unit_test(damaged_weights),
        cmocka_unit_test(on_an_executor),
        cmocka_unit_test(two_share_threads),
        cmocka_unit_test(inherited_over_fork),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
