//===- Passes.td - From a module of cascades to PTX -----------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_PASSES_TD
#define ATTN_COMPILER_PASSES_TD

include "mlir/Pass/PassBase.td"

def AttnToKernelsPass : Pass<"attn-to-kernels", "::mlir::ModuleOp"> {
  let summary = "a function of cascades to the tile kernels of its program, for a GPU";
  let description = [{
    The cascades of the entry are derived (attn-split-sums, attn-defer,
    attn-choose-tiles, attn-partition, attn-online) and converted
    (convert-attn-to-tile); where no kernel can be made of the derived form, the
    form as written is converted. Everything else in the module is removed.

    First the choices are held against the chip: a chip without a model, rows or
    columns that no fragment covers, more warps than a CTA has. A module without
    functions that have a body is left as it is.
  }];
  let options = [
    Option<"entry", "entry", "std::string", "\"\"",
        "the function; empty: the only one">,
    Option<"chip", "chip", "std::string", "\"sm_80\"", "the GPU to serve">,
    Option<"level", "level", "unsigned", "0",
        "the version of PTX times ten; 0: the lowest that serves">,
    Option<"rows", "rows", "int64_t", "0",
        "most packed rows of a work item; 0: chosen">,
    Option<"tile", "tile", "int64_t", "0",
        "points of the fold in a tile; 0: chosen">,
    Option<"warps", "warps", "int64_t", "0", "most warps of a CTA; 0: chosen">,
    Option<"stages", "stages", "int64_t", "0", "places of a ring; 0: chosen">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect", "::mlir::vector::VectorDialect",
    "::attn::tile::TileDialect"];
}

def TileKeepDevicePass : Pass<"tile-keep-device", "::mlir::ModuleOp"> {
  let summary = "erases what runs on the host: the program and its host kernels";
}

def PtxSymbolsPass : Pass<"ptx-symbols", "::mlir::ModuleOp"> {
  let summary = "gives kernels names that PTX can spell";
  let description = [{
    '.' becomes '$'. The name that the program knows stays as `attn.name`.
  }];
}

def KernelsToBinaryPass : Pass<"kernels-to-binary", "::mlir::ModuleOp"> {
  let summary = "kernels of llvm and nvvm to PTX inside a gpu.binary";
  let description = [{
    The functions are replaced by `gpu.binary @kernels`, as gpu-module-to-binary
    leaves it for format=isa: one object with the chip as target, the PTX as
    text, and a table that has for each kernel what a launch must say:
    `threads` of a CTA and `shared_bytes` of dynamic shared memory, and `name`,
    by which tile.program knows it.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "the GPU to serve">,
    Option<"level", "level", "unsigned", "0",
        "the version of PTX times ten; 0: the lowest that serves">];
  let dependentDialects = ["::mlir::gpu::GPUDialect", "::mlir::NVVM::NVVMDialect"];
}

#endif // ATTN_COMPILER_PASSES_TD
