#include <setjmp.h>

#include <png.h>

#include "base/error.h"
#include "base/file.h"
#include "image/picture.h"

typedef struct png_writer {
    png_structp codec;
    png_infop info;
    const vgg_image *image;
    const char *path;
    vgg_file_writer file;
    vgg_status status;
    vgg_error *error;
} png_writer;

static void on_error(png_structp codec, png_const_charp text) {
    png_writer *writer = png_get_error_ptr(codec);
    writer->status =
        vgg_fail(writer->error, VGG_ERROR_IO, "%s: cannot write this PNG: %s", writer->path, text);
    png_longjmp(codec, 1);
}

static void on_warning(png_structp codec, png_const_charp text) {
    (void)codec;
    (void)text;
}

static void on_write(png_structp codec, png_bytep bytes, size_t count) {
    png_writer *writer = png_get_io_ptr(codec);
    writer->status = vgg_file_write(&writer->file, bytes, count, writer->error);
    if (writer->status != VGG_OK)
        png_longjmp(codec, 1);
}

/* The file's own buffer goes to disk with vgg_file_commit. */
static void on_flush(png_structp codec) {
    (void)codec;
}

/* Apart from vgg_image_save_png, so that nothing the long jump must not lose lives in this frame.
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

vgg_status vgg_image_save_png(const vgg_image *image, const char *path, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status == VGG_OK)
        status = vgg_image_check_size("a PNG", image->width, image->height, error);
    if (status != VGG_OK)
        return status;
    png_writer writer = {.image = image, .path = path, .error = error};
    status = vgg_file_create(&writer.file, path, error);
    if (status != VGG_OK)
        return status;
    writer.codec = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, on_error, on_warning);
    writer.info = writer.codec == NULL ? NULL : png_create_info_struct(writer.codec);
    status = writer.info == NULL ? vgg_fail_memory(error, "the PNG encoder", sizeof writer)
                                 : write_picture(&writer);
    png_destroy_write_struct(&writer.codec, &writer.info);
    if (status == VGG_OK)
        return vgg_file_commit(&writer.file, error);
    vgg_file_abandon(&writer.file);
    return status;
}
