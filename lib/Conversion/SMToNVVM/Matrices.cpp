//===- Matrices.cpp - Matrix loads and products by mma.sync ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatrixLoader.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <map>

using namespace attn;
using namespace attn::sm;

/// The shape of the instruction m16n8k16.
static constexpr int64_t kM = 16, kN = 8, kK = 16;
/// Rows, or elements to sum, between the halves of an operand.
static constexpr int64_t kHalf = 8;

namespace {
/// The element of a thread that stands at a coordinate, without the part of the
/// thread.
class Elements {
public:
  explicit Elements(const FragmentLayout &layout) {
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e; ++i) {
      numbers[layout.locateRegister(i)] = i;
    }
  }
  int64_t at(int64_t row, int64_t column) const {
    return numbers.at({row, column});
  }

private:
  std::map<FragmentLayout::Coord, int64_t> numbers;
};

/// Sums go over k in the order of the blocks; each column block of b is loaded
/// once and serves all rows of the warp.
class GemmLowering : public Lowering<GemmOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(GemmOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto typeA = cast<RankedTensorType>(op.getA().getType());
    auto typeD = cast<RankedTensorType>(op.getResult().getType());
    auto warps = cast<AccAttr>(typeD.getEncoding());
    int64_t k = typeA.getDimSize(1), n = typeD.getDimSize(1);
    FragmentLayout layoutA = getLayout(typeA), layoutD = getLayout(typeD);
    FragmentLayout layoutB = getColumnsFirst(k, n, warps);
    std::unique_ptr<MatrixLoader> loader;
    SmallVector<Value> pairsB;
    if (auto buf = dyn_cast<BufType>(op.getB().getType())) {
      BlockPart part{adaptor.getB(), getSharedLayout(buf)};
      part.column = op.getColumn();
      part.transposed = op.getTransposeB();
      loader = MatrixLoader::get(b, kernel, layoutB, part);
      assert(loader && "expects a right operand to come by ldmatrix");
    } else {
      layoutB = getLayout(op.getB().getType());
      layoutB = op.getTransposeB() ? layoutB.transpose() : layoutB;
      pairsB = unpackWords(b, adaptor.getB());
    }

    SmallVector<Value> pairsA = unpackWords(b, adaptor.getA());
    SmallVector<Value> sums = unpack(b, adaptor.getAcc());
    Elements a(layoutA), bs(layoutB), d(layoutD);
    SmallVector<int64_t> rows = getBlocks(layoutD, 0, kM);
    SmallVector<int64_t> columns = getBlocks(layoutD, 1, kN);
    bool isHalf = typeA.getElementType().isF16();
    for (int64_t at = 0; at < k; at += kK) {
      for (int64_t column : columns) {
        SmallVector<Value> right;
        for (int64_t half : {int64_t(0), kHalf}) {
          int64_t number = bs.at(at + half, column) / 2;
          Value pair = loader ? loader->getPair(number) : pairsB[number];
          right.push_back(asOperand(b, pair, isHalf));
        }
        for (int64_t row : rows) {
          SmallVector<Value> left;
          for (int64_t i = 0; i < 4; ++i) {
            int64_t element = a.at(row + i % 2 * kHalf, at + i / 2 * kHalf);
            left.push_back(asOperand(b, pairsA[element / 2], isHalf));
          }
          SmallVector<int64_t> own;
          for (int64_t i = 0; i < 4; ++i) {
            own.push_back(d.at(row + i / 2 * kHalf, column + i % 2));
          }
          multiply(b, left, right, sums, own, isHalf);
        }
      }
    }
    rewriter.replaceOp(op, pack(b, sums));
    return success();
  }

private:
  /// FragmentLayout::rightOperand with elements that go through the columns
  /// first: neighbouring products then add to different sums.
  static FragmentLayout getColumnsFirst(int64_t k, int64_t n, AccAttr warps) {
    int64_t part = n / warps.getColumnWarps();
    return FragmentLayout(
        2, {{2, 0, 1}, {2, 0, kHalf}, {part / kN, 1, kN}, {k / kK, 0, kK}},
        {{4, 0, 2}, {8, 1, 1}},
        {{warps.getRowWarps(), Digit::kReplicated, 0},
         {warps.getColumnWarps(), 1, part}});
  }

  /// Where blocks begin along an axis that the thread has elements of.
  static SmallVector<int64_t> getBlocks(const FragmentLayout &layout, int axis,
                                        int64_t size) {
    SmallVector<int64_t> begins;
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e; ++i) {
      int64_t at = layout.locateRegister(i)[axis];
      if (at % size == 0 && !llvm::is_contained(begins, at)) {
        begins.push_back(at);
      }
    }
    return begins;
  }

  static Value asOperand(ImplicitLocOpBuilder &b, Value word, bool isHalf) {
    if (!isHalf) {
      return word;
    }
    return LLVM::BitcastOp::create(b, VectorType::get({2}, b.getF16Type()),
                                   word);
  }

  static void multiply(ImplicitLocOpBuilder &b, ArrayRef<Value> left,
                       ArrayRef<Value> right, SmallVector<Value> &sums,
                       ArrayRef<int64_t> own, bool isHalf) {
    SmallVector<Value> before;
    for (int64_t i : own) {
      before.push_back(sums[i]);
    }
    auto type = isHalf ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
    Type result = LLVM::LLVMStructType::getLiteral(
        b.getContext(), SmallVector<Type>(own.size(), b.getF32Type()));
    Value after = NVVM::MmaOp::create(
        b, result, left, right, before, ArrayRef<int64_t>{kM, kN, kK},
        std::nullopt, std::nullopt, std::array<NVVM::MMATypes, 2>{type, type},
        std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                       NVVM::MMALayout::col});
    for (auto [i, element] : llvm::enumerate(own)) {
      sums[element] =
          LLVM::ExtractValueOp::create(b, after, ArrayRef<int64_t>{int64_t(i)});
    }
  }
};
} // namespace

void sm::populateMatrices(const TypeConverter &converter, KernelState &state,
                          RewritePatternSet &patterns) {
  patterns.add<GemmLowering>(converter, patterns.getContext(), state);
}
