//===- GivenTest.cpp - Steps whose problem the engine poses ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestBundle.h"
#include "attnrt/plan.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

using namespace attnrt_test;

namespace {

/// A problem of the entry "sums": rows are requests, tiles have 4 keys.
struct Given {
  struct Run {
    int32_t param, coord0, count;
    std::vector<int32_t> rows; ///< that read it
  };

  Given(const std::vector<Run> &runs, std::vector<int32_t> syms,
        std::vector<int32_t> limits)
      : sym(std::move(syms)), limit(std::move(limits)), coord(sym.size()),
        lo(sym.size()) {
    for (const Run &run : runs) {
      attnrt_segment segment{};
      segment.select = segment.len_ref = segment.head = -1;
      segment.param = run.param;
      segment.coord0 = run.coord0;
      segment.count = run.count;
      segments.push_back(segment);
      rowBegin.push_back(int32_t(rowList.size()));
      rowList.insert(rowList.end(), run.rows.begin(), run.rows.end());
      rowEnd.push_back(int32_t(rowList.size()));
    }
    problem.struct_size = sizeof(problem);
    problem.heads = problem.group = 1;
    problem.segment_count = int64_t(segments.size());
    problem.row_count = int64_t(sym.size());
    bind();
  }
  void bind() {
    problem.segments = segments.data();
    problem.row_begin = rowBegin.data();
    problem.row_end = rowEnd.data();
    problem.row_list = rowList.data();
    problem.row_list_size = int64_t(rowList.size());
    problem.coord = coord.data();
    problem.lo = lo.data();
    problem.limit = limit.data();
    problem.sym = sym.data();
  }

  /// "" or what the update said.
  std::string update(attnrt_schedule *schedule, Batch &batch) {
    const attnrt_problem *problems[] = {&problem};
    attnrt_step step = batch.step();
    step.problems = problems;
    step.num_problems = 1;
    return attnrt_schedule_update(schedule, &step, nullptr)
               ? attnrt_last_message()
               : "";
  }

  std::vector<attnrt_segment> segments;
  std::vector<int32_t> rowBegin, rowEnd, rowList, sym, limit, coord, lo;
  attnrt_problem problem{};
};

attnrt_state_info stateOf(attnrt_schedule *schedule, int32_t launch = 0,
                          int32_t component = 0) {
  attnrt_state_info info{};
  info.struct_size = sizeof(info);
  EXPECT_EQ(ATTNRT_OK,
            attnrt_schedule_state(schedule, launch, component, &info))
      << attnrt_last_message();
  return info;
}

/// Sum of x[b, begin .. end).
float sumOf(const Batch &batch, int64_t b, int64_t begin, int64_t end) {
  float sum = 0;
  for (int64_t m = begin; m < end; ++m) {
    sum += batch.x[size_t(b * batch.keys + m)];
  }
  return sum;
}

/// The stand-in for a GPU does everything as late as it may.
void waitFor(DLDevice device) {
  if (device.device_type == kDLCUDA) {
    void *driver = dlopen(ATTNRT_FAKE_CUDA, RTLD_NOW);
    reinterpret_cast<int (*)()>(dlsym(driver, "fake_cuda_finish"))();
  }
}

/// Rows that merge states from elsewhere, and rows that stay states.
void checkStates(const attnrt_context_params *params, DLDevice device) {
  Loaded loaded(params, device);
  Batch batch({14, 9, 30}, 30);
  batch.moveTo(device);
  Given given({{0, 0, 14, {0}}, {1, 0, 9, {1}}, {2, 0, 30, {2}}}, {0, 1, 2},
              {14, 9, 30});
  std::vector<int32_t> extBegin{0, 2, 2, 3}, ext{2, 0, 1}, keep{-1, 0, 1};
  given.problem.ext_begin = extBegin.data();
  given.problem.ext = ext.data();
  given.problem.ext_count = 3;
  given.problem.keep = keep.data();
  given.problem.keep_count = 2;
  ASSERT_EQ("", given.update(loaded.schedule, batch));
  EXPECT_EQ(ATTNRT_OK, attnrt_schedule_verify(loaded.schedule))
      << attnrt_last_message();
  attnrt_state_info state = stateOf(loaded.schedule);
  ASSERT_EQ(1, state.num_axes);
  EXPECT_EQ(5, state.sizes[0]);
  EXPECT_EQ(kDLFloat, state.dtype.code);
  EXPECT_EQ(32, state.dtype.bits);
  auto *slots = static_cast<float *>(state.data);
  for (int repeat = 0; repeat < 2; ++repeat) { // a run for each layer
    std::fill_n(slots, 5, -1.0f);
    slots[0] = 100;
    slots[1] = 200;
    slots[2] = 400;
    auto all = batch.all();
    ASSERT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    waitFor(device);
    EXPECT_EQ(0.5f * (500 + sumOf(batch, 0, 0, 14)), batch.y[0]);
    EXPECT_EQ(sumOf(batch, 1, 0, 9), slots[3]);
    EXPECT_EQ(200 + sumOf(batch, 2, 0, 30), slots[4]);
  }
  // A step without states has none.
  EXPECT_EQ("", loaded.run(batch));
  waitFor(device);
  EXPECT_EQ(0, stateOf(loaded.schedule).sizes[0]);
  EXPECT_EQ(nullptr, stateOf(loaded.schedule).data);
}

} // namespace

TEST(Given, RowsReadAnybodysKeys) {
  for (int32_t workers : {1, 2, 5}) {
    attnrt_schedule_caps caps{};
    caps.struct_size = sizeof(caps);
    caps.workers = workers;
    Loaded loaded(nullptr, {kDLCPU, 0}, 1, &caps);
    Batch batch({14, 9, 30}, 30);
    // Row 0 reads keys of request 2 and its own, some of them twice; the row of
    // request 1 is not asked for.
    {
      Given given(
          {{2, 4, 8, {0}}, {0, 0, 8, {0}}, {0, 4, 10, {0}}, {2, 8, 22, {1}}},
          {0, 2}, {14, 30});
      EXPECT_EQ("", given.update(loaded.schedule, batch));
    } // what was given is the caller's, and gone
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_verify(loaded.schedule))
        << attnrt_last_message();
    auto all = batch.all();
    ASSERT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    EXPECT_EQ(0.5f * (sumOf(batch, 2, 4, 12) + sumOf(batch, 0, 0, 8) +
                      sumOf(batch, 0, 4, 14)),
              batch.y[0]);
    EXPECT_EQ(0.5f * sumOf(batch, 2, 8, 30), batch.y[2]);
    // The next step is what sizes and lengths say again.
    EXPECT_EQ("", loaded.run(batch));
    EXPECT_EQ(batch.expected(), batch.y);
  }
}

TEST(Given, StatesComeAndStay) {
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.cuda_library = ATTNRT_FAKE_CUDA;
  for (DLDevice device : {DLDevice{kDLCPU, 0}, {kDLCUDA, 0}}) {
    checkStates(&params, device);
  }
}

TEST(Given, StatesOutliveTheirLaunch) {
  // Two folds over the same keys; what the first keeps the second leaves.
  attnrt::bundle::BundleT bundle = makeBundle();
  auto &launches = bundle.entries[0]->programs[0]->launches;
  launches.insert(launches.begin() + 1,
                  std::make_unique<attnrt::bundle::LaunchT>(*launches[0]));
  Bytes bytes = pack(std::move(bundle));
  attnrt_context *context = nullptr;
  attnrt_bundle *loaded = nullptr;
  attnrt_kernel *kernel = nullptr;
  attnrt_schedule *schedule = nullptr;
  attnrt_schedule_caps caps{};
  caps.struct_size = sizeof(caps);
  caps.split = 3; // so that the second has states too
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &loaded))
      << attnrt_last_message();
  ASSERT_EQ(ATTNRT_OK,
            attnrt_kernel_load(loaded, "sums", {kDLCPU, 0}, nullptr, &kernel));
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_create(kernel, &caps, &schedule));
  Batch batch({14, 9, 30}, 30);
  Given given({{0, 0, 14, {0}}, {2, 0, 30, {1}}}, {0, 2}, {14, 30});
  std::vector<int32_t> keep{0, 1};
  given.problem.keep = keep.data();
  given.problem.keep_count = 2;
  EXPECT_EQ("", given.update(schedule, batch));
  auto all = batch.all();
  EXPECT_EQ(ATTNRT_OK, attnrt_run(schedule, all.data(), 5, nullptr));
  EXPECT_EQ(batch.expected(), batch.y);
  auto *slots = static_cast<float *>(stateOf(schedule).data);
  EXPECT_EQ(sumOf(batch, 0, 0, 14), slots[0]);
  EXPECT_EQ(sumOf(batch, 2, 0, 30), slots[1]);
  EXPECT_EQ(0, stateOf(schedule, 1).sizes[0]);
  attnrt_schedule_release(schedule);
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(loaded);
  attnrt_context_release(context);
}

TEST(Given, StatesThatThereAreNot) {
  Loaded loaded;
  attnrt_state_info info{};
  info.struct_size = sizeof(info);
  auto ask = [&](int32_t launch, int32_t component) {
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_schedule_state(loaded.schedule, launch, component, &info));
    return std::string(attnrt_last_message());
  };
  EXPECT_EQ("expects a step to be planned before its states are known",
            ask(0, 0));
  Batch batch({14}, 30);
  EXPECT_EQ("", loaded.run(batch));
  EXPECT_EQ("expects a launch below 2, but got 2", ask(2, 0));
  EXPECT_EQ("expects a launch below 2, but got -1", ask(-1, 0));
  EXPECT_EQ("launch 0 expects a component below 1, but got 1", ask(0, 1));
  EXPECT_EQ("launch 1 expects a component below 0, but got 0", ask(1, 0));
}

TEST(Given, WhatKernelsCannotTake) {
  Loaded loaded;
  Batch batch({14, 9, 30}, 30);
  EXPECT_EQ("", loaded.run(batch));
  auto refuse = [&](const std::string &why, auto change) {
    Given given({{0, 0, 14, {0}}, {1, 4, 5, {1}}}, {0, 1}, {14, 9});
    change(given);
    EXPECT_EQ(why, given.update(loaded.schedule, batch));
    // The step before still runs.
    batch.y.assign(3, -1);
    auto all = batch.all();
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    EXPECT_EQ(batch.expected(), batch.y);
  };
  refuse("a problem expects 1 KV heads of 1 query heads, but got 1 of 2",
         [](Given &g) { g.problem.group = 2; });
  refuse("row 1 expects a request below 3 and a coordinate below 1, but got "
         "request 3 and coordinate 0",
         [](Given &g) { g.sym[1] = 3; });
  refuse("row 0 expects a request below 3 and a coordinate below 1, but got "
         "request 0 and coordinate 1",
         [](Given &g) { g.coord[0] = 1; });
  refuse("row 1 expects a result of its own, but another row writes that of "
         "request 0 and coordinate 0",
         [](Given &g) { g.sym[1] = 0; });
  refuse("segment 1 expects a param below 3 requests, but got 3",
         [](Given &g) { g.segments[1].param = 3; });
  refuse("segment 1 expects to begin at a multiple of 4 keys and to end within "
         "32, but got 5 keys from 2",
         [](Given &g) { g.segments[1].coord0 = 2; });
  refuse("segment 0 expects to begin at a multiple of 4 keys and to end within "
         "32, but got 33 keys from 0",
         [](Given &g) { g.segments[0].count = 33; });
  refuse("segment 0 expects to end at a multiple of 4 keys or at the limit of "
         "its rows, but got 13 where row 0 has 14",
         [](Given &g) { g.segments[0].count = 13; });
  refuse(
      "segment 1 expects a view below 1, the kernels that are joined, select "
      "-1 and no mask words (lists and masks of compiled kernels are "
      "operands), but got view 1, select -1 and masks from -1",
      [](Given &g) { g.segments[1].view = 1; });
  refuse(
      "segment 1 expects a view below 1, the kernels that are joined, select "
      "-1 and no mask words (lists and masks of compiled kernels are "
      "operands), but got view 0, select 7 and masks from -1",
      [](Given &g) { g.segments[1].select = 7; });
  refuse("segment 0 expects rows of one request, as the entry looks up masks "
         "for a whole request, but got requests 0 and 1",
         [](Given &g) {
           g.rowList = {0, 1, 1};
           g.rowEnd = {2, 3};
           g.rowBegin = {0, 2};
           g.limit = {14, 9};
           g.bind();
         });
  // Rules of every problem come first.
  refuse("the row list of segment 0 expects rising rows below 2, but got 7 "
         "behind -1",
         [](Given &g) { g.rowList[0] = 7; });
}

TEST(Given, OnlyFoldsHaveProblems) {
  Loaded loaded;
  Batch batch({14}, 30);
  Given given({{0, 0, 14, {0}}}, {0}, {14});
  const attnrt_problem *problems[] = {nullptr, &given.problem, nullptr};
  attnrt_step step = batch.step();
  step.problems = problems;
  step.num_problems = 2;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_update(loaded.schedule, &step, nullptr));
  EXPECT_STREQ("launch 1 expects no problem, as it is a stage of points",
               attnrt_last_message());
  step.num_problems = 3;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_update(loaded.schedule, &step, nullptr));
  EXPECT_STREQ("expects problems of at most 2 launches, but got 3",
               attnrt_last_message());
}
