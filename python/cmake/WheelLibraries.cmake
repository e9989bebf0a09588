# Copies what `compiler` (libattnjit.so) needs into attn_mlir/lib of a wheel: LLVM,
# MLIR and what these need. Not what every Linux has: the C and C++ libraries. Run at
# installation, with `patchelf` beside it: copies look for each other.
set(package "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/attn_mlir")
file(GET_RUNTIME_DEPENDENCIES
  LIBRARIES ${compiler}
  RESOLVED_DEPENDENCIES_VAR found
  UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|stdc\\+\\+|gcc_s)\\.so")
if(missing)
  message(FATAL_ERROR "the wheel needs ${missing}, which nobody has")
endif()
foreach(file ${found})
  file(INSTALL ${file} DESTINATION ${package}/lib FOLLOW_SYMLINK_CHAIN)
endforeach()
# Only files that loaders ask for: a wheel keeps no links.
file(GLOB copies ${package}/lib/*)
foreach(file ${copies})
  get_filename_component(real ${file} REALPATH)
  get_filename_component(name ${file} NAME)
  if(NOT IS_SYMLINK ${file})
    execute_process(COMMAND ${patchelf} --print-soname ${file}
      OUTPUT_VARIABLE soname OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND ${patchelf} --set-rpath $ORIGIN ${file} COMMAND_ERROR_IS_FATAL ANY)
    if(NOT name STREQUAL soname)
      file(REMOVE ${package}/lib/${soname})
      file(RENAME ${file} ${package}/lib/${soname})
    endif()
  endif()
endforeach()
file(GLOB copies ${package}/lib/*)
foreach(file ${copies})
  if(IS_SYMLINK ${file})
    file(REMOVE ${file})
  endif()
endforeach()
execute_process(COMMAND ${patchelf} --set-rpath $ORIGIN/lib ${package}/libattnjit.so
  COMMAND_ERROR_IS_FATAL ANY)
