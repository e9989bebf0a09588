//===- KeyEnds.h - How many keys tables can hold ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_KEYENDS_H
#define ATTNRT_SRC_ABI_KEYENDS_H

#include "../bundle/Bundle.h"

namespace attnrt {

/// A coordinate of a table or of a storage that grows with the key, and that
/// nothing else makes smaller: what it adds are symbols and axes, which are at
/// least 0 where they lead to anything.
class KeyEnd {
public:
  /// The coordinates of a view that grow with `axis`; others say nothing.
  static std::vector<KeyEnd> find(const View &view, uint32_t axis);

  /// Keys that fit `entries` of the coordinate.
  int64_t fit(int64_t entries) const;

  int32_t lookup;     ///< of the view's symbols; -1: the address
  uint32_t argument;  ///< the table, or the storage
  uint32_t dimension; ///< of its axes

private:
  static bool read(const Expression &e, uint32_t axis, KeyEnd &out);
  /// What is done to the key, in this order: constants that are added, and
  /// positive ones that it is multiplied with or divided by.
  std::vector<Expression::Step> steps;
};

/// Those of a view that a fold reads along its keys.
struct ViewKeys {
  uint32_t view, axis;
  std::vector<int32_t> axes; ///< what each axis is (KeyView::axes)
  std::vector<KeyEnd> ends;

  static std::vector<ViewKeys> find(const Entry &entry,
                                    const LaunchRecord &launch);
};

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_KEYENDS_H
