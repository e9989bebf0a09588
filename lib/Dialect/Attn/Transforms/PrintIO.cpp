//===- PrintIO.cpp - Prints bytes beside their lower bounds ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/IoModel.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace attn;

namespace attn {
#define GEN_PASS_DEF_ATTNPRINTIOPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

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
      return report(cascade, bindings, settings);
    });
    if (result.wasInterrupted()) {
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

  WalkResult report(CascadeOp cascade, const IoBindings &bindings,
                    const IoSettings &settings) {
    std::optional<int64_t> rank = getFoldRank(cascade);
    if (!rank) {
      llvm::outs() << "  no rank is folded\n";
      return WalkResult::advance();
    }
    FailureOr<IoModel> model = IoModel::create(cascade, *rank);
    if (failed(model)) {
      cascade.emitError("the bytes of this cascade cannot be modelled");
      return WalkResult::interrupt();
    }
    model->printFormulas(llvm::outs());
    SmallVector<std::string> missing = model->getFreeNames();
    llvm::erase_if(missing,
                   [&](StringRef name) { return bindings.count(name) != 0; });
    if (!missing.empty()) {
      llvm::outs() << "  not bound: ";
      llvm::interleaveComma(missing, llvm::outs());
      llvm::outs() << "\n";
      return WalkResult::advance();
    }
    std::string error;
    FailureOr<IoReport> report = model->evaluate(bindings, settings, error);
    if (failed(report)) {
      cascade.emitError(error);
      return WalkResult::interrupt();
    }
    printReport(*model, *report, llvm::outs());
    return WalkResult::advance();
  }
};
} // namespace
