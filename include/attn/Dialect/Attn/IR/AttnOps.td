//===- AttnOps.td - The eight ops of attn ---------------------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_IR_ATTNOPS_TD
#define ATTN_DIALECT_ATTN_IR_ATTNOPS_TD

include "attn/Dialect/Attn/IR/AttnDialect.td"

def Attn_CascadeOp : Attn_Op<"cascade", [SingleBlock, RecursiveMemoryEffects]> {
  let summary = "names a rank space and computes a DAG of einsums in it";
  // ranks: names; rank number i is dim i of every map and set inside.
  // extents[i] is the extent of rank extentRanks[i], for a rank that no operand
  // uses bare and no fold gives (`m1 to %n`).
  let arguments = (ins StrArrayAttr:$ranks, Variadic<Index>:$extents,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$extentRanks);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
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

def Attn_EinsumOp : Attn_Op<"einsum", [AttrSizedOperandSegments, Pure]> {
  let summary = "map and reduce over the points that are present";
  // maps: one per input, then the result's. Dims are the ranks of the cascade.
  // where: union (array) of integer sets over (ranks)[symbols].
  // presence: operands of the data terms, in order; presenceArity[t] is 1 for
  //   an i1 operand and 2 for an equality of two integer operands.
  // selection / selectedRank / selectionMap: `at n in %s[b]`.
  // body: empty (the product of the float operands, each extended to the
  //   result's element type) or one block with one argument per input.
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

def Attn_SelectOp : Attn_Op<"select", [Pure]> {
  let summary = "coordinates chosen from data";
  // listed: %list[b, t], %count[b, t]: the list tensor has one axis more than
  //   its map names (the place in the list); count says how many are used.
  // topk: %score[b, t, n] over n: the `max` largest present scores.
  // threshold: %score[b, t, n], %tau[b] over n: present scores >= tau.
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

def Attn_FoldOp : Attn_Op<"fold", [RecursiveMemoryEffects]> {
  let summary = "an iterative rank with carried state, and the merge of two states";
  // State component i lives on the ranks of stateMaps[i] and starts at the
  // scalar init[i]. step takes the state; merge takes two states.
  let arguments = (ins I64Attr:$rank, Index:$extent, Variadic<AnyType>:$init,
                       AffineMapArrayAttr:$stateMaps, UnitAttr:$ordered);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$step, SizedRegion<1>:$merge);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
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
class Attn_AddressOp<string mnemonic, list<Trait> traits = []>
    : Attn_Op<mnemonic, traits> {
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
  let arguments = (ins AnyTypeOf<[AnyRankedTensor, AnyRankedOrUnrankedMemRef]>:$storage,
      Variadic<AnyType>:$symbols, StrArrayAttr:$dims,
      DefaultValuedAttr<StrArrayAttr, "{}">:$symbolNames,
      DefaultValuedAttr<AffineMapArrayAttr, "{}">:$symbolMaps,
      OptionalAttr<Attn_SetArrayAttr>:$where, AffineMapAttr:$address);
  let results = (outs AnyRankedTensor:$result);
  let extraClassDeclaration = addressDeclaration;
}

def Attn_PlaceOp : Attn_AddressOp<"place"> {
  let summary = "writes the present points of a tensor into storage";
  // On a tensor it returns the new tensor; on a memref it writes.
  let arguments = (ins AnyRankedTensor:$source,
      AnyTypeOf<[AnyRankedTensor, AnyRankedOrUnrankedMemRef]>:$storage,
      Variadic<AnyType>:$symbols, StrArrayAttr:$dims,
      DefaultValuedAttr<StrArrayAttr, "{}">:$symbolNames,
      DefaultValuedAttr<AffineMapArrayAttr, "{}">:$symbolMaps,
      OptionalAttr<Attn_SetArrayAttr>:$where, AffineMapAttr:$address);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let extraClassDeclaration = addressDeclaration;
}

def Attn_CoordOp : Attn_Op<"coord", [Pure]> {
  let summary = "coordinate of the current point along a rank";
  let arguments = (ins I64Attr:$rank);
  let results = (outs Index:$result);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Attn_YieldOp : Attn_Op<"yield", [Pure, Terminator,
    ParentOneOf<["CascadeOp", "EinsumOp", "FoldOp"]>]> {
  let summary = "ends a region of an attn op";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // ATTN_DIALECT_ATTN_IR_ATTNOPS_TD
