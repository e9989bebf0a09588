//===- WgmmaChecks.cpp - Checks where a wgmma is issued -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Wgmma.h"
#include "check/Reporter.h"
#include "memory/Pieces.h"

using namespace ptxsim;
using namespace ptxsim::wgmma;

static void reportAsync(Warp &w, const Inst &in, std::string message) {
  report(w, in, "async", w.exec, std::move(message));
}

void wgmma::checkRegisters(Warp &w, const Inst &in) {
  const Data &data = dataOf(in);
  const ProductQueue &queue = *w.products;
  const std::vector<std::string> &names = w.program.registerNames;
  auto checkFence = [&](const Ref &ref) {
    if (w.writeFences[ref.reg] < w.numFences) {
      return true;
    }
    reportAsync(w, in,
                w.numFences == 0
                    ? "expects wgmma.fence before the first wgmma.mma_async"
                    : "uses register '" + names[ref.reg] +
                          "', which was written since the last wgmma.fence");
    return false;
  };
  bool isFenced = true;
  for (const Ref &ref : in.d) {
    const Inst *writer = queue.writerOf(ref.reg);
    switch (queue.useOf(ref.reg)) {
    case ProductQueue::kFree:
      isFenced = isFenced && checkFence(ref);
      break;
    case ProductQueue::kSum:
      // Products of one shape follow each other on the same sums.
      if (dataOf(*writer).n != data.n || dataOf(*writer).sums != data.sums) {
        reportAsync(w, in,
                    "adds to register '" + names[ref.reg] +
                        "' while wgmma of another shape at line " +
                        std::to_string(writer->line()) +
                        " may be writing to it");
        return;
      }
      break;
    case ProductQueue::kFragment:
      reportAsync(w, in,
                  "writes to register '" + names[ref.reg] +
                      "', which another wgmma may still read as A");
      return;
    }
  }
  for (unsigned r = 0; data.isAInRegisters && r < kRegistersOfA; ++r) {
    const Ref &ref = in.s[r];
    isFenced = isFenced && checkFence(ref);
    if (queue.useOf(ref.reg) == ProductQueue::kSum) {
      reportAsync(w, in,
                  "reads register '" + names[ref.reg] +
                      "', which wgmma at line " +
                      std::to_string(queue.writerOf(ref.reg)->line()) +
                      " may still be writing to");
      return;
    }
  }
}

void wgmma::checkDefined(Warp &w, const Inst &in) {
  for (const Ref &ref : in.d) {
    if (Mask missing = w.exec & ~w.defined[ref.reg]) {
      report(w, in, "uninitialised", missing,
             "adds to register '" + w.program.registerNames[ref.reg] +
                 "', which was not written");
      return;
    }
  }
}

void wgmma::checkTogether(Warp &w, const Inst &in, uint64_t a, uint64_t b) {
  Warpgroup &group = w.cta.warpgroups[w.number / kWarpgroupWarps];
  const Warpgroup::Step &step =
      group.join(w.number % kWarpgroupWarps, in, {a, b});
  if (step.inst != &in) {
    reportAsync(
        w, in,
        "expects all warps of the warpgroup here, but another one is at "
        "line " +
            std::to_string(step.inst->line()));
  } else if (step.operands != std::array{a, b}) {
    reportAsync(w, in,
                "expects the descriptors of the other warps of the "
                "warpgroup");
  }
}

/// f(mn, k) for the cells of `tiles` core matrices of 8 from `first` on, along
/// k 16 bytes times `blocks`.
template <class F>
static void forEachCell(const Descriptor &matrix, unsigned first,
                        unsigned tiles, unsigned blocks, F f) {
  for (unsigned tile = first; tile < first + tiles; ++tile) {
    for (unsigned block = 0; block < blocks; ++block) {
      for (unsigned i = 0; i < 8; ++i) {
        f(matrix.isMnMajor ? matrix.cell(tile, block * 8 + i)
                           : matrix.cell(tile * 8 + i, block));
      }
    }
  }
}

void wgmma::checkOperand(Warp &w, const Inst &in, const Descriptor &matrix,
                         unsigned first, unsigned tiles, const Actor *actor,
                         bool isCounted) {
  if (!matrix.isAligned()) {
    reportAsync(w, in,
                "expects a swizzled matrix that starts at a multiple of " +
                    std::to_string(128u << matrix.logCells) +
                    " bytes or says its base offset, but got shared+" +
                    std::to_string(matrix.start));
  }
  Pieces pieces(w, in, unsigned(std::countr_zero(w.exec)), Space::Shared,
                Access::Kind::Read, 16, actor);
  pieces.setCounted(isCounted);
  forEachCell(matrix, first, tiles, dataOf(in).depth.blocks,
              [&](uint32_t cell) { pieces.add(cell, 16); });
}
