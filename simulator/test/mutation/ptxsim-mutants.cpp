//===- ptxsim-mutants.cpp - Runs the mutation suite -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Suite.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <unistd.h>

using namespace ptxsim;
using namespace ptxsim::mutation;

static const char *const kHelp =
    "usage: ptxsim-mutants [options]\n"
    "Runs kernels with one piece of their synchronisation deleted, moved or\n"
    "changed, and says what finds it.\n\n"
    "  --kernel=NAME     only this one (all)\n"
    "  --filter=PATTERN  only mutants of this name; * stands for any text\n"
    "  --slice=I/N       only part I of N, from 0\n"
    "  --jobs=N          threads (one per core)\n"
    "  --list            names only, nothing is run\n"
    "  --all             say what finds each one, not only what is missed\n"
    "  --print           the text of the mutants, nothing is run\n\n"
    "Exit code: 0 all are found or listed as equivalent, 1 not so, 2 bad "
    "input\n";

[[noreturn]] static void fail(const std::string &message) {
  std::fprintf(stderr, "ptxsim-mutants: %s\n", message.c_str());
  std::exit(2);
}

static uint64_t number(const std::string &text) {
  char *end = nullptr;
  uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end || text[0] == '-') {
    fail("expects a number, but got '" + text + "'");
  }
  return value;
}

namespace {
struct Command {
  SuiteOptions suite;
  std::string kernel;
  bool list = false, print = false, all = false;
};
} // namespace

static Command parse(int argc, char **argv) {
  Command command;
  command.suite.jobs = std::max(1u, std::thread::hardware_concurrency());
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i];
    size_t equals = option.find('=');
    std::string name = option.substr(0, equals);
    std::string value =
        equals == std::string::npos ? "" : option.substr(equals + 1);
    if (option == "--help") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    } else if (option == "--list") {
      command.list = true;
    } else if (option == "--print") {
      command.print = true;
    } else if (option == "--all") {
      command.all = true;
    } else if (name == "--kernel") {
      command.kernel = value;
    } else if (name == "--filter") {
      command.suite.filter = value;
    } else if (name == "--jobs") {
      command.suite.jobs = unsigned(std::max<uint64_t>(1, number(value)));
    } else if (name == "--slice") {
      size_t slash = std::min(value.find('/'), value.size());
      command.suite.slice = number(value.substr(0, slash));
      command.suite.numSlices =
          number(value.substr(std::min(slash + 1, value.size())));
      if (command.suite.slice >= command.suite.numSlices) {
        fail("expects a slice I/N with I < N, but got '" + value + "'");
      }
    } else {
      fail("expects an option of --help, but got '" + option + "'");
    }
  }
  return command;
}

static void listMutants(const TestKernel &kernel, const Command &command) {
  Result<std::vector<Mutant>> mutants = allMutants(kernel);
  if (!mutants) {
    fail(kernel.handmade + ".handmade.txt: " + mutants.message());
  }
  for (const Mutant &mutant : *mutants) {
    if (!fits(command.suite.filter, mutant.name)) {
      continue;
    }
    std::printf("%s: %s [%s:%u: %s]\n", kernel.name.c_str(),
                mutant.name.c_str(), kernel.file.c_str(), mutant.line,
                mutant.instruction.c_str());
    if (command.print) {
      std::puts(mutant.apply(kernel.text()).c_str());
    }
  }
}

static bool run(const TestKernel &kernel, const Command &command) {
  SuiteOptions options = command.suite;
  if (isatty(STDERR_FILENO)) {
    options.progress = [](size_t done, size_t all) {
      std::fprintf(stderr, "\r%zu/%zu%s", done, all, done == all ? "\r" : "");
    };
  }
  SuiteResult result = runSuite(kernel, options);
  const char *const kinds[] = {"found", "equivalent", "missed"};
  for (const Verdict &verdict : result.verdicts) {
    if (!command.all && verdict.kind != Verdict::Kind::Missed) {
      continue;
    }
    const Mutant &mutant = verdict.mutant;
    std::printf("%s: %s [%s:%u: %s]%s%s\n", kinds[size_t(verdict.kind)],
                mutant.name.c_str(), kernel.file.c_str(), mutant.line,
                mutant.instruction.c_str(), verdict.by.empty() ? "" : " by ",
                verdict.by.c_str());
    if (!verdict.message.empty()) {
      std::printf("    %s\n", verdict.message.c_str());
    }
  }
  for (const std::string &error : result.errors) {
    std::printf("error: %s\n", error.c_str());
  }
  std::puts(result.summary(kernel.name).c_str());
  return result.isGood();
}

int main(int argc, char **argv) {
  Command command = parse(argc, argv);
  bool isGood = true, isKnown = false;
  for (const TestKernel &kernel : testKernels()) {
    if (!command.kernel.empty() && command.kernel != kernel.name) {
      continue;
    }
    isKnown = true;
    if (command.list || command.print) {
      listMutants(kernel, command);
    } else {
      isGood &= run(kernel, command);
    }
  }
  if (!isKnown) {
    std::string names;
    for (const TestKernel &kernel : testKernels()) {
      names += " " + kernel.name;
    }
    fail("expects one of the kernels" + names + ", but got '" + command.kernel +
         "'");
  }
  return isGood ? 0 : 1;
}
