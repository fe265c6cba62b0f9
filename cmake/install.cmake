# `cmake --install`: the program, both libraries, headers, a pkg-config file and a CMake package.
include(CMakePackageConfigHelpers)

install(TARGETS vgg-program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS vgg vgg_shared EXPORT vgg-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/vgg DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(VGG_WITH_BUILTIN)
  install(FILES models/clothing.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

# vgg.pc finds the rest from where it lies itself, so that the whole may be installed with another
# prefix, or moved; but folders that were given with their whole path stay where they are.
set(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  file(RELATIVE_PATH UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  set(PC_PREFIX "\${pcfiledir}/${UP}")
endif()
foreach(folder LIBDIR INCLUDEDIR)
  set(PC_${folder} ${CMAKE_INSTALL_${folder}})
  if(NOT IS_ABSOLUTE "${PC_${folder}}")
    string(PREPEND PC_${folder} "\${prefix}/")
  endif()
endforeach()
configure_file(cmake/vgg.pc.in vgg.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/vgg.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/vgg)
configure_package_config_file(cmake/vgg-config.cmake.in vgg-config.cmake
  INSTALL_DESTINATION ${PACKAGE_FOLDER})
write_basic_package_version_file(vgg-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vgg-config.cmake ${PROJECT_BINARY_DIR}/vgg-config-version.cmake
  DESTINATION ${PACKAGE_FOLDER})
install(EXPORT vgg-targets NAMESPACE vgg:: DESTINATION ${PACKAGE_FOLDER})
