//===- Bundle.cpp - Compiles a module for the targets of a bundle ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "BundleContent.h"
#include "BundleViews.h"

#include "attn/Conversion/AttnToTile.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Support/Stopwatch.h"
#include "attn/Target/Host/Host.h"
#include "attn/Target/PTX/Chips.h"
#include "attn/Target/PTX/Ptxas.h"
#include "attnrt/cpu_features.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn;

/// CPUs that drive a GPU: host functions are small and need no wide registers.
static constexpr StringLiteral kHostOfGpu = "x86-64-v3";

//===----------------------------------------------------------------------===//
// Targets
//===----------------------------------------------------------------------===//

static BundleTarget targetOf(StringRef name) {
  BundleTarget target;
  target.isGpu = name.starts_with("sm_");
  SmallVector<StringRef> parts;
  name.split(parts, '+');
  target.chip = parts[0].str();
  for (StringRef feature : ArrayRef(parts).drop_front()) {
    target.features.push_back(feature.str());
  }
  if (name != "cpu") {
    return target;
  }
#define X(level)                                                               \
  if (hostRuns(level)) {                                                       \
    target.chip = level;                                                       \
  }
  ATTNRT_CPU_LEVELS(X)
#undef X
#define X(feature)                                                             \
  if (hostRuns("+" feature)) {                                                 \
    target.features.push_back(feature);                                        \
  }
  ATTNRT_CPU_FEATURES(X)
#undef X
  return target;
}

static HostOptions hostOptionsOf(const BundleTarget &target) {
  HostOptions host;
  host.features = target.chip;
  for (const std::string &feature : target.features) {
    host.features += ",+" + feature;
  }
  return host;
}

bool attn::runsHere(StringRef target) {
  return target == "cpu" || hostRuns(hostOptionsOf(targetOf(target)).features);
}

LogicalResult attn::validateBundleOptions(const BundleOptions &options,
                                          std::string &error) {
  if (options.targets.empty()) {
    error = "expects a target of cpu, x86-64-v2, x86-64-v3, x86-64-v4 or a "
            "chip as sm_80";
    return failure();
  }
  auto isChip = [](const std::string &name) { return targetOf(name).isGpu; };
  if (options.cubins && llvm::none_of(options.targets, isChip)) {
    error = "expects a chip among the targets of a bundle with cubins, but got "
            "'" +
            llvm::join(options.targets, ",") + "'";
    return failure();
  }
  SmallVector<BundleTarget> seen;
  for (const std::string &name : options.targets) {
    BundleTarget target = targetOf(name);
    bool isKnown = target.isGpu;
#define X(level) isKnown |= target.chip == level;
    ATTNRT_CPU_LEVELS(X)
#undef X
    for (StringRef feature : target.features) {
      bool isFeature = false;
#define X(known) isFeature |= feature == known;
      ATTNRT_CPU_FEATURES(X)
#undef X
      isKnown &= isFeature && !target.isGpu;
    }
    if (!isKnown) {
      error = "expects a target of cpu, x86-64-v2, x86-64-v3, x86-64-v4 or a "
              "chip as sm_80, but got '" +
              name + "'";
      return failure();
    }
    if (llvm::is_contained(seen, target)) {
      error = "expects each target once, but got '" + name + "' again";
      return failure();
    }
    seen.push_back(target);
    if (target.isGpu) {
      PtxCompileOptions ptx = options.ptx;
      ptx.chip = name;
      if (failed(validatePtxCompile(ptx, options.tiles, error))) {
        return failure();
      }
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// One function for one target
//===----------------------------------------------------------------------===//

/// Operands and scalars that the host functions of planning use beyond asking
/// for sizes.
static SmallVector<int64_t> findHostReads(ModuleOp module,
                                          const ProgramInfo &info) {
  llvm::SmallSetVector<int64_t, 8> reads;
  auto look = [&](StringRef name) {
    auto kernel = module.lookupSymbol<tile::KernelOp>(name);
    if (!kernel) {
      return;
    }
    auto arguments =
        kernel.getBody().getArguments().take_front(kernel.getNumProgramArgs());
    for (auto [argument, buffer] : llvm::zip(arguments, info.buffers)) {
      if ((buffer.kind == tile::BufferKind::operand ||
           buffer.kind == tile::BufferKind::scalar) &&
          llvm::any_of(argument.getUsers(), [](Operation *user) {
            return !isa<memref::DimOp>(user);
          })) {
        reads.insert(buffer.index);
      }
    }
  };
  look(info.extentsKernel);
  for (const LaunchInfo &launch : info.launches) {
    look(launch.range);
  }
  SmallVector<int64_t> sorted = llvm::to_vector(reads);
  llvm::sort(sorted);
  return sorted;
}

static LogicalResult compileHost(ModuleOp module, BundleProgram &program,
                                 CompileOptions options, CompileTimes &times) {
  Stopwatch watch;
  HostOptions host = hostOptionsOf(program.hostTarget);
  options.unit = hostVectorUnit(host);
  if (failed(compileToVector(module, options))) {
    return failure();
  }
  times.vector += watch.lap();
  for (auto f : module.getOps<func::FuncOp>()) {
    if (auto bytes = f->getAttrOfType<IntegerAttr>("tile.scratch_bytes")) {
      program.scratch[f.getSymName()] = bytes.getInt();
    }
  }
  HostTimes used;
  FailureOr<SmallVector<char, 0>> library = compileForHost(module, host, &used);
  if (failed(library)) {
    return failure();
  }
  for (auto phase :
       {&HostTimes::lower, &HostTimes::translate, &HostTimes::optimise,
        &HostTimes::codegen, &HostTimes::link}) {
    times.host.*phase += used.*phase;
  }
  program.host = std::move(*library);
  return success();
}

static LogicalResult readInfo(ModuleOp module, BundleProgram &program) {
  FailureOr<ProgramInfo> info = readProgram(module);
  if (failed(info)) {
    return failure();
  }
  program.info = std::move(*info);
  program.hostReads = findHostReads(module, program.info);
  return success();
}

static LogicalResult compileForCpu(ModuleOp module, StringRef entry,
                                   BundleProgram &program,
                                   const BundleOptions &options,
                                   CompileTimes &times) {
  Stopwatch watch;
  program.hostTarget = program.target;
  if (refusesMatrixUnit() && program.target == targetOf("cpu")) {
    module.emitRemark("compiled without AMX: the system refuses tiles to this "
                      "process, as it does where the alternate signal stack of "
                      "a thread is too small for them");
  }
  CompileOptions tiles = options.tiles;
  tiles.unit = hostVectorUnit(hostOptionsOf(program.target));
  tiles.resumes = true;
  if (failed(compileToTile(module, entry, tiles)) ||
      failed(readInfo(module, program))) {
    return failure();
  }
  times.tile += watch.lap();
  return compileHost(module, program, tiles, times);
}

static LogicalResult compileForGpu(ModuleOp module, StringRef entry,
                                   BundleProgram &program,
                                   const BundleOptions &options,
                                   CompileTimes &times) {
  Stopwatch watch;
  program.hostTarget = targetOf(kHostOfGpu);
  PtxCompileOptions ptx = options.ptx;
  ptx.chip = program.target.chip;
  if (failed(compileToPtxKernels(module, entry, ptx, options.tiles)) ||
      failed(readInfo(module, program))) {
    return failure();
  }
  FailureOr<PtxCode> code = compileToPtx(module, ptx);
  if (failed(code)) {
    return failure();
  }
  program.ptx = std::move(*code);
  if (options.cubins) {
    FailureOr<Assembly> assembly =
        assemblePtx(program.ptx.text, ptx.chip, module.getLoc(), options.ptxas);
    if (failed(assembly)) {
      return failure();
    }
    program.cubin = std::move(assembly->cubin);
  }
  for (const LaunchInfo &launch : program.info.launches) {
    for (const std::string &kernel : {launch.kernel, launch.merge}) {
      if (!kernel.empty() && !program.ptx.kernels.contains(kernel)) {
        return module.emitError("has no kernel for ")
               << ptx.chip << ": '" << kernel << "'";
      }
    }
  }
  // The host plans, and computes nothing itself.
  for (auto kernel :
       llvm::make_early_inc_range(module.getOps<tile::KernelOp>())) {
    if (kernel.getKind() != tile::KernelKind::host) {
      kernel.erase();
    }
  }
  times.tile += watch.lap();
  return compileHost(module, program, {}, times);
}

//===----------------------------------------------------------------------===//
// The module
//===----------------------------------------------------------------------===//

/// What the states of each fold start from. The same for all targets: tiles do
/// not change it.
static SmallVector<SmallVector<double>> findUnits(func::FuncOp func,
                                                  const CompileOptions &tiles) {
  SmallVector<SmallVector<double>> units;
  OwningOpRef<func::FuncOp> copy(func.clone());
  // Whoever compiles it says what there is to say.
  ScopedDiagnosticHandler quiet(func.getContext(), [](Diagnostic &diagnostic) {
    return success(diagnostic.getSeverity() != DiagnosticSeverity::Error);
  });
  if (failed(derive(*copy, tiles))) {
    return units;
  }
  copy->walk([&](FoldOp fold) {
    SmallVector<double> &unit = units.emplace_back();
    for (Value init : fold.getInit()) {
      Attribute value;
      double number = 0;
      if (matchPattern(init, m_Constant(&value))) {
        if (auto real = dyn_cast<FloatAttr>(value)) {
          number = real.getValueAsDouble();
        } else if (auto integer = dyn_cast<IntegerAttr>(value)) {
          number = double(integer.getInt());
        }
      }
      unit.push_back(number);
    }
  });
  return units;
}

FailureOr<SmallVector<char, 0>> attn::makeBundle(ModuleOp module,
                                                 const BundleOptions &options,
                                                 CompileTimes *times) {
  CompileTimes unused;
  std::string error;
  if (failed(validateBundleOptions(options, error))) {
    return module.emitError(error), failure();
  }
  std::vector<BundleEntry> entries;
  for (auto func : module.getOps<func::FuncOp>()) {
    bool isNamed = llvm::is_contained(options.entries, func.getName().str());
    // Without a cascade there is nothing to launch.
    bool hasCascade =
        !func.isExternal() && !func.getOps<attn::CascadeOp>().empty();
    if (isNamed && !hasCascade) {
      return func.emitError("expects a cascade for a bundle, but '")
             << func.getName() << "' has none";
    }
    if (hasCascade && (isNamed || options.entries.empty())) {
      entries.push_back({func, findUnits(func, options.tiles), {}});
    }
  }
  for (const std::string &name : options.entries) {
    if (llvm::none_of(entries, [&](BundleEntry &entry) {
          return entry.func.getName() == name;
        })) {
      return module.emitError("has no function '") << name << "'";
    }
  }
  if (entries.empty()) {
    return module.emitError("expects a function with a cascade for a bundle");
  }
  for (BundleEntry &entry : entries) {
    for (const std::string &name : options.targets) {
      BundleProgram &program = entry.programs.emplace_back();
      program.target = targetOf(name);
      OwningOpRef<ModuleOp> copy(module.clone());
      auto func = copy->lookupSymbol<func::FuncOp>(entry.func.getName());
      for (auto [i, view] : llvm::enumerate(findViews(func).ops)) {
        view->setAttr(kViewNumber,
                      IntegerAttr::get(IndexType::get(func.getContext()), i));
      }
      auto compile = program.target.isGpu ? compileForGpu : compileForCpu;
      if (failed(compile(*copy, entry.func.getName(), program, options,
                         times ? *times : unused))) {
        return failure();
      }
    }
  }
  std::string source;
  llvm::raw_string_ostream os(source);
  module.print(os);
  return writeBundle(entries, source);
}
