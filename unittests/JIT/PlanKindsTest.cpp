//===- PlanKindsTest.cpp - Plans of every kind on compiled kernels --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The twin of runtime/test/PlanRandomTest.cpp: what a model of a kernel does
// there, kernels of the compiler do here, on this machine. World n is drawn
// from n alone, and its kind is n modulo the number of kinds. The long tier
// takes all of them; the short one a slice, which ATTN_TEST_SEED moves by its
// own width.
//
//===----------------------------------------------------------------------===//
#include "KindWorld.h"
#include "TestProgram.h"

#include "gtest/gtest.h"
#include <functional>
#include <map>

using namespace attn;
using namespace attn::test;

namespace {

/// Compiled once per program.
const PlanKernels &kernelsOf(const Shape &shape) {
  static std::map<std::string, std::unique_ptr<PlanKernels>> all;
  std::unique_ptr<PlanKernels> &kernels = all[makeProgram(shape)];
  if (!kernels) {
    kernels = std::make_unique<PlanKernels>(makeProgram(shape));
  }
  return *kernels;
}

struct PlannerDeleter {
  void operator()(attnrt_planner *p) const { attnrt_planner_destroy(p); }
};

/// A world and a plan for each of its parts.
class Planned {
public:
  Planned(Kind kind, std::mt19937_64 &random)
      : mask(Mask(random() % 3)),
        world(kind, mask, kernelsOf(shapeOf(kind, mask)).entry.kv_tile,
              random) {
    auto draw = [&](int64_t low, int64_t high) {
      return int32_t(std::uniform_int_distribution<int64_t>(low, high)(random));
    };
    for (int part = 0; part < world.parts; ++part) {
      options.push_back({});
      attnrt_plan_options &o = options.back();
      o.struct_size = sizeof(o);
      o.workers = draw(1, 5);
      o.strategy = draw(0, 3);
      o.split = o.strategy % 3 ? 0 : draw(0, 3);
      o.merge_rows = draw(1, 40);
      entries.push_back(kernels(part).entry);
      entries.back().resumes &= draw(0, 3) > 0;
      int32_t most = entries.back().max_packed_rows;
      entries.back().max_packed_rows = draw(0, 2) ? most : draw(1, most);
    }
    for (int part = 0; part < world.parts; ++part) {
      attnrt_planner *made = nullptr;
      rt::throwIfFailed(attnrt_planner_create(&made));
      planners.emplace_back(made);
      attnrt_problem problem = world.problem(part);
      plans.push_back(nullptr);
      rt::throwIfFailed(attnrt_planner_plan(made, &problem, &entries[part],
                                            &options[part], &plans.back()));
      verify(part, plans.back(), plans.back()->bytes);
    }
  }

  const PlanKernels &kernels(int part) const {
    return kernelsOf(shapeOf(world.kind, mask, part));
  }
  bool accepts(int part, const attnrt_plan *plan, uint64_t bytes) const {
    attnrt_problem problem = world.problem(part);
    return attnrt_plan_verify(plan, bytes, &problem, &entries[size_t(part)],
                              &options[size_t(part)]) == ATTNRT_OK;
  }
  void verify(int part, const attnrt_plan *plan, uint64_t bytes) const {
    ASSERT_TRUE(accepts(part, plan, bytes)) << attnrt_last_message();
  }

  /// "" if all parts give what they should. `mutant` in place of the plan of
  /// part 0.
  std::string run(const attnrt_plan *mutant = nullptr) {
    std::vector<float> out = world.blankResult();
    std::vector<std::vector<float>> states = world.given(), kept;
    for (int part = 0; part < world.parts; ++part) {
      const PlanKernels &compiled = kernels(part);
      const attnrt_plan *plan = part || !mutant ? plans[size_t(part)] : mutant;
      for (size_t c = 0; c < states.size(); ++c) {
        int64_t width = 1;
        for (int64_t size : compiled.stateSizes[c]) {
          width *= size;
        }
        states[c].resize(size_t(plan->slots * width), NAN);
      }
      KernelArguments call{world.arguments(part),
                           tensorOf(out.data(), world.resultSizes())};
      compiled.run(plan, call, states);
    }
    return world.compare(out, states);
  }

  const Mask mask;
  KindWorld world;
  std::vector<attnrt_plan_options> options;
  std::vector<attnrt_entry> entries;
  std::vector<std::unique_ptr<attnrt_planner, PlannerDeleter>> planners;
  std::vector<const attnrt_plan *> plans;
};

bool testLong() { return std::getenv("ATTN_TEST_LONG") != nullptr; }

/// Calls body with the numbers of this run, of `all`, of which the short tier
/// takes `slice`; stops at the first failure.
void eachWorld(uint64_t all, uint64_t slice,
               const std::function<void(Kind, std::mt19937_64 &)> &body) {
  uint64_t first = testLong() ? 0 : testSeed() % (all / slice) * slice;
  uint64_t count = testLong() ? all : slice;
  const char *only = std::getenv("ATTN_TEST_KIND"); // to look for one
  for (uint64_t n = first; n < first + count && !testing::Test::HasFailure();
       ++n) {
    Kind kind = Kind(n % numKinds);
    if (only && std::string(only) != nameOf(kind)) {
      continue;
    }
    SCOPED_TRACE("world " + std::to_string(n) + ", " + nameOf(kind));
    std::mt19937_64 random(n);
    body(kind, random);
  }
}

} // namespace

TEST(PlanKinds, PlansGiveTheDenseResult) {
  int64_t items = 0, merges = 0, mixed = 0, masked = 0, resumed = 0, runs = 0;
  eachWorld(18000, 1800, [&](Kind kind, std::mt19937_64 &random) {
    Planned planned(kind, random);
    // Lists are looked up for a whole request.
    EXPECT_EQ(kind != Kind::Lists, planned.kernels(0).shares);
    for (int again = 0; again < 2; ++again) {
      ASSERT_EQ("", planned.run());
      planned.world.redraw(random);
    }
    for (const attnrt_plan *plan : planned.plans) {
      items += plan->items.count;
      merges += plan->merges.count;
      for (uint32_t i = 0; i < plan->items.count; ++i) {
        const attnrt_item &item = attnrt_plan_items(plan)[i];
        const attnrt_row *rows = attnrt_plan_rows(plan) + item.row_begin;
        mixed += rows[0].sym != rows[item.row_count - 1].sym;
        masked += item.mask >= 0;
        resumed += (item.flags & ATTNRT_ITEM_RESUME) != 0;
      }
    }
    ++runs;
  });
  if (!std::getenv("ATTN_TEST_KIND")) {
    EXPECT_GT(items, 12 * runs);
    EXPECT_GT(merges, 4 * runs);
    EXPECT_GT(mixed, runs / 20);
    EXPECT_GT(masked, runs / 16);
    EXPECT_GT(resumed, runs / 20);
  }
}

/// Changes each 16-bit word of each record of small plans in four ways: the
/// plan is rejected, or compiled kernels give the same result with it.
TEST(PlanKinds, MutationsAreRejectedOrHarmless) {
  int64_t tried = 0, harmless = 0;
  eachWorld(480, 48, [&](Kind kind, std::mt19937_64 &random) {
    Planned planned(kind, random);
    const attnrt_plan *plan = planned.plans[0];
    std::unique_ptr<void, decltype(&std::free)> block(
        std::aligned_alloc(64, (plan->bytes + 63) / 64 * 64), &std::free);
    std::memcpy(block.get(), plan, plan->bytes);
    auto *copy = static_cast<attnrt_plan *>(block.get());
    const struct {
      const char *name;
      const attnrt_plan_array &array;
      size_t size;
    } arrays[] = {{"segment", copy->segments, sizeof(attnrt_segment)},
                  {"row", copy->rows, sizeof(attnrt_row)},
                  {"item", copy->items, sizeof(attnrt_item)},
                  {"merge", copy->merges, sizeof(attnrt_merge)},
                  {"stage", copy->stages, sizeof(attnrt_stage)},
                  {"work", copy->work, sizeof(int32_t)},
                  {"merge slot", copy->merge_slots, sizeof(int32_t)},
                  {"mask", copy->masks, sizeof(uint64_t)}};
    for (const auto &[name, array, size] : arrays) {
      // Every record of a small plan, some of a large one.
      uint32_t step = 1 + array.count / 12;
      for (uint32_t r = uint32_t(random() % step); r < array.count; r += step) {
        auto *words = reinterpret_cast<uint16_t *>(
                          static_cast<char *>(block.get()) + array.offset) +
                      r * size / 2;
        for (size_t w = 0; w < size / 2; ++w) {
          const uint16_t old = words[w];
          const uint16_t changed[] = {uint16_t(old + 1), uint16_t(old - 1),
                                      uint16_t(old ^ 1u << random() % 16),
                                      uint16_t(random())};
          for (uint16_t value : changed) {
            words[w] = value;
            tried += value != old;
            if (value != old && planned.accepts(0, copy, plan->bytes)) {
              ++harmless;
              ASSERT_EQ("", planned.run(copy))
                  << name << " " << r << ", word " << w << ": " << old << " -> "
                  << value;
            }
          }
          words[w] = old;
        }
      }
    }
  });
  RecordProperty("tried", std::to_string(tried));
  RecordProperty("harmless", std::to_string(harmless));
  if (!std::getenv("ATTN_TEST_KIND")) {
    EXPECT_GT(tried, 50000);
    EXPECT_GT(harmless, 100);
    EXPECT_LT(harmless, tried / 20);
  }
}
