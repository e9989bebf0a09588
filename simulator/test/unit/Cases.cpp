//===- Cases.cpp - Instructions against formulas ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cases.h"

#include <gtest/gtest.h>

#include <sstream>

using namespace ptxsim;
using namespace ptxsim::test;

static std::string format(const Lane &lane) {
  std::ostringstream text;
  for (uint64_t value : lane) {
    text << " 0x" << std::hex << value;
  }
  return text.str();
}

static Lane laneOf(const Values &values, size_t t) {
  Lane lane;
  for (const auto &list : values) {
    lane.push_back(list[t]);
  }
  return lane;
}

static void compare(const Case &c, const Values &inputs,
                    const std::vector<Lane> &results, const Values &outputs,
                    uint32_t lanes) {
  unsigned wrong = 0;
  Lane skipped;
  for (unsigned bits : c.out) {
    skipped.push_back(bits == 1 ? 0 : cut(kSkipped, bits));
  }
  for (size_t t = 0; t < inputs[0].size(); ++t) {
    const Lane &expected = lanes >> (t % 32) & 1 ? results[t] : skipped;
    Lane got = laneOf(outputs, t);
    if (got != expected && ++wrong <= 5) {
      ADD_FAILURE() << c.body << ": of" << format(laneOf(inputs, t))
                    << " expects" << format(expected) << ", but got"
                    << format(got) << " (thread " << t << ")";
    }
  }
  EXPECT_EQ(wrong, 0u) << c.body << ": values that differ";
}

void ptxsim::test::expectCase(const Case &c, const Values &inputs) {
  LaneProgram program(c.body, c.in, c.out);
  ASSERT_EQ(program.error(), "") << program.text();
  std::vector<Lane> results;
  for (size_t t = 0; t < inputs[0].size(); ++t) {
    results.push_back(c.formula(laneOf(inputs, t)));
  }
  for (uint32_t lanes : {~0u, 0xA5F0'813Cu}) {
    Values outputs = program.run(inputs, lanes, 256);
    ASSERT_EQ(outputs.size(), c.out.size()) << c.body;
    compare(c, inputs, results, outputs, lanes);
    for (const Finding &finding : program.findings()) {
      ADD_FAILURE() << c.body << ": " << finding.format("k.ptx");
    }
  }
}

void ptxsim::test::expectCase(const Case &c) {
  std::vector<std::vector<uint64_t>> lists;
  for (unsigned bits : c.in) {
    lists.push_back(corners(bits));
    // Three inputs of all corners are enough to be slow.
    if (c.in.size() > 2) {
      lists.back().resize(std::min<size_t>(lists.back().size(), 8));
    }
  }
  Values values = combine(lists);
  addRandom(values, c.in, 600);
  expectCase(c, values);
}

std::vector<uint64_t> ptxsim::test::corners(unsigned bits) {
  if (bits == 1) {
    return {0, 1};
  }
  uint64_t ones = cut(~uint64_t(0), bits);
  uint64_t top = uint64_t(1) << (bits - 1);
  return {0,
          1,
          ones,
          top,
          top - 1,
          2,
          7,
          ones - 1,
          top + 1,
          31,
          bits,
          bits + 1u,
          cut(0x8765'4321'8F0E'7D6C, bits),
          cut(0x0123'4567'89AB'CDEF, bits),
          cut(0x5555'5555'5555'5555, bits)};
}

Values ptxsim::test::combine(const std::vector<std::vector<uint64_t>> &lists) {
  Values values(lists.size());
  std::vector<size_t> at(lists.size(), 0);
  while (true) {
    for (size_t i = 0; i < lists.size(); ++i) {
      values[i].push_back(lists[i][at[i]]);
    }
    size_t i = 0;
    for (; i < lists.size(); ++i) {
      if (++at[i] < lists[i].size()) {
        break;
      }
      at[i] = 0;
    }
    if (i == lists.size()) {
      return values;
    }
  }
}

void ptxsim::test::addRandom(Values &values, const std::vector<unsigned> &bits,
                             size_t count) {
  std::mt19937_64 random(42);
  for (size_t k = 0; k < count; ++k) {
    for (size_t i = 0; i < bits.size(); ++i) {
      uint64_t value = random();
      // Small numbers, now and then.
      unsigned drop = unsigned(random() % 4 == 0 ? random() % 64 : 0);
      values[i].push_back(cut(value >> drop, bits[i]));
    }
  }
}
