//===- TensorKit.h - Boxes of tensors that are copied --------- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors of every rank, element and swizzle, where to put boxes over them, and
// what a load or store of such a box must leave behind. All of shared memory,
// or all of the buffer, is compared: what a copy should not touch as well.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_TENSORKIT_H
#define PTXSIM_TEST_TENSORKIT_H

#include "CopyKit.h"

namespace ptxsim::test {

uint32_t spanOf(TensorMapDesc::Swizzle swizzle);
/// A tensor that lies 64 bytes behind the begin of the buffer, with padding in
/// each dimension; its rows are no multiple of 16 bytes unless they must.
TensorMapDesc makeTensor(unsigned rank, TensorMapDesc::Element element,
                         TensorMapDesc::Swizzle swizzle,
                         uint32_t innerBytes = 0);
/// The copy of a box from there to `offset` of shared memory; back.
CopyJob loadOf(const TensorMapDesc &map, std::vector<int32_t> at,
               uint32_t offset = 0);
CopyJob storeOf(const TensorMapDesc &map, std::vector<int32_t> at,
                uint32_t offset = 0);

void expectClean(const CopyJob &job, const CopyOutcome &got);
/// No findings, and memory as the references have it, under all options.
void expectLoad(const CopyJob &job, uint32_t offset = 0,
                const std::vector<Options> &all = everyCompletion());
void expectStore(const CopyJob &job, uint32_t offset = 0,
                 const std::vector<Options> &all = everyCompletion());

/// Boxes inside, over each edge, and beyond each edge, one dimension at a time
/// and all of them together.
std::vector<std::vector<int32_t>> placesOf(const TensorMapDesc &map,
                                           bool withNegative);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_TENSORKIT_H
