//===- LaunchKit.h - Whole kernels under every schedule ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A test of warps or CTAs that work together gives the body of a kernel, some
// of its lines with names:
//
//     Launch launch(".shared .b32 word;", "  st.shared.b32 [word], %thread;\n"
//                                         "  bar.sync 0; // @ready\n" ...);
//     launch.config.block.x = 64;
//     launch.words = 64;
//     expectClean(launch, expected);
//     launch.source.drop("ready");
//     expectFinding(launch, {"load"}, {"races"});
//
// `%in` and `%out` are arrays of words in global memory. Before the body each
// thread has `%thread`, `%warp`, `%lane`, `%rank` (of the CTA in its cluster),
// `%cta` (of the grid), `%t` (of the thread in the grid, CTA by CTA) and
// `%own`, which points to word %t of out. For its use there are %v<16>
// (32 bits), %x<16> (64 bits), %p<8> (predicates), and each name is defined
// only when it was written.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_LAUNCHKIT_H
#define PTXSIM_TEST_LAUNCHKIT_H

#include "WgmmaKit.h"

namespace ptxsim::test {

/// What out holds where nothing was written.
constexpr uint32_t kUnwritten = 0xEEEE'EEEE;

struct LaunchOutcome : Outcome {
  std::vector<uint32_t> out;
};

class Launch {
public:
  Launch(const std::string &shared, const std::string &body);

  Source source;
  LaunchConfig config;
  std::vector<uint32_t> in = {0};
  size_t words = 1; // of out

  LaunchOutcome run(const Options &options) const;
};

/// "line: try; @!p bra line;" until the wait gives true: the operands behind
/// the predicate are given. `name` is that of the line of the wait.
std::string waitText(const std::string &opcode, const std::string &operands,
                     const std::string &name);

/// Three schedules under three completions.
std::vector<Options> everySchedule();
std::string nameOf(const Options &options);

/// No schedule shows anything, warnings included, and out is this.
void expectClean(const Launch &launch, const std::vector<uint32_t> &out);
/// Every schedule shows a finding of one of the checks on one of the lines.
/// Gives the message of one of them.
std::string expectFinding(const Launch &launch,
                          const std::vector<std::string> &lines,
                          const std::vector<std::string> &checks);
/// At least one of the schedules does: others may be lucky.
void expectFindingOnce(const Launch &launch,
                       const std::vector<std::string> &lines,
                       const std::vector<std::string> &checks);
/// Every schedule ends in a deadlock that names the line where someone waits,
/// and says this of what is missing.
void expectDeadlock(const Launch &launch, const std::string &line,
                    const std::string &missing);
/// Why the text is refused; empty if it is not.
std::string refusal(const Launch &launch);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_LAUNCHKIT_H
