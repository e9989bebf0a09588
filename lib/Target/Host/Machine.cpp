//===- Machine.cpp - Features and code generator of a CPU ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

#include "attnrt/cpu_tiles.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include <mutex>

using namespace attn;

static const char *v2 = "+cx16,+popcnt,+sahf,+sse3,+sse4.1,+sse4.2,+ssse3";
static const char *v3 =
    ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+xsave";
static const char *v4 = ",+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl";

/// Asked once: in a virtual machine each question to the CPU is one to its
/// host.
static const llvm::StringMap<bool> &getHostFeatures() {
  static const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return features;
}

/// What the CPU has the system may not give.
static bool mayUse(StringRef feature) {
  if (!feature.starts_with("amx-")) {
    return true;
  }
  static const bool tiles = attnrt_request_tiles();
  return tiles;
}

bool attn::refusesMatrixUnit() {
  return getHostFeatures().lookup("amx-bf16") && !mayUse("amx-bf16");
}

std::string attn::featureString(StringRef request) {
  std::string result;
  if (request == "native") {
    for (const auto &feature : getHostFeatures()) {
      bool isUsed = feature.second && mayUse(feature.first());
      result += (result.empty() ? "" : ",") + std::string(isUsed ? "+" : "-") +
                feature.first().str();
    }
    return result;
  }
  auto [level, more] = request.split(',');
  std::string rest = more.empty() ? "" : "," + more.str();
  if (level == "x86-64-v2") {
    return v2 + rest;
  }
  if (level == "x86-64-v3") {
    return std::string(v2) + v3 + rest;
  }
  if (level == "x86-64-v4") {
    return std::string(v2) + v3 + v4 + rest;
  }
  return request.str();
}

bool attn::hostRuns(StringRef request) {
  if (request == "native") {
    return true;
  }
  const llvm::StringMap<bool> &here = getHostFeatures();
  std::string features = featureString(request);
  SmallVector<StringRef> list;
  StringRef(features).split(list, ',');
  return llvm::all_of(list, [&](StringRef feature) {
    return !feature.consume_front("+") ||
           (here.lookup(feature) && mayUse(feature));
  });
}

bool attn::hasFeature(StringRef features, StringRef name) {
  SmallVector<StringRef> list;
  features.split(list, ',');
  return llvm::is_contained(list, ("+" + name).str());
}

VectorUnit attn::hostVectorUnit(const HostOptions &options) {
  std::string features = featureString(options.features);
  if (hasFeature(features, "avx512f") && hasFeature(features, "avx512bw") &&
      hasFeature(features, "avx512vl")) {
    bool dots = hasFeature(features, "avx512bf16");
    return {16, 32, dots, dots && hasFeature(features, "amx-bf16"),
            hasFeature(features, "avx512dq")};
  }
  return {hasFeature(features, "avx2") ? 8 : 4, 16};
}

const char *attn::tuningFor(StringRef features) {
  if (hasFeature(features, "amx-tile")) {
    return "sapphirerapids";
  }
  if (hasFeature(features, "avx512f")) {
    return hasFeature(features, "sse4a") ? "znver4" : "icelake-server";
  }
  return hasFeature(features, "avx2") ? "haswell" : "generic";
}

std::unique_ptr<llvm::TargetMachine> attn::makeMachine(StringRef features,
                                                       std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    return nullptr;
  }
  llvm::TargetOptions options;
  // Products and sums that stand side by side may be one operation.
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  // Not as for a JIT: that would mean the large code model. Less than the
  // default level leaves out a second scheduling after register allocation.
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, triple.isX86() ? "x86-64" : "generic", features, options,
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Less,
      /*JIT=*/false));
}
