//===- Cpu.h - What this CPU can run ----------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_BUNDLE_CPU_H
#define ATTNRT_SRC_BUNDLE_CPU_H

#include "Bundle.h"

namespace attnrt {

/// What the target asks for and this CPU has not, in words; empty if it fits.
std::string missingOnThisCpu(const Target &target);

/// Whether code for the target computes with tiles of AMX.
bool usesTiles(const Target &target);

/// To choose among targets that fit: more is better.
int levelOf(const Target &target);

} // namespace attnrt

#endif // ATTNRT_SRC_BUNDLE_CPU_H
