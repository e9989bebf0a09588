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
void addCarries(DecoderTable &table);  // .cc addc subc madc; by Integers
void addBits(DecoderTable &table);     // and shl bfe prmt ...; by Integers
void addFloats(DecoderTable &table); // f32 f64: add fma ex2 rcp testp copysign
void addSpecials(DecoderTable &table);    // ex2 lg2 rcp.approx ...; by Floats
void addFloatPairs(DecoderTable &table);  // f32x2
void addHalves(DecoderTable &table);      // f16 bf16 and packed
void addConversions(DecoderTable &table); // cvt
void addMoves(DecoderTable &table);       // mov cvta selp setp slct
void addComparisons(DecoderTable &table); // set setp; by Moves
void addMemory(DecoderTable &table);      // ld st
void addHints(DecoderTable &table);    // prefetch discard createpolicy isspacep
void addAtomics(DecoderTable &table);  // atom red
void addFences(DecoderTable &table);   // fence membar
void addLanes(DecoderTable &table);    // shfl vote match redux activemask elect
void addBarriers(DecoderTable &table); // bar barrier
void addClusters(DecoderTable &table); // mapa getctarank barrier.cluster
void addMbarriers(DecoderTable &table);    // mbarrier
void addCopies(DecoderTable &table);       // cp.async
void addBulkCopies(DecoderTable &table);   // cp.async.bulk
void addMatrix(DecoderTable &table);       // mma
void addWgmma(DecoderTable &table);        // wgmma
void addRegisterPool(DecoderTable &table); // setmaxnreg
void addMatrixMoves(DecoderTable &table);  // ldmatrix stmatrix; by Matrix

} // namespace ptxsim

#endif // PTXSIM_OPS_FAMILIES_H
