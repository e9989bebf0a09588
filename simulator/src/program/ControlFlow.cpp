//===- ControlFlow.cpp - Where lanes meet again -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Immediate post-dominators by the iterative algorithm of Cooper, Harvey and
// Kennedy (A Simple, Fast Dominance Algorithm, 2001), on the reversed graph of
// basic blocks.
//
//===----------------------------------------------------------------------===//
#include "ControlFlow.h"
#include "Decode.h"

#include <algorithm>

using namespace ptxsim;

ControlFlow::ControlFlow(const Program &program) {
  const std::vector<Inst> &code = program.code;
  uint32_t size = uint32_t(code.size());
  std::vector<bool> starts(size + 1, false);
  starts[0] = true;
  for (uint32_t i = 0; i < size; ++i) {
    for (uint32_t target : code[i].targets) {
      starts[target] = true;
    }
    if (code[i].flow != Inst::Flow::Next) {
      starts[i + 1] = true;
    }
  }
  blockOf.resize(size);
  for (uint32_t i = 0; i < size; ++i) {
    if (starts[i]) {
      blocks.push_back({i, i, {}});
    }
    blocks.back().end = i + 1;
    blockOf[i] = uint32_t(blocks.size()) - 1;
  }
  for (Block &block : blocks) {
    const Inst &last = code[block.end - 1];
    for (uint32_t target : last.targets) {
      block.next.push_back(blockOf[target]);
    }
    bool goesOn = last.flow == Inst::Flow::Next || last.guard;
    if (goesOn && block.end < size) {
      block.next.push_back(blockOf[block.end]);
    }
  }
}

std::vector<uint32_t> ControlFlow::postDominators() const {
  uint32_t exit = uint32_t(blocks.size());
  std::vector<std::vector<uint32_t>> before(exit + 1);
  for (uint32_t b = 0; b < exit; ++b) {
    for (uint32_t n : blocks[b].next) {
      before[n].push_back(b);
    }
    // Every end of a thread leads to the common exit.
    if (blocks[b].next.empty()) {
      before[exit].push_back(b);
    }
  }
  // Order of the reversed graph: the exit first.
  std::vector<uint32_t> order, number(exit + 1, 0);
  std::vector<bool> seen(exit + 1, false);
  std::vector<std::pair<uint32_t, size_t>> stack;
  auto visit = [&](uint32_t root) {
    if (seen[root]) {
      return;
    }
    seen[root] = true;
    stack.push_back({root, 0});
    while (!stack.empty()) {
      auto &[node, child] = stack.back();
      if (child < before[node].size()) {
        uint32_t next = before[node][child++];
        if (!seen[next]) {
          seen[next] = true;
          stack.push_back({next, 0});
        }
      } else {
        order.push_back(node);
        stack.pop_back();
      }
    }
  };
  visit(exit);
  std::reverse(order.begin(), order.end());
  for (uint32_t i = 0; i < order.size(); ++i) {
    number[order[i]] = i;
  }
  constexpr uint32_t none = ~uint32_t(0);
  std::vector<uint32_t> dominator(exit + 1, none);
  dominator[exit] = exit;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t node : order) {
      if (node == exit) {
        continue;
      }
      std::vector<uint32_t> after = blocks[node].next;
      if (after.empty()) {
        after.push_back(exit);
      }
      uint32_t best = none;
      for (uint32_t next : after) {
        if (dominator[next] == none) {
          continue;
        }
        if (best == none) {
          best = next;
          continue;
        }
        uint32_t x = next;
        while (x != best) {
          while (number[x] > number[best]) {
            x = dominator[x];
          }
          while (number[best] > number[x]) {
            best = dominator[best];
          }
        }
      }
      if (best != none && dominator[node] != best) {
        dominator[node] = best;
        changed = true;
      }
    }
  }
  // Blocks that never end meet nowhere.
  for (uint32_t &d : dominator) {
    d = d == none ? exit : d;
  }
  dominator.pop_back();
  return dominator;
}

void ptxsim::setMeetingPoints(Program &program) {
  ControlFlow flow(program);
  std::vector<uint32_t> dominators = flow.postDominators();
  for (uint32_t b = 0; b < flow.blocks.size(); ++b) {
    Inst &last = program.code[flow.blocks[b].end - 1];
    if (last.flow == Inst::Flow::Branch) {
      last.meet = dominators[b] < flow.blocks.size()
                      ? flow.blocks[dominators[b]].begin
                      : uint32_t(program.code.size());
    }
  }
}
