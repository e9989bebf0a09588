//===- StepProblemsTest.cpp - Problems of an engine through the C ABI -----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Worlds of every kind as steps of a schedule: attnrt_step::problems says what
// is computed, attnrt_schedule_state where states come from and stay.
//
//===----------------------------------------------------------------------===//
#include "KindWorld.h"
#include "TestProgram.h"

#include "gtest/gtest.h"
#include <map>
#include <optional>

using namespace attn;
using namespace attn::test;

namespace {

constexpr DLDevice kCpu{kDLCPU, 0}, kSim{kDLExtDev, ATTNRT_DEVICE_SIM};

/// A DLTensor over what a kernel takes; it lives as long as the list does.
class Tensors {
public:
  explicit Tensors(const std::vector<attnrt_tensor> &given) : all(given) {
    for (attnrt_tensor &t : all) {
      DLTensor tensor{};
      tensor.data = t.data;
      tensor.device = kCpu;
      tensor.ndim = int32_t(t.rank);
      tensor.shape = t.shape;
      tensor.dtype = t.dtype == ATTNRT_BF16   ? DLDataType{kDLBfloat, 16, 1}
                     : t.dtype == ATTNRT_I32  ? DLDataType{kDLInt, 32, 1}
                     : t.dtype == ATTNRT_BOOL ? DLDataType{kDLBool, 8, 1}
                                              : DLDataType{kDLFloat, 32, 1};
      tensors.push_back(tensor);
    }
    for (DLTensor &tensor : tensors) {
      list.push_back(&tensor);
    }
  }
  Tensors(const Tensors &) = delete;

  std::vector<attnrt_tensor> all;
  std::vector<DLTensor> tensors;
  std::vector<const DLTensor *> list;
};

/// The entry of a shape, on a device.
class Entry {
public:
  Entry(const Shape &shape, DLDevice device)
      : bundle(loadProgram(runtime(), makeProgram(shape),
                           {device.device_type == kDLExtDev, 0, 32})),
        kernel(bundle, "attend", device) {}

  /// Of all parts of a kind, joined.
  static rt::Kernel &jointOf(Kind kind, Mask mask, DLDevice device) {
    static std::map<std::pair<int, std::string>, std::optional<rt::Kernel>> all;
    auto &kernel =
        all[{int(device.device_type), makeProgram(shapeOf(kind, mask))}];
    if (!kernel) {
      std::vector<const rt::Kernel *> parts;
      for (int part = 0; part < partsOf(kind); ++part) {
        parts.push_back(&of(shapeOf(kind, mask, part), device).kernel);
      }
      kernel.emplace(rt::Kernel::join(parts));
    }
    return *kernel;
  }

  /// Entries are compiled once.
  static Entry &of(const Shape &shape, DLDevice device) {
    static std::map<std::pair<int, std::string>, std::unique_ptr<Entry>> all;
    auto &entry = all[{int(device.device_type), makeProgram(shape)}];
    if (!entry) {
      entry = std::make_unique<Entry>(shape, device);
    }
    return *entry;
  }

  /// Kernels are joined within one context.
  static rt::Context &runtime() {
    static rt::Context context;
    return context;
  }

  rt::Bundle bundle;
  rt::Kernel kernel;
  int64_t tile = 0; ///< of its items, once it is known
};

/// Ordinals of a tile: known when a step was planned.
int64_t tileOf(Kind kind, Mask mask, DLDevice device) {
  Entry &entry = Entry::of(shapeOf(kind, mask), device);
  if (!entry.tile) {
    std::mt19937_64 random(1);
    KindWorld world(kind, mask, 1, random);
    Tensors arguments(world.arguments(0, +1));
    rt::Schedule schedule(entry.kernel);
    schedule.update(arguments.list);
    entry.tile = schedule.launch(0).cols;
  }
  return entry.tile;
}

/// What the plans of a test have.
struct Counts {
  int64_t merges = 0, resumed = 0, variants = 0;
};

/// What is launched by itself: a part of a world, or all of them.
struct Unit {
  std::vector<int> parts;
  std::optional<rt::Schedule> schedule;
};

std::vector<attnrt_tensor> argumentsOf(const KindWorld &world, const Unit &unit,
                                       int bounds = 0) {
  std::vector<attnrt_tensor> all;
  for (int part : unit.parts) {
    std::vector<attnrt_tensor> own = world.arguments(part, bounds);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

void plan(KindWorld &world, Mask mask, DLDevice device, std::mt19937_64 &random,
          Unit &unit, Counts &counts) {
  auto draw = [&](int64_t low, int64_t high) {
    return int32_t(std::uniform_int_distribution<int64_t>(low, high)(random));
  };
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = draw(1, 5);
  caps.strategy = draw(0, 3);
  caps.split = caps.strategy % 3 ? 0 : draw(0, 3);
  bool isJoint = unit.parts.size() > 1;
  int part = unit.parts[0];
  unit.schedule.emplace(
      isJoint ? Entry::jointOf(world.kind, mask, device)
              : Entry::of(shapeOf(world.kind, mask, part), device).kernel,
      &caps);
  // Lists and masks are operands.
  attnrt_problem problem = isJoint ? world.jointProblem() : world.problem(part);
  problem.mask_begin = nullptr;
  std::vector<attnrt_segment> segments(
      problem.segments, problem.segments + problem.segment_count);
  for (attnrt_segment &segment : segments) {
    segment.select = -1;
  }
  problem.segments = segments.data();
  const attnrt_problem *problems[] = {&problem};
  Tensors high(argumentsOf(world, unit, +1)), low(argumentsOf(world, unit, -1));
  std::vector<const DLTensor *> lows(low.list.size());
  for (size_t p = 0; p < unit.parts.size(); ++p) {
    size_t lengths = p * low.list.size() / unit.parts.size() + 4;
    lows[lengths] = low.list[lengths];
  }
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(high.list.size());
  step.arguments = high.list.data();
  step.low = lows.data();
  step.problems = problems;
  step.num_problems = 1;
  unit.schedule->update(step);
  unit.schedule->verify();
  const attnrt_plan *made = unit.schedule->launch(0).plan;
  for (uint32_t i = 0; made && i < made->items.count; ++i) {
    const attnrt_item &item = attnrt_plan_items(made)[i];
    counts.resumed += (item.flags & ATTNRT_ITEM_RESUME) != 0;
    counts.variants += item.variant != 0;
  }
  counts.merges += unit.schedule->stats().merges;
}

/// Runs a unit; states go in, and what they are behind it comes out.
void run(const KindWorld &world, Unit &unit,
         std::vector<std::vector<float>> &states, std::vector<float> &out) {
  rt::Schedule &schedule = *unit.schedule;
  bool isJoint = unit.parts.size() > 1;
  auto each = [&](auto body) {
    for (size_t c = 0; c < states.size(); ++c) {
      attnrt_state_info info = schedule.state(0, int32_t(c));
      EXPECT_EQ(isJoint ? 0 : world.fixedSlots(unit.parts[0]), info.sizes[0]);
      size_t count = 1;
      for (int32_t axis = 0; axis < info.num_axes; ++axis) {
        count *= size_t(info.sizes[axis]);
      }
      body(states[c], static_cast<float *>(info.data), count);
    }
  };
  each([](std::vector<float> &from, float *to, size_t count) {
    std::fill_n(to, count, NAN);
    std::copy_n(from.begin(), std::min(count, from.size()), to);
  });
  std::vector<attnrt_tensor> tensors = argumentsOf(world, unit);
  tensors.push_back(tensorOf(out.data(), world.resultSizes()));
  Tensors call(tensors);
  schedule.run(call.list);
  each([](std::vector<float> &to, const float *from, size_t count) {
    to.assign(from, from + count);
  });
}

/// Plans all parts of a world, runs them twice at lengths between, compares.
std::string check(Kind kind, DLDevice device, std::mt19937_64 &random,
                  Counts &counts) {
  Mask mask = Mask(random() % 3);
  KindWorld world(kind, mask, tileOf(kind, mask, device), random);
  // Formats in one launch, or handed on from one to the next as states.
  bool isJoint = world.parts > 1 && random() % 3;
  std::vector<Unit> units(isJoint ? 1 : size_t(world.parts));
  for (int p = 0; p < world.parts; ++p) {
    units[isJoint ? 0 : size_t(p)].parts.push_back(p);
  }
  for (Unit &unit : units) {
    plan(world, mask, device, random, unit, counts);
  }
  std::string wrong;
  for (int again = 0; again < 2 && wrong.empty(); ++again) {
    std::vector<float> out = world.blankResult();
    std::vector<std::vector<float>> states = world.given();
    for (Unit &unit : units) {
      run(world, unit, states, out);
    }
    // Matrix units take weights in bf16 where values are.
    bool isRough = kind == Kind::Formats && device.device_type != kDLCPU;
    wrong = world.compare(out, states, isRough ? 8e-3 : 1e-4);
    world.redraw(random);
  }
  return wrong;
}

void checkKinds(DLDevice device, uint64_t rounds) {
  Counts counts;
  const char *only = std::getenv("ATTN_TEST_KIND"); // to look for one
  for (uint64_t n = 0; n < rounds * numKinds && !testing::Test::HasFailure();
       ++n) {
    Kind kind = Kind(n % numKinds);
    if (only && std::string(only) != nameOf(kind)) {
      continue;
    }
    SCOPED_TRACE("world " + std::to_string(n) + " of seed " +
                 std::to_string(testSeed()) + ", " + nameOf(kind));
    std::mt19937_64 random(1000 * testSeed() + n);
    ASSERT_EQ("", check(kind, device, random, counts));
  }
  if (!only) {
    EXPECT_GT(counts.merges, int64_t(rounds));
    EXPECT_GT(counts.variants, 0);
    EXPECT_GT(counts.resumed, 0);
  }
}

} // namespace

TEST(StepProblems, EveryKind) {
  checkKinds(kCpu, std::getenv("ATTN_TEST_LONG") ? 100 : 10);
}

TEST(StepProblems, EveryKindOnTheSimulator) {
  checkKinds(kSim, std::getenv("ATTN_TEST_LONG") ? 10 : 2);
}
