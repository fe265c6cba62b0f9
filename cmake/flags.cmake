# One interface target that every object of the project is compiled with.
add_library(vgg_flags INTERFACE)
target_include_directories(vgg_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(vgg_flags INTERFACE _GNU_SOURCE VGG_VERSION="${PROJECT_VERSION}")
set(WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wcast-align -Wwrite-strings -Wundef -Wvla)
if(VGG_WERROR)
  list(APPEND WARNINGS -Werror)
endif()
target_compile_options(vgg_flags INTERFACE "$<$<COMPILE_LANGUAGE:C>:${WARNINGS}>")
if(VGG_SANITIZE)
  set(SANITIZERS -fsanitize=${VGG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(vgg_flags INTERFACE "$<$<COMPILE_LANGUAGE:C>:${SANITIZERS}>")
  target_link_options(vgg_flags INTERFACE -fsanitize=${VGG_SANITIZE})
endif()

# For loops that compute. Checks of each of their accesses would take GCC as long to compile as all the rest; the
# address sanitizer finds what comes of three of them, and vectors may lie at any address.
add_library(vgg_few_checks INTERFACE)
if(VGG_SANITIZE MATCHES "address.*undefined")
  target_compile_options(vgg_few_checks INTERFACE -fno-sanitize=null,object-size,alignment,pointer-overflow)
endif()
