/* The formats that this library was built without (cmake/parts.cmake): known, told and refused. */
#include "formats/format.h"
#include "formats/sniff.h"

#if !VGG_WITH_PTH
const vgg_format vgg_format_pth = {
    .name = "pth", .endings = ".pth .pt", .sniff = vgg_pth_sniff, .left_out = "VGG_WITH_PTH"};
#endif
#if !VGG_WITH_KERAS
const vgg_format vgg_format_keras = {.name = "keras",
                                     .endings = ".h5 .hdf5 .keras",
                                     .sniff = vgg_keras_sniff,
                                     .left_out = "VGG_WITH_KERAS"};
#endif
#if !VGG_WITH_ONNX
const vgg_format vgg_format_onnx = {
    .name = "onnx", .endings = ".onnx", .sniff = vgg_onnx_sniff, .left_out = "VGG_WITH_ONNX"};
#endif
#if !VGG_WITH_CAFFE
const vgg_format vgg_format_caffe = {.name = "caffe",
                                     .endings = ".caffemodel",
                                     .sniff = vgg_caffe_sniff,
                                     .left_out = "VGG_WITH_CAFFE"};
#endif
#if !VGG_WITH_NUMPY
const vgg_format vgg_format_numpy = {.name = "numpy",
                                     .endings = ".npz .npy",
                                     .sniff = vgg_numpy_sniff,
                                     .left_out = "VGG_WITH_NUMPY"};
#endif
#if !VGG_WITH_DARKNET
const vgg_format vgg_format_darknet = {.name = "darknet",
                                       .endings = ".weights",
                                       .sniff = vgg_darknet_sniff,
                                       .left_out = "VGG_WITH_DARKNET"};
#endif
