# vgg_protobuf(TARGET FILE.proto...) compiles messages with protoc-c into the build folder and adds them to
# the target, which includes FILE.pb-c.h. Generated code is not held to our warnings, and its
# assertions are left out: the library never aborts.
find_program(PROTOC_C protoc-c REQUIRED)

function(vgg_protobuf target)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/protobuf)
  file(MAKE_DIRECTORY ${folder})
  foreach(proto ${ARGN})
    get_filename_component(name ${proto} NAME_WE)
    get_filename_component(place ${proto} DIRECTORY)
    set(source ${folder}/${name}.pb-c.c)
    add_custom_command(OUTPUT ${source} ${folder}/${name}.pb-c.h
      COMMAND ${PROTOC_C} --c_out=${folder} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/${place} ${name}.proto
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto} VERBATIM)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -w COMPILE_DEFINITIONS NDEBUG)
    target_sources(${target} PRIVATE ${source} ${folder}/${name}.pb-c.h)
  endforeach()
  target_include_directories(${target} SYSTEM PRIVATE ${folder})
endfunction()
