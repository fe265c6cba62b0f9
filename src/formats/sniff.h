/* Telling formats by the first bytes of a file. This stands apart from the readers, some of which
 * may be left out of the library (left_out.c): a file that they would read is still told by name.
 */
#ifndef VGG_FORMATS_SNIFF_H
#define VGG_FORMATS_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* size is the whole file's. */
bool vgg_pth_sniff(const unsigned char *bytes, size_t size);
bool vgg_keras_sniff(const unsigned char *bytes, size_t size);
bool vgg_numpy_sniff(const unsigned char *bytes, size_t size);
bool vgg_onnx_sniff(const unsigned char *bytes, size_t size);
bool vgg_caffe_sniff(const unsigned char *bytes, size_t size);
bool vgg_darknet_sniff(const unsigned char *bytes, size_t size);

bool vgg_is_zip(const unsigned char *bytes, size_t size);

/* Whether a file of Keras is a .keras archive. */
bool vgg_keras_is_archive(const unsigned char *bytes, size_t size);

/* A number of a Darknet file's version, which takes so many bytes in all. */
#define VGG_DARKNET_VERSION_BYTES 12
uint32_t vgg_darknet_number(const unsigned char *bytes);

#endif
