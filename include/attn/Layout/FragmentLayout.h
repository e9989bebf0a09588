//===- FragmentLayout.h - Which thread holds which element ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block of a matrix or vector lies in the registers of many threads. Where an
// element is follows from three numbers: the warp, the lane in it, and the
// element among those that the thread holds. A layout is the map back, from
// (warp, lane, element) to a coordinate per axis. Each of the three numbers is
// written in digits, fastest first; every digit moves the coordinate of one
// axis by its stride:
//
//     coordinate[axis] = sum of digit * stride over the digits of that axis
//
// (the layouts of CuTe, with the axis beside the stride). The fragments of
// mma.sync and wgmma, the operands that ldmatrix brings, and rows or columns
// taken out of them are all of this form, for any number of columns.
//
// A digit may belong to no axis. A *replicated* digit of a lane or warp says
// that threads hold the same value; a *partial* one that each of them holds a
// part of a sum or maximum that has yet to be taken over them. So a reduction
// along an axis is: combine elements that differ in register digits of the
// axis, then turn lane and warp digits of the axis into partial ones; taking
// the rest of it turns partial into replicated. Nothing else is said about
// reductions anywhere; which lanes to shuffle with is read off the digits.
//
// Values of these classes are small; all functions are pure.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LAYOUT_FRAGMENTLAYOUT_H
#define ATTN_LAYOUT_FRAGMENTLAYOUT_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>
#include <string>

namespace attn {

/// A digit of an element's, a lane's or a warp's number.
struct Digit {
  /// Values of `axis` that are no axis.
  static constexpr int kReplicated = -1, kPartial = -2;

  int64_t size;
  int axis;
  /// What one step of the digit adds to the coordinate; 0 without an axis.
  int64_t stride;

  bool operator==(const Digit &other) const {
    return size == other.size && axis == other.axis && stride == other.stride;
  }
};

class FragmentLayout {
public:
  static constexpr int64_t kLanes = 32;
  using Coord = llvm::SmallVector<int64_t, 2>;
  using Digits = llvm::SmallVector<Digit, 4>;

  /// Fastest digit first. The sizes of `lanes` multiply to 32; digits of
  /// registers have an axis.
  FragmentLayout(int rank, Digits registers, Digits lanes, Digits warps);

  //===--- Fragments of the matrix instructions ---------------------------===//

  /// What mma.sync m16n8 and wgmma m64 leave and, where it is 16 bits wide,
  /// take as A [PTX ISA 9.7.14.5.8, 9.7.15.5.1]: 16 x 8 blocks, of which a lane
  /// has columns 2t and 2t + 1 of rows g and g + 8 (g = lane / 4, t = lane %
  /// 4). Warp w of `rowWarps` x `columnWarps` (rows fastest) has rows 16 * w
  /// and every 16 * rowWarps-th block of 16 behind it, and one of `columnWarps`
  /// equal parts of the columns. Elements go through columns first.
  /// None if rows are no multiple of 16 * rowWarps or columns of
  /// 8 * columnWarps.
  static std::optional<FragmentLayout> accumulator(int64_t rows,
                                                   int64_t columns,
                                                   int64_t rowWarps,
                                                   int64_t columnWarps);
  /// What mma.sync takes as A for 16-bit elements, [m, k]: an accumulator over
  /// `rowWarps` that every one of `columnWarps` warps of a row holds. None if k
  /// is no multiple of 16.
  static std::optional<FragmentLayout>
  leftOperand(int64_t rows, int64_t k, int64_t rowWarps, int64_t columnWarps);
  /// What mma.sync takes as B for 16-bit elements, [k, n]: 16 x 8 blocks, of
  /// which a lane has rows 2t, 2t + 1, 2t + 8, 2t + 9 of column g. Elements go
  /// through k first. Every warp of a row holds the same; `columnWarps` have
  /// equal parts of n.
  static std::optional<FragmentLayout>
  rightOperand(int64_t k, int64_t n, int64_t rowWarps, int64_t columnWarps);
  /// Element i in lane i mod 32 of each of `warps` warps.
  static FragmentLayout lanewise(int64_t size, int64_t warps);

  //===--- Others made of them --------------------------------------------===//

  /// Without `axis`, whose lane and warp digits become replicated or, while a
  /// reduction is not complete, partial.
  FragmentLayout dropAxis(int axis, bool isPartial = false) const;
  /// The two axes of a block in turn.
  FragmentLayout transpose() const;
  /// Partial digits become replicated.
  FragmentLayout complete() const;

  //===--- Facts ----------------------------------------------------------===//

  int getRank() const { return rank; }
  llvm::ArrayRef<Digit> getRegisters() const { return registers; }
  llvm::ArrayRef<Digit> getLanes() const { return lanes; }
  llvm::ArrayRef<Digit> getWarps() const { return warps; }
  /// Elements of a thread.
  int64_t getNumRegisters() const;
  int64_t getNumWarps() const;
  bool isPartial() const;
  /// The size of each axis: the largest coordinate of any thread, and 1.
  Coord getShape() const;

  Coord locate(int64_t warp, int64_t lane, int64_t element) const;
  /// The part of a coordinate that the element alone, or the thread alone,
  /// makes: locate() is the sum of both.
  Coord locateRegister(int64_t element) const;
  Coord locateThread(int64_t warp, int64_t lane) const;

  /// For each element of `to`, the element of this layout that the same thread
  /// holds and that has its coordinates; axis j of this layout is axis
  /// `axes[j]` of `to`. None where a thread would need another thread's
  /// element.
  std::optional<llvm::SmallVector<int64_t>>
  gather(const FragmentLayout &to, llvm::ArrayRef<int> axes) const;
  /// The same for two layouts of one block: the identity wherever both are
  /// equal.
  std::optional<llvm::SmallVector<int64_t>>
  gather(const FragmentLayout &to) const;

  /// By element of dropAxis(axis): the elements of this layout that are
  /// combined into it.
  llvm::SmallVector<llvm::SmallVector<int64_t>> groupsAlong(int axis) const;
  /// Lane masks whose shuffles (xor), one after the other, combine what partial
  /// digits keep apart. None where a digit's size is no power of two.
  std::optional<llvm::SmallVector<int64_t>> getPartialLaneMasks() const;
  /// Whether several warps hold parts: shuffles do not reach them.
  bool isPartialOverWarps() const { return getNumPartialWarps() > 1; }
  /// How many warps hold parts of one value.
  int64_t getNumPartialWarps() const;

  bool operator==(const FragmentLayout &other) const;
  bool operator!=(const FragmentLayout &other) const {
    return !(*this == other);
  }

  /// "registers (2, 1:1) (2, 0:8) lanes ... warps ...": size, axis:stride.
  std::string str() const;

private:
  int rank;
  Digits registers, lanes, warps;
};

} // namespace attn

#endif // ATTN_LAYOUT_FRAGMENTLAYOUT_H
