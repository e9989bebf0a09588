# attn_library(Name SOURCES a.cpp ... [DEPENDS tablegen targets] [LINK libs] [NO_PCH])
# One static library of the compiler. Libraries see MLIR's headers through one
# precompiled header, which halves the build time.
function(attn_library name)
  cmake_parse_arguments(A "NO_PCH" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_link_libraries(${name} PUBLIC ${A_LINK} MLIR LLVM)
  if(A_DEPENDS)
    add_dependencies(${name} ${A_DEPENDS})
  endif()
  attn_use_pch(${name} ${A_NO_PCH})
endfunction()

function(attn_use_pch name no_pch)
  if(no_pch)
    return()
  endif()
  if(NOT TARGET attn_pch)
    # Written only when it differs, or each configuration would build it again.
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/attn_pch.cpp CONTENT "")
    add_library(attn_pch OBJECT ${CMAKE_BINARY_DIR}/attn_pch.cpp)
    target_precompile_headers(attn_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
    target_compile_options(attn_pch PRIVATE -fpch-preprocess)
  endif()
  target_compile_options(${name} PRIVATE -fpch-preprocess)
  target_precompile_headers(${name} REUSE_FROM attn_pch)
endfunction()

function(attn_tool name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE ${A_LINK} MLIR LLVM)
  # -fPIC as in the libraries: one precompiled header serves both.
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin
                        POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  attn_use_pch(${name} FALSE)
  set_property(GLOBAL APPEND PROPERTY ATTN_TOOLS ${name})
endfunction()

# attn_unittest(Name SOURCES ... LINK ...): a gtest program that lit runs.
function(attn_unittest name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE ${A_LINK} GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/unittests)
  set_property(GLOBAL APPEND PROPERTY ATTN_UNITTESTS ${name})
endfunction()
