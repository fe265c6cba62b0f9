/* HEIC and AVIF, as libheif's own encoders write them; where the library has HEIF. */
#include "vgg_test.h"

#include <libheif/heif.h>

#include "vgg/image.h"

enum { WIDTH = 48, HEIGHT = 32 };

/* x265, which only makes the pictures here, leaves memory behind; LeakSanitizer asks for this. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libx265\n";
}

/* Red grows to the right, green downwards; with alpha the left half is transparent. */
static struct heif_image *draw(bool alpha) {
    struct heif_image *image = NULL;
    int stride;
    size_t samples = alpha ? 4 : 3;
    assert_int_equal(heif_image_create(
                         WIDTH, HEIGHT, heif_colorspace_RGB,
                         alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, &image)
                         .code,
                     heif_error_Ok);
    heif_image_add_plane(image, heif_channel_interleaved, WIDTH, HEIGHT, 8);
    uint8_t *plane = heif_image_get_plane(image, heif_channel_interleaved, &stride);
    for (size_t y = 0; y < HEIGHT; y++) {
        for (size_t x = 0; x < WIDTH; x++) {
            uint8_t *pixel = plane + y * (size_t)stride + samples * x;
            pixel[0] = (uint8_t)(5 * x);
            pixel[1] = (uint8_t)(7 * y);
            pixel[2] = 100;
            if (alpha)
                pixel[3] = x < WIDTH / 2 ? 0 : 255;
        }
    }
    return image;
}

static struct heif_error keep(struct heif_context *context, const void *bytes, size_t size,
                              void *user) {
    (void)context;
    memcpy(user, &size, sizeof size);
    memcpy((char *)user + sizeof size, bytes, size < 60000 ? size : 60000);
    return (struct heif_error){heif_error_Ok, heif_suberror_Unspecified, "ok"};
}

/* The bytes of a file, behind their number; false when libheif has no such encoder. */
static bool encode(enum heif_compression_format format, bool alpha, unsigned char *file) {
    struct heif_context *context = heif_context_alloc();
    struct heif_encoder *encoder = NULL;
    struct heif_image *image = draw(alpha);
    struct heif_writer writer = {.writer_api_version = 1, .write = keep};
    bool made = heif_context_get_encoder_for_format(context, format, &encoder).code == 0;
    if (made) {
        heif_encoder_set_lossy_quality(encoder, 100);
        heif_encoder_set_parameter_string(encoder, "chroma", "444");
        assert_int_equal(heif_context_encode_image(context, image, encoder, NULL, NULL).code, 0);
        assert_int_equal(heif_context_write(context, &writer, file).code, 0);
        heif_encoder_release(encoder);
    }
    heif_image_release(image);
    heif_context_free(context);
    return made;
}

static void check(const unsigned char *file, bool alpha) {
    size_t size;
    vgg_image image = {0};
    vgg_error error;
    memcpy(&size, file, sizeof size);
    assert_true(size < 60000);
    assert_ok(vgg_image_decode(file + sizeof size, size, "made.heic", &image, &error), error);
    assert_true(image.width == WIDTH && image.height == HEIGHT && image.channels == 3);
    for (size_t y = 0; y < HEIGHT; y++) {
        for (size_t x = 0; x < WIDTH; x++) {
            const uint8_t *pixel = image.pixels + 3 * (y * WIDTH + x);
            bool white = alpha && x < WIDTH / 2;
            const int expected[3] = {white ? 255 : (int)(5 * x), white ? 255 : (int)(7 * y),
                                     white ? 255 : 100};
            for (int c = 0; c < 3; c++) {
                assert_in_range(pixel[c] + 10 - expected[c], 0, 20);
            }
        }
    }
    vgg_image_free(&image);
    for (size_t cut = 0; cut < size; cut += 1 + size / 50) {
        assert_int_not_equal(vgg_image_decode(file + sizeof size, cut, "cut.heic", &image, &error),
                             VGG_OK);
    }
}

static void every_encoder(void **state) {
    (void)state;
    static unsigned char file[65536];
    static const enum heif_compression_format formats[] = {heif_compression_HEVC,
                                                           heif_compression_AV1};
    size_t made = 0;
    for (size_t i = 0; i < 2; i++) {
        for (int alpha = 0; alpha < 2; alpha++) {
            if (!encode(formats[i], alpha == 1, file))
                continue;
            check(file, alpha == 1);
            made++;
        }
    }
    if (made == 0)
        skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_encoder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
