//===- attn-opt.cpp - Runs passes over attn programs ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Compiler/Passes.h"
#include "attn/Conversion/Passes.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/SM/Transforms/Passes.h"

#include "attn/Support/ReadModule.h"

#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace attn;

/// MlirOptMain, but text that is nested too deeply for the parser is refused.
static LogicalResult run(int argc, char **argv, DialectRegistry &registry) {
  auto [path, out] = registerAndParseCLIOptions(
      argc, argv, "attn-mlir optimizer driver\n", registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (config.shouldShowDialects() || config.shouldListPasses()) {
    return MlirOptMain(argc, argv, path, out, registry);
  }
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> input = openInputFile(path, &error);
  std::unique_ptr<llvm::ToolOutputFile> output;
  if (input) {
    if (auto deep = findTooDeep(input->getBuffer())) {
      error =
          llvm::formatv("{0}:{1}:{2}: error: {3}", input->getBufferIdentifier(),
                        deep->line, deep->column, deep->message);
    } else {
      output = openOutputFile(out, &error);
    }
  }
  if (!output) {
    llvm::errs() << error << '\n';
    return failure();
  }
  if (failed(MlirOptMain(output->os(), std::move(input), registry, config))) {
    return failure();
  }
  output->keep();
  return success();
}

int main(int argc, char **argv) {
  DialectRegistry registry;
  registerCompilerDialects(registry);
  registerAttnPasses();
  registerTransformsPasses();
  registerAttnConversionPasses();
  registerSMPasses();
  registerAttnCompilerPasses();
  registerAttnToPtxPipeline();
  return asMainReturnCode(run(argc, argv, registry));
}
