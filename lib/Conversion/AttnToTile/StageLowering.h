//===- StageLowering.h - What is in no fold ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_STAGELOWERING_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_STAGELOWERING_H

#include "FoldLowering.h"

namespace attn {

/// A launch that computes one einsum point by point: an item is a run of the
/// row-major linearised points of its result; reduced ranks are loops.
LogicalResult emitEinsumStage(Program &program, CascadeOp cascade, EinsumOp e,
                              CascadePresence &presence,
                              ArrayRef<Output> outputs, const Twine &suffix);

/// A launch that writes the membership table of a selection: an i1 for each
/// point of the lists' ranks and each coordinate, in `buffer`. After it an `at`
/// is presence by data.
LogicalResult emitSelectStage(Program &program, CascadeOp cascade, SelectOp s,
                              CascadePresence &presence, int64_t buffer,
                              int64_t numCoordinates, const Twine &suffix);

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_STAGELOWERING_H
