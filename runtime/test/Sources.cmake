# The unit tests of the runtime: built here when the runtime stands alone, and
# by unittests/Runtime in the tree above.
set(ATTNRT_TEST_SOURCES
  ${CMAKE_CURRENT_LIST_DIR}/PlanArgumentsTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanDense.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanForestTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanModel.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanRandomTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PlanWorld.cpp
  ${CMAKE_CURRENT_LIST_DIR}/PoolTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/RunTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/VerifyForestTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/VerifyTest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/headers.c)
