//===- BundleParts.cpp - A launch without a compiler, as files ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/JIT/BundleParts.h"

#include "ProgramInfo.h"
#include "attn/Target/Host/Host.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace attn;
namespace json = llvm::json;

static json::Array numbers(ArrayRef<int64_t> from) {
  json::Array list;
  for (int64_t number : from) {
    list.push_back(ShapedType::isDynamic(number) ? -1 : number);
  }
  return list;
}

static json::Object kernelOf(const PtxCode &code, StringRef name) {
  const PtxKernel &kernel = code.kernels.find(name)->second;
  return json::Object{{"symbol", kernel.symbol},
                      {"threads", kernel.threads},
                      {"shared_bytes", kernel.sharedBytes}};
}

static std::string describe(const ProgramInfo &info, const PtxCode &code,
                            StringRef chip) {
  json::Array buffers, extents, launches;
  for (const BufferInfo &b : info.buffers) {
    buffers.push_back(json::Object{{"kind", tile::stringifyBufferKind(b.kind)},
                                   {"index", b.index},
                                   {"dtype", dtypeName(b.dtype)},
                                   {"memory", b.memory},
                                   {"sizes", numbers(b.sizes)},
                                   {"shape", numbers(b.shape)},
                                   {"zero", b.zero}});
  }
  for (const ExtentInfo &e : info.extents) {
    extents.push_back(json::Object{
        {"source", e.source}, {"rank", e.rank}, {"group", e.group}});
  }
  for (const LaunchInfo &l : info.launches) {
    launches.push_back(json::Object{{"items", kernelOf(code, l.kernel)},
                                    {"merges", kernelOf(code, l.merge)},
                                    {"range", l.range},
                                    {"segments", numbers(l.segments)},
                                    {"heads", numbers(l.heads)},
                                    {"subs", numbers(l.subs)},
                                    {"states", numbers(l.states)},
                                    {"row", l.row},
                                    {"fold", l.fold},
                                    {"rows", l.rows},
                                    {"cols", l.cols},
                                    {"ordered", l.ordered},
                                    {"shares", l.shares}});
  }
  json::Object program{{"name", info.name},
                       {"chip", chip},
                       {"arguments", info.numArguments},
                       {"results", info.numResults},
                       {"extents_function", info.extentsKernel},
                       {"buffers", std::move(buffers)},
                       {"extents", std::move(extents)},
                       {"launches", std::move(launches)}};
  return llvm::formatv("{0:2}\n", json::Value(std::move(program))).str();
}

FailureOr<BundleParts> attn::makeBundleParts(ModuleOp original, StringRef entry,
                                             const PtxCompileOptions &options,
                                             const CompileOptions &tiles) {
  OwningOpRef<ModuleOp> module(original.clone());
  if (failed(compileToPtxKernels(*module, entry, options, tiles))) {
    return failure();
  }
  FailureOr<ProgramInfo> info = readProgram(*module);
  FailureOr<PtxCode> code = compileToPtx(*module, options);
  if (failed(info) || failed(code)) {
    return failure();
  }
  for (const LaunchInfo &launch : info->launches) {
    if (!launch.isFold()) {
      return module->emitError("expects all work in folds for a bundle, but '")
             << launch.kernel << "' is in none";
    }
  }
  // What is left on the host is small: it needs no wide registers.
  for (auto kernel :
       llvm::make_early_inc_range(module->getOps<tile::KernelOp>())) {
    if (kernel.getKind() == tile::KernelKind::items ||
        kernel.getKind() == tile::KernelKind::merge) {
      kernel.erase();
    }
  }
  HostOptions host;
  host.features = "x86-64-v3";
  HostVectorUnit unit = hostVectorUnit(host);
  CompileOptions vectors;
  vectors.lanes = unit.lanes;
  vectors.registers = unit.registers;
  if (failed(compileToVector(*module, vectors))) {
    return failure();
  }
  FailureOr<SmallVector<char, 0>> library = compileForHost(*module, host);
  if (failed(library)) {
    return failure();
  }
  return BundleParts{std::move(code->text), std::move(*library),
                     describe(*info, *code, options.chip)};
}
