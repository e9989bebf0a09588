# find_package(Attn 0.1 COMPONENTS Runtime JIT)
#   Runtime   Attn::attnrt, which needs neither LLVM nor CUDA
#   JIT       Attn::attnjit, which loads the shared libraries of LLVM and MLIR
# Without COMPONENTS: all that is installed.
if(NOT Attn_FIND_COMPONENTS)
  set(Attn_FIND_COMPONENTS Runtime)
  if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/AttnJIT.cmake)
    list(APPEND Attn_FIND_COMPONENTS JIT)
  endif()
endif()
# The headers that the JIT's header includes are the runtime's.
include(${CMAKE_CURRENT_LIST_DIR}/AttnRuntime.cmake)
foreach(component ${Attn_FIND_COMPONENTS})
  if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/Attn${component}.cmake)
    include(${CMAKE_CURRENT_LIST_DIR}/Attn${component}.cmake)
    set(Attn_${component}_FOUND TRUE)
  elseif(Attn_FIND_REQUIRED_${component})
    set(Attn_FOUND FALSE)
    set(Attn_NOT_FOUND_MESSAGE "expects a component Runtime or JIT that is installed, but got ${component}")
  endif()
endforeach()
