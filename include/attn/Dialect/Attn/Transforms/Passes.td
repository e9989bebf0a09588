//===- Passes.td - Passes of the attn dialect -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_PASSES_TD
#define ATTN_DIALECT_ATTN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

class AttnPass<string argument> : Pass<argument> {
  let dependentDialects = [
    "::attn::AttnDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

def RankOption : Option<"rank", "rank", "std::string", "",
    "rank name; default: the one with most passes">;

def AttnCountPassesPass : AttnPass<"attn-count-passes"> {
  let summary = "prints how often each reduced rank is traversed";
  let description = [{
    Prints to standard output, for each cascade and each rank that it reduces,
    the number of passes over the rank, the reductions that must be finished
    before the next pass begins (barriers), and how often each input is read.
    After `attn-partition` each of the two ranks counts on its own; a fold over
    a rank is one pass over it.

    ```
    cascade 0 in @dense
    rank m: 3 passes (barriers: %2, %4); streams %arg1 x3, %arg2 x1
    ```
  }];
}

def AttnSplitSumsPass : AttnPass<"attn-split-sums"> {
  let summary = "splits sums of terms that move by different corrections";
  let description = [{
    The sum of (f - g) becomes the sum of f minus the sum of g. Both sums are
    taken where f and g are present: a term takes over the presence of what it
    no longer reads.
  }];
  let options = [RankOption];
}

def AttnDeferPass : AttnPass<"attn-defer"> {
  let summary = "moves factors that the rank does not enter behind its reduction";
  let description = [{
    Repeats until nothing changes. A row without a point keeps the value that
    the text gives it: `n == 0 ? n : n / y`.
  }];
  let options = [RankOption];
}

def AttnPartitionPass : AttnPass<"attn-partition"> {
  let summary = "partitions a rank into tiles";
  let description = [{
    `m` becomes `m1 * tile + m0`. Points past the extent become absent. A rank
    whose reductions have no one-pass form is left alone, and so is, unless it is
    named, a rank that is reduced together with others (`reduce add(n, m)`): the
    others are its tile.
  }];
  let options = [
    RankOption,
    Option<"tile", "tile", "int64_t", "0",
        "coordinates in a tile; 0: the columns that the cascade's tiles(..) gives, else 64">
  ];
}

def AttnOnlinePass : AttnPass<"attn-online"> {
  let summary = "turns the reductions over a rank into one fold";
  let description = [{
    Creates `attn.fold` with a step and a derived merge if every reduction over
    the rank has a law (attn/Einsum/Law.h); else a remark names the operation at
    which the law is lost and the cascade stays as it is.
  }];
  let options = [RankOption];
}

def AttnClassifyTilesPass : AttnPass<"attn-classify-tiles"> {
  let summary = "prints which tiles of a reduction are empty, partial and full";
  let description = [{
    For each mask of a fold (or, without a fold, of the reductions of a cascade)
    a remark with the classes of its tiles, decided by projection and without
    visiting points (attn/Analysis/TileClasses.h). With static extents and no
    symbols the tiles are counted; else the sets are printed over the first row,
    the first column (or the rank of the fold) and the symbols: tiles with
    points, and tiles with holes. Points that data decide make a tile partial.

    ```
    remark: tiles of 128 rows over p, m: empty 749, partial 79, full 196
    remark: tiles of 64 rows over p, m1; 1 interval of m1
    note: with points: m1 * -64 + len - 1 >= 0 and p - m1 * 64 + off + 63 >= 0
    note: with holes: ...
    ```
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "64", "rows in a tile">,
    Option<"cols", "cols", "int64_t", "64",
        "columns in a tile of a rank that is not partitioned">
  ];
}

def AttnChooseTilesPass : AttnPass<"attn-choose-tiles"> {
  let summary = "writes rows and columns of a fold's tile on the cascade";
  let description = [{
    Chooses by the cost function of attn/TargetModel/TileCost.h, for a GPU by that
    of GpuTileCost.h, and sets
    `tiles(rows = .., cols = ..)`. Before `attn-partition` both are chosen; a
    fold that exists keeps its columns. Tiles that are given stay. A remark says what was decided from.
  }];
  let options = [
    Option<"rank", "rank", "std::string", "",
        "rank name; default: that of the fold, else the one with most passes">,
    Option<"target", "target", "std::string", "\"host\"",
        "model to choose for: host, avx2, avx512, amx, neon, or a chip as sm_80">,
    Option<"matrixUnit", "matrix-unit", "bool", "true",
        "of a CPU that has a matrix unit, code may use it">
  ];
}

def AttnPrintIOPass : AttnPass<"attn-print-io"> {
  let summary = "prints bytes moved beside their lower bounds";
  let description = [{
    For each cascade the compulsory bytes of each tensor, as products of extents,
    and with a value for every name the pairs that its mask admits, the bytes of
    keys and values that are needed, the lower bounds, the predicted bytes and
    their ratio, from memory and into a core (attn/Analysis/IoModel.h). Names
    are ranks and symbols of the mask; those without a static value are bound by
    `bind=m:8192,off:0`. Prints to standard output.
  }];
  let options = [
    ListOption<"bind", "bind", "std::string", "NAME:VALUE of a rank or symbol">,
    Option<"fast", "fast", "int64_t", "262144", "bytes of a core's fast memory">,
    Option<"rows", "rows", "int64_t", "128", "rows in a tile">,
    Option<"packed", "packed", "bool", "true",
        "heads that share columns are rows of one tile">,
    Option<"splits", "splits", "int64_t", "1", "parts of the columns">
  ];
}

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_PASSES_TD
