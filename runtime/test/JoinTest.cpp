//===- JoinTest.cpp - Kernels that share a launch -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "TestBundle.h"
#include "attnrt/attnrt.hpp"
#include "attnrt/plan.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <random>

using namespace attnrt_test;
namespace rt = attn::rt;

namespace {

/// The fold of "sums" alone: w[b] is its first result.
attnrt::bundle::BundleT foldOnly(bool hasGpu) {
  attnrt::bundle::BundleT bundle = makeBundle(1, hasGpu);
  for (auto &program : bundle.entries[0]->programs) {
    program->launches.pop_back();
    auto &y = program->buffers[7], &w = program->buffers[10];
    y->kind = attnrt::bundle::BufferKind::Workspace;
    w->kind = attnrt::bundle::BufferKind::Result;
  }
  return bundle;
}

/// Two kernels of the entry and one of both, and a batch for each.
struct Joined {
  explicit Joined(const attnrt_context_params *params = nullptr,
                  DLDevice device = {kDLCPU, 0})
      : context(params), device(device) {
    Bytes bytes = pack(foldOnly(device.device_type == kDLCUDA));
    rt::Bundle bundle(context, bytes.data(), bytes.size());
    rt::Kernel a(bundle, "sums", device), b(bundle, "sums", device);
    kernel.emplace(rt::Kernel::join({&a, &b}));
  }

  void run(Batch &first, Batch &second) {
    auto step = stepOf(first, second);
    schedule->update(step);
    schedule->verify();
    launch(first, second);
  }
  attnrt_step stepOf(Batch &first, Batch &second) {
    first.moveTo(device);
    second.moveTo(device);
    auto step = rt::params<attnrt_step>();
    arguments.clear();
    host.clear();
    for (Batch *batch : {&first, &second}) {
      for (const DLTensor *tensor : batch->arguments()) {
        arguments.push_back(tensor);
      }
      host.resize(arguments.size());
      std::copy(batch->host.begin(), batch->host.end(), host.end() - 3);
    }
    step.num_arguments = int32_t(arguments.size());
    step.arguments = arguments.data();
    step.host = host.data();
    return step;
  }
  /// Results are those of the first batch.
  void launch(Batch &first, Batch &second) {
    stepOf(first, second);
    std::vector<const DLTensor *> all = arguments;
    all.push_back(first.ty.get());
    all.push_back(first.tz.get());
    schedule->run(all);
    if (device.device_type == kDLCUDA) {
      void *driver = dlopen(ATTNRT_FAKE_CUDA, RTLD_NOW);
      reinterpret_cast<int (*)()>(dlsym(driver, "fake_cuda_finish"))();
    }
  }

  rt::Context context;
  DLDevice device;
  std::optional<rt::Kernel> kernel;
  std::optional<rt::Schedule> schedule;
  std::vector<const DLTensor *> arguments, host;
};

std::vector<float> sumOf(const Batch &first, const Batch &second) {
  std::vector<float> sums = first.expected(2), more = second.expected(2);
  for (size_t i = 0; i < sums.size(); ++i) {
    sums[i] += more[i];
  }
  return sums;
}

attnrt_context_params fakeGpu() {
  auto params = rt::params<attnrt_context_params>();
  params.cuda_library = ATTNRT_FAKE_CUDA;
  return params;
}

std::string refusal(const std::function<void()> &call) {
  try {
    call();
    return "it was taken";
  } catch (const rt::Error &error) {
    return error.what();
  }
}

constexpr DLDevice kCpu{kDLCPU, 0}, kCuda{kDLCUDA, 0};

} // namespace

TEST(Join, RowsReadKeysOfBoth) {
  attnrt_context_params params = fakeGpu();
  for (DLDevice device : {kCpu, kCuda}) {
    Joined joined(&params, device);
    EXPECT_EQ(6, joined.kernel->info().num_arguments);
    EXPECT_EQ(2, joined.kernel->info().num_results);
    EXPECT_EQ(uint32_t(ATTNRT_ARGUMENT_HOST_READ),
              joined.kernel->argument(4).flags);
    for (int32_t workers : {1, 3}) {
      for (int32_t split : {0, 1, 3}) {
        auto caps = rt::params<attnrt_schedule_caps>();
        caps.workers = workers;
        caps.split = split;
        joined.schedule.emplace(*joined.kernel, &caps);
        // Keys of both, of one, of none; growing and shrinking.
        Batch a({5, 0, 30, 0}, 30), b({17, 9, 0, 0}, 20);
        joined.run(a, b);
        EXPECT_EQ(sumOf(a, b), a.y);
        EXPECT_EQ(std::vector<float>(8, 0), a.z);
        // Of a format whole tiles, as far as the row sees any key.
        EXPECT_EQ(8 + 30 + 17 + 9, joined.schedule->stats().keys_read);
        Batch c({4}, 4), d({0}, 9);
        joined.run(c, d);
        EXPECT_EQ(sumOf(c, d), c.y);
        Batch e({}, 4), f({}, 4);
        joined.run(e, f);
        Batch g(std::vector<int32_t>(50, 29), 30),
            h(std::vector<int32_t>(50, 31), 40);
        joined.run(g, h);
        EXPECT_EQ(sumOf(g, h), g.y);
      }
    }
  }
}

TEST(Join, OnePlanAndOneSetOfStates) {
  Joined joined;
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = 2;
  caps.split = 2;
  joined.schedule.emplace(*joined.kernel, &caps);
  Batch a({14}, 16), b({16}, 16); // the last tile of the first is not full
  joined.run(a, b);
  EXPECT_EQ(2, joined.kernel->info().num_launches);
  const attnrt_plan *plan = joined.schedule->launch(0).plan;
  ASSERT_NE(nullptr, plan);
  EXPECT_EQ(nullptr, joined.schedule->launch(1).plan);
  ASSERT_EQ(4u, plan->items.count);
  EXPECT_EQ(1u, plan->merges.count);
  std::vector<int> variants;
  for (uint32_t i = 0; i < 4; ++i) {
    variants.push_back(attnrt_plan_items(plan)[i].variant);
    EXPECT_EQ(0u, attnrt_plan_items(plan)[i].flags & ATTNRT_ITEM_FULL);
  }
  std::sort(variants.begin(), variants.end());
  EXPECT_EQ((std::vector<int>{0, 0, 1, 1}), variants);
  // Nothing is counted, as a tile has keys in two formats.
  int64_t counts[3] = {-1, -1, -1};
  EXPECT_EQ(ATTNRT_OK,
            attnrt_schedule_count_tiles(joined.schedule->get(), counts));
  EXPECT_EQ(0, counts[0] + counts[1] + counts[2]);
}

TEST(Join, LengthsBetweenBounds) {
  attnrt_context_params params = fakeGpu();
  for (DLDevice device : {kCpu, kCuda}) {
    Joined joined(&params, device);
    joined.schedule.emplace(*joined.kernel);
    Batch a({20, 30, 4}, 30), b({7, 30, 0}, 30);
    std::vector<int32_t> low{0, 10, 4}, none{0, 0, 0};
    Tensor lowest = Tensor::ints({3}, low), lows = Tensor::ints({3}, none);
    const DLTensor *list[] = {nullptr, lowest.get(), nullptr,
                              nullptr, lows.get(),   nullptr};
    attnrt_step step = joined.stepOf(a, b);
    step.low = list;
    joined.schedule->update(step);
    joined.schedule->verify();
    for (std::vector<int32_t> real :
         {std::vector<int32_t>{20, 30, 4}, {0, 10, 4}, {7, 11, 4}}) {
      a.len = real;
      b.len = {real[0] / 3, real[1], 0};
      joined.launch(a, b);
      EXPECT_EQ(sumOf(a, b), a.y);
    }
  }
}

TEST(Join, ProblemsNameKernelsByViews) {
  attnrt_context_params params = fakeGpu();
  for (DLDevice device : {kCpu, kCuda}) {
    Joined joined(&params, device);
    joined.schedule.emplace(*joined.kernel);
    Batch a({30, 30}, 30), b({30, 30}, 30);
    // Row 1 reads what row 0 has in the first format, and its own.
    std::vector<attnrt_segment> segments(3);
    int32_t views[] = {0, 1, 1}, params_[] = {0, 0, 1}, begins[] = {0, 8, 12},
            counts[] = {8, 12, 8};
    for (int s = 0; s < 3; ++s) {
      segments[s].select = segments[s].len_ref = segments[s].head = -1;
      segments[s].view = views[s];
      segments[s].param = params_[s];
      segments[s].coord0 = begins[s];
      segments[s].count = counts[s];
    }
    int32_t rowBegin[] = {0, 2, 3, 4}, rowList[] = {0, 1, 0, 1};
    int32_t coord[] = {0, 0}, lo[] = {0, 0}, limit[] = {20, 20}, sym[] = {0, 1};
    auto problem = rt::params<attnrt_problem>();
    problem.heads = problem.group = 1;
    problem.segments = segments.data();
    problem.segment_count = 3;
    problem.row_begin = rowBegin;
    problem.row_list = rowList;
    problem.row_list_size = 4;
    problem.row_count = 2;
    problem.coord = coord;
    problem.lo = lo;
    problem.limit = limit;
    problem.sym = sym;
    const attnrt_problem *problems[] = {&problem, nullptr};
    attnrt_step step = joined.stepOf(a, b);
    step.problems = problems;
    step.num_problems = 2;
    // The entry does not share.
    EXPECT_EQ("segment 0 expects rows of one request, as the entry looks up "
              "masks for a whole request, but got requests 0 and 1",
              refusal([&] { joined.schedule->update(step); }));
    int32_t flat[] = {0, 1, 2, 3}, flatList[] = {0, 0, 1};
    problem.row_begin = flat;
    problem.row_list = flatList;
    problem.row_list_size = 3;
    joined.schedule->update(step);
    joined.schedule->verify();
    joined.launch(a, b);
    auto sum = [](const Batch &batch, int64_t row, int64_t from, int64_t to) {
      float all = 0;
      for (int64_t m = from; m < to; ++m) {
        all += batch.x[size_t(row * batch.keys + m)];
      }
      return all;
    };
    EXPECT_EQ(sum(a, 0, 0, 8) + sum(b, 0, 8, 20), a.y[0]);
    EXPECT_EQ(sum(b, 1, 12, 20), a.y[1]);
    segments[2].view = 2;
    EXPECT_EQ("segment 2 expects a view below 2, the kernels that are joined, "
              "select -1 and no mask words (lists and masks of compiled "
              "kernels are operands), but got view 2, select -1 and masks "
              "from -1",
              refusal([&] { joined.schedule->update(step); }));
    std::swap(problems[0], problems[1]);
    EXPECT_EQ("launch 1 expects no problem, as it is a variant of launch 0",
              refusal([&] { joined.schedule->update(step); }));
  }
}

TEST(Join, CapturedRunsServeLaterSteps) {
  attnrt_context_params params = fakeGpu();
  void *driver = dlopen(ATTNRT_FAKE_CUDA, RTLD_NOW);
  auto call = [&](const char *name, int argument = 0) {
    reinterpret_cast<void (*)(int)>(dlsym(driver, name))(argument);
  };
  Joined joined(&params, kCuda);
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.flags = ATTNRT_SCHEDULE_CAPTURE;
  joined.schedule.emplace(*joined.kernel, &caps);
  Batch a({30, 30, 30}, 30), b({30, 30, 30}, 30);
  joined.run(a, b);
  int64_t layout = joined.schedule->stats().layout;
  // Captured for a step without keys of the second format.
  b.len = {0, 0, 0};
  attnrt_step step = joined.stepOf(a, b);
  joined.schedule->update(step);
  call("fake_cuda_capture", 1);
  std::vector<const DLTensor *> all = joined.arguments;
  all.push_back(a.ty.get());
  all.push_back(a.tz.get());
  joined.schedule->run(all);
  call("fake_cuda_capture", 0);
  for (std::vector<int32_t> lengths :
       {std::vector<int32_t>{0, 0, 0}, {3, 30, 11}, {0, 1, 0}}) {
    b.len = lengths;
    a.len = {lengths[1], 7, lengths[2]};
    a.y.assign(3, -1);
    joined.schedule->update(joined.stepOf(a, b));
    EXPECT_EQ(layout, joined.schedule->stats().layout);
    call("fake_cuda_replay");
    call("fake_cuda_finish");
    EXPECT_EQ(sumOf(a, b), a.y);
  }
}

TEST(Join, BoundBeforeTheFirstStep) {
  // With capacities that are what a step turned out to need, measure says what
  // it needs: the step fits a workspace of the engine's, and nothing is asked
  // for behind the bind.
  CountingAllocator counting;
  attnrt_context_params params = fakeGpu();
  params.allocator = &counting.table;
  params.cpu_threads = 1;
  std::mt19937 random(5);
  for (DLDevice device : {kCpu, kCuda}) {
    Joined joined(&params, device);
    for (int round = 0; round < 40; ++round) {
      SCOPED_TRACE(round);
      std::vector<int32_t> lengths(1 + random() % 40), others(lengths.size());
      for (size_t i = 0; i < lengths.size(); ++i) {
        lengths[i] = int32_t(random() % 31);
        others[i] = int32_t(random() % 21);
      }
      Batch a(lengths, 30), b(others, 20);
      auto caps = rt::params<attnrt_schedule_caps>();
      caps.workers = 1 + int32_t(random() % 40);
      caps.split = int32_t(random() % 4);
      joined.schedule.emplace(*joined.kernel, &caps);
      joined.run(a, b);
      attnrt_schedule_stats stats = joined.schedule->stats();
      caps.max_segments = std::max<int64_t>(stats.segments, 1);
      caps.max_rows = std::max<int64_t>(stats.rows, 1);
      caps.max_items = std::max<int64_t>(stats.items, 1);
      caps.max_merges = std::max<int64_t>(stats.merges, 1);
      caps.max_slots = std::max<int64_t>(stats.slots, 1);

      joined.schedule.emplace(*joined.kernel, &caps);
      attnrt_step largest = joined.stepOf(a, b);
      auto room = rt::params<attnrt_schedule_room>();
      rt::throwIfFailed(
          attnrt_schedule_measure(joined.schedule->get(), &largest, &room));
      std::unique_ptr<void, decltype(&std::free)> workspace(
          std::aligned_alloc(256, (room.workspace_bytes + 255) / 256 * 256),
          std::free);
      auto bind = [&](uint64_t bytes) {
        rt::throwIfFailed(attnrt_schedule_bind(
            joined.schedule->get(), &largest, workspace.get(), bytes, nullptr));
      };
      EXPECT_NE("it was taken",
                refusal([&] { bind(room.workspace_bytes - 1); }));
      bind(room.workspace_bytes);
      const int before = counting.asked;
      a.y.assign(a.y.size(), -1);
      joined.run(a, b);
      EXPECT_EQ(sumOf(a, b), a.y);
      EXPECT_EQ(before, counting.asked);
      // One more request than the largest step has.
      Batch c(std::vector<int32_t>(lengths.size() + 1, 30), 30),
          d(std::vector<int32_t>(lengths.size() + 1, 20), 20);
      EXPECT_NE("it was taken", refusal([&] { joined.run(c, d); }));
      joined.launch(a, b); // the step before
      EXPECT_EQ(sumOf(a, b), a.y);
    }
  }
}

TEST(Join, EngineLoopsAndStates) {
  // A loop that runs backwards, serially.
  auto params = rt::params<attnrt_context_params>();
  params.parallel_for = [](void *, int64_t n, void (*body)(void *, int64_t),
                           void *ctx) {
    while (n-- > 0) {
      body(ctx, n);
    }
  };
  Joined joined(&params);
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = 3;
  joined.schedule.emplace(*joined.kernel, &caps);
  Batch a({30, 8}, 30), b({12, 30}, 30);
  joined.run(a, b);
  EXPECT_EQ(sumOf(a, b), a.y);
  // One component, as of each of them.
  EXPECT_EQ(1, joined.schedule->state(0, 0).num_axes);
  EXPECT_EQ("launch 0 expects a component below 1, but got 1",
            refusal([&] { joined.schedule->state(0, 1); }));
}

TEST(Join, EveryAllocationThatFails) {
  attnrt_context_params params = fakeGpu();
  params.cpu_threads = 1;
  for (DLDevice device : {kCpu, kCuda}) {
    Joined joined(&params, device);
    Bytes bytes = pack(foldOnly(device.device_type == kDLCUDA));
    rt::Bundle bundle(joined.context, bytes.data(), bytes.size());
    rt::Kernel one(bundle, "sums", device), two(bundle, "sums", device);
    attnrt_kernel *list[] = {one.get(), two.get()}, *made = nullptr;
    EXPECT_GT(failEach([&] { return attnrt_kernel_join(list, 2, &made); },
                       [&] { EXPECT_EQ(nullptr, made); }),
              10);
    attnrt_kernel_release(made);
    auto caps = rt::params<attnrt_schedule_caps>();
    caps.split = 3;
    joined.schedule.emplace(*joined.kernel, &caps);
    Batch a({7, 2}, 30), b({5, 9}, 30), c({30, 0, 17}, 30), d({8, 30, 1}, 30);
    joined.run(a, b);
    attnrt_step step = joined.stepOf(c, d);
    std::vector<const DLTensor *> arguments = joined.arguments;
    std::vector<const DLTensor *> host = joined.host;
    step.arguments = arguments.data();
    step.host = host.data();
    EXPECT_GT(failEach(
                  [&] {
                    return attnrt_schedule_update(joined.schedule->get(), &step,
                                                  nullptr);
                  },
                  [&] {
                    // The step before is still there.
                    a.y.assign(2, -1);
                    joined.launch(a, b);
                    EXPECT_EQ(sumOf(a, b), a.y);
                  }),
              10);
    joined.launch(c, d);
    EXPECT_EQ(sumOf(c, d), c.y);
  }
}

TEST(Join, ItemsStayWithinTheTilesOfTheirKernel) {
  // Tiles of 4 and of 6 keys: items begin at multiples of 12, but the first
  // kernel has a single tile.
  Joined joined;
  auto wide = foldOnly(false);
  wide.entries[0]->programs[0]->launches[0]->cols = 6;
  Bytes bytes = pack(foldOnly(false)), others = pack(wide);
  rt::Bundle narrow(joined.context, bytes.data(), bytes.size()),
      other(joined.context, others.data(), others.size());
  rt::Kernel a(narrow, "sums", kCpu), b(other, "sums", kCpu);
  joined.kernel.emplace(rt::Kernel::join({&a, &b}));
  joined.schedule.emplace(*joined.kernel);
  Batch first({3}, 4), second({30}, 30);
  joined.run(first, second);
  EXPECT_EQ(sumOf(first, second), first.y);
  const attnrt_plan *plan = joined.schedule->launch(0).plan;
  ASSERT_EQ(2u, plan->segments.count);
  EXPECT_EQ(0, attnrt_plan_segments(plan)[0].view);
  EXPECT_EQ(4, attnrt_plan_segments(plan)[0].count);
  EXPECT_EQ(1, attnrt_plan_segments(plan)[1].view);
}

TEST(Join, KernelsThatDoNotFit) {
  rt::Context context;
  auto load = [&](const attnrt::bundle::BundleT &made, DLDevice device = kCpu) {
    Bytes bytes = pack(made);
    rt::Bundle bundle(context, bytes.data(), bytes.size());
    return rt::Kernel(bundle, "sums", device);
  };
  rt::Kernel fold = load(foldOnly(false)), two = load(makeBundle());
  rt::Kernel null = load(foldOnly(false), {kDLExtDev, ATTNRT_DEVICE_NULL});
  rt::Kernel joined = rt::Kernel::join({&fold, &fold});
  auto join = [](std::vector<const rt::Kernel *> list) {
    return refusal([&] { rt::Kernel::join(list); });
  };
  EXPECT_EQ("expects 1..64 kernels to join, but got 65",
            join(std::vector<const rt::Kernel *>(65, &fold)));
  EXPECT_EQ("kernels that are joined expect a single launch, a fold, but "
            "'sums' has 2",
            join({&fold, &two}));
  EXPECT_EQ("kernels that are joined expect one context and device, and none "
            "that is joined already, but kernel 1 does not fit the first",
            join({&fold, &null}));
  EXPECT_EQ("kernels that are joined expect one context and device, and none "
            "that is joined already, but kernel 0 does not fit the first",
            join({&joined, &fold}));
  auto ordered = foldOnly(false);
  ordered.entries[0]->programs[0]->launches[0]->ordered = true;
  rt::Kernel other = load(ordered);
  EXPECT_EQ("kernels that are joined expect states of the same components, "
            "but those of 'sums' are not those of 'sums'",
            join({&fold, &other}));
  auto narrow = foldOnly(false);
  narrow.entries[0]->results[1]->dtype = ATTNRT_F16;
  narrow.entries[0]->programs[0]->buffers[8]->dtype = ATTNRT_F16;
  rt::Kernel half = load(narrow);
  EXPECT_EQ("kernels that are joined expect the same results, but those of "
            "'sums' are not those of 'sums'",
            join({&fold, &half}));
}

TEST(Join, SizesThatDoNotAgree) {
  Joined joined;
  joined.schedule.emplace(*joined.kernel);
  Batch a({5, 6}, 30), b({17, 9, 0}, 20), fit({1, 2}, 20);
  joined.run(a, fit);
  EXPECT_EQ("kernels that are joined expect results of the same sizes, but "
            "result 1 is 2x2 of f32 and 3x2 of f32",
            refusal([&] { joined.schedule->update(joined.stepOf(a, b)); }));
  // The step before still runs.
  a.y.assign(2, -1);
  joined.launch(a, fit);
  EXPECT_EQ(sumOf(a, fit), a.y);
}
