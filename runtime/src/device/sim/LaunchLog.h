//===- LaunchLog.h - What the launches of a device did ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_SIM_LAUNCHLOG_H
#define ATTNRT_SRC_DEVICE_SIM_LAUNCHLOG_H

#include "ptxsim/Stats.h"

#include <string>
#include <string_view>
#include <vector>

namespace attnrt {

/// Counters of launches, as JSON. The simulator counts by line of the text;
/// here that becomes by instruction, which is the same question for every
/// kernel: what do the copies read, what do the loads of matrices cost.
class LaunchLog {
public:
  explicit LaunchLog(std::string_view ptx);

  void add(const ptxsim::LaunchStats &stats);
  /// A list with an object for each launch: what LaunchStats::toJson writes,
  /// but for "lines", and "opcodes" in its place.
  std::string toJson() const { return "[" + list + "]"; }

private:
  /// By line, from 1 on: "cp.async.cg.shared.global", or nothing.
  std::vector<std::string> opcodes;
  std::string list;
};

} // namespace attnrt

#endif // ATTNRT_SRC_DEVICE_SIM_LAUNCHLOG_H
