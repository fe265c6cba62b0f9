# Parts of the library that can be left out, each with the packages that it needs. What is left out is
# refused by the name of its option when it is asked for (left_out.c of its room). Without any of them
# the library reads and writes safetensors, reads BMP and PNM pictures and IDX and CIFAR data sets as well as
# folders, and needs Jansson alone.
option(VGG_WITH_JPEG "JPEG pictures (libjpeg)" ON)
option(VGG_WITH_PNG "PNG pictures (libpng)" ON)
option(VGG_WITH_WEBP "WebP pictures (libwebp)" ON)
option(VGG_WITH_GIF "GIF pictures (giflib)" ON)
option(VGG_WITH_TIFF "TIFF pictures (libtiff)" ON)
# libheif brings decoders of video with it: it is used where it is installed, and not asked for.
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBHEIF QUIET libheif)
option(VGG_WITH_HEIF "HEIC and AVIF pictures (libheif)" ${LIBHEIF_FOUND})
option(VGG_WITH_ARCHIVE "Data sets in tar and zip archives and gzipped IDX files (libarchive, zlib)" ON)
option(VGG_WITH_PTH "Models of PyTorch (libzip, zlib)" ON)
option(VGG_WITH_KERAS "Models of Keras (libzip)" ON)
option(VGG_WITH_ONNX "Models of ONNX (protobuf-c)" ON)
option(VGG_WITH_CAFFE "Models of Caffe (protobuf-c)" ON)
option(VGG_WITH_DARKNET "Models of Darknet" ON)
option(VGG_WITH_NUMPY "Models and scores as NumPy's arrays (libzip, zlib)" ON)
option(VGG_WITH_BUILTIN "The model in the box" ON)
# What only the program needs. Cairo brings fonts and more with it: it is used where it is installed.
pkg_check_modules(CAIRO QUIET cairo)
option(VGG_WITH_CAIRO "Curves and confusion matrix as pictures beside a run, letters on explanations (cairo)" ${CAIRO_FOUND})
# The server's HTTP likewise.
pkg_check_modules(MICROHTTPD QUIET libmicrohttpd)
option(VGG_WITH_SERVE "vgg serve (libmicrohttpd)" ${MICROHTTPD_FOUND})
# CUDA's compiler and cuDNN likewise. The plugin is a file of its own: library and program are the same without.
find_program(VGG_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda/bin)
find_path(VGG_CUDNN_INCLUDE cudnn.h HINTS ENV CUDA_PATH PATHS /usr/local/cuda/include)
if(VGG_NVCC AND VGG_CUDNN_INCLUDE AND VGG_SANITIZE STREQUAL "")
  set(CUDA_FOUND ON)
else()
  set(CUDA_FOUND OFF)
endif()
option(VGG_WITH_CUDA "The plugin for NVIDIA's GPUs (CUDA 12 or 13, cuDNN 9)" ${CUDA_FOUND})
set(VGG_CUDA_ARCHITECTURES "80;90" CACHE STRING "GPUs that the plugin's kernels are compiled for")
set(VGG_PARTS JPEG PNG WEBP GIF TIFF ARCHIVE PTH KERAS ONNX CAFFE DARKNET NUMPY BUILTIN)

if(VGG_BUILD_TESTS OR VGG_FUZZ)
  foreach(part ${VGG_PARTS})
    if(NOT VGG_WITH_${part})
      message(FATAL_ERROR "The tests and fuzzers need all parts but HEIF: VGG_WITH_${part} is off; "
        "-DVGG_BUILD_TESTS=OFF builds without them.")
    endif()
  endforeach()
endif()

# vgg_left_out(ROOM PART...) tells the sources of a room which parts there are: VGG_WITH_PART is 0 or 1.
function(vgg_left_out room)
  foreach(part ${ARGN})
    target_compile_definitions(vgg_${room} PRIVATE VGG_WITH_${part}=$<BOOL:${VGG_WITH_${part}}>)
  endforeach()
endfunction()
