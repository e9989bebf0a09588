//===- Derivation.cpp - What the compiler made of the cascade -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Derivation.h"

#include "attn/Analysis/CascadeInfo.h"
#include "attn/Compiler/Compiler.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"
#include "attn/Target/Host/Host.h"

using namespace attn;

/// The laws of the reductions that a fold over `rank` would carry. Changes
/// `cascade` as far as it is changed before the fold is made.
static std::string describeFold(CascadeOp cascade, int64_t rank) {
  (void)splitSums(cascade, rank);
  (void)deferFactors(cascade, rank);
  CascadeInfo info(cascade, getRankGroup(cascade, rank));
  llvm::DenseMap<Value, unsigned> number;
  for (auto [i, z] : llvm::enumerate(info.getReductions())) {
    number[z.op->getResult(0)] = i + 1;
  }
  auto nameLeaf = [&](einsum::LeafId leaf) -> std::string {
    auto found = number.find(info.getTerm(leaf).value);
    return found == number.end() ? info.getLeafName(leaf)
                                 : "z" + std::to_string(found->second);
  };
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "over " << cascade.getRankName(rank) << ", state ";
  llvm::interleave(
      llvm::enumerate(info.getReductions()), os,
      [&](auto entry) {
        const Reduction &z = entry.value();
        os << "z" << entry.index() + 1 << " = " << einsum::getName(z.monoid);
        if (z.law.kind != einsum::LawKind::Fixed) {
          os << " (" << einsum::print(z.law, info.getPool(), nameLeaf) << ")";
        }
      },
      "; ");
  return text;
}

FailureOr<Derivation> attn::deriveCopy(func::FuncOp entry) {
  Derivation result;
  result.passesWritten = countMostPasses(entry).value_or(0);
  CompileOptions options;
  options.unit = hostVectorUnit({});
  OwningOpRef<func::FuncOp> derived(entry.clone());
  if (failed(derive(*derived, options))) {
    return failure();
  }
  result.passesDerived = countMostPasses(*derived).value_or(0);
  bool hasFold = false;
  derived->walk([&](FoldOp) { hasFold = true; });
  derived->walk([&](CascadeOp cascade) {
    if (std::optional<ArrayRef<int64_t>> tiles = cascade.getTiles()) {
      result.tileRows = (*tiles)[0];
    }
  });
  if (hasFold) {
    OwningOpRef<func::FuncOp> copy(entry.clone());
    copy->walk([&](CascadeOp cascade) {
      if (std::optional<int64_t> rank = chooseRank(cascade)) {
        result.fold = describeFold(cascade, *rank);
      }
    });
  }
  return result;
}
