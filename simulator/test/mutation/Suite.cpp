//===- Suite.cpp - Which mutants are found --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Suite.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

using namespace ptxsim;
using namespace ptxsim::mutation;

bool ptxsim::mutation::fits(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return pattern == text;
  }
  if (!text.starts_with(pattern.substr(0, star))) {
    return false;
  }
  for (size_t i = star; i <= text.size(); ++i) {
    if (fits(pattern.substr(star + 1), text.substr(i))) {
      return true;
    }
  }
  return false;
}

namespace {

struct Equivalent {
  std::string pattern, reason;
};

std::string readList(const std::string &name, const char *kind) {
  return readOrStop(std::string(PTXSIM_MUTATION) + "/" + name + "." + kind +
                    ".txt");
}

std::vector<Equivalent> readEquivalent(const TestKernel &kernel,
                                       std::vector<std::string> &errors) {
  std::string list = readList(kernel.equivalent, "equivalent");
  std::vector<Equivalent> entries;
  for (size_t at = 0, end; at < list.size(); at = end + 1) {
    end = std::min(list.find('\n', at), list.size());
    std::string line = list.substr(at, end - at);
    if (line.empty() || line[0] == '#') {
      continue;
    }
    size_t colon = line.find(" : ");
    if (colon == std::string::npos || colon + 3 == line.size()) {
      errors.push_back("expects 'pattern : reason', but got '" + line + "'");
    } else {
      entries.push_back({line.substr(0, colon), line.substr(colon + 3)});
    }
  }
  return entries;
}

/// Only what the mutant did: warnings are no defects.
void judge(const TestKernel &kernel, const Outcome &outcome, Verdict &verdict) {
  if (!outcome.error.empty()) {
    verdict.message = outcome.error;
    if (verdict.mutant.mayBeRefused) {
      verdict.kind = Verdict::Kind::Found;
      verdict.by = "refused";
    }
    return;
  }
  // A deadlock has no line; what has one says more.
  const Finding *best = nullptr;
  for (const Finding &finding : outcome.findings) {
    if (!finding.isWarning && (!best || (best->line == 0 && finding.line))) {
      best = &finding;
    }
  }
  if (best) {
    verdict.kind = Verdict::Kind::Found;
    verdict.by = best->check;
    verdict.message = best->format(kernel.file);
    return;
  }
  if (!(outcome.worstRow <= kernel.tolerance)) {
    verdict.kind = Verdict::Kind::Found;
    verdict.by = "result";
    verdict.message = "error of a row " + std::to_string(outcome.worstRow);
  }
}

/// A correct kernel needs far less; a mutant may not end.
constexpr uint64_t kMostInstructions = 1 << 22;

void tryOrders(const TestKernel &kernel, const std::string &text,
               const TestKernel::Run &run, Verdict &verdict) {
  for (Options options : allOrders()) {
    options.maxInstructions = kMostInstructions;
    options.threads = 1;
    options.countMemory = false;
    judge(kernel, run(text, options), verdict);
    if (verdict.kind == Verdict::Kind::Found || !verdict.message.empty()) {
      return;
    }
  }
}

void forEach(size_t count, const SuiteOptions &options,
             const std::function<void(size_t)> &job) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  size_t done = 0;
  auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      job(i);
      std::lock_guard lock(mutex);
      ++done;
      if (options.progress) {
        options.progress(done, count);
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < options.jobs; ++i) {
    threads.emplace_back(work);
  }
  work();
}

/// Lists against verdicts. Without all mutants, an entry may fit none.
void applyEquivalent(const std::vector<Equivalent> &entries, bool isWhole,
                     SuiteResult &result) {
  for (const Equivalent &entry : entries) {
    bool isUsed = false;
    for (Verdict &verdict : result.verdicts) {
      if (!fits(entry.pattern, verdict.mutant.name)) {
        continue;
      }
      isUsed = true;
      if (verdict.kind == Verdict::Kind::Found) {
        result.errors.push_back("listed as equivalent, but found: " +
                                verdict.mutant.name + ": " + verdict.message);
      } else if (verdict.message.empty()) {
        verdict.kind = Verdict::Kind::Equivalent;
        verdict.by = entry.reason;
      }
    }
    if (!isUsed && isWhole) {
      result.errors.push_back("listed as equivalent, but no mutant: " +
                              entry.pattern);
    }
  }
}

} // namespace

Result<std::vector<Mutant>>
ptxsim::mutation::allMutants(const TestKernel &kernel) {
  std::string text = kernel.text();
  std::vector<Mutant> mutants = makeMutants(text, kernel.entry);
  Result<std::vector<Mutant>> made =
      readMutants(readList(kernel.handmade, "handmade"), text, kernel.entry);
  if (!made) {
    return made.error();
  }
  std::move(made->begin(), made->end(), std::back_inserter(mutants));
  for (const auto &[name, run] : kernel.launches) {
    mutants.push_back({.name = name, .instruction = "launch"});
  }
  return mutants;
}

SuiteResult ptxsim::mutation::runSuite(const TestKernel &kernel,
                                       const SuiteOptions &options) {
  SuiteResult result;
  std::vector<Equivalent> entries = readEquivalent(kernel, result.errors);
  Result<std::vector<Mutant>> mutants = allMutants(kernel);
  if (!mutants) {
    result.errors.push_back(kernel.name +
                            ".handmade.txt: " + mutants.message());
    return result;
  }
  // What the kernel itself shows would be found in every mutant.
  const std::string text = kernel.text();
  Verdict original;
  original.mutant.name = "unchanged";
  tryOrders(kernel, text, kernel.run, original);
  if (original.kind == Verdict::Kind::Found || !original.message.empty()) {
    result.errors.push_back("found without a mutation: " + original.message);
    return result;
  }
  for (size_t i = 0; i < mutants->size(); ++i) {
    if (i % options.numSlices == options.slice % options.numSlices &&
        fits(options.filter, (*mutants)[i].name)) {
      result.verdicts.push_back({std::move((*mutants)[i]), {}, {}, {}});
    }
  }
  forEach(result.verdicts.size(), options, [&](size_t i) {
    Verdict &verdict = result.verdicts[i];
    verdict.kind = Verdict::Kind::Missed;
    const TestKernel::Run *run = &kernel.run;
    for (const auto &[name, launch] : kernel.launches) {
      run = name == verdict.mutant.name ? &launch : run;
    }
    tryOrders(kernel, verdict.mutant.apply(text), *run, verdict);
  });
  applyEquivalent(entries, options.filter == "*" && options.numSlices == 1,
                  result);
  return result;
}

size_t SuiteResult::count(Verdict::Kind kind) const {
  return size_t(std::count_if(
      verdicts.begin(), verdicts.end(),
      [&](const Verdict &verdict) { return verdict.kind == kind; }));
}

bool SuiteResult::isGood() const {
  return errors.empty() && !verdicts.empty() &&
         count(Verdict::Kind::Missed) == 0;
}

std::string SuiteResult::summary(const std::string &kernel) const {
  std::map<std::string, int> finders;
  for (const Verdict &verdict : verdicts) {
    if (verdict.kind == Verdict::Kind::Found) {
      ++finders[verdict.by];
    }
  }
  std::string by;
  for (const auto &[name, count] : finders) {
    by += (by.empty() ? " (" : ", ") + name + " " + std::to_string(count);
  }
  return kernel + ": " + std::to_string(verdicts.size()) + " mutants, " +
         std::to_string(count(Verdict::Kind::Found)) + " found" +
         (by.empty() ? by : by + ")") + ", " +
         std::to_string(count(Verdict::Kind::Equivalent)) + " equivalent, " +
         std::to_string(count(Verdict::Kind::Missed)) + " missed";
}
