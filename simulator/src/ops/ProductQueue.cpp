//===- ProductQueue.cpp - wgmma in flight ---------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ProductQueue.h"
#include "Wgmma.h"

using namespace ptxsim;
using namespace ptxsim::wgmma;

ProductQueue::ProductQueue(const Program &program)
    : sums(program.numRegisters), fragments(program.numRegisters),
      writers(program.numRegisters) {}

static size_t countFragments(const Inst &inst) {
  return dataOf(inst).isAInRegisters ? kRegistersOfA : 0;
}

void ProductQueue::add(Product product) {
  product.group = openGroup;
  for (const Ref &ref : product.inst->d) {
    ++sums[ref.reg];
    writers[ref.reg] = product.inst;
  }
  for (size_t r = 0; r < countFragments(*product.inst); ++r) {
    if (product.inst->s[r].reg != kNoRegister) {
      ++fragments[product.inst->s[r].reg];
    }
  }
  flying.push_back(std::move(product));
}

void ProductQueue::performOne(Warp &w) { multiply(w, flying[numDone++]); }

void ProductQueue::performUpTo(Warp &w, uint64_t group) {
  while (numDone < flying.size() && flying[numDone].group <= group) {
    performOne(w);
  }
}

void ProductQueue::retire(uint64_t group) {
  while (!flying.empty() && flying.front().group <= group) {
    const Product &product = flying.front();
    for (const Ref &ref : product.inst->d) {
      --sums[ref.reg];
    }
    for (size_t r = 0; r < countFragments(*product.inst); ++r) {
      if (product.inst->s[r].reg != kNoRegister) {
        --fragments[product.inst->s[r].reg];
      }
    }
    flying.pop_front();
    --numDone;
  }
}
