//===- Groups.cpp - Functions that are compiled side by side -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Groups.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/EquivalenceClasses.h"

using namespace attn;

namespace {
struct Group {
  SmallVector<Operation *> ops;
  int64_t size = 0;
};
} // namespace

static int64_t countOps(Operation *op) {
  int64_t count = 0;
  op->walk([&](Operation *) { ++count; });
  return count;
}

static bool isDefinition(Operation *op) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  return function && !function.isExternal();
}

/// Whether two modules may each have their own.
static bool canCopy(Operation *op) {
  auto global = dyn_cast<LLVM::GlobalOp>(op);
  return isa<FunctionOpInterface>(op) ||
         (global && global.getConstant() &&
          (global.getLinkage() == LLVM::Linkage::Internal ||
           global.getLinkage() == LLVM::Linkage::Private));
}

/// Functions that refer to each other, the largest set first.
static SmallVector<Group> getConnected(ModuleOp module,
                                       ArrayRef<Operation *> functions) {
  llvm::EquivalenceClasses<Operation *> sets;
  for (Operation *function : functions) {
    sets.insert(function);
    if (auto uses = SymbolTable::getSymbolUses(function)) {
      for (const SymbolTable::SymbolUse &use : *uses) {
        Operation *other = SymbolTable::lookupSymbolIn(
            module, use.getSymbolRef().getRootReference());
        if (other && isDefinition(other)) {
          sets.unionSets(function, other);
        }
      }
    }
  }
  SmallVector<Group> groups;
  llvm::MapVector<Operation *, unsigned> numberOf;
  for (Operation *function : functions) {
    auto [it, isNew] =
        numberOf.insert({sets.getLeaderValue(function), groups.size()});
    if (isNew) {
      groups.emplace_back();
    }
    groups[it->second].ops.push_back(function);
    groups[it->second].size += countOps(function);
  }
  llvm::stable_sort(
      groups, [](const Group &a, const Group &b) { return a.size > b.size; });
  return groups;
}

OwningOpRef<ModuleOp> attn::groupFunctions(ModuleOp module, unsigned most) {
  SmallVector<Operation *> functions, others;
  for (Operation &op : *module.getBody()) {
    if (!isa<func::FuncOp>(op) && !isa<LLVM::LLVMDialect>(op.getDialect())) {
      continue;
    }
    (isDefinition(&op) ? functions : others).push_back(&op);
  }
  if (!llvm::all_of(others, canCopy)) {
    most = 1;
  }
  SmallVector<Group> bins;
  for (Group &group : getConnected(module, functions)) {
    if (bins.size() < most) {
      bins.push_back(std::move(group));
      continue;
    }
    auto least = llvm::min_element(
        bins, [](const Group &a, const Group &b) { return a.size < b.size; });
    llvm::append_range(least->ops, group.ops);
    least->size += group.size;
  }
  OpBuilder builder(module.getContext());
  OwningOpRef<ModuleOp> result = ModuleOp::create(builder, module.getLoc());
  for (const Group &bin : bins) {
    builder.setInsertionPointToEnd(result->getBody());
    auto part = ModuleOp::create(builder, module.getLoc());
    part->setAttrs(module->getAttrs());
    builder.setInsertionPointToEnd(part.getBody());
    for (Operation *op : llvm::concat<Operation *const>(others, bin.ops)) {
      builder.clone(*op);
    }
  }
  return result;
}
