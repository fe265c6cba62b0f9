# docs/dependencies.md says why each of these and not another.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# vgg_package(NAME module...) finds modules of pkg-config as PkgConfig::NAME and adds them to what a
# program needs that links the static library: VGG_PACKAGES for CMake, VGG_REQUIRES for vgg.pc, and
# VGG_FIND_PACKAGES, which finds them again, for vgg-config.cmake.
macro(vgg_package name)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${ARGN})
  list(APPEND VGG_PACKAGES PkgConfig::${name})
  string(JOIN " " VGG_REQUIRES ${VGG_REQUIRES} ${ARGN})
  string(JOIN " " MODULES ${ARGN})
  string(APPEND VGG_FIND_PACKAGES "pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${MODULES})\n")
endmacro()

vgg_package(JPEG libjpeg)
vgg_package(PNG libpng)
vgg_package(WEBP libwebp libwebpdemux)
vgg_package(ZLIB zlib)
vgg_package(ARCHIVE libarchive)
vgg_package(JANSSON jansson)
vgg_package(ZIP libzip)
vgg_package(PROTOBUF_C libprotobuf-c)
include(cmake/protobuf.cmake)
if(VGG_BUILD_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
