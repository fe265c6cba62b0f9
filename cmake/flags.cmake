# One interface target that every object of the project is compiled with.
add_library(vgg_flags INTERFACE)
target_include_directories(vgg_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(vgg_flags INTERFACE _GNU_SOURCE VGG_VERSION="${PROJECT_VERSION}")
target_compile_options(vgg_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wcast-align -Wwrite-strings -Wundef -Wvla)
if(VGG_WERROR)
  target_compile_options(vgg_flags INTERFACE -Werror)
endif()
if(VGG_SANITIZE)
  target_compile_options(vgg_flags INTERFACE -fsanitize=${VGG_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(vgg_flags INTERFACE -fsanitize=${VGG_SANITIZE})
endif()
