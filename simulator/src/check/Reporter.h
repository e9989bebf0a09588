//===- Reporter.h - Collects findings ---------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_CHECK_REPORTER_H
#define PTXSIM_CHECK_REPORTER_H

#include "program/Program.h"
#include "ptxsim/Device.h"

#include <map>
#include <mutex>

namespace ptxsim {

struct Cta;

/// Findings of all CTAs, each defect once per place. Thread-safe.
class Reporter {
public:
  explicit Reporter(const Options &options) : options(options) {}

  /// Whether the switch of this name is on; true for what has none ("trap").
  bool isOn(std::string_view check) const;
  /// `check` names the switch: nothing is added when that is off. The message
  /// is one line without the place.
  void report(const Warp &warp, const Inst &in, std::string_view check,
              Mask lanes, std::string message);
  /// What need not be a defect.
  void warn(const Warp &warp, const Inst &in, std::string_view check,
            Mask lanes, std::string message);
  /// Of a launch, before it starts.
  void warn(const Function &kernel, std::string_view check,
            std::string message);
  /// Of a whole CTA that cannot go on, such as a deadlock, whatever the
  /// switches: a launch that fails must not look clean.
  void report(const Cta &cta, std::string_view check, std::string message);

  /// Orders what was found by line: host threads found it in any order.
  void finishLaunch();

  const std::vector<Finding> &findings() const { return list; }
  /// Without warnings.
  uint64_t count() const { return total; }
  void clear();

private:
  Finding make(const Warp &warp, const Inst &in, std::string_view check,
               Mask lanes, std::string message) const;
  void add(Finding finding);

  const Options &options;
  std::mutex mutex;
  std::vector<Finding> list;
  /// Kernel, line, check, whether a warning: index into `list`.
  std::map<std::tuple<std::string, uint32_t, std::string, bool>, size_t> known;
  uint64_t total = 0;
};

/// A finding for the reporter of the warp's launch.
void report(const Warp &warp, const Inst &in, std::string_view check,
            Mask lanes, std::string message);

} // namespace ptxsim

#endif // PTXSIM_CHECK_REPORTER_H
