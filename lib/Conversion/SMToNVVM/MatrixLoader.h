//===- MatrixLoader.h - Fragments out of shared memory ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ldmatrix brings one, two or four matrices of 8 x 8 elements of 16 bits. Each
// gives a lane two neighbouring elements, in one register; the addresses of its
// rows come from the lanes. Which matrix goes into which register, and whether
// it is transposed on the way, follow from the digits of the layout.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_SMTONVVM_MATRIXLOADER_H
#define ATTN_CONVERSION_SMTONVVM_MATRIXLOADER_H

#include "SharedAddress.h"

#include <memory>

namespace attn::sm {

/// A part of a block from `row` and `column` on; `transposed`: axis 0 of the
/// fragment are its columns.
struct BlockPart {
  Value buffer; // i32
  SharedLayout layout;
  int64_t row = 0, column = 0;
  bool transposed = false;
};

class MatrixLoader {
public:
  /// None where the layout is not made of what ldmatrix brings.
  static std::unique_ptr<MatrixLoader> get(ImplicitLocOpBuilder &b,
                                           const KernelValues &kernel,
                                           const FragmentLayout &layout,
                                           const BlockPart &part);

  /// Elements 2 * pair and 2 * pair + 1 of the thread as i32, loaded with their
  /// neighbours when they are first asked for.
  Value getPair(int64_t pair);

private:
  MatrixLoader(ImplicitLocOpBuilder &b, const FragmentLayout &layout,
               const BlockPart &part)
      : b(b), layout(layout), part(part) {}

  /// Where the matrix of a pair begins, without the thread's part.
  BlockPlace getOrigin(int64_t pair) const;
  BlockPlace toPlace(ArrayRef<int64_t> coord) const;
  /// How many matrices each instruction brings: what lies between them must be
  /// the same for all instructions.
  int64_t chooseCount();
  bool fits(int64_t count);
  void createAddress(const KernelValues &kernel);
  void load(int64_t group);

  ImplicitLocOpBuilder &b;
  FragmentLayout layout;
  BlockPart part;
  int64_t count = 1;
  /// By bit of a matrix's number in its instruction.
  SmallVector<BlockPlace, 2> steps;
  /// The axis of the fragment whose rows the addresses name.
  int rowAxis = 0;
  bool isTransposing = false;
  std::unique_ptr<SharedAddress> address;
  SmallVector<Value> pairs;
};

} // namespace attn::sm

#endif // ATTN_CONVERSION_SMTONVVM_MATRIXLOADER_H
