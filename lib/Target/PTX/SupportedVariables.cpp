//===- SupportedVariables.cpp - Variables that PTX can hold ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Supported.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Operator.h"

using namespace attn;

/// The variables that a value of a variable refers to; false if it is
/// computed in a way that PTX cannot write down.
static bool collect(const llvm::Constant &value,
                    llvm::SmallVectorImpl<const llvm::GlobalVariable *> &used,
                    llvm::SmallPtrSetImpl<const llvm::Constant *> &seen) {
  if (!seen.insert(&value).second) {
    return true;
  }
  if (auto *variable = llvm::dyn_cast<llvm::GlobalVariable>(&value)) {
    used.push_back(variable);
    return true;
  }
  if (llvm::isa<llvm::GlobalValue>(value)) {
    return true;
  }
  if (auto *expression = llvm::dyn_cast<llvm::ConstantExpr>(&value)) {
    switch (expression->getOpcode()) {
    case llvm::Instruction::GetElementPtr:
    case llvm::Instruction::AddrSpaceCast:
    case llvm::Instruction::PtrToInt:
    case llvm::Instruction::IntToPtr:
    case llvm::Instruction::BitCast:
      break;
    default:
      return false;
    }
  }
  if (auto *structure = llvm::dyn_cast<llvm::StructType>(value.getType())) {
    bool hasAddress = llvm::any_of(structure->elements(), [](llvm::Type *t) {
      return t->isPtrOrPtrVectorTy();
    });
    if (structure->isPacked() && hasAddress) {
      return false;
    }
  }
  return llvm::all_of(value.operands(), [&](const llvm::Use &use) {
    return collect(*llvm::cast<llvm::Constant>(use.get()), used, seen);
  });
}

namespace {
/// Depth-first search for a variable whose value refers to itself.
class Cycles {
public:
  bool reaches(const llvm::GlobalVariable &variable,
               ArrayRef<const llvm::GlobalVariable *> used) {
    if (llvm::is_contained(used, &variable)) {
      return true;
    }
    for (const llvm::GlobalVariable *next : used) {
      if (!next->hasInitializer() || !visited.insert(next).second) {
        continue;
      }
      SmallVector<const llvm::GlobalVariable *> more;
      llvm::SmallPtrSet<const llvm::Constant *, 16> seen;
      collect(*next->getInitializer(), more, seen);
      if (reaches(variable, more)) {
        return true;
      }
    }
    return false;
  }

private:
  llvm::SmallPtrSet<const llvm::GlobalVariable *, 16> visited;
};
} // namespace

LogicalResult attn::checkPtxVariable(const llvm::GlobalVariable &variable,
                                     std::string &error) {
  std::string name = "'" + variable.getName().str() + "'";
  unsigned space = variable.getAddressSpace();
  auto fail = [&](const Twine &message) {
    error = message.str();
    return failure();
  };
  if (variable.getName().starts_with("llvm.global_")) {
    return fail("expects a module without constructors, but got " + name);
  }
  if (variable.getName().starts_with("llvm.")) {
    return success();
  }
  if (variable.isThreadLocal()) {
    return fail("expects variables of the device, but got the thread-local " +
                name);
  }
  if (space == 2 || space > 5) {
    return fail("expects variables in the address spaces 0, 1, 3, 4, 5, but "
                "got " +
                name + " in " + Twine(space));
  }
  if (!hasPtxType(variable.getValueType())) {
    return fail("expects f16, bf16, f32, f64, integers and pointers of the "
                "spaces 0 to 7 and 101, but got another type for " +
                name);
  }
  if (!variable.hasInitializer()) {
    return success();
  }
  const llvm::Constant &value = *variable.getInitializer();
  if ((space == 3 || space == 5) && !llvm::isa<llvm::UndefValue>(value)) {
    return fail("expects no value for a variable in shared or local memory, "
                "but got one for " +
                name);
  }
  SmallVector<const llvm::GlobalVariable *> used;
  llvm::SmallPtrSet<const llvm::Constant *, 16> seen;
  if (!collect(value, used, seen)) {
    return fail("expects numbers, addresses and aligned structures of them as "
                "a value, but got another one for " +
                name);
  }
  if (Cycles().reaches(variable, used)) {
    return fail("expects a value that does not refer to itself, but got that "
                "for " +
                name);
  }
  return success();
}
