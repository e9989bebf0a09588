//===- LaunchKit.cpp - Whole kernels under every schedule -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LaunchKit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

using namespace ptxsim;
using namespace ptxsim::test;

/// %cta counts x first, then y, then z; so does %tid.
static const char *const kStart =
    "  .reg .b32 %thread, %warp, %lane, %rank, %cta, %t, %v<16>;\n"
    "  .reg .b64 %in, %out, %own, %x<16>;\n"
    "  .reg .pred %p<8>;\n"
    "  ld.param.u64 %in, [in];\n  ld.param.u64 %out, [out];\n"
    "  mov.u32 %thread, %tid.x;\n  shr.u32 %warp, %thread, 5;\n"
    "  and.b32 %lane, %thread, 31;\n  mov.u32 %rank, %cluster_ctarank;\n"
    "  mov.u32 %cta, %ctaid.z;\n  mov.u32 %t, %nctaid.y;\n"
    "  mul.lo.u32 %cta, %cta, %t;\n  mov.u32 %t, %ctaid.y;\n"
    "  add.u32 %cta, %cta, %t;\n  mov.u32 %t, %nctaid.x;\n"
    "  mul.lo.u32 %cta, %cta, %t;\n  mov.u32 %t, %ctaid.x;\n"
    "  add.u32 %cta, %cta, %t;\n  mov.u32 %t, %ntid.x;\n"
    "  mad.lo.u32 %t, %cta, %t, %thread;\n"
    "  mad.wide.u32 %own, %t, 4, %out;\n";

Launch::Launch(const std::string &shared, const std::string &body) {
  source.text = ".version 8.6\n.target sm_90a\n.address_size 64\n"
                ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n  " +
                shared + "\n" + kStart + body + "  ret; // @end\n}\n";
}

LaunchOutcome Launch::run(const Options &options) const {
  LaunchOutcome outcome;
  auto device = Device::create(options);
  auto module = device->loadModule(source.text);
  if (!module) {
    outcome.error = module.message();
    return outcome;
  }
  auto kernel = (*module)->kernel("k");
  if (!kernel) {
    outcome.error = kernel.message();
    return outcome;
  }
  std::vector<uint32_t> before(words, kUnwritten);
  DevicePointer input = *device->allocate(in.size() * 4, "in"),
                output = *device->allocate(words * 4, "out");
  EXPECT_TRUE(bool(device->copyIn(input, in.data(), in.size() * 4)));
  EXPECT_TRUE(bool(device->copyIn(output, before.data(), words * 4)));
  auto launched = device->launch(**kernel, config,
                                 KernelArguments().add(input).add(output));
  if (!launched) {
    outcome.error = launched.message();
    return outcome;
  }
  outcome.out.resize(words);
  EXPECT_TRUE(bool(device->copyOut(outcome.out.data(), output, words * 4)));
  outcome.findings = device->findings();
  return outcome;
}

std::string ptxsim::test::waitText(const std::string &opcode,
                                   const std::string &operands,
                                   const std::string &name) {
  return name + "_again:\n  " + opcode + " %p7, " + operands + "; // @" + name +
         "\n  @!%p7 bra " + name + "_again;\n";
}

std::vector<Options> ptxsim::test::everySchedule() {
  std::vector<Options> list;
  for (Schedule schedule :
       {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
    for (Completion completion :
         {Completion::Lazy, Completion::Eager, Completion::Random}) {
      Options options;
      options.schedule = schedule;
      options.completion = completion;
      options.seed = 3 + list.size();
      options.threads = 1;
      // What never ends is a failure and no hang.
      options.maxInstructions = 1'000'000;
      list.push_back(options);
    }
  }
  return list;
}

std::string ptxsim::test::nameOf(const Options &options) {
  const char *const names[] = {"round-robin", "random", "adversarial"};
  return names[size_t(options.schedule)] + (", " + nameOf(options.completion));
}

void ptxsim::test::expectClean(const Launch &launch,
                               const std::vector<uint32_t> &out) {
  for (const Options &options : everySchedule()) {
    LaunchOutcome outcome = launch.run(options);
    ASSERT_EQ(outcome.error, "") << launch.source.text;
    ASSERT_TRUE(outcome.findings.empty())
        << nameOf(options) << ":" << outcome.describe() << "\n"
        << launch.source.text;
    ASSERT_EQ(outcome.out, out) << nameOf(options) << "\n"
                                << launch.source.text;
  }
}

/// Whether there is one on the lines; which one.
static const Finding *find(const LaunchOutcome &outcome,
                           const std::vector<uint32_t> &lines,
                           const std::vector<std::string> &checks) {
  for (const Finding &f : outcome.findings) {
    if (!f.isWarning &&
        std::find(lines.begin(), lines.end(), f.line) != lines.end() &&
        std::find(checks.begin(), checks.end(), f.check) != checks.end()) {
      return &f;
    }
  }
  return nullptr;
}

static std::vector<uint32_t> linesOf(const Launch &launch,
                                     const std::vector<std::string> &names) {
  std::vector<uint32_t> lines;
  for (const std::string &name : names) {
    lines.push_back(launch.source.line(name));
  }
  return lines;
}

std::string
ptxsim::test::expectFinding(const Launch &launch,
                            const std::vector<std::string> &lines,
                            const std::vector<std::string> &checks) {
  std::vector<uint32_t> numbers = linesOf(launch, lines);
  std::string message;
  for (const Options &options : everySchedule()) {
    LaunchOutcome outcome = launch.run(options);
    EXPECT_EQ(outcome.error, "") << launch.source.text;
    const Finding *finding = find(outcome, numbers, checks);
    EXPECT_TRUE(finding) << nameOf(options) << ": expects a finding on '"
                         << lines[0] << "' (line " << numbers[0] << "), but got"
                         << outcome.describe() << "\n"
                         << launch.source.text;
    message = finding ? finding->message : message;
  }
  return message;
}

void ptxsim::test::expectFindingOnce(const Launch &launch,
                                     const std::vector<std::string> &lines,
                                     const std::vector<std::string> &checks) {
  std::vector<uint32_t> numbers = linesOf(launch, lines);
  bool isFound = false;
  std::string seen;
  for (Options options : everySchedule()) {
    for (int i = 0; i < 4 && !isFound; ++i) {
      options.seed += 20;
      LaunchOutcome outcome = launch.run(options);
      EXPECT_EQ(outcome.error, "") << launch.source.text;
      isFound = find(outcome, numbers, checks) != nullptr;
      seen += outcome.describe();
    }
  }
  EXPECT_TRUE(isFound) << "expects a finding on '" << lines[0] << "' (line "
                       << numbers[0] << "), but got" << seen;
}

/// "at line 3" is no part of "at line 31".
static bool names(const std::string &message, const std::string &at) {
  for (size_t i = 0; (i = message.find(at, i)) != std::string::npos; ++i) {
    size_t end = i + at.size();
    if (end == message.size() || !std::isdigit(message[end])) {
      return true;
    }
  }
  return false;
}

void ptxsim::test::expectDeadlock(const Launch &launch, const std::string &line,
                                  const std::string &missing) {
  std::string at = " at line " + std::to_string(launch.source.line(line));
  for (const Options &options : everySchedule()) {
    LaunchOutcome outcome = launch.run(options);
    EXPECT_EQ(outcome.error, "") << launch.source.text;
    bool isFound = false;
    for (const Finding &f : outcome.findings) {
      isFound |= f.check == "barriers" &&
                 f.message.find("deadlock") != std::string::npos &&
                 names(f.message, at) &&
                 f.message.find(missing) != std::string::npos;
    }
    EXPECT_TRUE(isFound) << nameOf(options) << ": expects a deadlock" << at
                         << " with '" << missing << "', but got"
                         << outcome.describe() << "\n"
                         << launch.source.text;
  }
}

std::string ptxsim::test::refusal(const Launch &launch) {
  return launch.run(Options()).error;
}
