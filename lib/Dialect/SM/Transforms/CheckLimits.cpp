//===- CheckLimits.cpp - sm-check-limits ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An error names the choice that would fit. Where the choice of tiles has left
// its own (TileHint.h), which knows of registers too, it is that. Of a kernel
// that is written by hand it is looked for in the order of what it costs: fewer
// places in the rings, then fewer points in a tile, then fewer rows. Rings hold
// what a tile has, so they shrink with it; other slots hold rows. A tile is
// rounded up to what warps beside each other share, so it shrinks in these
// steps, and below one of them only with fewer warps.
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/Transforms/Passes.h"
#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "attn/Dialect/SM/Transforms/TileHint.h"
#include "attn/TargetModel/GpuTargetModel.h"
#include "attn/TargetModel/GpuTileCost.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

namespace attn {
#define GEN_PASS_DEF_SMCHECKLIMITSPASS
#include "attn/Dialect/SM/Transforms/Passes.h.inc"
} // namespace attn

using namespace attn;
using namespace attn::sm;

namespace {

/// Shared memory as a function of the choices.
struct SharedUse {
  int64_t stages = 0, columns = 0, rows = 0, warps = 1;
  /// Of one place of all rings, and of all other slots.
  int64_t placeBytes = 0, slotBytes = 0;

  static SharedUse of(KernelOp kernel) {
    SharedUse use;
    use.warps = kernel.getWarps();
    kernel.walk([&](Operation *op) {
      if (auto ring = dyn_cast<RingOp>(op)) {
        auto type = cast<RingType>(ring.getResult().getType());
        use.stages = std::max(use.stages, int64_t(type.getSlots()));
        use.placeBytes += RingPlacement::get(type).stride;
        for (BufType buffer : type.getBuffers()) {
          use.columns = std::max(use.columns, buffer.getSlot().getRows());
        }
      } else if (auto alloc = dyn_cast<AllocOp>(op)) {
        auto slot = cast<SlotType>(alloc.getResult().getType());
        use.rows = std::max(use.rows, slot.getRows());
        use.slotBytes += getSharedLayout(slot).getBytes();
      }
    });
    return use;
  }

  int64_t bytes(int64_t stages, int64_t columns, int64_t rows) const {
    double ring = this->columns ? double(columns) / this->columns : 1;
    double slot = this->rows ? double(rows) / this->rows : 1;
    return int64_t(stages * placeBytes * ring + slotBytes * slot);
  }

  /// "'stages' of 1 (12345 bytes) would fit".
  std::string suggest(int64_t limit) const {
    auto text = [](const Twine &choice, int64_t bytes) {
      return (choice + " (about " + Twine(bytes) + " bytes) would fit").str();
    };
    for (int64_t s = stages - 1; s >= 1; --s) {
      if (bytes(s, columns, rows) <= limit) {
        return text("'stages' of " + Twine(s), bytes(s, columns, rows));
      }
    }
    for (int64_t w = warps; w >= 1; w /= 2) {
      int64_t step = GpuTile{rows, columns, w}.getStep();
      for (int64_t s = std::max<int64_t>(stages, 1); s >= 1; --s) {
        // The largest multiple of the step that is less than what there is.
        for (int64_t c = (columns - 1) / step * step; c >= step; c -= step) {
          if (bytes(s, c, rows) <= limit) {
            return text(
                "'tile' of " + Twine(c) +
                    (s < stages ? " with 'stages' of " + Twine(s) : "") +
                    (w < warps ? " and 'warps' of " + Twine(w) : ""),
                bytes(s, c, rows));
          }
        }
      }
    }
    int64_t c = std::min(columns, kGpuColumnStep);
    int64_t s = std::min<int64_t>(stages, 1);
    for (int64_t r = (rows - 1) / kGpuRowStep * kGpuRowStep; r >= kGpuRowStep;
         r -= kGpuRowStep) {
      // With as many warps as there are blocks of rows, none share columns.
      int64_t w = std::min(warps, r / kGpuRowStep);
      if (bytes(s, c, r) <= limit) {
        return text("'rows' of " + Twine(r) + " with 'tile' of " + Twine(c) +
                        ", 'stages' of " + Twine(s) + " and 'warps' of " +
                        Twine(w),
                    bytes(s, c, r));
      }
    }
    return "no choice of rows, tile and stages fits, the smallest takes " +
           std::to_string(bytes(s, c, std::min(rows, kGpuRowStep))) + " bytes";
  }
};

/// Registers that a thread needs to carry the values of a loop around it.
int64_t countCarriedRegisters(scf::ForOp loop, int64_t *rows) {
  int64_t registers = 0;
  for (Type type : loop.getResultTypes()) {
    auto block = dyn_cast<RankedTensorType>(type);
    if (!block || !isFragment(type)) {
      continue;
    }
    int64_t bits = block.getElementType().getIntOrFloatBitWidth();
    registers += llvm::divideCeil(getLayout(type).getNumRegisters() * bits, 32);
    *rows = std::max(*rows, block.getDimSize(0));
  }
  return registers;
}

/// What the choice of tiles says of a kernel that it knew not to fit.
std::optional<std::string> getHint(KernelOp kernel) {
  auto hint = kernel->getAttrOfType<StringAttr>(kTileHintAttr);
  if (!hint) {
    return std::nullopt;
  }
  return hint.empty() ? "no choice of rows, tile, warps and stages fits"
                      : (hint.getValue() + " would fit").str();
}

LogicalResult checkRegisters(KernelOp kernel, const GpuTargetModel &model) {
  int64_t warps = kernel.getWarps(), most = 0, rows = 0;
  kernel.walk([&](scf::ForOp loop) {
    most = std::max(most, countCarriedRegisters(loop, &rows));
  });
  int64_t limit = model.getRegisterBudget(warps * model.threadsPerWarp, 1);
  if (most <= limit) {
    return success();
  }
  InFlightDiagnostic error =
      kernel.emitError("expects at most ")
      << limit << " registers per thread on " << model.chip << " with " << warps
      << " warps, but a loop carries values in " << most << ": ";
  if (std::optional<std::string> hint = getHint(kernel)) {
    return error << *hint;
  }
  // Warps have equal parts of the rows, and of the columns where there are more
  // of them than blocks of rows. More of them may have fewer registers each.
  for (int64_t more = 2 * warps; more <= kGpuMostWarps; more *= 2) {
    if (most * warps / more <=
        model.getRegisterBudget(more * model.threadsPerWarp, 1)) {
      return error << "'warps' of " << more << " would fit";
    }
  }
  for (int64_t fewer = rows / 2; fewer >= kGpuRowStep; fewer /= 2) {
    if (most * fewer / rows <= limit) {
      return error << "'rows' of " << fewer << " would fit";
    }
  }
  return error << "no choice of rows and warps fits";
}

LogicalResult checkKernel(KernelOp kernel, const GpuTargetModel &model) {
  auto shared = kernel->getAttrOfType<IntegerAttr>(kSharedBytesAttr);
  if (!shared) {
    return kernel.emitError("expects places in shared memory, but got none: "
                            "sm-allocate-shared gives them");
  }
  if (shared.getInt() > model.sharedBytesPerCta) {
    std::optional<std::string> hint = getHint(kernel);
    return kernel.emitError(model.checkCta({0, 0, shared.getInt()}))
           << ": "
           << (hint ? *hint
                    : SharedUse::of(kernel).suggest(model.sharedBytesPerCta));
  }
  return checkRegisters(kernel, model);
}

struct SMCheckLimits : attn::impl::SMCheckLimitsPassBase<SMCheckLimits> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<GpuTargetModel> model = getGpuTargetModel(chip);
    if (!model) {
      getOperation()->emitError("expects a chip of ")
          << listGpuTargetModels() << ", but got '" << chip << "'";
      return signalPassFailure();
    }
    bool isGood = true;
    getOperation()->walk([&](KernelOp kernel) {
      isGood = isGood && succeeded(checkKernel(kernel, *model));
    });
    if (!isGood) {
      signalPassFailure();
    }
  }
};

} // namespace
