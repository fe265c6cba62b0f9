#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "image/encode.h"

#define BUFFER_BYTES 4096

typedef struct jpeg_writer {
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr handlers;
    struct jpeg_destination_mgr destination;
    jmp_buf escape; /* libjpeg's handlers must not return after an error */
    const vgg_image *image;
    vgg_sink *sink;
    JOCTET buffer[BUFFER_BYTES];
    vgg_status status;
    vgg_error *error;
} jpeg_writer;

static void on_error(j_common_ptr codec) {
    jpeg_writer *writer = codec->client_data;
    char text[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, text);
    bool memory = codec->err->msg_code == JERR_OUT_OF_MEMORY;
    writer->status = vgg_fail(writer->error, memory ? VGG_ERROR_MEMORY : VGG_ERROR_ARGUMENT,
                              "%s: cannot write this JPEG: %s", writer->sink->name, text);
    longjmp(writer->escape, 1);
}

static void on_output(j_common_ptr codec) {
    (void)codec;
}

static void start_buffer(j_compress_ptr codec) {
    jpeg_writer *writer = codec->client_data;
    writer->destination.next_output_byte = writer->buffer;
    writer->destination.free_in_buffer = BUFFER_BYTES;
}

static void write_bytes(jpeg_writer *writer, size_t count) {
    writer->status = vgg_sink_write(writer->sink, writer->buffer, count, writer->error);
    if (writer->status != VGG_OK)
        longjmp(writer->escape, 1);
}

static boolean empty_buffer(j_compress_ptr codec) {
    write_bytes(codec->client_data, BUFFER_BYTES);
    start_buffer(codec);
    return TRUE;
}

static void end_buffer(j_compress_ptr codec) {
    jpeg_writer *writer = codec->client_data;
    write_bytes(writer, BUFFER_BYTES - writer->destination.free_in_buffer);
}

/* Apart from vgg_jpeg_encode, so that nothing the long jump must not lose lives in this frame. */
static vgg_status write_picture(jpeg_writer *writer, unsigned quality) {
    struct jpeg_compress_struct *codec = &writer->codec;
    const vgg_image *image = writer->image;
    if (setjmp(writer->escape) != 0)
        return writer->status;
    jpeg_create_compress(codec);
    writer->destination = (struct jpeg_destination_mgr){.init_destination = start_buffer,
                                                        .empty_output_buffer = empty_buffer,
                                                        .term_destination = end_buffer};
    codec->dest = &writer->destination;
    codec->image_width = (JDIMENSION)image->width;
    codec->image_height = (JDIMENSION)image->height;
    codec->input_components = (int)image->channels;
    codec->in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(codec);
    jpeg_set_quality(codec, (int)quality, TRUE);
    codec->optimize_coding = TRUE; /* small pictures are mostly tables otherwise */
    jpeg_start_compress(codec, TRUE);
    while (codec->next_scanline < codec->image_height) {
        /* libjpeg does not write to the rows that it is given. */
        JSAMPROW row = image->pixels + codec->next_scanline * image->width * image->channels;
        jpeg_write_scanlines(codec, &row, 1);
    }
    jpeg_finish_compress(codec);
    return VGG_OK;
}

vgg_status vgg_jpeg_encode(const vgg_image *image, unsigned quality, vgg_sink *sink,
                           vgg_error *error) {
    jpeg_writer writer = {.image = image, .sink = sink, .error = error};
    writer.codec.err = jpeg_std_error(&writer.handlers);
    writer.codec.client_data = &writer;
    writer.handlers.error_exit = on_error;
    writer.handlers.output_message = on_output;
    vgg_status status = write_picture(&writer, quality);
    jpeg_destroy_compress(&writer.codec);
    return status;
}
