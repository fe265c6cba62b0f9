#include <setjmp.h>

#include <png.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/encode.h"

typedef struct png_writer {
    png_structp codec;
    png_infop info;
    const vgg_image *image;
    vgg_sink *sink;
    bool out_of_memory;
    vgg_status status;
    vgg_error *error;
} png_writer;

static png_voidp take(png_structp codec, png_alloc_size_t bytes) {
    png_writer *writer = png_get_mem_ptr(codec);
    void *block = vgg_malloc(bytes);
    writer->out_of_memory = writer->out_of_memory || block == NULL;
    return block;
}

static void give_back(png_structp codec, png_voidp block) {
    (void)codec;
    vgg_free(block);
}

static void on_error(png_structp codec, png_const_charp text) {
    png_writer *writer = png_get_error_ptr(codec);
    writer->status =
        vgg_fail(writer->error, writer->out_of_memory ? VGG_ERROR_MEMORY : VGG_ERROR_IO,
                 "%s: cannot write this PNG: %s", writer->sink->name,
                 writer->out_of_memory ? "out of memory" : text);
    png_longjmp(codec, 1);
}

static void on_warning(png_structp codec, png_const_charp text) {
    (void)codec;
    (void)text;
}

static void on_write(png_structp codec, png_bytep bytes, size_t count) {
    png_writer *writer = png_get_io_ptr(codec);
    writer->status = vgg_sink_write(writer->sink, bytes, count, writer->error);
    if (writer->status != VGG_OK)
        png_longjmp(codec, 1);
}

/* The buffer of a file goes to disk when the sink is closed. */
static void on_flush(png_structp codec) {
    (void)codec;
}

/* Apart from vgg_png_encode, so that nothing the long jump must not lose lives in this frame.
 */
static vgg_status write_picture(png_writer *writer) {
    if (setjmp(png_jmpbuf(writer->codec)) != 0)
        return writer->status;
    const vgg_image *image = writer->image;
    int colours = image->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB;
    png_set_write_fn(writer->codec, writer, on_write, on_flush);
    png_set_IHDR(writer->codec, writer->info, (png_uint_32)image->width, (png_uint_32)image->height,
                 8, colours, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(writer->codec, writer->info);
    for (size_t y = 0; y < image->height; y++) {
        png_write_row(writer->codec, image->pixels + y * image->width * image->channels);
    }
    png_write_end(writer->codec, writer->info);
    return VGG_OK;
}

vgg_status vgg_png_encode(const vgg_image *image, vgg_sink *sink, vgg_error *error) {
    png_writer writer = {.image = image, .sink = sink, .error = error};
    writer.codec = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &writer, on_error, on_warning,
                                             &writer, take, give_back);
    writer.info = writer.codec == NULL ? NULL : png_create_info_struct(writer.codec);
    vgg_status status = writer.info == NULL
                            ? vgg_fail_memory(error, "the PNG encoder", sizeof writer)
                            : write_picture(&writer);
    png_destroy_write_struct(&writer.codec, &writer.info);
    return status;
}
