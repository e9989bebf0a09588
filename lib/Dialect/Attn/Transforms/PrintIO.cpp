//===- PrintIO.cpp - Prints bytes beside their lower bounds ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/IoModel.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace attn;

namespace attn {
#define GEN_PASS_DEF_ATTNPRINTIOPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

LogicalResult attn::printIo(CascadeOp cascade, const IoBindings &bindings,
                            const IoSettings &settings, raw_ostream &os) {
  std::optional<int64_t> rank = getFoldRank(cascade);
  if (!rank) {
    os << "  no rank is folded\n";
    return success();
  }
  FailureOr<IoModel> model = IoModel::create(cascade, *rank);
  if (failed(model)) {
    return cascade.emitError("the bytes of this cascade cannot be modelled");
  }
  model->printFormulas(os);
  SmallVector<std::string> missing = model->getFreeNames();
  llvm::erase_if(missing,
                 [&](StringRef name) { return bindings.count(name) != 0; });
  if (!missing.empty()) {
    os << "  not bound: ";
    llvm::interleaveComma(missing, os);
    os << "\n";
    return success();
  }
  std::string error;
  FailureOr<IoReport> report = model->evaluate(bindings, settings, error);
  if (failed(report)) {
    return cascade.emitError(error);
  }
  printReport(*model, *report, os);
  return success();
}

namespace {
struct PrintIO : attn::impl::AttnPrintIOPassBase<PrintIO> {
  using Base::Base;

  void runOnOperation() override {
    IoBindings bindings;
    for (const std::string &text : bind) {
      auto [name, value] = StringRef(text).split(':');
      int64_t number;
      if (name.empty() || value.getAsInteger(10, number)) {
        getOperation()->emitError("expects bind=NAME:NUMBER, but got '")
            << text << "'";
        return signalPassFailure();
      }
      bindings[name] = number;
    }
    IoSettings settings;
    settings.fastBytes = fast;
    settings.rows = rows;
    settings.packed = packed;
    settings.splits = splits;
    unsigned number = 0;
    WalkResult result = getOperation()->walk([&](CascadeOp cascade) {
      llvm::outs() << "io of cascade " << number++;
      if (auto func = cascade->getParentOfType<FunctionOpInterface>()) {
        llvm::outs() << " in @" << func.getName();
      }
      llvm::outs() << "\n";
      bool good = succeeded(printIo(cascade, bindings, settings, llvm::outs()));
      return good ? WalkResult::advance() : WalkResult::interrupt();
    });
    if (result.wasInterrupted()) {
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }
};
} // namespace
