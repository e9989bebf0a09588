//===- Target.cpp - What is done to any text ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Target.h"

#include "program/Decode.h"
#include "ptxsim/Device.h"
#include "ptxsim/Parser.h"

#include <algorithm>
#include <charconv>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr size_t kLongestMessage = 500;
/// A device may be asked for more; here it would only cost time.
constexpr uint64_t kMostVariableBytes = 1 << 22;

/// Every variable of the module lies somewhere.
struct AnySymbols : SymbolTable {
  const Module &module;
  explicit AnySymbols(const Module &module) : module(module) {}
  std::optional<uint64_t> address(std::string_view name) const override {
    for (const Variable &variable : module.variables) {
      if (variable.name == name) {
        return 0x10000;
      }
    }
    return std::nullopt;
  }
};

bool isInside(const Program &program, const Ref &ref) {
  uint64_t end = uint64_t(ref.offset) + uint64_t(kLanes) * ref.laneBytes;
  switch (ref.file) {
  case Ref::File::Lanes:
    return end <= program.registerBytes;
  case Ref::File::Constant:
    return end <= program.constants.size();
  case Ref::File::Predicate:
    return ref.offset < program.numPredicates;
  case Ref::File::None:
  case Ref::File::True:
    return true;
  }
  return false;
}

/// What handlers rely on.
std::string checkProgram(const Program &program) {
  for (const Inst &inst : program.code) {
    std::string line = "line " + std::to_string(inst.line()) + ": ";
    if (!inst.run) {
      return line + "is decoded without a handler";
    }
    bool isGood = isInside(program, inst.guard);
    for (std::span<const Ref> list : {inst.d, inst.s}) {
      for (const Ref &ref : list) {
        isGood &= isInside(program, ref);
      }
    }
    if (!isGood) {
      return line + "has an operand outside of its file";
    }
    for (uint32_t target : inst.targets) {
      if (target >= program.code.size()) {
        return line + "jumps behind the end";
      }
    }
    if (inst.meet > program.code.size()) {
      return line + "meets behind the end";
    }
  }
  return {};
}

} // namespace

std::string ptxsim::test::checkMessage(const std::string &message,
                                       std::string_view text) {
  std::string shown = "the message '" + message.substr(0, 200) + "' ";
  if (message.empty() || message.size() > kLongestMessage) {
    return shown + "has " + std::to_string(message.size()) + " characters";
  }
  for (char c : message) {
    if (c < ' ' || c > '~') {
      return shown + "has a character of code " + std::to_string(int(c));
    }
  }
  if (message.starts_with("cannot allocate ")) {
    return {};
  }
  constexpr std::string_view head = "line ";
  if (!message.starts_with(head)) {
    return shown + "does not name a line";
  }
  size_t line = 0;
  const char *end = message.data() + message.size();
  auto [behind, code] =
      std::from_chars(message.data() + head.size(), end, line);
  size_t last = size_t(std::count(text.begin(), text.end(), '\n')) + 1;
  if (code != std::errc() || line < 1 || line > last) {
    return shown + "does not name a line of the text";
  }
  std::string_view what(behind, size_t(end - behind));
  constexpr std::string_view column = ", column ";
  if (what.starts_with(column)) {
    what.remove_prefix(column.size());
    size_t digits = what.find_first_not_of("0123456789");
    what.remove_prefix(std::min(digits, what.size()));
  }
  if (!what.starts_with(": ") || what.size() < 10 || what[2] < 'a' ||
      what[2] > 'z') {
    return shown + "does not say what is wrong";
  }
  return {};
}

Outcome ptxsim::test::tryText(std::string_view text) {
  Outcome outcome;
  Result<Module> module = parseModule(text);
  if (!module) {
    outcome.complaint = checkMessage(module.message(), text);
    return outcome;
  }
  outcome.isParsed = true;
  uint64_t bytes = 0;
  for (const Variable &variable : module->variables) {
    bytes += variable.bytes;
  }
  if (bytes > kMostVariableBytes) {
    return outcome;
  }
  std::unique_ptr<Device> device = Device::create();
  Result<std::unique_ptr<LoadedModule>> loaded = device->loadModule(text);
  if (!loaded) {
    outcome.complaint = checkMessage(loaded.message(), text);
    return outcome;
  }
  AnySymbols symbols(*module);
  for (const KernelInfo &info : (*loaded)->kernels()) {
    Result<Kernel *> kernel = (*loaded)->kernel(info.name);
    if (!kernel) {
      ++outcome.numRefused;
      outcome.complaint = checkMessage(kernel.message(), text);
    } else {
      ++outcome.numDecoded;
      // Once more, to look inside.
      auto program = decode(*module, *module->findFunction(info.name), symbols);
      outcome.complaint = program
                              ? checkProgram(**program)
                              : "the second time '" + program.message() + "'";
    }
    if (!outcome.complaint.empty()) {
      break;
    }
  }
  return outcome;
}
