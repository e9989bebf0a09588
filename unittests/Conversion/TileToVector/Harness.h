//===- Harness.h - Kernels compiled and called in a test ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_CONVERSION_TILETOVECTOR_HARNESS_H
#define ATTN_UNITTESTS_CONVERSION_TILETOVECTOR_HARNESS_H

#include "attn/Conversion/Passes.h"
#include "attn/Conversion/TileToVector.h"
#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Target/Host/Host.h"
#include "attnrt/plan_format.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <vector>

namespace attn::test {

inline std::string readFile(const std::string &path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A compiled module with scratch of the size its kernels ask for.
struct Compiled {
  std::unique_ptr<HostLibrary> library;
  HostTimes times;
  int64_t scratchBytes = 0;
  void *scratch = nullptr;

  Compiled() = default;
  Compiled(const Compiled &) = delete;
  ~Compiled() { std::free(scratch); }

  /// False if anything failed; the diagnostics are on the error stream.
  bool compile(const std::string &text,
               const std::string &features = "native") {
    DialectRegistry registry;
    registry.insert<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect,
                    math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                    tile::TileDialect, vector::VectorDialect>();
    MLIRContext context(registry, MLIRContext::Threading::DISABLED);
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      return false;
    }
    HostOptions options;
    options.features = features;
    PassManager pm(&context);
    pm.addPass(
        createConvertTileToVectorPass(optionsFor(hostVectorUnit(options))));
    if (failed(pm.run(*module))) {
      return false;
    }
    module->walk([&](func::FuncOp f) {
      auto bytes = f->getAttrOfType<IntegerAttr>("tile.scratch_bytes");
      scratchBytes = std::max(scratchBytes, bytes ? bytes.getInt() : 0);
    });
    auto made = HostLibrary::create(*module, options, &times);
    if (failed(made)) {
      return false;
    }
    library = std::move(*made);
    // Whatever scratch holds at first must not matter: all bits set are NaNs.
    size_t size = (scratchBytes + 63) / 64 * 64 + 64;
    scratch = std::aligned_alloc(64, size);
    std::memset(scratch, 0xff, size);
    return true;
  }

  template <typename F> F *function(const char *name) {
    return reinterpret_cast<F *>(library->lookup(name));
  }
};

using ItemFn = void(const attnrt_args *, const attnrt_item *, void *);
using MergeFn = void(const attnrt_args *, const attnrt_merge *, void *);

/// Bits of the half nearest to `x`; `x` is 0 or of normal magnitude.
inline uint16_t toHalf(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  uint32_t sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude < 0x38800000) {
    return sign;
  }
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return sign | ((magnitude - 0x38000000) >> 13);
}

inline double fromHalf(uint16_t h) {
  int exponent = h >> 10 & 31;
  double m = exponent ? std::ldexp(1024 + (h & 1023), exponent - 25)
                      : std::ldexp(h & 1023, -24);
  return h & 0x8000 ? -m : m;
}

constexpr uint16_t halfNaN = 0x7e00;

/// Dense row-major tensor descriptor.
inline attnrt_tensor describe(void *data, std::vector<int64_t> shape) {
  attnrt_tensor t = {};
  t.data = data;
  t.rank = shape.size();
  int64_t stride = 1;
  for (int i = int(shape.size()) - 1; i >= 0; --i) {
    t.shape[i] = shape[i];
    t.stride[i] = stride;
    stride *= shape[i];
  }
  return t;
}

} // namespace attn::test

#endif // ATTN_UNITTESTS_CONVERSION_TILETOVECTOR_HARNESS_H
