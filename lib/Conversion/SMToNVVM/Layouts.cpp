//===- Layouts.cpp - Ops that only layouts explain ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include <limits>

using namespace attn;
using namespace attn::sm;

namespace {
class SplatLowering : public Lowering<SplatOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(SplatOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = getTypeConverter()->convertType(op.getResult().getType());
    rewriter.replaceOpWithNewOp<vector::BroadcastOp>(op, type,
                                                     adaptor.getValue());
    return success();
  }
};

class CoordLowering : public Lowering<CoordOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(CoordOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout layout = getLayout(op.getResult().getType());
    if (layout.getRank() != 1) {
      return op.emitOpError("expects a result of one axis, but got ")
             << op.getResult().getType();
    }
    Value first = arith::AddIOp::create(b, toI32(b, adaptor.getBase()),
                                        kernel.thread.locate(b, layout, 0));
    SmallVector<Value> elements;
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e; ++i) {
      Value own = constantI32(b, layout.locateRegister(i)[0]);
      elements.push_back(arith::AddIOp::create(b, first, own));
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

/// Parts and what all threads know lie in the same registers.
class FactorLowering : public Lowering<FactorOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(FactorOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getSource());
    return success();
  }
};

class ExpandLowering : public Lowering<ExpandOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ExpandOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout from = getLayout(op.getSource().getType());
    FragmentLayout to = getLayout(op.getResult().getType());
    auto map = from.gather(to, {int(1 - op.getAxis())});
    if (!map) {
      return op.emitOpError("expects a thread to hold what it spreads, but ")
             << op.getSource().getType() << " is with other threads";
    }
    SmallVector<Value> source = unpack(b, adaptor.getSource()), elements;
    for (int64_t element : *map) {
      elements.push_back(source[element]);
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

/// Coordinates against bounds. What the thread adds to them is taken from the
/// bounds, of which there are fewer: no thread keeps coordinates in registers.
class CompareCoordLowering : public Lowering<arith::CmpIOp> {
public:
  CompareCoordLowering(const TypeConverter &converter, MLIRContext *context,
                       KernelState &state)
      : Lowering(converter, context, state, /*benefit=*/2) {}

  LogicalResult
  matchAndRewrite(arith::CmpIOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    std::optional<Coordinates> found = find(op.getLhs());
    if (!found || !isSigned(op)) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout layout = getLayout(found->coord.getResult().getType());
    Value first = kernelOf(op).thread.locate(b, layout, 0);
    SmallVector<Value> own, flags;
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e; ++i) {
      own.push_back(constantI32(b, layout.locateRegister(i)[0]));
    }
    if (found->isThere) {
      SmallVector<Value> isThere =
          unpack(b, rewriter.getRemappedValue(found->isThere));
      for (auto [value, flag] : llvm::zip_equal(own, isThere)) {
        value = arith::SelectOp::create(b, flag, value,
                                        constantI32(b, found->other));
      }
    }
    DenseMap<Value, Value> relative;
    for (auto [element, bound] :
         llvm::zip_equal(found->elements, unpack(b, adaptor.getRhs()))) {
      Value &known = relative[bound];
      if (!known) {
        // Data may bound by any number.
        known = LLVM::SSubSat::create(b, bound.getType(), bound, first);
        if (found->isThere) {
          // Saturated, it must not become one that the others meet.
          Value other = constantI32(b, found->other);
          Value least = constantI32(b, std::numeric_limits<int32_t>::min() + 1);
          known = arith::MaxSIOp::create(b, known, least);
          Value isOther =
              arith::CmpIOp::create(b, arith::CmpIPredicate::eq, bound, other);
          known = arith::SelectOp::create(b, isOther, other, known);
        }
      }
      flags.push_back(
          arith::CmpIOp::create(b, op.getPredicate(), own[element], known));
    }
    rewriter.replaceOp(op, pack(b, flags));
    return success();
  }

private:
  /// Those of an axis, perhaps with an extreme number for some, and which of
  /// them each element of a fragment has.
  struct Coordinates {
    CoordOp coord;
    Value isThere; // null: all are
    int64_t other = 0;
    SmallVector<int64_t> elements;
  };

  static std::optional<Coordinates> find(Value value) {
    Coordinates found;
    auto expand = value.getDefiningOp<ExpandOp>();
    Value axis = expand ? expand.getSource() : value;
    if (auto select = axis.getDefiningOp<arith::SelectOp>()) {
      DenseIntElementsAttr other;
      if (!matchPattern(select.getFalseValue(), m_Constant(&other)) ||
          !other.isSplat() || !isFragment(select.getCondition().getType())) {
        return std::nullopt;
      }
      // What no bound is beyond stays so when bounds are moved.
      int64_t number = other.getSplatValue<APInt>().getSExtValue();
      if (number != std::numeric_limits<int32_t>::max() &&
          number != std::numeric_limits<int32_t>::min()) {
        return std::nullopt;
      }
      found.isThere = select.getCondition();
      found.other = number;
      axis = select.getTrueValue();
    }
    found.coord = axis.getDefiningOp<CoordOp>();
    if (!found.coord || !isConstantIntValue(found.coord.getBase(), 0)) {
      return std::nullopt;
    }
    FragmentLayout from = getLayout(found.coord.getResult().getType());
    if (expand) {
      auto map =
          from.gather(getLayout(value.getType()), {int(1 - expand.getAxis())});
      if (!map) {
        return std::nullopt;
      }
      found.elements = *map;
      return found;
    }
    for (int64_t i = 0, e = from.getNumRegisters(); i < e; ++i) {
      found.elements.push_back(i);
    }
    return found;
  }

  static bool isSigned(arith::CmpIOp op) {
    using P = arith::CmpIPredicate;
    return llvm::is_contained({P::slt, P::sle, P::sgt, P::sge},
                              op.getPredicate());
  }
};
} // namespace

void sm::populateLayouts(const TypeConverter &converter, KernelState &state,
                         RewritePatternSet &patterns) {
  patterns.add<SplatLowering, CoordLowering, FactorLowering, ExpandLowering,
               CompareCoordLowering>(converter, patterns.getContext(), state);
}
