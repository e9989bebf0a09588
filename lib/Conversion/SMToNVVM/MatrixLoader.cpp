//===- MatrixLoader.cpp - Fragments out of shared memory ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatrixLoader.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace attn;
using namespace attn::sm;

/// Rows of a matrix, and bytes of an element.
static constexpr int64_t kMatrixRows = 8, kElementBytes = 2;

std::unique_ptr<MatrixLoader> MatrixLoader::get(ImplicitLocOpBuilder &b,
                                                const KernelValues &kernel,
                                                const FragmentLayout &layout,
                                                const BlockPart &part) {
  // A lane has two neighbours along one axis, and eight groups of four lanes
  // stand along the other.
  ArrayRef<Digit> registers = layout.getRegisters(), lanes = layout.getLanes();
  if (layout.getRank() != 2 || registers.empty() || registers[0].size % 2 ||
      registers[0].stride != 1 || lanes.size() != 2) {
    return nullptr;
  }
  int along = registers[0].axis, across = 1 - along;
  if (!(lanes[0] == Digit{4, along, 2}) || !(lanes[1] == Digit{8, across, 1})) {
    return nullptr;
  }
  std::unique_ptr<MatrixLoader> loader(new MatrixLoader(b, layout, part));
  loader->rowAxis = part.transposed ? 1 : 0;
  loader->isTransposing = along == loader->rowAxis;
  loader->count = loader->chooseCount();
  loader->pairs.resize(layout.getNumRegisters() / 2);
  loader->createAddress(kernel);
  return loader;
}

BlockPlace MatrixLoader::toPlace(ArrayRef<int64_t> coord) const {
  return {coord[rowAxis], coord[1 - rowAxis] * kElementBytes};
}

BlockPlace MatrixLoader::getOrigin(int64_t pair) const {
  return toPlace(layout.locateRegister(2 * pair));
}

bool MatrixLoader::fits(int64_t wanted) {
  int64_t numPairs = layout.getNumRegisters() / 2;
  if (numPairs % wanted) {
    return false;
  }
  auto between = [&](int64_t from, int64_t to) {
    BlockPlace a = getOrigin(from), z = getOrigin(to);
    return BlockPlace{z.row - a.row, z.byte - a.byte};
  };
  steps.clear();
  for (int64_t bit = 1; bit < wanted; bit *= 2) {
    steps.push_back(between(0, bit));
  }
  for (int64_t pair = 0; pair < numPairs; ++pair) {
    int64_t number = pair % wanted;
    BlockPlace expected{0, 0}, is = between(pair - number, pair);
    for (auto [bit, step] : llvm::enumerate(steps)) {
      if (number >> bit & 1) {
        expected.row += step.row;
        expected.byte += step.byte;
      }
    }
    if (expected.row != is.row || expected.byte != is.byte) {
      return false;
    }
  }
  return true;
}

int64_t MatrixLoader::chooseCount() {
  for (int64_t wanted : {4, 2}) {
    if (fits(wanted)) {
      return wanted;
    }
  }
  steps.clear();
  return 1;
}

/// Lane 8 q + r names row r of matrix q.
void MatrixLoader::createAddress(const KernelValues &kernel) {
  SmallVector<BlockPlace> places;
  for (int64_t warp = 0, e = layout.getNumWarps(); warp < e; ++warp) {
    BlockPlace begin = toPlace(layout.locateThread(warp, 0));
    for (int64_t lane = 0; lane < FragmentLayout::kLanes; ++lane) {
      BlockPlace place{begin.row + lane % kMatrixRows, begin.byte};
      for (auto [bit, step] : llvm::enumerate(steps)) {
        int64_t isSet = lane / kMatrixRows >> bit & 1;
        place.row += isSet * step.row;
        place.byte += isSet * step.byte;
      }
      places.push_back(place);
    }
  }
  auto constant = [&](int64_t value) { return constantI32(b, value); };
  auto add = [&](Value to, Value isSet, int64_t step) -> Value {
    if (!step) {
      return to;
    }
    return arith::AddIOp::create(
        b, to, arith::MulIOp::create(b, isSet, constant(step)));
  };
  const ThreadPosition &thread = kernel.thread;
  Value row = thread.locateWarp(b, layout, rowAxis);
  Value byte = thread.locateWarp(b, layout, 1 - rowAxis);
  byte = arith::MulIOp::create(b, byte, constant(kElementBytes));
  Value inMatrix =
      arith::RemUIOp::create(b, thread.getLane(), constant(kMatrixRows));
  row = arith::AddIOp::create(b, row, inMatrix);
  for (auto [bit, step] : llvm::enumerate(steps)) {
    Value isSet = arith::DivUIOp::create(b, thread.getLane(),
                                         constant(kMatrixRows << bit));
    isSet = arith::RemUIOp::create(b, isSet, constant(2));
    row = add(row, isSet, step.row);
    byte = add(byte, isSet, step.byte);
  }
  address = std::make_unique<SharedAddress>(b, kernel, part.layout, part.buffer,
                                            row, byte, std::move(places));
}

void MatrixLoader::load(int64_t group) {
  BlockPlace origin = getOrigin(group * count);
  Value pointer = address->get(
      {origin.row + part.row, origin.byte + part.column * kElementBytes});
  Type i32 = b.getI32Type();
  MLIRContext *context = b.getContext();
  Type result = i32;
  if (count > 1) {
    result = LLVM::LLVMStructType::getLiteral(context,
                                              SmallVector<Type>(count, i32));
  }
  Value loaded = NVVM::LdMatrixOp::create(
      b, result, pointer, uint32_t(count),
      isTransposing ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(context, 8, 8),
      NVVM::LdStMatrixEltType::B16);
  for (int64_t i = 0; i < count; ++i) {
    pairs[group * count + i] =
        count == 1
            ? loaded
            : LLVM::ExtractValueOp::create(b, loaded, ArrayRef<int64_t>{i})
                  .getResult();
  }
}

Value MatrixLoader::getPair(int64_t pair) {
  if (!pairs[pair]) {
    load(pair / count);
  }
  return pairs[pair];
}
