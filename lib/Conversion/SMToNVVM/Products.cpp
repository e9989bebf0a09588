//===- Products.cpp - Products of a warpgroup by wgmma --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product is one piece of assembly: a fence, the instructions for sixteen
// elements to sum each, and the end of the group. Between them LLVM could put
// moves of the very registers that are being written; in front of the fence all
// of them have their values, as they are operands.
//
// The wait takes everything through itself that the product writes, so that no
// use of it comes before, and what it reads, so that nothing else gets those
// registers until then.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "attn/Layout/ProductOperand.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace attn;
using namespace attn::sm;

/// Rows and elements to sum of an instruction, and registers of its left
/// operand.
static constexpr int64_t kRows = 64, kSums = 16, kLeft = 4;

namespace {
/// A text with numbered operands, outputs first.
class Assembly {
public:
  explicit Assembly(ImplicitLocOpBuilder &b) : b(b) {}

  std::string text;

  /// Adds values that the text reads and writes; without values it only writes.
  void addSums(ArrayRef<Value> values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      constraints += (i ? ",=&f" : "=&f");
    }
    for (auto [i, value] : llvm::enumerate(values)) {
      constraints += "," + std::to_string(i);
      operands.push_back(value);
    }
    outputs = count;
  }
  /// The name of a value that it reads.
  std::string add(Value value, StringRef constraint) {
    operands.push_back(value);
    constraints += ("," + constraint).str();
    return "$" + std::to_string(outputs + operands.size() - 1);
  }

  SmallVector<Value> create() {
    Type type = LLVM::LLVMStructType::getLiteral(
        b.getContext(), SmallVector<Type>(outputs, b.getF32Type()));
    Value all = LLVM::InlineAsmOp::create(
                    b, type, operands, text, constraints + ",~{memory}",
                    /*has_side_effects=*/true, /*is_align_stack=*/false,
                    LLVM::tailcallkind::TailCallKind::None,
                    LLVM::AsmDialectAttr(), ArrayAttr())
                    .getResult(0);
    SmallVector<Value> results;
    for (int64_t i = 0; i < outputs; ++i) {
      results.push_back(
          LLVM::ExtractValueOp::create(b, all, ArrayRef<int64_t>{i}));
    }
    return results;
  }

private:
  ImplicitLocOpBuilder &b;
  std::string constraints;
  SmallVector<Value> operands;
  int64_t outputs = 0;
};

/// A block in shared memory as instructions find it.
struct SharedOperand {
  ProductOperand block;
  /// The descriptor of its first byte, i64.
  Value descriptor;

  SharedOperand(ImplicitLocOpBuilder &b, const KernelValues &kernel,
                BufType type, Value buffer, bool sumsRows)
      : block(getSharedLayout(type), sumsRows) {
    Value base = LLVM::PtrToIntOp::create(b, b.getI32Type(), kernel.shared);
    Value address = arith::AddIOp::create(b, base, buffer);
    address = arith::ShRUIOp::create(b, address, constantI32(b, 4));
    address = arith::ExtUIOp::create(b, b.getI64Type(), address);
    Value bits = arith::ConstantIntOp::create(b, int64_t(block.getBits()), 64);
    descriptor = arith::OrIOp::create(b, address, bits);
  }
};

class GemmAsyncLowering : public Lowering<GemmAsyncOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(GemmAsyncOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto typeB = cast<BufType>(op.getB().getType());
    RankedTensorType typeD =
        cast<InflightType>(op.getResult().getType()).getValue();
    int64_t rows = typeD.getDimSize(0), columns = typeD.getDimSize(1);
    int64_t sums = op.getTransposeB() ? typeB.getColumns() : typeB.getRows();
    int64_t blocks = rows / kRows, count = getLayout(typeD).getNumRegisters();

    Assembly assembly(b);
    SmallVector<Value> acc;
    if (adaptor.getAcc()) {
      acc = unpack(b, adaptor.getAcc());
    }
    assembly.addSums(acc, count);
    SharedOperand right(b, kernel, typeB, adaptor.getB(), !op.getTransposeB());
    std::string rightName = assembly.add(right.descriptor, "l");
    std::optional<SharedOperand> left;
    std::string leftName;
    SmallVector<std::string> words;
    if (auto typeA = dyn_cast<BufType>(op.getA().getType())) {
      left.emplace(b, kernel, typeA, adaptor.getA(), /*sumsRows=*/false);
      leftName = assembly.add(left->descriptor, "l");
    } else {
      for (Value word : unpackWords(b, adaptor.getA())) {
        words.push_back(assembly.add(word, "r"));
      }
    }

    std::string element = typeB.getElementType().isF16() ? "f16" : "bf16";
    std::string name = "wgmma.mma_async.sync.aligned.m64n" +
                       std::to_string(columns) + "k16.f32." + element + "." +
                       element;
    std::string &text = assembly.text;
    text = "{\n.reg .b64 left, right;\nwgmma.fence.sync.aligned;\n";
    auto step = [&](StringRef to, StringRef from, int64_t bytes) {
      text += ("add.s64 " + to + ", " + from + ", " +
               Twine(ProductOperand::encode(bytes)) + ";\n")
                  .str();
    };
    int64_t perBlock = count / blocks;
    for (int64_t block = 0; block < blocks; ++block) {
      std::string own;
      for (int64_t i = 0; i < perBlock; ++i) {
        own += (i ? ", $" : "$") + std::to_string(block * perBlock + i);
      }
      for (int64_t at = 0; at < sums; at += kSums) {
        step("right", rightName, right.block.getBegin(at));
        std::string from = "left";
        if (left) {
          SharedLayout layout =
              getSharedLayout(cast<BufType>(op.getA().getType()));
          step("left", leftName,
               left->block.getBegin(at) + block * kRows * layout.getSpan());
        } else {
          int64_t first = (block * sums + at) / kSums * kLeft;
          from = "{";
          for (int64_t i = 0; i < kLeft; ++i) {
            from += (i ? ", " : "") + words[first + i];
          }
          from += "}";
        }
        bool adds = at || adaptor.getAcc();
        text += name + " {" + own + "}, " + from + ", right, " +
                (adds ? "1" : "0") + ", 1, 1" + (left ? ", 0" : "") +
                (op.getTransposeB() ? ", 0;\n" : ", 1;\n");
      }
    }
    text += "wgmma.commit_group.sync.aligned;\n}";
    rewriter.replaceOp(op, pack(b, assembly.create()));
    return success();
  }
};

/// sm.wait of a product.
class WaitLowering : public Lowering<WaitOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(WaitOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isa<InflightType>(op.getSource().getType())) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto pending = op->getAttrOfType<IntegerAttr>(kPendingAttr);
    Assembly assembly(b);
    SmallVector<Value> sums = unpack(b, adaptor.getSource());
    assembly.addSums(sums, sums.size());
    auto product = op.getSource().getDefiningOp<GemmAsyncOp>();
    if (!isa<BufType>(product.getA().getType())) {
      for (Value word :
           unpackWords(b, rewriter.getRemappedValue(product.getA()))) {
        assembly.add(word, "r");
      }
    }
    assembly.text = "wgmma.wait_group.sync.aligned " +
                    std::to_string(pending ? pending.getInt() : 0) + ";";
    rewriter.replaceOp(op, pack(b, assembly.create()));
    return success();
  }
};
} // namespace

void sm::populateProducts(const TypeConverter &converter, KernelState &state,
                          RewritePatternSet &patterns) {
  patterns.add<GemmAsyncLowering, WaitLowering>(converter,
                                                patterns.getContext(), state);
}
