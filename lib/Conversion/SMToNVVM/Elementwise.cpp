//===- Elementwise.cpp - Ops on elements, and constants -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Support/BitArithmetic.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace attn;
using namespace attn::sm;

namespace {
/// An op that works element by element does so on what a thread holds.
class ElementwiseLowering : public ConversionPattern {
public:
  ElementwiseLowering(const TypeConverter &converter, MLIRContext *context)
      : ConversionPattern(converter, MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult
  matchAndRewrite(Operation *op, ArrayRef<Value> operands,
                  ConversionPatternRewriter &rewriter) const override {
    if (!op->hasTrait<OpTrait::Elementwise>() || op->getNumRegions()) {
      return failure();
    }
    SmallVector<Type> types;
    if (failed(getTypeConverter()->convertTypes(op->getResultTypes(), types))) {
      return failure();
    }
    OperationState state(op->getLoc(), op->getName(), operands, types,
                         op->getAttrs());
    rewriter.replaceOp(op, rewriter.create(state));
    return success();
  }
};

class ConstantLowering : public OpConversionPattern<arith::ConstantOp> {
public:
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(arith::ConstantOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isFragment(op.getType())) {
      return failure();
    }
    auto splat = dyn_cast<SplatElementsAttr>(op.getValue());
    if (!splat) {
      return op.emitOpError("expects one value for all elements, but got ")
             << op.getValue();
    }
    auto type = cast<VectorType>(getTypeConverter()->convertType(op.getType()));
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(
        op, DenseElementsAttr::get(type, splat.getSplatValue<Attribute>()));
    return success();
  }
};

/// To 8 bits, which have no type in PTX before sm_89, one by one by integers;
/// to 16 bits: one by one, so that LLVM sees which two share a register and
/// takes the instruction that rounds both.
class TruncFLowering : public OpConversionPattern<arith::TruncFOp> {
public:
  TruncFLowering(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern(converter, context, /*benefit=*/2) {}

  LogicalResult
  matchAndRewrite(arith::TruncFOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto element = cast<FloatType>(getElementTypeOrSelf(op.getType()));
    bool isFragmentValue = isFragment(op.getType());
    bool isByte = isa<Float8E4M3FNType, Float8E5M2Type>(element);
    if (!isFragmentValue && !isByte) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> elements{adaptor.getIn()};
    if (isFragmentValue) {
      elements = unpack(b, adaptor.getIn());
    }
    for (Value &value : elements) {
      value = isByte ? toByte(b, value, element)
                     : Value(arith::TruncFOp::create(b, element, value));
    }
    rewriter.replaceOp(op, isFragmentValue ? pack(b, elements) : elements[0]);
    return success();
  }

private:
  static Value toByte(ImplicitLocOpBuilder &b, Value value, FloatType type) {
    if (!value.getType().isF32()) {
      value = arith::ExtFOp::create(b, b.getF32Type(), value);
    }
    Bits bits{b, value.getType()};
    return truncateToFloat8(bits, value, type);
  }
};

/// From 8 bits. Two elements share a register all the way to f16, which has
/// room for their exponents and fractions.
class ExtFLowering : public OpConversionPattern<arith::ExtFOp> {
public:
  ExtFLowering(const TypeConverter &converter, MLIRContext *context,
               bool convertsFloat8)
      : OpConversionPattern(converter, context, /*benefit=*/2),
        convertsFloat8(convertsFloat8) {}

  LogicalResult
  matchAndRewrite(arith::ExtFOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type from = getElementTypeOrSelf(op.getIn().getType());
    bool isE4M3 = isa<Float8E4M3FNType>(from);
    if (!isE4M3 && !isa<Float8E5M2Type>(from)) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> elements{adaptor.getIn()};
    bool isFragmentValue = isFragment(op.getType());
    if (isFragmentValue) {
      elements = unpack(b, adaptor.getIn());
    }
    Type to = getElementTypeOrSelf(op.getType());
    for (size_t i = 0; i < elements.size(); i += 2) {
      bool hasNext = i + 1 < elements.size();
      Value codes = pack(b, {elements[i], elements[hasNext ? i + 1 : i]});
      SmallVector<Value> halves = unpack(b, widen(b, codes, isE4M3));
      for (size_t j = 0; j < 1 + size_t(hasNext); ++j) {
        elements[i + j] = toType(b, halves[j], to);
      }
    }
    rewriter.replaceOp(op, isFragmentValue ? pack(b, elements) : elements[0]);
    return success();
  }

private:
  static Value toType(ImplicitLocOpBuilder &b, Value half, Type to) {
    if (to.isF16()) {
      return half;
    }
    Value wide =
        arith::ExtFOp::create(b, to.isBF16() ? Type(b.getF32Type()) : to, half);
    return to.isBF16() ? arith::TruncFOp::create(b, to, wide) : wide;
  }

  /// Two codes as two f16.
  Value widen(ImplicitLocOpBuilder &b, Value codes, bool isE4M3) const {
    Type halves = VectorType::get({2}, b.getF16Type());
    auto call = [&](StringRef name, Type type, ValueRange operands) {
      return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name),
                                           operands)
          .getResult(0);
    };
    codes =
        arith::BitcastOp::create(b, VectorType::get({2}, b.getI8Type()), codes);
    codes = LLVM::BitcastOp::create(b, b.getI16Type(), codes);
    if (convertsFloat8) {
      return call(isE4M3 ? "llvm.nvvm.e4m3x2.to.f16x2.rn"
                         : "llvm.nvvm.e5m2x2.to.f16x2.rn",
                  halves, codes);
    }
    auto bits = [&](int64_t half) {
      return constantI32(b, int32_t(half << 16 | half));
    };
    // Bytes 0 and 1 into the upper halves of the two.
    Value word = arith::ExtUIOp::create(b, b.getI32Type(), codes);
    word = call("llvm.nvvm.prmt", b.getI32Type(),
                {word, constantI32(b, 0), constantI32(b, 0x1404)});
    if (!isE4M3) {
      return LLVM::BitcastOp::create(b, halves, word);
    }
    // The exponents are biased by 7 and by 15: one place further down, what is
    // left of a factor 2^8 makes the number, be it normal or not.
    Value size = arith::ShRUIOp::create(
        b, arith::AndIOp::create(b, word, bits(0x7f00)), constantI32(b, 1));
    // All ones is the one NaN, and there is no infinity: only there a carry
    // goes into the highest bit of the exponent, which makes it all ones.
    Value carry = arith::AndIOp::create(
        b, arith::AddIOp::create(b, size, bits(0x0080)), bits(0x4000));
    Value sign = arith::AndIOp::create(b, word, bits(0x8000));
    Value number = arith::OrIOp::create(
        b, arith::OrIOp::create(b, size, carry).getResult(), sign);
    // LLVM has no product of two f16 that does not flush where those of f32 do.
    Value product =
        LLVM::InlineAsmOp::create(
            b, b.getI32Type(), ValueRange{number, bits(0x5c00)},
            "mul.rn.f16x2 $0, $1, $2;", "=r,r,r", /*has_side_effects=*/false,
            /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
            LLVM::AsmDialectAttr(), ArrayAttr())
            .getResult(0);
    return LLVM::BitcastOp::create(b, halves, product);
  }

  bool convertsFloat8;
};
} // namespace

void sm::populateElementwise(const TypeConverter &converter,
                             bool convertsFloat8, RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ElementwiseLowering, ConstantLowering, TruncFLowering>(converter,
                                                                      context);
  patterns.add<ExtFLowering>(converter, context, convertsFloat8);
}
