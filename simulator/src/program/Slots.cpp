//===- Slots.cpp - Places of registers ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Linear scan over live intervals (Poletto and Sarkar, 1999): an interval spans
// every point where some thread may still read the register. Kernels name
// thousands of registers, of which some dozens live at once; a small file of
// lanes stays in the first-level cache.
//
// A guarded write is also a read: lanes whose guard is false keep their value.
//
//===----------------------------------------------------------------------===//
#include "ControlFlow.h"
#include "Decode.h"

#include <algorithm>

using namespace ptxsim;

namespace {

using Bits = std::vector<uint64_t>;
bool test(const Bits &bits, uint32_t i) { return bits[i / 64] >> (i % 64) & 1; }
void set(Bits &bits, uint32_t i) { bits[i / 64] |= uint64_t(1) << (i % 64); }

struct Interval {
  uint32_t begin = ~uint32_t(0), end = 0;
  void add(uint32_t point) {
    begin = std::min(begin, point);
    end = std::max(end, point);
  }
};

template <class F> void forEachUse(const Inst &inst, F visit) {
  for (const Ref &ref : inst.s) {
    visit(ref);
  }
  for (const Ref &ref : inst.alsoRead) {
    visit(ref);
  }
  visit(inst.guard);
  if (inst.guard) {
    for (const Ref &ref : inst.d) {
      visit(ref);
    }
  }
}

} // namespace

static std::vector<Interval> getIntervals(const Program &program) {
  ControlFlow flow(program);
  size_t words = (program.numRegisters + 63) / 64, n = flow.blocks.size();
  std::vector<Bits> uses(n, Bits(words)), defs(n, Bits(words)),
      in(n, Bits(words)), out(n, Bits(words));
  for (size_t b = 0; b < n; ++b) {
    for (uint32_t i = flow.blocks[b].begin; i < flow.blocks[b].end; ++i) {
      const Inst &inst = program.code[i];
      forEachUse(inst, [&](const Ref &ref) {
        if (ref.reg != kNoRegister && !test(defs[b], ref.reg)) {
          set(uses[b], ref.reg);
        }
      });
      for (const Ref &ref : inst.d) {
        if (ref.reg != kNoRegister) {
          set(defs[b], ref.reg);
        }
      }
    }
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t b = n; b-- > 0;) {
      for (size_t w = 0; w < words; ++w) {
        uint64_t after = 0;
        for (uint32_t next : flow.blocks[b].next) {
          after |= in[next][w];
        }
        uint64_t before = uses[b][w] | (after & ~defs[b][w]);
        changed |= before != in[b][w];
        out[b][w] = after;
        in[b][w] = before;
      }
    }
  }
  std::vector<Interval> intervals(program.numRegisters);
  for (size_t b = 0; b < n; ++b) {
    for (uint32_t r = 0; r < program.numRegisters; ++r) {
      if (test(in[b], r)) {
        intervals[r].add(flow.blocks[b].begin);
      }
      if (test(out[b], r)) {
        intervals[r].add(flow.blocks[b].end);
      }
    }
    for (uint32_t i = flow.blocks[b].begin; i < flow.blocks[b].end; ++i) {
      auto add = [&](const Ref &ref) {
        if (ref.reg != kNoRegister) {
          intervals[ref.reg].add(i);
        }
      };
      forEachUse(program.code[i], add);
      for (const Ref &ref : program.code[i].d) {
        add(ref);
      }
    }
  }
  // Filled before the first instruction.
  for (const auto &[name, ref] : program.specials) {
    intervals[ref.reg].add(0);
  }
  return intervals;
}

void ptxsim::allocateSlots(Program &program) {
  std::vector<Interval> intervals = getIntervals(program);
  std::vector<uint8_t> laneBytes(program.numRegisters, 0);
  for (const std::vector<Ref> &list : program.refs) {
    for (const Ref &ref : list) {
      if (ref.file == Ref::File::Lanes) {
        laneBytes[ref.reg] = ref.laneBytes;
      }
    }
  }
  for (const auto &[name, ref] : program.specials) {
    if (ref.file == Ref::File::Lanes) {
      laneBytes[ref.reg] = ref.laneBytes;
    }
  }
  std::vector<uint32_t> order;
  for (uint32_t r = 0; r < program.numRegisters; ++r) {
    if (laneBytes[r]) {
      order.push_back(r);
    }
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return intervals[a].begin < intervals[b].begin;
  });
  std::vector<uint32_t> offset(program.numRegisters, 0);
  // By size of a lane: places that are free, and those in use by their end.
  std::vector<uint32_t> free[17];
  std::vector<std::pair<uint32_t, uint32_t>> used; // end, register; a heap
  auto later = [](const auto &a, const auto &b) { return a.first > b.first; };
  for (uint32_t r : order) {
    while (!used.empty() && used.front().first < intervals[r].begin) {
      std::pop_heap(used.begin(), used.end(), later);
      uint32_t ended = used.back().second;
      used.pop_back();
      free[laneBytes[ended]].push_back(offset[ended]);
    }
    std::vector<uint32_t> &places = free[laneBytes[r]];
    if (places.empty()) {
      offset[r] = program.registerBytes;
      program.registerBytes += kLanes * laneBytes[r];
    } else {
      offset[r] = places.back();
      places.pop_back();
    }
    used.push_back({intervals[r].end, r});
    std::push_heap(used.begin(), used.end(), later);
  }
  for (std::vector<Ref> &list : program.refs) {
    for (Ref &ref : list) {
      if (ref.file == Ref::File::Lanes) {
        ref.offset = offset[ref.reg];
      }
    }
  }
  for (auto &[name, ref] : program.specials) {
    if (ref.file == Ref::File::Lanes) {
      ref.offset = offset[ref.reg];
    }
  }
}
