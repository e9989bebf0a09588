# The unit tests of the runtime: built here when the runtime stands alone, and
# by unittests/Runtime in the tree above.
set(ATTNRT_TEST_SOURCES
  ${CMAKE_CURRENT_LIST_DIR}/AbiTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/Allocations.cpp
  ${CMAKE_CURRENT_LIST_DIR}/BundleTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/ConformanceTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/CppTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/CudaTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/FaultTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/InspectTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanArgumentsTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanDense.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanForestTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanModel.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanRandomTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanWorld.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PoolTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/ProblemTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/RunTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/TestBundle.cpp
  ${CMAKE_CURRENT_LIST_DIR}/ValidateTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/VerifyForestTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/VerifyTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/headers.c)
