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
#include "attn/Target/PTX/PTX.h"
#include "attn/Target/PTX/Ptxas.h"

#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

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

/// Functions of cascades become kernels; a module without one passes through.
static LogicalResult lowerToKernels(ModuleOp module,
                                    const TranslateOptions &options) {
  SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
  llvm::erase_if(functions, [](func::FuncOp f) { return f.isExternal(); });
  if (functions.empty()) {
    return success();
  }
  if (functions.size() > 1 && options.entry.empty()) {
    return module.emitError("expects --entry, as there are ")
           << functions.size() << " functions";
  }
  StringRef entry = options.entry.empty() ? functions.front().getName()
                                          : StringRef(options.entry);
  PtxCompileOptions toPtx;
  toPtx.chip = options.ptx.chip;
  toPtx.level = options.ptx.level;
  std::string error;
  if (failed(validatePtxOptions(options.ptx, error))) {
    return module.emitError(error);
  }
  return success(succeeded(compileToTile(module, entry, getPtxTileOptions())) &&
                 succeeded(lowerToNVVM(module, toPtx)));
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

static int translate(const TranslateOptions &options) {
  DialectRegistry registry;
  // No ops are in dlti: modules that other tools lowered carry its attributes.
  registry.insert<DLTIDialect, LLVM::LLVMDialect, NVVM::NVVMDialect>();
  registerCompilerDialects(registry);
  MLIRContext context(registry);
  ScopedDiagnosticHandler handler(&context, printDiagnostic);
  OwningOpRef<ModuleOp> module =
      parseSourceFile<ModuleOp>(options.file, &context);
  if (!module || failed(lowerToKernels(*module, options))) {
    return 2;
  }
  FailureOr<std::string> ptx = emitPtx(*module, options.ptx);
  if (failed(ptx)) {
    return 2;
  }
  bool isClean = true;
  StringRef result = *ptx;
  FailureOr<Assembly> assembly = failure();
  if (options.wantsAssembly()) {
    assembly =
        assemblePtx(*ptx, options.ptx.chip, module->getLoc(), options.ptxas);
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
