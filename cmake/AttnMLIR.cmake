# Everything that is particular about the packaged MLIR stands here, once.
# Only the shared libraries `MLIR` and `LLVM` are linked: a static MLIR library
# beside libMLIR.so would give every TypeID twice.
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The time of a compile is spent inside libMLIR and libLLVM; -O1 builds our part
# in two thirds of the time of -O2.
set(CMAKE_CXX_FLAGS_RELEASE "-O1 -DNDEBUG" CACHE STRING "" FORCE)

option(ATTN_BUILD_TESTS "Build unit tests and the lit suite" ON)
option(ATTN_ASSERTIONS "Keep our own assertions in release builds" ON)

set(MLIR_DIR /usr/lib/llvm-22/lib/cmake/mlir CACHE PATH "Folder of MLIRConfig.cmake")
# The version must name major.minor: LLVM's version file refuses a bare major.
find_package(MLIR 22.1 REQUIRED CONFIG)
find_package(LLD REQUIRED CONFIG HINTS ${LLVM_LIBRARY_DIR}/cmake/lld)
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")

set(LLVM_RUNTIME_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/bin)
set(LLVM_LIBRARY_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/lib)
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
set(LLVM_EXTERNAL_LIT ${LLVM_TOOLS_BINARY_DIR}/lit CACHE FILEPATH "" FORCE)
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include(HandleLLVMOptions)
separate_arguments(ATTN_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${ATTN_LLVM_DEFINITIONS})
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories(${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/include
                    ${CMAKE_SOURCE_DIR}/runtime/include)

if(ATTN_ASSERTIONS)
  # The packaged LLVM has no assertions; ours link against it all the same.
  add_compile_options(-UNDEBUG)
endif()

# The system's interpreter first: numpy is a package of the system.
find_program(ATTN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(ATTN_PYTHON python3 REQUIRED)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need the two sloppiness settings to be cached.
  set(ATTN_CCACHE ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ATTN_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${ATTN_CCACHE})
endif()
find_program(LLD_PROGRAM ld.lld-22 ld.lld HINTS ${LLVM_TOOLS_BINARY_DIR})
if(LLD_PROGRAM)
  add_link_options(-B${LLVM_TOOLS_BINARY_DIR} -fuse-ld=lld)
endif()
