//===- MathToPolynomial.cpp - Math functions without calls ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Conversion/TileToVector.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

using namespace attn;

namespace {
/// Arithmetic on scalars or 1-D vectors alike.
struct Emitter {
  ImplicitLocOpBuilder b;
  Type type;

  Emitter(PatternRewriter &rewriter, Operation *op)
      : b(op->getLoc(), rewriter), type(op->getResult(0).getType()) {}

  Type like(Type element) {
    auto vec = dyn_cast<VectorType>(type);
    return vec ? Type(vec.clone(element)) : element;
  }
  Value splat(TypedAttr attr) {
    Type t = like(attr.getType());
    if (auto vec = dyn_cast<VectorType>(t)) {
      attr = DenseElementsAttr::get(vec, Attribute(attr));
    }
    return arith::ConstantOp::create(b, attr);
  }
  Value f(double v) {
    return splat(b.getFloatAttr(getElementTypeOrSelf(type), v));
  }
  Value i(int32_t v) { return splat(b.getI32IntegerAttr(v)); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  /// Contracted where the target can; nowhere a call of fmaf.
  Value fma(Value x, Value y, Value z) {
    auto vec = dyn_cast<VectorType>(type);
    return vec ? Value(vector::FMAOp::create(b, x, y, z)) : add(mul(x, y), z);
  }
  Value cmp(arith::CmpFPredicate p, Value x, Value y) {
    return arith::CmpFOp::create(b, p, x, y);
  }
  Value select(Value c, Value x, Value y) {
    return arith::SelectOp::create(b, c, x, y);
  }
  /// c[0] + r (c[1] + r (..)).
  Value polynomial(ArrayRef<double> c, Value r) {
    Value y = f(c.back());
    for (double term : llvm::reverse(c.drop_back())) {
      y = fma(y, r, f(term));
    }
    return y;
  }
};

/// The instructions of VectorUnit::scales, for registers of 4, 8 or 16 lanes.
class Scaler {
public:
  static bool serves(const VectorUnit &unit, Type type) {
    auto vec = dyn_cast<VectorType>(type);
    return unit.scales && vec && vec.getRank() == 1 &&
           llvm::is_contained({4, 8, 16}, vec.getDimSize(0));
  }

  explicit Scaler(Emitter &e)
      : e(e), lanes(cast<VectorType>(e.type).getDimSize(0)) {}

  /// y - floor(y), and 0 for an infinity.
  Value fraction(Value y) {
    // 1: rounds down; 8: sets no flags.
    return call("reduce", {y, number(32, 1 | 8), y});
  }
  /// x 2^floor(y), with y's infinities.
  Value scale(Value x, Value y) { return call("scalef", {x, y, x}); }

private:
  Value number(unsigned bits, int64_t v) {
    return LLVM::ConstantOp::create(e.b, e.b.getIntegerType(bits), v);
  }
  Value call(StringRef name, SmallVector<Value> operands) {
    operands.push_back(number(std::max<int64_t>(8, lanes), -1)); // all lanes
    if (lanes == 16) {
      operands.push_back(number(32, 4)); // rounds as MXCSR says
    }
    std::string full = ("llvm.x86.avx512.mask." + name + ".ps.").str() +
                       std::to_string(32 * lanes);
    return LLVM::CallIntrinsicOp::create(e.b, e.type, e.b.getStringAttr(full),
                                         operands)
        .getResult(0);
  }

  Emitter &e;
  int64_t lanes;
};

/// exp and exp2: e^x = 2^n (1 + r P(r)) with n the nearest integer of the
/// exponent; adding 1.5 * 2^23 rounds to it and leaves it in the low bits, so
/// no conversion to an integer hides a NaN. P of degree 4 by least squares with
/// Lawson's weights, relative error 9.2e-8. Cody and Waite's two-part ln 2.
/// With `afn`: 2^n P(r) of base 2 with P of degree 4, relative error 2.9e-6.
template <typename Op> struct ExpPattern : OpRewritePattern<Op> {
  static constexpr bool base2 = std::is_same_v<Op, math::Exp2Op>;
  static constexpr double log2e = 1.44269504088896341;

  ExpPattern(MLIRContext *ctx, const VectorUnit &unit)
      : OpRewritePattern<Op>(ctx), unit(unit) {}

  /// 2^x = 2^floor(x) P(x - floor(x)), relative error 2.9e-6, and of exp the
  /// rounding of x log2(e) besides.
  static Value shortByScale(Emitter &e, Value x) {
    static const double c[] = {1.0, 0.69304484, 0.2412802, 0.05224248,
                               0.01342668};
    Scaler scaler(e);
    x = base2 ? x : e.mul(x, e.f(log2e));
    return scaler.scale(e.polynomial(c, scaler.fraction(x)), x);
  }

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const final {
    if (!getElementTypeOrSelf(op.getType()).isF32()) {
      return rewriter.notifyMatchFailure(op, "expects f32");
    }
    static const double c[] = {1.0,          0.999999707,   0.4999914918,
                               0.1666763659, 0.04189797677, 0.008290306305};
    static const double c2[] = {1.0,           0.6931469776,   0.2402224205,
                                0.05550733772, 0.009671515093, 0.001326472465};
    static const double cShort[] = {1.0, 0.6931241927, 0.2402409861,
                                    0.05590643044, 0.009582855315};
    Emitter e(rewriter, op);
    Value x = op.getOperand();
    bool isShort =
        bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::afn);
    bool scales = Scaler::serves(unit, op.getType());
    if (isShort && scales) {
      rewriter.replaceOp(op, shortByScale(e, x));
      return success();
    }
    if (scales) {
      // To where the result is 0 or infinite; a NaN is neither and stays.
      x = e.select(e.cmp(arith::CmpFPredicate::OLT, x, e.f(-256)), e.f(-256),
                   x);
      x = e.select(e.cmp(arith::CmpFPredicate::OGT, x, e.f(256)), e.f(256), x);
    }
    Value magic = e.f(12582912.0);
    Value t = base2 ? e.add(x, magic) : e.fma(x, e.f(log2e), magic);
    Value n = e.sub(t, magic);
    Value r;
    if (isShort && !base2) {
      // x log2(e) - n with one rounding.
      r = e.fma(x, e.f(log2e), e.sub(e.f(0.0), n));
    } else if (base2) {
      r = e.sub(x, n);
    } else {
      r = e.fma(n, e.f(-0.693359375), x);
      r = e.fma(n, e.f(2.12194440054690583e-4), r);
    }
    Value y =
        isShort ? e.polynomial(cShort, r) : e.polynomial(base2 ? c2 : c, r);
    if (scales) {
      rewriter.replaceOp(op, Scaler(e).scale(y, n));
      return success();
    }
    // y * 2^n by adding n to the exponent.
    Type ints = e.like(rewriter.getI32Type());
    Value bits = arith::BitcastOp::create(e.b, ints, y);
    Value shift = arith::BitcastOp::create(e.b, ints, t);
    shift = arith::ShLIOp::create(e.b, shift, e.i(23));
    bits = arith::AddIOp::create(e.b, bits, shift);
    y = arith::BitcastOp::create(e.b, op.getType(), bits);
    // Below the normal numbers 0; above the finite ones x * inf, which is a NaN
    // for a NaN.
    Value low = e.f(base2 ? -126.0 : -87.3365447505);
    Value high = e.f(base2 ? 128.0 : 88.7228317261);
    y = e.select(e.cmp(arith::CmpFPredicate::OLT, x, low), e.f(0.0), y);
    Value huge = e.mul(x, e.f(std::numeric_limits<double>::infinity()));
    y = e.select(e.cmp(arith::CmpFPredicate::UGE, x, high), huge, y);
    rewriter.replaceOp(op, y);
    return success();
  }

private:
  VectorUnit unit;
};

/// Half precision goes through f32.
struct WidenPattern : RewritePattern {
  WidenPattern(MLIRContext *ctx)
      : RewritePattern(MatchAnyOpTypeTag(), 1, ctx) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const final {
    if (!isa<math::MathDialect>(op->getDialect()) || op->getNumResults() != 1) {
      return failure();
    }
    Type t = op->getResult(0).getType(), element = getElementTypeOrSelf(t);
    if (!element.isF16() && !element.isBF16()) {
      return failure();
    }
    Emitter e(rewriter, op);
    Type wide = e.like(rewriter.getF32Type());
    SmallVector<Value> operands;
    for (Value v : op->getOperands()) {
      bool half = getElementTypeOrSelf(v.getType()) == element;
      operands.push_back(half ? Value(arith::ExtFOp::create(e.b, wide, v)) : v);
    }
    OperationState state(op->getLoc(), op->getName(), operands, {wide},
                         op->getAttrs());
    Value r = rewriter.create(state)->getResult(0);
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, t, r);
    return success();
  }
};

struct FmaPattern : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op,
                                PatternRewriter &rewriter) const final {
    Emitter e(rewriter, op);
    rewriter.replaceOp(op, e.fma(op.getA(), op.getB(), op.getC()));
    return success();
  }
};

struct RsqrtPattern : OpRewritePattern<math::RsqrtOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::RsqrtOp op,
                                PatternRewriter &rewriter) const final {
    Emitter e(rewriter, op);
    Value root = math::SqrtOp::create(e.b, op.getOperand());
    rewriter.replaceOpWithNewOp<arith::DivFOp>(op, e.f(1.0), root);
    return success();
  }
};
} // namespace

void attn::populateMathToPolynomialPatterns(RewritePatternSet &patterns,
                                            const VectorUnit &unit) {
  MLIRContext *ctx = patterns.getContext();
  patterns.add<ExpPattern<math::ExpOp>, ExpPattern<math::Exp2Op>>(ctx, unit);
  patterns.add<FmaPattern, RsqrtPattern, WidenPattern>(ctx);
  populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
    return name != math::ExpOp::getOperationName() &&
           name != math::Exp2Op::getOperationName();
  });
}
