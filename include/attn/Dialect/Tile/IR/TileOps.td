//===- TileOps.td - What one work item does -------------------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile value is a builtin vector of any rank; row statistics are 1-D. There
// are no threads, no order of lanes and no hardware here: elementwise work is
// plain arith and math, reductions are vector.multi_reduction, and this dialect
// adds what upstream lacks: the work item, addresses with pages, the fold over
// tiles, dots, and the spreading of 1-D values.
//
// Row axis: where a value has one axis for the query rows of the item, it is
// axis 0. Its static size is the most rows an item may pack; `tile.rows` gives
// how many are live. Values of rows that are not live are unspecified, and
// nothing is stored for them.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_TILE_IR_TILEOPS_TD
#define ATTN_DIALECT_TILE_IR_TILEOPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::attn::tile";
  let summary = "what one work item does, on block-level values";
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

class Tile_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tile_Dialect, mnemonic, traits>;

def Tile_KernelKind : I32EnumAttr<"KernelKind", "what a kernel is called with", [
    I32EnumAttrCase<"items", 0>,   // (args, attnrt_item, scratch): folds
    I32EnumAttrCase<"merge", 1>,   // (args, attnrt_merge, scratch): joins states
    I32EnumAttrCase<"stage", 2>,   // (args, attnrt_item, scratch): row_begin .. of a flat index
    I32EnumAttrCase<"host", 3>]> { // (args, direct parameters ...): range, extents
  let cppNamespace = "::attn::tile";
  let genSpecializedAttr = 0;
}
def Tile_KernelKindAttr : EnumAttr<Tile_Dialect, Tile_KernelKind, "kind">;

def Tile_Field : I32EnumAttr<"Field", "a field of the work item or merge", [
    I32EnumAttrCase<"row_begin", 0>,  // first Row record
    I32EnumAttrCase<"row_count", 1>,  // Row records of the item (merge: n)
    I32EnumAttrCase<"kv_begin", 2>,   // first ordinal
    I32EnumAttrCase<"kv_count", 3>,   // ordinals
    I32EnumAttrCase<"slot", 4>,       // first state written, -1 = finish
    I32EnumAttrCase<"carry", 5>,
    I32EnumAttrCase<"head", 6>,       // linearised KV head
    I32EnumAttrCase<"sub_begin", 7>,  // first query head of the group
    I32EnumAttrCase<"sub_count", 8>,
    I32EnumAttrCase<"param", 9>,      // segment coordinate (Segment.param)
    I32EnumAttrCase<"coord0", 10>,    // coordinate of ordinal 0 of the segment
    I32EnumAttrCase<"row_first", 11>, // coordinate of the item's first row
    I32EnumAttrCase<"row_last", 12>,  // coordinate of the item's last row
    I32EnumAttrCase<"part_count", 13>, // merge: number of parts
    I32EnumAttrCase<"sym_first", 14>, // segment coordinate of the first row
    I32EnumAttrCase<"flags", 15>]> {  // ATTNRT_ITEM_*
  let cppNamespace = "::attn::tile";
  let genSpecializedAttr = 0;
}
def Tile_FieldAttr : EnumAttr<Tile_Dialect, Tile_Field, "field"> { let assemblyFormat = "$value"; }

// A logical tensor over storage as attn.view defines it: the only thing that
// knows pages.
def Tile_ViewType : TypeDef<Tile_Dialect, "View"> {
  let mnemonic = "view";
  let summary = "logical tensor over storage with pages, symbols and a domain";
  let parameters = (ins "int64_t":$rank, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $rank `x` $elementType `>`";
}

def Tile_AnyMemory : AnyTypeOf<[AnyMemRef, Tile_ViewType]>;
def Tile_Index : AnyTypeOf<[Index, VectorOfRankAndType<[1], [I32]>]>;
def Tile_PointIndex : AnyTypeOf<[Index, VectorOfAnyRankOf<[I32]>]>;
def Tile_AnyValue : AnyTypeOf<[AnyVectorOfAnyRank, AnyFloat, AnySignlessInteger, Index]>;

def Tile_KernelOp : Tile_Op<"kernel", [IsolatedFromAbove, Symbol, FunctionOpInterface,
    AutomaticAllocationScope, SingleBlock]> {
  let summary = "a leaf function of one work item";
  let description = [{
    The block takes the arguments of the program in their fixed order (memrefs
    of operands, tables, results, workspaces and states; scalars), then, for
    kind host, direct parameters (`memref<?xT>` passed as a pointer, index
    passed as i64). `numProgramArgs` is the number of the former. Memref
    argument k among the program's memrefs is tensor k of `attnrt_args`, scalar
    argument k among its scalars is scalar cell k. `rows` is the most packed
    rows of an item and `cols` the tile along the fold, 0 where there is none.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
      Tile_KernelKindAttr:$kind, I64Attr:$numProgramArgs,
      DefaultValuedAttr<I64Attr, "0">:$rows, DefaultValuedAttr<I64Attr, "0">:$cols,
      OptionalAttr<StrAttr>:$sym_visibility,
      OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
}

def Tile_ItemOp : Tile_Op<"item", [Pure]> {
  let summary = "a field of the work item (of the merge, in a merge kernel)";
  let arguments = (ins Tile_FieldAttr:$field);
  let results = (outs Index:$result);
  let assemblyFormat = "$field attr-dict";
}

def Tile_RowsOp : Tile_Op<"rows", [Pure, AllTypesMatch<["coord", "minor", "sym"]>]> {
  let summary = "coordinates of the item's packed rows";
  let description = [{
    Row i (0 <= i < count = row_count * sub_count - first) has coordinate
    rows[row_begin + (first + i) / sub_count].coord, segment coordinate `sym` of
    the same record (whose row it is: rows of an item may be of several
    requests) and minor coordinate sub_begin + (first + i) % sub_count (the query
    head inside its group).
    Rows past the live ones repeat the last live row. `first` is the number of
    the first packed row of this tile (merge kernels walk several tiles; 0 in
    kernels of items). count is clamped to the size of the row axis.

    `again`: what an op before this one gives is not to be kept for this one: the
    records are read again. For the end of an item, so that a long fold holds no
    registers for it.
  }];
  let arguments = (ins Index:$first, UnitAttr:$again);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$coord,
                      VectorOfRankAndType<[1], [I32]>:$minor, Index:$count,
                      VectorOfRankAndType<[1], [I32]>:$sym);
  let assemblyFormat = "$first (`again` $again^)? attr-dict `:` type($coord)";
  let builders = [OpBuilder<(ins "::mlir::Value":$first, "int64_t":$rows, CArg<"bool", "false">:$again)>];
}

def Tile_CoordOp : Tile_Op<"coord", [Pure]> {
  let summary = "base + 0 .. N-1 as i32";
  let arguments = (ins Index:$base);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$base attr-dict `:` type($result)";
}

def Tile_ExpandOp : Tile_Op<"expand", [Pure]> {
  let summary = "spreads a value over more axes";
  let description = [{
    Axis j of the source becomes axis dims[j] of the result; the other axes of
    the result repeat it. With all axes named it is a transposition.
  }];
  let arguments = (ins AnyVectorOfAnyRank:$source, DenseI64ArrayAttr:$dims);
  let results = (outs AnyVectorOfAnyRank:$result);
  let assemblyFormat = "$source $dims attr-dict `:` type($source) `to` type($result)";
  let hasVerifier = 1;
}

def Tile_ViewOp : Tile_Op<"view", [Pure]> {
  let summary = "a logical tensor over storage: symbols, domain, address";
  let description = [{
    The address mechanism of attn.view: symbol s is looked up in symbols[s] at
    symbolMaps[s](logical coordinates) (a scalar has a map without results),
    a point exists where some set of `where` holds (no sets: everywhere), and
    lies at address(logical coordinates)[symbols] in the storage. Tables are
    read when a kernel runs: a point that one of them leads outside of the
    storage, or of another table, does not exist either (Tables.h).
  }];
  let arguments = (ins AnyMemRef:$storage, Variadic<AnyType>:$symbols,
      AffineMapArrayAttr:$symbolMaps, DefaultValuedAttr<ArrayAttr, "{}">:$where,
      AffineMapAttr:$address);
  let results = (outs Tile_ViewType:$result);
  let assemblyFormat = [{
    $storage (`symbols` `(` $symbols^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

// axes[i] is the axis of the value along which index i varies, -1 if index i is
// a scalar. Two indices may vary along one axis (packed rows). An axis of the
// value that no index names is an error.
// live: positions of axis `liveAxis` outside [liveBegin, liveEnd) are not read
// (load: 0) and not written (store).
def Tile_LoadOp : Tile_Op<"load", [AttrSizedOperandSegments, MemoryEffects<[MemRead]>]> {
  let summary = "reads a block through a memref or view";
  let description = [{
    Points outside the view's domain and outside `live` give 0 and are not
    looked at: neither their table entry nor their element. All indices scalar:
    the result is a scalar.
  }];
  let arguments = (ins Tile_AnyMemory:$source, Variadic<Tile_Index>:$indices,
      Optional<Index>:$liveBegin, Optional<Index>:$liveEnd,
      DenseI64ArrayAttr:$axes, DefaultValuedAttr<I64Attr, "0">:$liveAxis);
  let results = (outs Tile_AnyValue:$result);
  let assemblyFormat = [{
    $source `[` $indices `]` `axes` $axes (`live` `(` $liveBegin^ `to` $liveEnd `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
def Tile_StoreOp : Tile_Op<"store", [AttrSizedOperandSegments, MemoryEffects<[MemWrite]>]> {
  let summary = "writes a block through a memref or view";
  let arguments = (ins Tile_AnyValue:$value, Tile_AnyMemory:$destination,
      Variadic<Tile_Index>:$indices, Optional<Index>:$liveBegin, Optional<Index>:$liveEnd,
      DenseI64ArrayAttr:$axes, DefaultValuedAttr<I64Attr, "0">:$liveAxis);
  let assemblyFormat = [{
    $value `,` $destination `[` $indices `]` `axes` $axes
    (`live` `(` $liveBegin^ `to` $liveEnd `)`)? attr-dict `:` type(operands)
  }];
  let hasVerifier = 1;
}

def Tile_GatherOp : Tile_Op<"gather", [MemoryEffects<[MemRead]>]> {
  let summary = "reads an element for each point, wherever it lies";
  let description = [{
    Each index is one number for all points, or a number for each point of the
    result. For accesses that `tile.load` has no words for: an index that varies
    along several axes (a table at `p - m`), or whose end nobody can tell. Every
    point is read, absent ones too: indices are inside of the source.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Tile_PointIndex>:$indices);
  let results = (outs AnyVectorOfAnyRank:$result);
  let assemblyFormat = [{
    $source `[` $indices `]` attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Tile_DotOp : Tile_Op<"dot", [Pure]> {
  let summary = "matrix product: a[M,K] * b[K,N] (+ acc[M,N])";
  let description = [{
    transposeA: a is [K,M]; transposeB: b is [N,K]. Element types of a and b are
    equal; products and sums are in the element type of the result.
  }];
  let arguments = (ins VectorOfRankAndType<[2], [AnyFloat]>:$a, VectorOfRankAndType<[2], [AnyFloat]>:$b,
      Optional<VectorOfRankAndType<[2], [AnyFloat]>>:$acc, UnitAttr:$transposeA, UnitAttr:$transposeB);
  let results = (outs VectorOfRankAndType<[2], [AnyFloat]>:$result);
  let assemblyFormat = [{
    $a `,` $b (`acc` `(` $acc^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Tile_FoldOp : Tile_Op<"fold", [AttrSizedOperandSegments, RecursiveMemoryEffects]> {
  let summary = "the loop over tiles with carried state";
  let description = [{
    Visits the tile numbers k of the union of the intervals [begins[i], ends[i]),
    each once and in rising order inside an interval: interval i is entered at
    max(begins[i], largest end of the intervals before it), so intervals sorted
    by their begin are disjoint. Before each visit `class` says
    whether the tile is visited at all and whether it is partial; `step` takes
    k, the partial flag and the state, and yields the new state.

    resumes: where the item has ATTNRT_ITEM_RESUME it begins, in place of init,
    with the state that the worker's item before has kept (tile.finish).
  }];
  let arguments = (ins Variadic<Index>:$begins, Variadic<Index>:$ends, Variadic<Tile_AnyValue>:$init,
      UnitAttr:$resumes);
  let results = (outs Variadic<Tile_AnyValue>:$results);
  let regions = (region SizedRegion<1>:$class_, SizedRegion<1>:$step);
  let assemblyFormat = [{
    (`resumes` $resumes^)? `from` `(` $begins `)` `to` `(` $ends `)` `state` `(` ($init^ `:` type($init))? `)`
    `class` $class_ `step` $step attr-dict `->` type($results)
  }];
  let hasVerifier = 1;
}

def Tile_LoadStateOp : Tile_Op<"load_state", [MemoryEffects<[MemRead]>]> {
  let summary = "state of part `part` of the merge, for the rows from `first` on";
  let description = [{
    Merge kernels only. Row i of component c is read from states[c] at slot
    merge_slots[begin + part] + first + i; rows past the live ones repeat the
    last live row.
  }];
  let arguments = (ins Index:$part, Index:$first, Variadic<AnyMemRef>:$states);
  let results = (outs Variadic<Tile_AnyValue>:$results);
  let assemblyFormat = "$part `,` $first `of` `(` $states `)` attr-dict `:` functional-type(operands, results)";
}

def Tile_FinishOp : Tile_Op<"finish", [AttrSizedOperandSegments, RecursiveMemoryEffects, SingleBlock, NoTerminator]> {
  let summary = "ends an item: writes the state to its slot or runs the epilogue";
  let description = [{
    slot >= 0: row i < count of each component goes to states[c] at slot + i.
    slot < 0: the region runs (it stores the final rows itself).
    keeps: where the item has ATTNRT_ITEM_KEEP neither is done, and the worker's
    next item goes on with the state of the fold (tile.fold).
  }];
  let arguments = (ins Index:$slot, Index:$count, Variadic<Tile_AnyValue>:$values, Variadic<AnyMemRef>:$states,
      UnitAttr:$keeps);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    (`keeps` $keeps^)? $slot `,` $count `state` `(` ($values^ `:` type($values))? `)` `to` `(` ($states^ `:` type($states))? `)`
    `epilogue` $epilogue attr-dict
  }];
}

def Tile_YieldOp : Tile_Op<"yield", [Pure, Terminator, ParentOneOf<["FoldOp"]>]> {
  let summary = "ends a region of tile.fold";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}
def Tile_ReturnOp : Tile_Op<"return", [Pure, Terminator, HasParent<"KernelOp">]> {
  let summary = "ends a kernel";
  let assemblyFormat = "attr-dict";
}

//===----------------------------------------------------------------------===//
// The program: what the runtime must know to bind, plan and launch
//===----------------------------------------------------------------------===//

def Tile_BufferKind : I32EnumAttr<"BufferKind", "who owns a buffer of a program", [
    I32EnumAttrCase<"operand", 0>,    // argument `index` of the function: tensor or memref
    I32EnumAttrCase<"scalar", 1>,     // argument `index` of the function: scalar
    I32EnumAttrCase<"extent", 2>,     // an extent, computed by the extents kernel (index scalar)
    I32EnumAttrCase<"result", 3>,     // result `index` of the function
    I32EnumAttrCase<"workspace", 4>,  // written by one launch, read by later ones
    I32EnumAttrCase<"state", 5>]> {   // one component of a fold's partial states; axis 0 is the slot
  let cppNamespace = "::attn::tile";
  let genSpecializedAttr = 0;
}
def Tile_BufferKindAttr : EnumAttr<Tile_Dialect, Tile_BufferKind, "buffer_kind"> { let assemblyFormat = "$value"; }

def Tile_ProgramOp : Tile_Op<"program", [SingleBlock, NoTerminator, Symbol, NoRegionArguments]> {
  let summary = "one compiled function: buffers, extents and launches, in order";
  let description = [{
    `extents` is the host kernel that writes the value of every tile.extent, in
    their order, to its direct parameter `memref<?xi64>`. The tile.buffer ops
    stand in the order of the program arguments of every kernel.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$extents);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `extents` `(` $extents `)` $body attr-dict";
}

def Tile_ExtentOp : Tile_Op<"extent", [HasParent<"ProgramOp">]> {
  let summary = "one source of an extent";
  let description = [{
    Extents of one group (a rank of a cascade) must have equal values; `source`
    says in words where the value comes from.
  }];
  let arguments = (ins StrAttr:$source, StrAttr:$rank, I64Attr:$group);
  let assemblyFormat = "$source `rank` $rank `group` $group attr-dict";
}

def Tile_BufferOp : Tile_Op<"buffer", [HasParent<"ProgramOp">]> {
  let summary = "a program argument";
  let description = [{
    shape: for results, workspaces and states one extent number per axis
    (a state has the slot axis in front, which is not listed). zero: filled with
    0 before the first launch.
  }];
  let arguments = (ins Tile_BufferKindAttr:$kind, I64Attr:$index, TypeAttr:$type,
      DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$shape, UnitAttr:$zero);
  let assemblyFormat = "$kind $index `shape` $shape (`zero` $zero^)? attr-dict `:` $type";
}

def Tile_LaunchOp : Tile_Op<"launch", [HasParent<"ProgramOp">]> {
  let summary = "one launch: a fold with its merge and range, or a flat stage";
  let description = [{
    A fold (`merge` and `range` present): segments, heads, subs are the extents
    whose product is the number of segments, KV heads and query heads per group;
    row is the extent of the rows of each segment (-1: one row); `shares` says that
    an item may hold rows of several segments; fold is the
    extent of the fold rank, in tiles of the kernel's `cols` ordinals; states are
    buffer numbers; `classes` is the host function that counts the empty, partial
    and full tiles of row runs; `keys` has the numbered views that are read along
    the fold: a number, and for each axis the rank of the segments of this number,
    -2 (the key) or -1 (anything else); `resumes` says that items may keep and
    resume states. A stage (no `merge`): size is the list of extents whose product is the
    number of points; an item is a run of them.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel,
      OptionalAttr<FlatSymbolRefAttr>:$merge, OptionalAttr<FlatSymbolRefAttr>:$range,
      OptionalAttr<FlatSymbolRefAttr>:$classes,
      DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$segments, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$heads,
      DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$subs, DefaultValuedAttr<I64Attr, "-1">:$row,
      DefaultValuedAttr<I64Attr, "-1">:$fold, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$states,
      DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$size, UnitAttr:$ordered, UnitAttr:$shares,
      DefaultValuedAttr<TypedArrayAttrBase<DenseI64ArrayAttr, "views">, "{}">:$keys, UnitAttr:$resumes);
  let assemblyFormat = "$kernel attr-dict";
}

#endif // ATTN_DIALECT_TILE_IR_TILEOPS_TD
