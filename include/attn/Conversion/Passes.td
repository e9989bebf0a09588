//===- Passes.td - Conversions between dialects ---------------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_PASSES_TD
#define ATTN_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertAttnToTilePass : Pass<"convert-attn-to-tile", "::mlir::ModuleOp"> {
  let summary = "cascades to kernels of work items";
  let description = [{
    Every function with attn ops becomes a tile.program: a fold becomes @name
    (items), @name.merge, @name.combine (the derived merge, a function on tile
    values) and the host function @name.range; what is in no fold becomes stages
    with workspaces between them; @name.extents computes the extents that the
    runtime allocates by. Ranks are bound as docs/rationale/tile.md says; only
    tiles that hold a point are visited, and full tiles evaluate no mask.
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "0",
        "most packed rows of an item; 0: as tiles(..) says, else 64">,
    Option<"rowStep", "row-step", "int64_t", "0",
        "packed rows are a multiple of this; 0: as many as there are, in steps of 8">,
    Option<"countTiles", "count-tiles", "bool", "false",
           "add @name.classes, which counts empty, partial and full tiles">,
    Option<"resumes", "resumes", "bool", "false",
           "items may go on with the state of the worker's item before">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect", "::attn::tile::TileDialect"];
}

def ConvertTileToVectorPass : Pass<"convert-tile-to-vector", "::mlir::ModuleOp"> {
  let summary = "tile kernels to C functions over 1-D vectors";
  let description = [{
    Each tile.kernel becomes a func.func with the C ABI of the runtime
    (attnrt_item_fn, attnrt_merge_fn; kind host: the arguments block, then the
    direct parameters). N-D values become loops over registers with buffers in
    the scratch parameter; `tile.scratch_bytes` on the function says how many
    bytes of scratch a call needs. Math functions are expanded: the functions
    call nothing.
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", "16", "f32 lanes of a vector register">,
    Option<"registers", "registers", "int64_t", "32", "vector registers">,
    Option<"dotsBF16", "dots-bf16", "bool", "false",
           "instructions that multiply pairs of bf16 and add in f32">,
    Option<"tilesBF16", "tiles-bf16", "bool", "false",
           "a matrix unit that does so (AMX); needs dots-bf16">,
    Option<"scales", "scales", "bool", "false",
           "instructions for x 2^floor(y) and y - floor(y) (vscalefps)">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertTileToSMPass : Pass<"convert-tile-to-sm", "::mlir::ModuleOp"> {
  let summary = "tile kernels of items and merges to kernels of an SM";
  let description = [{
    Each tile.kernel of kind items or merge becomes an sm.kernel whose warps share
    the packed rows and, if there are more warps than blocks of 16 rows, the
    columns of the fold. Blocks that products read in the fold come through rings
    of `stages` places; other blocks of 16-bit elements go through shared memory
    once. Warps and stages are chosen by the cost function of
    attn/TargetModel/GpuTileCost.h. Calls must be inlined. Kernels of other kinds are left alone.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"",
        "model that chooses what is not given">,
    Option<"warps", "warps", "int64_t", "0", "most warps of a kernel; 0: chosen">,
    Option<"stages", "stages", "int64_t", "0", "places of a ring; 0: chosen">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::attn::sm::SMDialect"];
}

def ConvertSMToNVVMPass : Pass<"convert-sm-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "sm kernels to the LLVM and NVVM dialects";
  let description = [{
    Each sm.kernel becomes a kernel function (args, plan, stage): by value an
    attnrt_tensor for each memory and behind them a cell of 8 bytes for each
    number of the program, attnrt_plan in global memory, and the number of a
    stage. Block w is worker w. One role of all warps has mma.sync, ldmatrix and
    cp.async; several roles have rings on mbarriers, tensor maps, wgmma and
    setmaxnreg. Each sm.tensor_map is a further parameter, which
    `sm.tensor_maps` describes. Slots and rings need the places of
    sm-allocate-shared; `sm.shared_bytes` on the function is the dynamic shared
    memory of a launch. Without sm-place-waits every wait waits for all copies.
    Nothing but the two dialects is left. Instructions that not every chip from
    sm_80 on has (those between 8-bit floats and f16) are taken where `chip` has
    them.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"\"",
           "the GPU to serve; empty: any from sm_80 on">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

#endif // ATTN_CONVERSION_PASSES_TD
