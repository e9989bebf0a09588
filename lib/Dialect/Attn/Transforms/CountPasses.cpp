//===- CountPasses.cpp - Prints passes over ranks -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace attn;

namespace attn {
#define GEN_PASS_DEF_ATTNCOUNTPASSESPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

void attn::printPasses(CascadeOp cascade, raw_ostream &os) {
  einsum::RankSet reduced(cascade.getNumRanks());
  einsum::RankSet folded(cascade.getNumRanks());
  cascade.walk([&](EinsumOp op) { reduced |= op.getReducedRanks(); });
  cascade.walk([&](FoldOp op) { folded.set(op.getRank()); });
  reduced |= folded;
  for (unsigned rank : reduced.set_bits()) {
    einsum::RankSet group(cascade.getNumRanks());
    group.set(rank);
    CascadeShape shape = getShape(cascade, group);
    einsum::PassCount count = einsum::countPasses(shape.cascade, group);
    os << "rank " << cascade.getRankName(rank) << ": " << count.passes
       << (count.passes == 1 ? " pass" : " passes");
    if (!count.barriers.empty()) {
      os << " (barriers: ";
      llvm::interleaveComma(count.barriers, os, [&](einsum::TensorId x) {
        os << getValueName(shape.values[x]);
      });
      os << ")";
    }
    const char *separator = "; streams ";
    for (unsigned x = 0; x < shape.values.size(); ++x) {
      if (count.streams[x] > 0) {
        os << separator << getValueName(shape.values[x]) << " x"
           << count.streams[x];
        separator = ", ";
      }
    }
    os << "\n";
  }
}

namespace {
struct CountPasses : attn::impl::AttnCountPassesPassBase<CountPasses> {
  void runOnOperation() override {
    unsigned number = 0;
    getOperation()->walk([&](CascadeOp cascade) {
      llvm::outs() << "cascade " << number++;
      if (auto func = cascade->getParentOfType<FunctionOpInterface>()) {
        llvm::outs() << " in @" << func.getName();
      }
      llvm::outs() << "\n";
      printPasses(cascade, llvm::outs());
    });
    markAllAnalysesPreserved();
  }
};
} // namespace
