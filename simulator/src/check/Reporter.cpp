//===- Reporter.cpp - Collects findings ---------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Reporter.h"

#include "exec/Warp.h"

#include <algorithm>
#include <iterator>
#include <tuple>

using namespace ptxsim;

void Reporter::add(Finding finding) {
  std::lock_guard lock(mutex);
  total += !finding.isWarning;
  auto key = std::make_tuple(finding.kernel, finding.line, finding.check,
                             finding.isWarning);
  auto [it, isNew] = known.try_emplace(key, list.size());
  if (!isNew) {
    if (it->second < list.size()) {
      Finding &other = list[it->second];
      finding.count = other.count + 1;
      // Of the first CTA that shows it, whatever thread was first.
      bool isBefore = std::lexicographical_compare(
          std::rbegin(finding.cta), std::rend(finding.cta),
          std::rbegin(other.cta), std::rend(other.cta));
      if (isBefore) {
        other = std::move(finding);
      } else {
        other.count = finding.count;
      }
    }
    return;
  }
  if (list.size() < options.maxFindings) {
    list.push_back(std::move(finding));
  }
}

static Finding startFinding(const Function &kernel, const Options &options,
                            std::string_view check, std::string message) {
  Finding finding;
  finding.check = check;
  finding.message = std::move(message);
  finding.kernel = kernel.name;
  finding.seed = options.seed;
  return finding;
}

static Finding startFinding(const Cta &cta, const Options &options,
                            std::string_view check, std::string message) {
  Finding finding = startFinding(*cta.group.launch.program.function, options,
                                 check, std::move(message));
  std::copy(std::begin(cta.index), std::end(cta.index),
            std::begin(finding.cta));
  return finding;
}

Finding Reporter::make(const Warp &warp, const Inst &in, std::string_view check,
                       Mask lanes, std::string message) const {
  Finding finding = startFinding(warp.cta, options, check, std::move(message));
  finding.line = in.line();
  finding.source = in.text->source;
  const auto &files = warp.program.module->files;
  if (auto it = files.find(finding.source.file); it != files.end()) {
    finding.sourceFile = it->second;
  }
  finding.warp = warp.number;
  finding.lanes = lanes;
  return finding;
}

bool Reporter::isOn(std::string_view check) const {
  constexpr std::pair<std::string_view, bool Checks::*> switches[] = {
      {"bounds", &Checks::bounds},
      {"alignment", &Checks::alignment},
      {"uninitialised", &Checks::uninitialised},
      {"races", &Checks::races},
      {"async", &Checks::async},
      {"barriers", &Checks::barriers},
      {"lanes", &Checks::lanes},
  };
  for (const auto &[name, member] : switches) {
    if (name == check) {
      return options.checks.*member;
    }
  }
  return true;
}

void Reporter::report(const Warp &warp, const Inst &in, std::string_view check,
                      Mask lanes, std::string message) {
  if (!isOn(check)) {
    return;
  }
  add(make(warp, in, check, lanes, std::move(message)));
}

void Reporter::warn(const Warp &warp, const Inst &in, std::string_view check,
                    Mask lanes, std::string message) {
  if (!isOn(check)) {
    return;
  }
  Finding finding = make(warp, in, check, lanes, std::move(message));
  finding.isWarning = true;
  add(std::move(finding));
}

void Reporter::warn(const Function &kernel, std::string_view check,
                    std::string message) {
  if (!isOn(check)) {
    return;
  }
  Finding finding = startFinding(kernel, options, check, std::move(message));
  finding.isWarning = true;
  add(std::move(finding));
}

void Reporter::report(const Cta &cta, std::string_view check,
                      std::string message) {
  add(startFinding(cta, options, check, std::move(message)));
}

void ptxsim::report(const Warp &warp, const Inst &in, std::string_view check,
                    Mask lanes, std::string message) {
  warp.cta.group.launch.reporter.report(warp, in, check, lanes,
                                        std::move(message));
}

void Reporter::finishLaunch() {
  std::stable_sort(list.begin(), list.end(),
                   [](const Finding &a, const Finding &b) {
                     return std::tie(a.kernel, a.line, a.check, a.isWarning) <
                            std::tie(b.kernel, b.line, b.check, b.isWarning);
                   });
  for (size_t i = 0; i < list.size(); ++i) {
    known[{list[i].kernel, list[i].line, list[i].check, list[i].isWarning}] = i;
  }
}

void Reporter::clear() {
  list.clear();
  known.clear();
  total = 0;
}

/// "0-3,8"
static std::string formatLanes(Mask lanes) {
  std::string text;
  for (unsigned l = 0; l < kLanes; ++l) {
    if (!(lanes >> l & 1)) {
      continue;
    }
    unsigned last = l;
    while (last + 1 < kLanes && (lanes >> (last + 1) & 1)) {
      ++last;
    }
    text += (text.empty() ? "" : ",") + std::to_string(l) +
            (last > l ? "-" + std::to_string(last) : "");
    l = last;
  }
  return text;
}

std::string Finding::format(const std::string &file) const {
  std::string text = file;
  if (line) {
    text += ":" + std::to_string(line);
  }
  if (source.file) {
    text += " (" + (sourceFile.empty() ? "?" : sourceFile) + ":" +
            std::to_string(source.line) + ")";
  }
  text += (isWarning ? ": warning: " : ": ") + check + ": " + message +
          " [kernel " + kernel + ", cta " + std::to_string(cta[0]) + "," +
          std::to_string(cta[1]) + "," + std::to_string(cta[2]);
  if (line) {
    text += ", warp " + std::to_string(warp) + ", lanes " + formatLanes(lanes);
  }
  text += ", seed " + std::to_string(seed) + "]";
  if (count > 1) {
    text += " (" + std::to_string(count) + " times)";
  }
  return text;
}
