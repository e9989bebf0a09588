//===- Finding.h - What a check says ----------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_FINDING_H
#define PTXSIM_FINDING_H

#include "ptxsim/Ast.h"
#include <string>

namespace ptxsim {

/// One defect of the program, or what may be one. The same defect at the same
/// place is reported once; `count` says how often it was seen.
struct Finding {
  /// "race", "bounds", "uninitialised", ... : the switch that turns it off.
  std::string check;
  /// One line: what happened, between whom, where: "write of smem+16 by warp 2
  /// races with the read at line 40 by warp 1".
  std::string message;
  std::string kernel;
  uint32_t line = 0; // of the PTX text
  SourceLine source; // of .loc
  std::string sourceFile;
  /// Who: CTA coordinates, warp in the CTA, lanes.
  uint32_t cta[3] = {0, 0, 0};
  uint32_t warp = 0;
  uint32_t lanes = 0;
  /// The seed that repeats it.
  uint64_t seed = 0;
  uint64_t count = 1;
  /// It need not be a defect.
  bool isWarning = false;

  /// "k.ptx:41 (kernel.cu:17): races: ... [kernel k, cta 0,0,0, warp 2, lanes
  /// 0-31, seed 1]"
  std::string format(const std::string &file) const;
};

} // namespace ptxsim

#endif // PTXSIM_FINDING_H
