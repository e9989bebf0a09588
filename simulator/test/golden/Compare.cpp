//===- Compare.cpp - The simulator against a GPU's results ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Golden.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

using namespace ptxsim;
using namespace ptxsim::golden;

/// The bits of element i of a section's digits; nothing if they are no digits.
static std::optional<uint64_t> elementOf(const std::string &hex,
                                         unsigned digits, uint64_t i) {
  uint64_t code = 0;
  for (unsigned d = 0; d < digits; ++d) {
    char c = hex[i * digits + d];
    bool isDigit = c >= '0' && c <= '9', isLetter = c >= 'a' && c <= 'f';
    if (!isDigit && !isLetter) {
      return std::nullopt;
    }
    code = code << 4 | uint64_t(isDigit ? c - '0' : c - 'a' + 10);
  }
  return code;
}

static bool isWithin(const Section &section, uint64_t want, uint64_t got) {
  const NumberType &type = section.type;
  const Tolerance &tolerance = section.tolerance;
  if (tolerance.isExact()) {
    return want == got;
  }
  if (type.isNan(want) || type.isNan(got)) {
    return false;
  }
  if (type.isInfinite(want) || type.isInfinite(got)) {
    return want == got;
  }
  if (tolerance.ulp && std::abs(double(type.rank(want)) -
                                double(type.rank(got))) <= *tolerance.ulp) {
    return true;
  }
  double a = type.toDouble(want), b = type.toDouble(got);
  double distance = std::fabs(a - b);
  double scale = std::max(std::fabs(a), std::fabs(b));
  return (tolerance.absolute && distance <= *tolerance.absolute) ||
         (tolerance.relative && distance <= *tolerance.relative * scale);
}

static std::string describe(const NumberType &type, uint64_t code) {
  std::stringstream text;
  text << "0x" << std::hex << code;
  if (type.isFloat() || type.isSigned) {
    text.precision(9);
    text << " (" << type.toDouble(code) << ")";
  }
  return text.str();
}

/// One line for a section with differences, with the first and their number.
static std::optional<std::string> compareSection(const Section &section,
                                                 const GoldenOutput &golden,
                                                 const uint8_t *output) {
  std::string where = section.name + ": ";
  unsigned bytes = section.type.bits / 8;
  if (golden.name != section.name || golden.type != section.type.name ||
      golden.hex.size() != 2 * section.bytes()) {
    return where + "expects " + std::to_string(section.count) + " " +
           section.type.name + " of the GPU, but got " +
           std::to_string(golden.hex.size() / 2) + " bytes of " + golden.type +
           " '" + golden.name + "'";
  }
  uint64_t numWrong = 0;
  std::string first;
  for (uint64_t i = 0; i < section.count; ++i) {
    std::optional<uint64_t> want = elementOf(golden.hex, 2 * bytes, i);
    if (!want) {
      return where + "expects digits of the GPU, but got '" +
             golden.hex.substr(2 * bytes * i, 2 * bytes) + "'";
    }
    uint64_t got = 0;
    for (unsigned byte = bytes; byte-- > 0;) {
      got = got << 8 | output[i * bytes + byte];
    }
    if (section.tolerance.isRecorded || isWithin(section, *want, got)) {
      continue;
    }
    if (numWrong++ == 0) {
      first = "[" + std::to_string(i) + "] expects " +
              describe(section.type, *want) + " as the GPU, but got " +
              describe(section.type, got);
    }
  }
  if (numWrong == 0) {
    return std::nullopt;
  }
  return where + first + "; " + std::to_string(numWrong) + " of " +
         std::to_string(section.count) + " differ";
}

std::vector<std::string> ptxsim::golden::compareProbe(const Probe &probe,
                                                      const GoldenProbe &golden,
                                                      const Outcome &outcome) {
  auto fail = [&](const std::string &message) {
    return std::vector<std::string>{probe.name + ": " + message};
  };
  if (golden.hash != probe.hash) {
    return fail("expects the result of the probe with hash " + probe.hash +
                ", but got that of " + golden.hash + ": run the probes again");
  }
  if (!golden.error.empty()) {
    if (!probe.mayFault) {
      return fail("expects a result of the GPU, but got " + golden.error);
    }
    return outcome.trouble.empty() && outcome.finding.empty()
               ? fail("expects a finding, as the GPU says " + golden.error)
               : std::vector<std::string>();
  }
  if (!outcome.trouble.empty()) {
    return fail(outcome.trouble);
  }
  if (outcome.finding.empty() == probe.hasFinding) {
    return fail(probe.hasFinding
                    ? "expects a finding"
                    : "expects no finding, but got " + outcome.finding);
  }
  if (outcome.output.size() != probe.outputBytes() ||
      golden.outputs.size() != probe.outputs.size()) {
    return fail("expects " + std::to_string(probe.outputs.size()) +
                " outputs of " + std::to_string(probe.outputBytes()) +
                " bytes, but got " + std::to_string(golden.outputs.size()) +
                " of the GPU and " + std::to_string(outcome.output.size()) +
                " bytes");
  }
  std::vector<std::string> failures;
  uint64_t at = 0;
  for (size_t i = 0; i < probe.outputs.size(); ++i) {
    std::optional<std::string> wrong = compareSection(
        probe.outputs[i], golden.outputs[i], outcome.output.data() + at);
    if (wrong) {
      failures.push_back(probe.name + ": " + *wrong);
    }
    at += probe.outputs[i].bytes();
  }
  return failures;
}

std::vector<std::string>
ptxsim::golden::compareNames(const std::vector<Probe> &probes,
                             const GoldenFile &file) {
  std::vector<std::string> failures;
  std::set<std::string> names;
  for (const GoldenProbe &golden : file.probes) {
    if (!names.insert(golden.name).second) {
      failures.push_back(golden.name + ": expects one result of the GPU, but "
                                       "got two");
    }
    if (std::none_of(probes.begin(), probes.end(), [&](const Probe &probe) {
          return probe.name == golden.name;
        })) {
      failures.push_back(golden.name + ": expects a probe of this name");
    }
  }
  for (const Probe &probe : probes) {
    if (file.runs(probe.chip) && !names.count(probe.name)) {
      failures.push_back(probe.name + ": expects a result of the GPU (" +
                         file.gpu + "): run the probes again");
    }
  }
  return failures;
}
