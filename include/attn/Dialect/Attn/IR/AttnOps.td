//===- AttnOps.td - The eight ops of attn ---------------------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The constraints C1.. of each op are stated in docs/attn-spec.md under the
// same numbers; the verifiers and the tests invalid-*.mlir carry them too.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_IR_ATTNOPS_TD
#define ATTN_DIALECT_ATTN_IR_ATTNOPS_TD

include "attn/Dialect/Attn/IR/AttnDialect.td"

// C1 names readable      C2 names distinct      C3 given extents
// C4 region and yield    C5 not nested          C6 extents agree
// C7 every iterated rank has an extent                  C8 tiles
def Attn_CascadeOp : Attn_Op<"cascade", [SingleBlock, RecursiveMemoryEffects]> {
  let summary = "names a rank space and computes a DAG of einsums in it";
  let description = [{
    Rank number i is dim i of every map and set inside. `m1 to %n` gives the
    extent of a rank that no operand uses bare and no fold gives. The body is
    one block that ends in `attn.yield`; absent points of what it yields are
    written as 0. `tiles(rows = 64, cols = 32)` behind the ranks is the tile that
    a fold is to be compiled with; it says nothing about what is computed.

    ```mlir
    %o = attn.cascade ranks(p, m, e) -> tensor<?x?xf32> {
      %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
           : (tensor<?x64xf16>, tensor<?x64xf16>) -> tensor<?x?xf32>
      attn.yield %s : tensor<?x?xf32>
    }
    ```
  }];
  // extents[i] is the extent of rank extentRanks[i], in the order of the ranks.
  // tiles: rows and columns.
  let arguments = (ins StrArrayAttr:$ranks, Variadic<Index>:$extents,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$extentRanks,
                       OptionalAttr<DenseI64ArrayAttr>:$tiles);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getNumRanks() { return getRanks().size(); }
    ::llvm::StringRef getRankName(int64_t rank) {
      return ::llvm::cast<::mlir::StringAttr>(getRanks()[rank]).getValue();
    }
    /// Number of the rank with this name, or -1.
    int64_t findRank(::llvm::StringRef name);
    /// Extent given by the cascade itself, or null.
    ::mlir::Value getGivenExtent(int64_t rank);
  }];
}

// C1 inside a cascade    C2 clauses complete    C3 arity of maps and sets
// C4 affine              C5 normal form         C6 inputs and coordinates
// C7 result map          C8 reduce actions      C9 reduced and kept
// C10 reduced, no operand has it                C11 dropped without reduce
// C12 bound by a fold    C13 ranks of clauses   C14 symbols
// C15 folded symbol      C16 presence operands  C17 selection
// C18 region             C19 region has no effects
// C20 no region: product of extended floats
def Attn_EinsumOp : Attn_Op<"einsum", [AttrSizedOperandSegments,
    AlwaysSpeculatable, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "map and reduce over the points that are present";
  let description = [{
    For each point of the iteration space that is present, the region maps the
    inputs' elements to one value; the reduce actions then combine the values
    from left to right in the result's element type. Without a region the map is
    the product of the float inputs, each first extended to the result's element
    type, or the identity of a single input.

    A point is absent where a set of `where`, a data term, `at`, or an operand's
    own presence says so. A reduction drops the constraints that name a reduced
    rank and hands on the others; over no point it gives the unit.

    ```mlir
    %s = attn.einsum %q[b, p, e], %k[b, m, e], %scale -> [b, p, m] reduce add(e)
         symbols(off = %off[b]) where (p + off - m >= 0) and %doc[b, m]
         : (tensor<?x?x64xf16>, tensor<?x?x64xf16>, f32, tensor<?xi32>,
            tensor<?x?xi1>) -> tensor<?x?x?xf32>
    ```

    An einsum reads the memrefs among its symbols and has no other effect.
  }];
  // maps: one per input, then the result's. Dims are the ranks of the cascade.
  // where: union (array) of integer sets over (ranks)[symbols].
  // presence: operands of the data terms, in order; presenceArity[t] is 1 for
  //   an i1 operand and 2 for an equality of two integer operands.
  // selection / selectedRank / selectionMap: `at n in %s[b]`.
  // body: empty, or one block with one argument per input.
  let arguments = (ins Variadic<AnyType>:$inputs, Variadic<AnyType>:$symbols,
      Variadic<AnyType>:$presence, Optional<Attn_CoordsType>:$selection,
      AffineMapArrayAttr:$maps,
      DefaultValuedAttr<Attn_ReduceArrayAttr, "{}">:$reduce,
      DefaultValuedAttr<StrArrayAttr, "{}">:$symbolNames,
      DefaultValuedAttr<AffineMapArrayAttr, "{}">:$symbolMaps,
      OptionalAttr<Attn_SetArrayAttr>:$where,
      DefaultValuedAttr<AffineMapArrayAttr, "{}">:$presenceMaps,
      DefaultValuedAttr<DenseI32ArrayAttr, "{}">:$presenceArity,
      OptionalAttr<I64Attr>:$selectedRank, OptionalAttr<AffineMapAttr>:$selectionMap);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let builders = [
    /// An einsum without clauses. `maps`: one per input, then the result's;
    /// they are brought to normal form. `body` fills the region, attn.yield
    /// included; without it the einsum is a product or the identity.
    OpBuilder<(ins "Type":$result, "ValueRange":$inputs,
      "ArrayRef<AffineMap>":$maps,
      CArg<"ArrayRef<ReduceAttr>", "{}">:$reduce,
      CArg<"function_ref<void(OpBuilder &, Location, ValueRange)>",
           "nullptr">:$body)>,
  ];
  let extraClassDeclaration = [{
    ::mlir::AffineMap getInputMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue();
    }
    ::mlir::AffineMap getResultMap() { return getInputMap(getInputs().size()); }
    ::mlir::AffineMap getSymbolMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getSymbolMaps()[i]).getValue();
    }
    ::mlir::AffineMap getPresenceMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getPresenceMaps()[i]).getValue();
    }
    /// The union of `where`; empty if there is none (all points are present).
    ::llvm::SmallVector<::mlir::IntegerSet> getWhereSets();
    ::llvm::SmallVector<::attn::ReduceAttr> getReduceActions();
    /// Ranks that some reduce action reduces.
    ::llvm::SmallBitVector getReducedRanks();
    /// Ranks of the iteration space: those of any input map, the result map,
    /// or a reduce action.
    ::llvm::SmallBitVector getIterationRanks();
    ::attn::CascadeOp getCascade();
    bool hasRegion() { return !getBody().empty(); }
  }];
}

// C1 inside a cascade    C2 operands of the rule    C3 maps
// C4 operand types and coordinates                  C5 result map
// C6 ranks kept or selected over
def Attn_SelectOp : Attn_Op<"select", [Pure]> {
  let summary = "coordinates chosen from data";
  let description = [{
    * `listed %list[b, t], %count[b, t]`: the list tensor has one axis more than
      its map names, the place in the list; `count` says how many are used.
    * `topk %score[b, t, n] over n`: the `max` largest present scores.
    * `threshold %score[b, t, n], %tau[b] over n`: present scores >= tau.

    ```mlir
    %s = attn.select listed %list[b, t], %count[b, t] -> [b, t]
         : (tensor<?x?x?xi32>, tensor<?x?xi32>) -> !attn.coords<64, 32>
    ```
  }];
  // maps: one per input, then the result's (the ranks the lists are indexed by).
  let arguments = (ins Attn_SelectRuleAttr:$rule, Variadic<AnyType>:$inputs,
                       AffineMapArrayAttr:$maps, OptionalAttr<I64Attr>:$over);
  let results = (outs Attn_CoordsType:$result);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getInputMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue();
    }
    ::mlir::AffineMap getResultMap() { return getInputMap(getInputs().size()); }
  }];
}

// C1 inside a cascade    C2 one map and result per start value
// C3 region arguments    C4 component types     C5 yields
// C6 state maps          C7 folded rank         C8 merge stands at no coordinate
def Attn_FoldOp : Attn_Op<"fold", [RecursiveMemoryEffects]> {
  let summary = "an iterative rank with carried state, and the merge of two states";
  let description = [{
    `step` runs once per coordinate of the rank, from the start values (one
    scalar per component); a point of its yield that is absent leaves the state
    as it was. `merge` joins the states of two parts of the rank: associative,
    with the start values as unit, and commutative unless the fold is `ordered`.

    ```mlir
    %s = attn.fold over m1 to %n state(%a[p] = %zero) : tensor<?xf32>
    step {
      %t = attn.einsum %x[p, m1 * 64 + m0] -> [p] reduce add(m0) : ..
      %u = attn.einsum %a[p], %t[p] -> [p] : .. { ..
      attn.yield %u : tensor<?xf32>
    } merge(%l) with(%r) {
      ..
    }
    ```
  }];
  // State component i lives on the ranks of stateMaps[i] and starts at the
  // scalar init[i]. step takes the state; merge takes two states.
  let arguments = (ins I64Attr:$rank, Index:$extent, Variadic<AnyType>:$init,
                       AffineMapArrayAttr:$stateMaps, UnitAttr:$ordered);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$step, SizedRegion<1>:$merge);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getStateMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getStateMaps()[i]).getValue();
    }
    unsigned getNumStates() { return getInit().size(); }
  }];
}

// view and place share one address mechanism. dims: names of the logical axes
// (the result's axes of a view, the source's of a place). symbols are looked up
// by symbolMaps over dims; where: union of sets over (dims)[symbols]; address:
// (dims)[symbols] -> storage coordinates.
//
// C1 axis names          C2 one axis per dimension     C3 symbols
// C4 arity               C5 affine                     C6 normal form
// C7 storage coordinates C8 element type               C9 address in range
class Attn_AddressOp<string mnemonic, list<Trait> traits = []>
    : Attn_Op<mnemonic, traits # [
          DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  code addressDeclaration = [{
    ::mlir::AffineMap getSymbolMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getSymbolMaps()[i]).getValue();
    }
    /// The union of `where`; empty if there is none (all points are present).
    ::llvm::SmallVector<::mlir::IntegerSet> getWhereSets();
    ::llvm::StringRef getDimName(unsigned i) {
      return ::llvm::cast<::mlir::StringAttr>(getDims()[i]).getValue();
    }
  }];
}

def Attn_ViewOp : Attn_AddressOp<"view"> {
  let summary = "a logical tensor over storage: axes, symbols, domain, address";
  let description = [{
    The element at a point is the storage's element at the address; points
    outside the domain are absent, and neither their symbols nor their elements
    are looked at. Nothing is copied. As a value it is what the storage holds
    where the view stands: it reads the memrefs it is made from.

    ```mlir
    %k = attn.view (b, m, g, e)
         symbols(pg = %table[b, m floordiv 16], len = %len[b]) where (m < len)
         of %kp[pg, m mod 16, g, e]
         : (memref<?x16x8x128xf16>, memref<?x?xi32>, tensor<?xi32>)
           -> tensor<?x?x8x128xf16>
    ```
  }];
  let arguments = (ins AnyTypeOf<[AnyRankedTensor, AnyMemRef]>:$storage,
      Variadic<AnyType>:$symbols, StrArrayAttr:$dims,
      DefaultValuedAttr<StrArrayAttr, "{}">:$symbolNames,
      DefaultValuedAttr<AffineMapArrayAttr, "{}">:$symbolMaps,
      OptionalAttr<Attn_SetArrayAttr>:$where, AffineMapAttr:$address);
  let results = (outs AnyRankedTensor:$result);
  let extraClassDeclaration = addressDeclaration;
}

// C10 a result exactly for tensor storage
def Attn_PlaceOp : Attn_AddressOp<"place"> {
  let summary = "writes the present points of a tensor into storage";
  let description = [{
    The inverse of a view. What no present point reaches keeps its value. On a
    tensor it returns the new tensor; on a memref it writes. Two points on one
    address are an error of the program.

    ```mlir
    %y = attn.place %o[b, p, f] symbols(lo = %qptr[b], hi = %qptr[b + 1])
         where (lo + p < hi) into %dst[lo + p, f]
         : (tensor<?x?x64xf32>, tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>)
           -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source,
      AnyTypeOf<[AnyRankedTensor, AnyMemRef]>:$storage,
      Variadic<AnyType>:$symbols, StrArrayAttr:$dims,
      DefaultValuedAttr<StrArrayAttr, "{}">:$symbolNames,
      DefaultValuedAttr<AffineMapArrayAttr, "{}">:$symbolMaps,
      OptionalAttr<Attn_SetArrayAttr>:$where, AffineMapAttr:$address);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let extraClassDeclaration = addressDeclaration;
}

// C1 inside a cascade    C2 rank in range    C3 iterated or bound
def Attn_CoordOp : Attn_Op<"coord", [Pure]> {
  let summary = "coordinate of the current point along a rank";
  let description = [{
    In the region of an einsum: the coordinate of the point that is mapped. In
    the step of a fold also the coordinate of the folded rank.

    ```mlir
    %m = attn.coord m
    ```
  }];
  let arguments = (ins I64Attr:$rank);
  let results = (outs Index:$result);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Attn_YieldOp : Attn_Op<"yield", [Pure, Terminator,
    ParentOneOf<["CascadeOp", "EinsumOp", "FoldOp"]>]> {
  let summary = "ends a region of an attn op";
  let description = [{
    Its values must have the types that the op around it asks for: constraints
    cascade C4, einsum C18, fold C5.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // ATTN_DIALECT_ATTN_IR_ATTNOPS_TD
