//===- Atomics.cpp - Instructions ---------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Families.h"

void ptxsim::addAtomics(ptxsim::DecoderTable &) {}
