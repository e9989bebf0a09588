# What the unit tests load: two shared objects as the compiler would write them,
# which differ in a factor, and the schema as structs that can be changed.
# LLVM's flags in the tree above would keep them loaded for ever; here one is and
# one is not.
set(CMAKE_MODULE_LINKER_FLAGS "")
foreach(factor 1 2)
  add_library(attnrt_test_kernel_${factor} MODULE EXCLUDE_FROM_ALL
    ${CMAKE_CURRENT_LIST_DIR}/TestKernel.c)
  target_link_libraries(attnrt_test_kernel_${factor} PRIVATE attnrt_headers)
  target_compile_definitions(attnrt_test_kernel_${factor} PRIVATE FACTOR=${factor})
  target_compile_options(attnrt_test_kernel_${factor} PRIVATE -O2 -ffreestanding -fno-sanitize=all)
  target_link_options(attnrt_test_kernel_${factor} PRIVATE -nostdlib -fno-sanitize=all)
endforeach()
target_link_options(attnrt_test_kernel_2 PRIVATE -Wl,-z,nodelete)

# A driver for the device that stands in for a GPU, with the same kernels.
add_library(attnrt_fake_cuda SHARED EXCLUDE_FROM_ALL
  ${CMAKE_CURRENT_LIST_DIR}/FakeCode.cpp ${CMAKE_CURRENT_LIST_DIR}/FakeCuda.cpp
  ${CMAKE_CURRENT_LIST_DIR}/FakeKernels.cpp ${CMAKE_CURRENT_LIST_DIR}/FakeMemory.cpp
  ${CMAKE_CURRENT_LIST_DIR}/TestKernel.c)
target_compile_definitions(attnrt_fake_cuda PRIVATE FACTOR=1)
target_link_options(attnrt_fake_cuda PRIVATE -Wl,-Bsymbolic)
target_link_libraries(attnrt_fake_cuda PRIVATE attnrt_headers attnrt_flags)

set(ATTNRT_OBJECTS ${CMAKE_CURRENT_BINARY_DIR}/objects)
add_custom_command(
  OUTPUT ${ATTNRT_OBJECTS}/bundle_objects.h
  COMMAND flatbuffers::flatc --cpp --scoped-enums --gen-object-api
          --filename-suffix _objects -o ${ATTNRT_OBJECTS}
          ${CMAKE_CURRENT_SOURCE_DIR}/schema/bundle.fbs
  DEPENDS schema/bundle.fbs VERBATIM)
add_custom_target(attnrt_schema_objects DEPENDS ${ATTNRT_OBJECTS}/bundle_objects.h)

# What RuntimeTests needs beside its sources.
add_library(attnrt_test_support INTERFACE)
target_include_directories(attnrt_test_support SYSTEM INTERFACE ${ATTNRT_OBJECTS})
target_compile_definitions(attnrt_test_support INTERFACE
  ATTNRT_TEST_KERNEL_1="$<TARGET_FILE:attnrt_test_kernel_1>"
  ATTNRT_TEST_KERNEL_2="$<TARGET_FILE:attnrt_test_kernel_2>"
  ATTNRT_FAKE_CUDA="$<TARGET_FILE:attnrt_fake_cuda>"
  ATTNRT_TEST_PTX="${CMAKE_CURRENT_LIST_DIR}/TestKernel.ptx")
if(TARGET attnrt_sim)
  # Then the simulator is one of the devices that are tested.
  target_link_libraries(attnrt_test_support INTERFACE attnrt_sim)
  target_compile_definitions(attnrt_test_support INTERFACE ATTNRT_TEST_WITH_SIM)
endif()
# Allocations are made to fail there.
target_link_options(attnrt_test_support INTERFACE -Wl,--wrap=aligned_alloc
  -Wl,--wrap=memfd_create)
add_dependencies(attnrt_test_support attnrt_schema_objects attnrt_test_kernel_1
  attnrt_test_kernel_2 attnrt_fake_cuda)
