//===- attn-translate.cpp - From a module to PTX or a cubin ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exit codes: 0 good, 1 --strict and ptxas has something against the code, 2
// bad input.
//
//===----------------------------------------------------------------------===//
#include "Options.h"
#include "attn/Compiler/CompileToPtx.h"
#include "attn/Support/ReadModule.h"
#include "attn/Support/Stopwatch.h"
#include "attn/Target/PTX/PTX.h"
#include "attn/Target/PTX/Ptxas.h"

#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <ctime>

using namespace attn;

static int badInput(const Twine &message) {
  llvm::errs() << "attn-translate: " << message << '\n';
  return 2;
}

/// One line for each error or warning, without the notes and the source text
/// around it.
static LogicalResult printDiagnostic(Diagnostic &diagnostic) {
  StringRef kind;
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error:
    break;
  case DiagnosticSeverity::Warning:
    kind = "warning: ";
    break;
  default:
    return success();
  }
  llvm::errs() << "attn-translate: " << kind;
  if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>()) {
    llvm::errs() << place.getFilename().getValue() << ':';
    // A module that the file does not write down has no line.
    if (place.getLine()) {
      llvm::errs() << place.getLine() << ':' << place.getColumn() << ':';
    }
    llvm::errs() << ' ';
  }
  llvm::errs() << diagnostic.str() << '\n';
  return success();
}

static std::error_code write(StringRef path, StringRef bytes) {
  std::error_code code;
  llvm::raw_fd_ostream os(path, code); // "-": standard output
  if (!code) {
    os << bytes;
    os.flush();
    code = os.error();
    os.clear_error();
  }
  return code;
}

namespace {
struct MadePtx {
  std::string text;
  Location module; // of the module it is made of
};
} // namespace

/// From text to PTX. Functions of cascades become kernels; a module without one
/// is PTX's already.
static FailureOr<MadePtx> makePtx(MLIRContext &context,
                                  const TranslateOptions &options,
                                  llvm::json::Array &runs) {
  // What the process used, beside what the clock on the wall says: the two
  // differ where others use the machine.
  std::clock_t used = std::clock();
  Stopwatch watch;
  OwningOpRef<ModuleOp> module = readModuleFile(options.file, context);
  if (!module) {
    return failure();
  }
  PtxCompileTimes times;
  double parse = watch.lap();
  FailureOr<std::string> entry = findEntry(*module, options.entry);
  FailureOr<std::string> text = failure();
  if (failed(entry)) {
    return failure();
  }
  if (entry->empty()) {
    text = emitPtx(*module, options.ptx, &times.ptx);
  } else {
    if (failed(compileToPtxKernels(*module, *entry, options.lowering,
                                   options.tiles))) {
      return failure();
    }
    times.tile = watch.lap();
    FailureOr<PtxCode> code = compileToPtx(*module, options.lowering, &times);
    if (succeeded(code) && code->kernels.empty()) {
      return module->emitError("has no kernel for a GPU: nothing of '")
             << *entry << "' is in a fold";
    }
    if (succeeded(code)) {
      text = std::move(code->text);
    }
  }
  if (failed(text)) {
    return failure();
  }
  runs.push_back(llvm::json::Object{
      {"parse", parse},
      {"tile", times.tile},
      {"kernels", times.kernels},
      {"lower", times.ptx.lower},
      {"translate", times.ptx.translate},
      {"optimise", times.ptx.optimise},
      {"codegen", times.ptx.codegen},
      {"total", parse + times.total()},
      {"cpu", 1e3 * double(std::clock() - used) / CLOCKS_PER_SEC}});
  return MadePtx{std::move(*text), module->getLoc()};
}

static int writeBundle(MLIRContext &context, const TranslateOptions &options) {
  OwningOpRef<ModuleOp> module = readModuleFile(options.file, context);
  FailureOr<SmallVector<char, 0>> bundle = failure();
  if (module) {
    bundle = makeBundle(*module, options.bundle());
  }
  if (failed(bundle)) {
    return 2;
  }
  StringRef bytes(bundle->data(), bundle->size());
  if (std::error_code code = write(options.out, bytes)) {
    return badInput("cannot write '" + options.out + "': " + code.message());
  }
  return 0;
}

static int translate(const TranslateOptions &options) {
  DialectRegistry registry;
  // No ops are in dlti: modules that other tools lowered carry its attributes.
  registry.insert<DLTIDialect, LLVM::LLVMDialect, NVVM::NVVMDialect>();
  registerCompilerDialects(registry);
  MLIRContext context(registry);
  ScopedDiagnosticHandler handler(&context, printDiagnostic);
  if (options.emit == TranslateOptions::Bundle) {
    return writeBundle(context, options);
  }
  llvm::json::Array runs;
  FailureOr<MadePtx> ptx = failure();
  for (unsigned i = 0; i < options.repeats; ++i) {
    ptx = makePtx(context, options, runs);
    if (failed(ptx)) {
      return 2;
    }
  }
  if (!options.times.empty()) {
    std::string text =
        llvm::formatv("{0:2}\n", llvm::json::Value(std::move(runs))).str();
    if (std::error_code code = write(options.times, text)) {
      return badInput("cannot write '" + options.times +
                      "': " + code.message());
    }
  }
  bool isClean = true;
  StringRef result = ptx->text;
  FailureOr<Assembly> assembly = failure();
  if (options.wantsAssembly()) {
    assembly =
        assemblePtx(ptx->text, options.ptx.chip, ptx->module, options.ptxas);
    if (failed(assembly)) {
      return 2;
    }
    if (options.printTable) {
      printTable(assembly->log, llvm::errs());
    }
    isClean = assembly->log.isClean();
    if (options.emit == TranslateOptions::Cubin) {
      result = StringRef(assembly->cubin.data(), assembly->cubin.size());
    }
  }
  if (std::error_code code = write(options.out, result)) {
    return badInput("cannot write '" + options.out + "': " + code.message());
  }
  return options.strict && !isClean ? 1 : 0;
}

int main(int argc, char **argv) {
  TranslateOptions options;
  std::string error;
  if (failed(parseTranslateOptions(ArrayRef<char *>(argv, argc).drop_front(),
                                   options, error))) {
    return badInput(error);
  }
  if (options.help) {
    printTranslateHelp(llvm::outs());
    return 0;
  }
  return translate(options);
}
