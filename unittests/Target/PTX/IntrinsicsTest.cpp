//===- IntrinsicsTest.cpp - The table of intrinsics against LLVM ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM ends the process at an intrinsic that a chip or a level lacks, so each
// is compiled in a process of its own: at the level that the table has for it,
// and at the one below.
//
//===----------------------------------------------------------------------===//
#include "Machine.h"
#include "NeedTables.h"
#include "Text.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/IR/Verifier.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace attn;

namespace {

/// The type of an overloaded intrinsic.
enum Overload { None, Generic, Global, Shared, F16, Bf16, F32, F64, I32, Last };

llvm::Type *makeType(llvm::LLVMContext &context, Overload overload) {
  switch (overload) {
  case Generic:
    return llvm::PointerType::get(context, 0);
  case Global:
    return llvm::PointerType::get(context, 1);
  case Shared:
    return llvm::PointerType::get(context, 3);
  case F16:
    return llvm::Type::getHalfTy(context);
  case Bf16:
    return llvm::Type::getBFloatTy(context);
  case F32:
    return llvm::Type::getFloatTy(context);
  case F64:
    return llvm::Type::getDoubleTy(context);
  default:
    return llvm::Type::getInt32Ty(context);
  }
}

/// A function that calls it with its own arguments, constants where it asks for
/// them, and keeps the result. Null if that does not verify.
std::unique_ptr<llvm::Module> makeCall(llvm::LLVMContext &context,
                                       llvm::Intrinsic::ID id,
                                       Overload overload, uint64_t constant) {
  auto module = std::make_unique<llvm::Module>("call", context);
  SmallVector<llvm::Type *> types;
  if (overload != None) {
    types.push_back(makeType(context, overload));
  }
  llvm::Function *callee =
      llvm::Intrinsic::getOrInsertDeclaration(module.get(), id, types);
  ArrayRef<llvm::Type *> parameters = callee->getFunctionType()->params();
  if (llvm::any_of(parameters,
                   [](llvm::Type *type) { return type->isMetadataTy(); })) {
    return nullptr;
  }
  llvm::Type *voidType = llvm::Type::getVoidTy(context);
  auto *function = llvm::Function::Create(
      llvm::FunctionType::get(voidType, parameters, false),
      llvm::GlobalValue::ExternalLinkage, "f", module.get());
  llvm::IRBuilder<> builder(
      llvm::BasicBlock::Create(context, "entry", function));
  SmallVector<llvm::Value *> arguments;
  for (unsigned i = 0; i < parameters.size(); ++i) {
    bool isConstant = callee->hasParamAttribute(i, llvm::Attribute::ImmArg) &&
                      parameters[i]->isIntegerTy();
    arguments.push_back(isConstant ? (llvm::Value *)llvm::ConstantInt::get(
                                         parameters[i], constant)
                                   : function->getArg(i));
  }
  llvm::Value *result = builder.CreateCall(callee, arguments);
  if (!result->getType()->isVoidTy()) {
    builder.CreateStore(
        result, new llvm::GlobalVariable(*module, result->getType(), false,
                                         llvm::GlobalValue::ExternalLinkage,
                                         nullptr, "result"));
  }
  builder.CreateRetVoid();
  return llvm::verifyModule(*module) ? nullptr : std::move(module);
}

bool compiles(llvm::Intrinsic::ID id, Overload overload, uint64_t constant,
              const PtxChip &chip, unsigned level) {
  pid_t child = fork();
  if (child == 0) {
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    llvm::LLVMContext context;
    std::string error;
    auto machine = makePtxMachine(chip, level, error);
    auto module = makeCall(context, id, overload, constant);
    if (!machine || !module) {
      _exit(1);
    }
    module->setTargetTriple(machine->getTargetTriple());
    module->setDataLayout(machine->createDataLayout());
    _exit(succeeded(printPtx(*module, *machine, error)) ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// A constant with which some chip has the intrinsic for this type: 24 is a
/// number of registers, the others are enumerations. Looked for in processes of
/// their own, as types that an intrinsic is not made for break LLVM.
std::optional<uint64_t> findConstant(llvm::Intrinsic::ID id,
                                     Overload overload) {
  for (uint64_t constant : {0, 1, 2, 24}) {
    for (const char *chip : {"sm_90a", "sm_100a", "sm_120a"}) {
      if (compiles(id, overload, constant, *findPtxChip(chip), 90)) {
        return constant;
      }
    }
  }
  return std::nullopt;
}

/// What LLVM does not hold against the chip or the level, but the manual and
/// ptxas do.
bool isLaxInLlvm(StringRef name) {
  return name.starts_with("llvm.nvvm.cp.async.bulk.tensor.reduce.");
}

TEST(Intrinsics, TheTableAgreesWithLlvm) {
  bool isLong = std::getenv("ATTN_TEST_LONG") != nullptr;
  const char *seed = std::getenv("ATTN_TEST_SEED");
  unsigned turn = seed ? std::strtoul(seed, nullptr, 10) : 0;
  // All of them take minutes: a process each. The seed moves the share.
  const unsigned share = isLong ? 4 : 64;
  unsigned numChecked = 0;
  for (unsigned id = 1; id < llvm::Intrinsic::num_intrinsics; ++id) {
    StringRef base = llvm::Intrinsic::getBaseName(id);
    if (!base.starts_with("llvm.nvvm.") || findIntrinsicNeeds(base).empty() ||
        id % share != turn % share) {
      continue;
    }
    bool isOverloaded = llvm::Intrinsic::isOverloaded(id);
    for (int kind = isOverloaded ? Generic : None;
         kind < (isOverloaded ? Last : Generic); ++kind) {
      auto overload = static_cast<Overload>(kind);
      std::optional<uint64_t> constant = findConstant(id, overload);
      if (!constant) {
        continue;
      }
      llvm::LLVMContext context;
      auto probe = makeCall(context, id, overload, *constant);
      std::string name;
      for (const llvm::Function &function : *probe) {
        if (function.isIntrinsic()) {
          name = function.getName().str();
        }
      }
      ArrayRef<Need> needs = findIntrinsicNeeds(name);
      if (needs.empty() || needs.front().number == 0) {
        continue;
      }
      for (const PtxChip &chip : getPtxChips()) {
        unsigned level = 0;
        for (const Need &need : needs) {
          if (need.isMetBy(chip) && (!level || need.level < level)) {
            level = need.level;
          }
        }
        if (!level) {
          continue;
        }
        level = std::max(level, chip.lowestLevel);
        ++numChecked;
        EXPECT_TRUE(compiles(id, overload, *constant, chip, level))
            << name << ' ' << chip.name.str() << ' ' << level;
        if (level > chip.lowestLevel && !isLaxInLlvm(name)) {
          const unsigned *below = std::prev(llvm::find(getPtxLevels(), level));
          EXPECT_FALSE(compiles(id, overload, *constant, chip, *below))
              << name << ' ' << chip.name.str() << ' ' << *below;
        }
      }
    }
  }
  EXPECT_GT(numChecked, 20u);
}

} // namespace
