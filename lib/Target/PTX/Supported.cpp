//===- Supported.cpp - What LLVM has a form for in PTX --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Supported.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"

using namespace attn;

/// What PTX says of a mathematical function.
enum class Form {
  Always,
  Approximate, // f32 and smaller, where afn allows it
  Single,      // f32 and smaller
  Never,
  Unknown
};

/// `name` without "llvm." and types. The optimiser brings in many of these.
static Form findForm(StringRef name) {
  return llvm::StringSwitch<Form>(name)
      .Cases({"abs", "smax", "smin", "umax", "umin", "ctpop", "ctlz", "cttz",
              "bswap", "bitreverse", "fshl", "fshr", "scmp", "ucmp"},
             Form::Always)
      .Cases({"sadd.sat", "uadd.sat", "ssub.sat", "usub.sat", "sshl.sat",
              "ushl.sat", "sadd.with.overflow", "uadd.with.overflow",
              "ssub.with.overflow", "usub.with.overflow", "smul.with.overflow",
              "umul.with.overflow"},
             Form::Always)
      .Cases({"fma",        "fmuladd",    "sqrt",       "fabs",   "copysign",
              "floor",      "ceil",       "trunc",      "rint",   "nearbyint",
              "round",      "roundeven",  "maxnum",     "minnum", "maximum",
              "minimum",    "maximumnum", "minimumnum", "ldexp",  "frexp",
              "is.fpclass", "fptosi.sat", "fptoui.sat"},
             Form::Always)
      .Cases({"memcpy", "memcpy.inline", "memmove", "memset", "memset.inline",
              "lifetime.start", "lifetime.end", "invariant.start",
              "invariant.end", "stacksave", "stackrestore", "ptrmask"},
             Form::Always)
      .Cases({"assume", "expect", "expect.with.probability", "sideeffect",
              "donothing", "trap", "debugtrap", "ubsantrap", "is.constant",
              "objectsize", "launder.invariant.group", "strip.invariant.group",
              "ssa.copy", "annotation"},
             Form::Always)
      .Case("experimental.noalias.scope.decl", Form::Always)
      .StartsWith("dbg.", Form::Always)
      .StartsWith("vector.reduce.", Form::Always)
      .Case("exp2", Form::Single)
      .Cases({"sin", "cos", "tanh"}, Form::Approximate)
      .Cases({"exp", "exp10", "log", "log2", "log10", "pow", "powi", "tan",
              "asin", "acos", "atan", "atan2", "sinh", "cosh"},
             Form::Never)
      .Default(Form::Unknown);
}

static LogicalResult checkCall(const llvm::IntrinsicInst &call,
                               std::string &error) {
  StringRef name = llvm::Intrinsic::getBaseName(call.getIntrinsicID());
  name.consume_front("llvm.");
  if (name.starts_with("nvvm.")) {
    return success(); // Needs.h
  }
  std::string place =
      "'" + name.str() + "' in '" + call.getFunction()->getName().str() + "'";
  bool isDouble = call.getType()->getScalarType()->isDoubleTy();
  switch (findForm(name)) {
  case Form::Always:
    return success();
  case Form::Single:
    if (!isDouble) {
      return success();
    }
    error = "expects f32 or a smaller type, but got f64 for " + place;
    return failure();
  case Form::Approximate:
    if (!isDouble && call.hasApproxFunc()) {
      return success();
    }
    error = "expects f32 or a smaller type and the flag afn, as PTX has an "
            "approximation only, but got " +
            std::string(isDouble ? "f64" : "no afn") + " for " + place;
    return failure();
  case Form::Never:
    error = "expects functions of PTX (exp2, sin, cos, tanh, sqrt, and "
            "llvm.nvvm.lg2.approx), but got " +
            place;
    return failure();
  case Form::Unknown:
    error = "expects an intrinsic that has a form in PTX, but got " + place;
    return failure();
  }
  return success();
}

bool attn::hasPtxType(llvm::Type *type) {
  if (auto *structure = llvm::dyn_cast<llvm::StructType>(type)) {
    return llvm::all_of(structure->elements(), hasPtxType);
  }
  if (auto *array = llvm::dyn_cast<llvm::ArrayType>(type)) {
    return hasPtxType(array->getElementType());
  }
  type = type->getScalarType();
  if (auto *pointer = llvm::dyn_cast<llvm::PointerType>(type)) {
    unsigned space = pointer->getAddressSpace();
    return space <= 7 || space == 101;
  }
  return !type->isFP128Ty() && !type->isX86_FP80Ty() && !type->isPPC_FP128Ty();
}

static LogicalResult checkAtomic(const llvm::Instruction &instruction,
                                 std::string &error) {
  std::optional<llvm::SyncScope::ID> id =
      llvm::getAtomicSyncScopeID(&instruction);
  if (!id) {
    return success();
  }
  StringRef scope =
      instruction.getContext().getSyncScopeName(*id).value_or("?");
  auto *fence = llvm::dyn_cast<llvm::FenceInst>(&instruction);
  std::string place =
      " in '" + instruction.getFunction()->getName().str() + "'";
  bool isThread = scope == "singlethread";
  if (!(scope.empty() || scope == "device" || scope == "block" ||
        scope == "cluster" || (isThread && !fence))) {
    error = "expects a scope of system (none), device, block, cluster" +
            std::string(fence ? "" : ", singlethread") + ", but got '" +
            scope.str() + "'" + place;
    return failure();
  }
  auto checkAlignment = [&](llvm::Type *type, llvm::Align align) {
    uint64_t size = instruction.getDataLayout().getTypeStoreSize(type);
    if (align.value() >= size && size <= 16) {
      return success();
    }
    error = "expects an atomic of at most 16 bytes that is aligned to its "
            "size, but got " +
            std::to_string(size) + " bytes aligned to " +
            std::to_string(align.value()) + place;
    return failure();
  };
  if (auto *load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
    return checkAlignment(load->getType(), load->getAlign());
  }
  if (auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
    return checkAlignment(store->getValueOperand()->getType(),
                          store->getAlign());
  }
  if (auto *swap = llvm::dyn_cast<llvm::AtomicCmpXchgInst>(&instruction)) {
    return checkAlignment(swap->getNewValOperand()->getType(),
                          swap->getAlign());
  }
  if (auto *update = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction)) {
    return checkAlignment(update->getType(), update->getAlign());
  }
  return success();
}

static LogicalResult checkFunction(const llvm::Function &function,
                                   std::string &error) {
  StringRef name = function.getName();
  bool isKernel = function.getCallingConv() == llvm::CallingConv::PTX_Kernel;
  if (isKernel && !function.getReturnType()->isVoidTy()) {
    error = "expects a kernel without results, but got '" + name.str() +
            "' with one";
    return failure();
  }
  for (const llvm::Instruction &instruction : llvm::instructions(function)) {
    bool isKnown =
        hasPtxType(instruction.getType()) &&
        llvm::all_of(instruction.operands(), [](const llvm::Use &use) {
          return hasPtxType(use->getType());
        });
    if (!isKnown) {
      error = "expects f16, bf16, f32, f64, integers and pointers of the "
              "spaces 0 to 7 and 101, but got another type in '" +
              name.str() + "'";
      return failure();
    }
    if (llvm::isa<llvm::IndirectBrInst, llvm::CallBrInst, llvm::InvokeInst>(
            instruction)) {
      error = "expects branches to known blocks and calls that return, but "
              "got '" +
              std::string(instruction.getOpcodeName()) + "' in '" + name.str() +
              "'";
      return failure();
    }
    if (failed(checkAtomic(instruction, error))) {
      return failure();
    }
    if (auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction)) {
      if (failed(checkCall(*call, error))) {
        return failure();
      }
    } else if (auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction)) {
      const llvm::Function *callee = call->getCalledFunction();
      if (callee && callee->getCallingConv() == llvm::CallingConv::PTX_Kernel) {
        error = "expects calls of functions, but got one of the kernel '" +
                callee->getName().str() + "' in '" + name.str() + "'";
        return failure();
      }
    }
  }
  for (const llvm::BasicBlock &block : function) {
    if (block.hasAddressTaken()) {
      error =
          "expects no address of a block, but got one in '" + name.str() + "'";
      return failure();
    }
  }
  return success();
}

LogicalResult attn::checkSupported(const llvm::Module &module,
                                   std::string &error) {
  for (const llvm::GlobalAlias &alias : module.aliases()) {
    error = "expects a module without aliases, but got '" +
            alias.getName().str() + "'";
    return failure();
  }
  for (const llvm::GlobalIFunc &function : module.ifuncs()) {
    error = "expects a module without ifuncs, but got '" +
            function.getName().str() + "'";
    return failure();
  }
  for (const llvm::GlobalVariable &variable : module.globals()) {
    if (failed(checkPtxVariable(variable, error))) {
      return failure();
    }
  }
  for (const llvm::Function &function : module) {
    if (failed(checkFunction(function, error))) {
      return failure();
    }
  }
  return success();
}
