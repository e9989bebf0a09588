//===- Math.cpp - Functions that the hardware has instructions for --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;

/// The type with elements of 32 bits.
static Type widen(Type type, Type f32) {
  if (auto vector = dyn_cast<VectorType>(type)) {
    return vector.clone(f32);
  }
  return f32;
}

static Value constant(ImplicitLocOpBuilder &b, Type type, double value) {
  Attribute number = b.getF32FloatAttr(float(value));
  if (auto vector = dyn_cast<VectorType>(type)) {
    number = DenseElementsAttr::get(vector, number);
  }
  return LLVM::ConstantOp::create(b, type, cast<TypedAttr>(number));
}

namespace {
/// scaleOut * f(x * scaleIn), where f is an approximation of the hardware, in
/// 32 bits.
template <class MathOp, class Instruction>
class ApproximationLowering : public OpConversionPattern<MathOp> {
public:
  ApproximationLowering(const TypeConverter &converter, MLIRContext *context,
                        double scaleIn = 1, double scaleOut = 1)
      // Before the lowering that would call a library.
      : OpConversionPattern<MathOp>(converter, context, /*benefit=*/2),
        scaleIn(scaleIn), scaleOut(scaleOut) {}

  LogicalResult
  matchAndRewrite(MathOp op, typename MathOp::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type type = adaptor.getOperand().getType();
    Type element = getElementTypeOrSelf(type);
    if (element.getIntOrFloatBitWidth() > 32) {
      return op.emitOpError("expects at most 32 bits, but got ") << element;
    }
    Type wide = widen(type, b.getF32Type());
    Value x = adaptor.getOperand();
    if (wide != type) {
      x = LLVM::FPExtOp::create(b, wide, x);
    }
    if (scaleIn != 1) {
      x = LLVM::FMulOp::create(b, x, constant(b, wide, scaleIn));
    }
    x = Instruction::create(b, wide, x, LLVM::FastmathFlags::afn);
    if (scaleOut != 1) {
      x = LLVM::FMulOp::create(b, x, constant(b, wide, scaleOut));
    }
    if (wide != type) {
      x = LLVM::FPTruncOp::create(b, type, x);
    }
    rewriter.replaceOp(op, x);
    return success();
  }

private:
  double scaleIn, scaleOut;
};
} // namespace

namespace {
/// LLVM has no form of lg2 that its code generator for PTX takes.
struct BinaryLogarithm {
  static Value create(ImplicitLocOpBuilder &b, Type type, Value x,
                      LLVM::FastmathFlags) {
    auto call = [&](Value element) -> Value {
      return LLVM::CallIntrinsicOp::create(
                 b, b.getF32Type(),
                 b.getStringAttr("llvm.nvvm.lg2.approx.ftz.f"),
                 ValueRange(element))
          .getResult(0);
    };
    auto vector = dyn_cast<VectorType>(type);
    if (!vector) {
      return call(x);
    }
    Value result = LLVM::PoisonOp::create(b, type);
    for (int64_t i = 0; i < vector.getNumElements(); ++i) {
      Value at = LLVM::ConstantOp::create(b, b.getI32Type(),
                                          b.getI32IntegerAttr(int32_t(i)));
      Value element = LLVM::ExtractElementOp::create(b, x, at);
      result = LLVM::InsertElementOp::create(b, result, call(element), at);
    }
    return result;
  }
};
} // namespace

void sm::populateMath(const LLVMTypeConverter &converter,
                      RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ApproximationLowering<math::Exp2Op, LLVM::Exp2Op>,
               ApproximationLowering<math::Log2Op, BinaryLogarithm>,
               ApproximationLowering<math::TanhOp, LLVM::TanhOp>,
               ApproximationLowering<math::SinOp, LLVM::SinOp>,
               ApproximationLowering<math::CosOp, LLVM::CosOp>>(converter,
                                                                context);
  patterns.add<ApproximationLowering<math::ExpOp, LLVM::Exp2Op>>(
      converter, context, llvm::numbers::log2e, 1.0);
  patterns.add<ApproximationLowering<math::LogOp, BinaryLogarithm>>(
      converter, context, 1.0, llvm::numbers::ln2);
}
