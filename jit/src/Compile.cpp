//===- Compile.cpp - From a request to a bundle -------------------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Compile.h"

#include "attn/Support/ReadModule.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/TargetSelect.h"
#include <mutex>

using namespace attnjit;
using llvm::StringRef;

/// Diagnostics as lines.
namespace {
class Lines {
public:
  void add(const mlir::Diagnostic &diagnostic) {
    StringRef kind = kindOf(diagnostic.getSeverity());
    if (kind.empty()) {
      return; // a remark, and its notes
    }
    std::string line = format(diagnostic, kind);
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error &&
        firstError.empty()) {
      firstError = line;
    }
    text += line + '\n';
    for (const mlir::Diagnostic &note : diagnostic.getNotes()) {
      text += format(note, "note") + '\n';
    }
  }

  std::string text, firstError;

private:
  static StringRef kindOf(mlir::DiagnosticSeverity severity) {
    switch (severity) {
    case mlir::DiagnosticSeverity::Error:
      return "error";
    case mlir::DiagnosticSeverity::Warning:
      return "warning";
    default:
      return "";
    }
  }

  static std::string format(const mlir::Diagnostic &diagnostic,
                            StringRef kind) {
    std::string line;
    llvm::raw_string_ostream os(line);
    auto place =
        diagnostic.getLocation()->findInstanceOf<mlir::FileLineColLoc>();
    // What the text does not write down has no line.
    if (place && place.getLine()) {
      os << place.getLine() << ':' << place.getColumn() << ": ";
    }
    os << kind << ": " << diagnostic.str();
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
  }
};
} // namespace

/// LLVM's list of targets is not made for two threads that add to it, and the
/// host's and the GPU's are asked for in different places.
static void initialiseTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
}

static bool hasEntry(mlir::ModuleOp module, const Request &request,
                     std::string &error) {
  std::string names;
  for (auto func : module.getOps<mlir::func::FuncOp>()) {
    if (func.isExternal()) {
      continue;
    }
    if (request.options.entries.empty() ||
        func.getName() == request.options.entries.front()) {
      return true;
    }
    names += (names.empty() ? "" : ", ") + func.getName().str();
  }
  error = "expects a function " +
          (request.options.entries.empty()
               ? ""
               : "'" + request.options.entries.front() + "' ") +
          "with a body, but the text has " + (names.empty() ? "none" : names);
  return false;
}

/// Parses the text, and lets `make` put its result into `compiled`.
static CompiledPtr
makeOf(const Request &request,
       llvm::function_ref<void(mlir::ModuleOp, Compiled &)> make) {
  auto compiled = std::make_shared<Compiled>();
  mlir::DialectRegistry registry;
  attn::registerCompilerDialects(registry);
  mlir::MLIRContext context(
      registry, request.singleThread ? mlir::MLIRContext::Threading::DISABLED
                                     : mlir::MLIRContext::Threading::ENABLED);
  context.printOpOnDiagnostic(false);
  Lines lines;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          lines.add(diagnostic);
                                          return mlir::success();
                                        });
  auto module = attn::readModule(request.text, context);
  std::string error;
  attnrt_status status = ATTNRT_INVALID_ARGUMENT;
  if (module && !hasEntry(*module, request, error)) {
    status = ATTNRT_NOT_FOUND;
    lines.firstError = error;
    lines.text += "error: " + error + '\n';
  } else if (module) {
    make(*module, *compiled);
  }
  compiled->diagnostics = std::move(lines.text);
  if (compiled->bundle.empty()) {
    if (lines.firstError.empty()) {
      // Every failure above reports itself; one that did not is a defect.
      status = ATTNRT_INTERNAL;
      lines.firstError = "the compiler failed and did not say why";
      compiled->diagnostics += "error: " + lines.firstError + '\n';
    }
    compiled->failure = {status, lines.firstError};
  }
  return compiled;
}

CompiledPtr attnjit::compile(const Request &request) {
  initialiseTargets();
  return makeOf(request, [&](mlir::ModuleOp module, Compiled &compiled) {
    auto bundle = attn::makeBundle(module, request.options);
    if (llvm::succeeded(bundle)) {
      compiled.bundle = std::move(*bundle);
    }
  });
}

CompiledPtr attnjit::describe(const Request &request) {
  return makeOf(request, [](mlir::ModuleOp module, Compiled &compiled) {
    std::string lines;
    llvm::raw_string_ostream os(lines);
    if (llvm::succeeded(attn::describe(module, os))) {
      compiled.bundle.append(lines.begin(), lines.end());
    }
  });
}

CompiledPtr attnjit::classifyTiles(const Request &request,
                                   const attn::TileMapRequest &map) {
  return makeOf(request, [&](mlir::ModuleOp module, Compiled &compiled) {
    if (llvm::failed(attn::tileMap(module, map, compiled.bundle))) {
      compiled.bundle.clear();
    }
  });
}
