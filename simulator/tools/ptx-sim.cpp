//===- ptx-sim.cpp - Runs a kernel of a PTX file ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exit codes: 0 clean but for warnings, 1 a check found something, 2 bad input.
//
//===----------------------------------------------------------------------===//
#include "Arguments.h"
#include "ptxsim/File.h"

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace ptxsim;

static const char kUsage[] =
    R"(usage: ptx-sim FILE.ptx --kernel=NAME [options] --arg=SPEC ...
Runs a kernel of a PTX file without a GPU, checks every access and counts.
  --kernel=NAME        the entry (default: the only one)
  --grid=X[,Y[,Z]]     CTAs (default 1)
  --block=X[,Y[,Z]]    threads of a CTA (default: .reqntid, else 32)
  --cluster=X[,Y[,Z]]  CTAs of a cluster (default 1)
  --smem=BYTES         dynamic shared memory
  --arg=SPEC           one per parameter, in order:
                       TYPE:VALUE                   a scalar
                       buf:TYPE:COUNT:INIT[:SEED]   a buffer; INIT is rand, iota,
                                                    zero, nan, none (unwritten)
                       file:TYPE:PATH               a buffer with a file's bytes
                       map:TYPE:PATH:DIMS:BOX[:S]   the tensor map of a buffer
                                                    with a file's bytes, or with
                                                    PATH "none" of an unwritten
                                                    one; DIMS and BOX as 128,64,
                                                    innermost first, S swizzles
                                                    0 (default), 32, 64, 128
                       TYPE: u8 s8 u16 s16 u32 s32 u64 s64 f16 bf16 f32 f64
  --print=I[:COUNT]    print the buffer of argument I after the run
  --dump=I:PATH        write its bytes to a file
  --check=LIST         all (default), none, or some of bounds, alignment,
                       uninitialised, races, async, barriers, lanes; a leading
                       '-' takes one out of all: --check=all,-races; a launch
                       that cannot end is a finding with none of them as well
  --schedule=NAME      round-robin (default), random, adversarial
  --completion=NAME    of asynchronous copies: lazy (default), eager, random
  --seed=N             of schedule and completion (default 1)
  --threads=N          host threads (default: one per core)
  --max-instructions=N stop a CTA (or cluster) behind so many warp instructions
                       (default: no limit)
  --stats=FILE         write counters as JSON; '-' prints them as text
  --list               print the kernels with their parameters and stop
exit: 0 clean (warnings are none), 1 findings, 2 bad input
)";

namespace {

struct CommandLine {
  std::string file, kernel, stats;
  LaunchConfig config;
  bool hasBlock = false, list = false;
  std::vector<std::string> args, prints, dumps;
  Options options;
};

[[noreturn]] void badInput(const std::string &message) {
  std::cerr << "ptx-sim: " << message << '\n';
  std::exit(2);
}

uint64_t parseNumber(const std::string &word, const std::string &text,
                     uint64_t most = ~uint64_t(0)) {
  uint64_t value;
  auto [end, code] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value > most) {
    badInput("expects a number in '" + word + "'");
  }
  return value;
}

Dim3 parseShape(const std::string &word, const std::string &text) {
  Dim3 dim;
  std::stringstream stream(text);
  std::string part;
  uint32_t *to[] = {&dim.x, &dim.y, &dim.z};
  size_t i = 0;
  for (; std::getline(stream, part, ','); ++i) {
    if (i == 3) {
      badInput("expects up to three numbers in '" + word + "'");
    }
    *to[i] = uint32_t(parseNumber(word, part, 1u << 30));
  }
  if (i == 0) {
    badInput("expects a shape in '" + word + "'");
  }
  return dim;
}

void parseChecks(const std::string &word, const std::string &text,
                 Checks &checks) {
  const std::pair<const char *, bool Checks::*> known[] = {
      {"bounds", &Checks::bounds},
      {"alignment", &Checks::alignment},
      {"uninitialised", &Checks::uninitialised},
      {"races", &Checks::races},
      {"async", &Checks::async},
      {"barriers", &Checks::barriers},
      {"lanes", &Checks::lanes}};
  checks = Checks::none();
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    bool value = !part.starts_with("-");
    std::string name = value ? part : part.substr(1);
    bool isKnown = name == "all" || name == "none";
    for (const auto &[other, member] : known) {
      if (name == other || name == "all") {
        checks.*member = value;
        isKnown = true;
      }
    }
    if (!isKnown) {
      badInput("does not know the check '" + name + "' in '" + word + "'");
    }
  }
}

template <class T>
T choose(const std::string &word, const std::string &value,
         std::initializer_list<std::pair<const char *, T>> options) {
  std::string names;
  for (const auto &[name, result] : options) {
    if (value == name) {
      return result;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  badInput("expects one of " + names + ", but got '" + word + "'");
}

CommandLine parseCommandLine(int argc, char **argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--help") {
      std::cout << kUsage;
      std::exit(0);
    }
    if (word == "--list") {
      line.list = true;
      continue;
    }
    if (!word.starts_with("--")) {
      if (!line.file.empty()) {
        badInput("expects one file, but got '" + word + "' as well");
      }
      line.file = word;
      continue;
    }
    size_t equals = word.find('=');
    std::string key = word.substr(2, equals - 2);
    std::string value =
        equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "kernel") {
      line.kernel = value;
    } else if (key == "grid") {
      line.config.grid = parseShape(word, value);
    } else if (key == "block") {
      line.config.block = parseShape(word, value);
      line.hasBlock = true;
    } else if (key == "cluster") {
      line.config.cluster = parseShape(word, value);
    } else if (key == "smem") {
      line.config.dynamicSharedBytes =
          uint32_t(parseNumber(word, value, 1u << 30));
    } else if (key == "arg") {
      line.args.push_back(value);
    } else if (key == "print") {
      line.prints.push_back(value);
    } else if (key == "dump") {
      line.dumps.push_back(value);
    } else if (key == "check") {
      parseChecks(word, value, line.options.checks);
    } else if (key == "schedule") {
      line.options.schedule =
          choose<Schedule>(word, value,
                           {{"round-robin", Schedule::RoundRobin},
                            {"random", Schedule::Random},
                            {"adversarial", Schedule::Adversarial}});
    } else if (key == "completion") {
      line.options.completion =
          choose<Completion>(word, value,
                             {{"lazy", Completion::Lazy},
                              {"eager", Completion::Eager},
                              {"random", Completion::Random}});
    } else if (key == "seed") {
      line.options.seed = parseNumber(word, value);
    } else if (key == "threads") {
      line.options.threads = unsigned(parseNumber(word, value, 4096));
    } else if (key == "max-instructions") {
      line.options.maxInstructions = parseNumber(word, value);
    } else if (key == "stats") {
      line.stats = value;
    } else {
      badInput("unknown option '" + word + "'");
    }
  }
  if (line.file.empty()) {
    badInput("expects a PTX file (see --help)");
  }
  return line;
}

/// "I" or "I:REST".
std::pair<size_t, std::string> parseIndex(const std::string &option,
                                          const std::string &text,
                                          const std::vector<Argument> &args) {
  size_t colon = text.find(':');
  std::string word = option + "=" + text;
  size_t index = parseNumber(word, text.substr(0, colon));
  if (index >= args.size() || !args[index].isBuffer) {
    badInput("expects the number of a buffer argument in '" + word + "'");
  }
  return {index, colon == std::string::npos ? "" : text.substr(colon + 1)};
}

void printKernels(const std::vector<KernelInfo> &kernels) {
  for (const KernelInfo &kernel : kernels) {
    std::cout << kernel.name << " (" << kernel.staticSharedBytes
              << " bytes of static shared memory)\n";
    for (const KernelInfo::Parameter &p : kernel.parameters) {
      std::cout << "  " << p.name << ": " << p.bytes << " bytes, aligned to "
                << p.align << '\n';
    }
  }
}

template <class T>
T &orStop(Result<T> &result, const std::string &prefix = "") {
  if (!result) {
    badInput(prefix + result.message());
  }
  return *result;
}

} // namespace

int main(int argc, char **argv) {
  CommandLine line = parseCommandLine(argc, argv);
  Result<std::string> text = readFile(line.file);
  orStop(text);
  std::unique_ptr<Device> device = Device::create(line.options);
  Result<std::unique_ptr<LoadedModule>> loaded = device->loadModule(*text);
  LoadedModule &module = *orStop(loaded, line.file + ": ");
  std::vector<KernelInfo> kernels = module.kernels();
  if (line.list) {
    printKernels(kernels);
    return 0;
  }
  if (line.kernel.empty() && kernels.size() == 1) {
    line.kernel = kernels[0].name;
  }
  Result<Kernel *> kernel = module.kernel(line.kernel);
  orStop(kernel, line.file + ": ");
  if (!line.hasBlock) {
    line.config.block = {32, 1, 1};
    for (const KernelInfo &info : kernels) {
      if (info.name == line.kernel && info.requiredThreads.x) {
        line.config.block = info.requiredThreads;
      }
    }
  }
  std::vector<Argument> args;
  KernelArguments arguments;
  for (const std::string &spec : line.args) {
    Result<Argument> made = makeArgument(*device, spec, args.size());
    Argument &argument = orStop(made);
    if (argument.value.empty()) {
      arguments.add(argument.address);
    } else {
      arguments.addBytes(argument.value.data(), argument.value.size(),
                         argument.align);
    }
    args.push_back(argument);
  }
  Result<bool> launched = device->launch(**kernel, line.config, arguments);
  orStop(launched);

  for (const std::string &option : line.prints) {
    auto [index, rest] = parseIndex("--print", option, args);
    uint64_t count =
        rest.empty() ? ~uint64_t(0) : parseNumber("--print=" + option, rest);
    Result<std::string> printed = printBuffer(*device, args[index], count);
    std::cout << "arg" << index << ":\n" << orStop(printed);
  }
  for (const std::string &option : line.dumps) {
    auto [index, path] = parseIndex("--dump", option, args);
    const Argument &argument = args[index];
    std::vector<char> bytes(argument.count * elementBytes(argument.type));
    Result<bool> copied =
        device->copyOut(bytes.data(), argument.address, bytes.size());
    orStop(copied);
    std::ofstream out(path, std::ios::binary);
    if (!out.write(bytes.data(), std::streamsize(bytes.size()))) {
      badInput("cannot write '" + path + "'");
    }
  }
  if (line.stats == "-") {
    std::cout << device->stats().toText();
  } else if (!line.stats.empty()) {
    std::ofstream out(line.stats);
    if (!(out << device->stats().toJson())) {
      badInput("cannot write '" + line.stats + "'");
    }
  }
  uint64_t warnings = 0;
  for (const Finding &finding : device->findings()) {
    std::cout << finding.format(line.file) << '\n';
    warnings += finding.isWarning;
  }
  if (warnings) {
    std::cout << "warnings: " << warnings << '\n';
  }
  uint64_t places = device->findings().size() - warnings;
  std::cout << "findings: " << places;
  if (device->numFindings() > places) {
    std::cout << " (seen " << device->numFindings() << " times)";
  }
  std::cout << '\n';
  return device->numFindings() ? 1 : 0;
}
