//===- Families.h - All instruction families --------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_FAMILIES_H
#define PTXSIM_OPS_FAMILIES_H

#include "program/Decode.h"

namespace ptxsim {

void addControl(DecoderTable &table);  // bra brx ret exit trap call nop...
void addIntegers(DecoderTable &table); // add sub mul mad div rem ... bfe prmt
void addFloats(DecoderTable &table); // f32 f64: add fma ex2 rcp testp copysign
void addHalves(DecoderTable &table); // f16 bf16 and packed; called by Floats
void addConversions(DecoderTable &table); // cvt
void addMoves(DecoderTable &table);       // mov cvta selp setp slct
void addMemory(DecoderTable &table);   // ld st prefetch isspacep createpolicy
void addAtomics(DecoderTable &table);  // atom red fence membar
void addLanes(DecoderTable &table);    // shfl vote match redux activemask elect
void addBarriers(DecoderTable &table); // bar barrier
void addCopies(DecoderTable &table);   // cp.async
void addMatrix(DecoderTable &table);   // mma ldmatrix stmatrix movmatrix

} // namespace ptxsim

#endif // PTXSIM_OPS_FAMILIES_H
