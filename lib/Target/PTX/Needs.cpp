//===- Needs.cpp - What a module asks of a chip ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Needs.h"

#include "NeedTables.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace attn;

namespace {
/// Something that a function uses, and what it needs.
class Checker {
public:
  Checker(const PtxChip &chip, unsigned level, std::string &error)
      : chip(chip), givenLevel(level),
        lowest(std::max(chip.lowestLevel, level)), error(error) {}

  const PtxChip &chip;
  unsigned givenLevel;
  /// Of all that was asked for so far.
  unsigned lowest;
  std::string &error;

  /// `needs`: alternatives; the lowest level of those that the chip meets.
  LogicalResult ask(ArrayRef<Need> needs, StringRef what,
                    const llvm::Function *user) {
    unsigned level = 0;
    for (const Need &need : needs) {
      if (need.isMetBy(chip)) {
        level = level ? std::min(level, need.level) : need.level;
      }
    }
    if (!level || (givenLevel && level > givenLevel)) {
      std::string wanted;
      for (const Need &need : needs) {
        wanted += (wanted.empty() ? "" : ", or ") + need.describe();
      }
      error =
          "expects " + wanted + " for '" + what.str() + "'" + inFunction(user) +
          ", but got " + chip.name.str() +
          (givenLevel ? " with PTX level " + std::to_string(givenLevel) : "");
      return failure();
    }
    lowest = std::max(lowest, level);
    return success();
  }

  static std::string inFunction(const llvm::Function *user) {
    return user ? " in '" + user->getName().str() + "'" : "";
  }
};
} // namespace

static const llvm::Function *getUser(const llvm::Function &used) {
  for (const llvm::User *user : used.users()) {
    if (auto *instruction = llvm::dyn_cast<llvm::Instruction>(user)) {
      return instruction->getFunction();
    }
  }
  return nullptr;
}

static LogicalResult checkIntrinsic(const llvm::Function &function,
                                    Checker &checker) {
  StringRef name = function.getName();
  if (!name.starts_with("llvm.nvvm.") || function.use_empty()) {
    return success();
  }
  ArrayRef<Need> needs = findIntrinsicNeeds(name);
  if (needs.empty() || needs.front().number == 0) {
    checker.error = "expects an intrinsic that has a form in PTX, but got '" +
                    name.str() + "'" + Checker::inFunction(getUser(function));
    return failure();
  }
  return checker.ask(needs, name, getUser(function));
}

/// Each instruction of the text: what stands behind a label, a brace, a
/// predicate.
static LogicalResult checkAssembly(StringRef text, const llvm::Function *user,
                                   Checker &checker) {
  while (!text.empty()) {
    size_t end = text.find_first_of(";{}\n");
    StringRef statement = text.substr(0, end).trim();
    text = end == StringRef::npos ? StringRef() : text.substr(end + 1);
    if (statement.starts_with("@")) {
      statement = statement.split(' ').second.ltrim();
    }
    // A label may stand in front: it ends with one colon.
    StringRef mnemonic =
        statement.take_until([](char c) { return c == ' ' || c == '\t'; });
    if (mnemonic.ends_with(":")) {
      statement = statement.drop_front(mnemonic.size()).ltrim();
      mnemonic =
          statement.take_until([](char c) { return c == ' ' || c == '\t'; });
    }
    ArrayRef<Need> needs = findAssemblyNeeds(mnemonic);
    if (!needs.empty() && failed(checker.ask(needs, mnemonic, user))) {
      return failure();
    }
  }
  return success();
}

static bool isScope(const llvm::Instruction &instruction, StringRef name) {
  std::optional<llvm::SyncScope::ID> id =
      llvm::getAtomicSyncScopeID(&instruction);
  if (!id) {
    return false;
  }
  std::optional<StringRef> found =
      instruction.getContext().getSyncScopeName(*id);
  return found && *found == name;
}

static bool isWide(const llvm::Instruction &instruction) {
  auto wide = [&](llvm::Type *type) {
    return instruction.getDataLayout().getTypeSizeInBits(type) > 64;
  };
  if (!instruction.isAtomic()) {
    return false;
  }
  if (auto *load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
    return wide(load->getType());
  }
  if (auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
    return wide(store->getValueOperand()->getType());
  }
  if (auto *swap = llvm::dyn_cast<llvm::AtomicCmpXchgInst>(&instruction)) {
    return wide(swap->getNewValOperand()->getType());
  }
  if (auto *update = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction)) {
    return wide(update->getType());
  }
  return false;
}

static LogicalResult checkInstruction(const llvm::Instruction &instruction,
                                      Checker &checker) {
  static const Need cluster = {"", Reach::From, 90, 78};
  static const Need wide = {"", Reach::From, 90, 84};
  static const Need stack = {"", Reach::From, 80, 73};
  const llvm::Function *user = instruction.getFunction();
  if (isScope(instruction, "cluster") &&
      failed(checker.ask(cluster, "scope of a cluster", user))) {
    return failure();
  }
  if (isWide(instruction) &&
      failed(checker.ask(wide, "atomic of 128 bits", user))) {
    return failure();
  }
  auto *alloca = llvm::dyn_cast<llvm::AllocaInst>(&instruction);
  auto *intrinsic = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
  if ((alloca && !alloca->isStaticAlloca()) ||
      (intrinsic &&
       (intrinsic->getIntrinsicID() == llvm::Intrinsic::stacksave ||
        intrinsic->getIntrinsicID() == llvm::Intrinsic::stackrestore))) {
    return checker.ask(stack, "memory of a thread whose size is not constant",
                       user);
  }
  return success();
}

/// Attributes of kernels that are lines of PTX.
static LogicalResult checkAttributes(const llvm::Function &function,
                                     Checker &checker) {
  static const Need cluster = {"", Reach::From, 90, 78};
  for (StringRef name :
       {"nvvm.cluster_dim", "nvvm.maxclusterrank", "nvvm.blocksareclusters"}) {
    if (function.hasFnAttribute(name) &&
        failed(checker.ask(cluster, name, &function))) {
      return failure();
    }
  }
  // Beyond that, parameters of kernels came later.
  constexpr uint64_t kPlainBytes = 4352;
  static const Need manyBytes = {"", Reach::From, 70, 81};
  uint64_t bytes = 0;
  for (const llvm::Argument &argument : function.args()) {
    bytes +=
        argument.hasByValAttr()
            ? argument.getPassPointeeByValueCopySize(function.getDataLayout())
            : 8;
  }
  if (function.hasKernelCallingConv() && bytes > kPlainBytes) {
    return checker.ask(manyBytes,
                       "parameters of " + std::to_string(bytes) + " bytes",
                       &function);
  }
  return success();
}

LogicalResult attn::checkNeeds(const llvm::Module &module, const PtxChip &chip,
                               unsigned &level, std::string &error) {
  Checker checker(chip, level, error);
  llvm::DenseSet<const llvm::Value *> seen;
  for (const llvm::Function &function : module) {
    if (failed(checkIntrinsic(function, checker)) ||
        failed(checkAttributes(function, checker))) {
      return failure();
    }
    for (const llvm::Instruction &instruction : llvm::instructions(function)) {
      if (failed(checkInstruction(instruction, checker))) {
        return failure();
      }
      auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction);
      auto *assembly =
          call ? llvm::dyn_cast<llvm::InlineAsm>(call->getCalledOperand())
               : nullptr;
      if (assembly && seen.insert(assembly).second &&
          failed(checkAssembly(assembly->getAsmString(), &function, checker))) {
        return failure();
      }
    }
  }
  level = checker.lowest;
  return success();
}
