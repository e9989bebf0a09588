//===- KeyViews.h - Views that a fold reads along its keys -------*- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_KEYVIEWS_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_KEYVIEWS_H

#include "RankBinding.h"

namespace attn {

/// The numbered views that the step reads along the fold: their number, and
/// behind it what each axis is: the rank of the segments of this number, the
/// key (tile::kKeyAxis), or anything (tile::kOtherAxis). A view is left out
/// where an axis is a mixture.
SmallVector<Attribute> findKeyViews(FoldOp fold, const RankBinding &binding);

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_KEYVIEWS_H
