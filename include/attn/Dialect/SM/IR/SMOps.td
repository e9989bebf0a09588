//===- SMOps.td - How one SM does the work of its items -------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value is a builtin tensor whose encoding says which thread holds what
// (SMBase.td); arith and math work on it element by element, and a layout that
// does not fit does not verify. What is uniform over the CTA is a scalar.
//
// A kernel holds roles, a role holds the loop over its work items, and that
// holds the fold; copies go through rings whose cursors live as long as the
// role. So the producer of a warp-specialised kernel runs ahead into the next
// item with the same ops with which one role of all warps waits for itself.
//
// Copies and products in flight are tokens and `!sm.inflight` values; only a
// wait makes something of them. How many groups may stay in flight at a wait is
// counted when the order of ops is final, and stands in no attribute.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_IR_SMOPS_TD
#define ATTN_DIALECT_SM_IR_SMOPS_TD

include "attn/Dialect/SM/IR/SMBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class SM_Op<string mnemonic, list<Trait> traits = []>
    : Op<SM_Dialect, mnemonic, traits>;

def SM_KindAttr : EnumAttr<SM_Dialect, SM_Kind, "kind"> { let assemblyFormat = "$value"; }

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def SM_KernelOp : SM_Op<"kernel", [IsolatedFromAbove, Symbol, FunctionOpInterface, SingleBlock]> {
  let summary = "what one CTA runs";
  let description = [{
    The block takes the arguments of the program in their fixed order, as
    tile.kernel does. `merges`: the records are merges, not work items. `ctas`:
    an SM shall have room for so many; without it that is left to ptxas, which
    spills a little where it sees room for one more.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
      I64Attr:$warps, UnitAttr:$merges, OptionalAttr<I64Attr>:$ctas,
      OptionalAttr<StrAttr>:$sym_visibility,
      OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
}

def SM_RolesOp : SM_Op<"roles", [HasParent<"KernelOp">, RecursiveMemoryEffects]> {
  let summary = "what the warps of a CTA do side by side";
  let description = [{
    Region i is run instances[i] times (once without the attribute), each time by
    warps[i] warps, counted on from those before; registers[i] per thread, 0: as
    the kernel has them. A region may take the number of its instance.
    Instances must go through their loops equally often: they share the places
    of rings, and take turns.
  }];
  let arguments = (ins StrArrayAttr:$names, DenseI64ArrayAttr:$warps,
      OptionalAttr<DenseI64ArrayAttr>:$instances, DenseI64ArrayAttr:$registers);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    $names `warps` $warps (`instances` $instances^)? `registers` $registers $bodies attr-dict
  }];
  let hasRegionVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::ArrayAttr":$names, "::mlir::DenseI64ArrayAttr":$warps,
      "::mlir::DenseI64ArrayAttr":$registers, "unsigned":$bodiesCount), [{
    build($_builder, $_state, names, warps, ::mlir::DenseI64ArrayAttr(), registers, bodiesCount);
  }]>];
  let extraClassDeclaration = [{
    int64_t getNumInstances(unsigned role) {
      return getInstances() ? (*getInstances())[role] : 1;
    }
    /// The first warp of a role; of the number of roles: all warps.
    int64_t getFirstWarp(unsigned role);
    /// The role that an op inside belongs to.
    unsigned getRole(::mlir::Operation *op);
  }];
}

def SM_ItemsOp : SM_Op<"items", [SingleBlock, RecursiveMemoryEffects,
    AllTypesMatch<["init", "results"]>]> {
  let summary = "the loop over the records of this worker";
  let description = [{
    The block takes a record and the carried values; sm.yield hands them on.
  }];
  let arguments = (ins Variadic<AnyType>:$init);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`init` `(` $init^ `:` type($init) `)`)? $body attr-dict";
  let hasRegionVerifier = 1;
}

def SM_YieldOp : SM_Op<"yield", [Pure, Terminator, ParentOneOf<["ItemsOp", "RolesOp", "FillOp"]>]> {
  let summary = "ends a region";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def SM_ReturnOp : SM_Op<"return", [Pure, Terminator, HasParent<"KernelOp">]> {
  let summary = "ends a kernel";
  let assemblyFormat = "attr-dict";
}

//===----------------------------------------------------------------------===//
// Records and arguments
//===----------------------------------------------------------------------===//

def SM_FieldOp : SM_Op<"field", [Pure]> {
  let summary = "a field of a record (the names of tile.item)";
  let arguments = (ins SM_ItemType:$item, StrAttr:$name);
  let results = (outs Index:$result);
  let assemblyFormat = "$item $name attr-dict";
}

def SM_ThreadOp : SM_Op<"thread", [Pure]> {
  let summary = "the number of this thread in its role";
  let results = (outs Index:$result);
  let assemblyFormat = "attr-dict";
}

def SM_PartOp : SM_Op<"part", [Pure]> {
  let summary = "first state slot of a part of a merge";
  let arguments = (ins SM_ItemType:$item, Index:$part);
  let results = (outs Index:$slot);
  let assemblyFormat = "$item `,` $part attr-dict";
}

def SM_RowsOp : SM_Op<"rows", [Pure, AllTypesMatch<["coord", "minor", "sym"]>]> {
  let summary = "coordinates of the packed rows of a record (tile.rows)";
  let arguments = (ins SM_ItemType:$item, Index:$first, UnitAttr:$again);
  let results = (outs SM_FragmentOf<[I32]>:$coord, SM_FragmentOf<[I32]>:$minor, Index:$count,
                      SM_FragmentOf<[I32]>:$sym);
  let assemblyFormat = "$item `,` $first (`again` $again^)? attr-dict `:` type($coord)";
  let builders = [OpBuilder<(ins "::mlir::Type":$rows, "::mlir::Value":$item, "::mlir::Value":$first,
                             CArg<"bool", "false">:$again)>];
}

def SM_AddressOp : SM_Op<"address", [Pure]> {
  let summary = "address of element [0, .., 0] of an argument, in global memory";
  let arguments = (ins AnyMemRef:$memory);
  let results = (outs I64:$result);
  let assemblyFormat = "$memory attr-dict `:` type($memory)";
}

def SM_TensorMapOp : SM_Op<"tensor_map", [Pure, HasParent<"KernelOp">]> {
  let summary = "the tensor map of an argument, which the launch brings along";
  let description = [{
    The kernel takes one more parameter for each of these ops, in their order:
    128 bytes, aligned to 64, that the host encodes from the argument's address,
    shape and strides (docs/rationale/sm.md says how).
  }];
  let arguments = (ins AnyMemRef:$memory);
  let results = (outs SM_TensorMapType:$result);
  let assemblyFormat = "$memory attr-dict `:` type($memory) `->` type($result)";
  let hasVerifier = 1;
}

def SM_StrideOp : SM_Op<"stride", [Pure]> {
  let summary = "elements between neighbours along an axis of an argument";
  let arguments = (ins AnyMemRef:$memory, I64Attr:$axis);
  let results = (outs Index:$result);
  let assemblyFormat = "$memory `,` $axis attr-dict `:` type($memory)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Shared memory: buffers, rings, copies
//===----------------------------------------------------------------------===//

def SM_AllocOp : SM_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "room that lives as long as the kernel";
  let results = (outs SM_SlotType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def SM_RingOp : SM_Op<"ring", [MemoryEffects<[MemAlloc]>]> {
  let summary = "a ring of slots that lives as long as the kernel";
  let results = (outs SM_RingType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def SM_CursorOp : SM_Op<"cursor", [Pure]> {
  let summary = "the first place of a ring";
  let arguments = (ins SM_RingType:$ring);
  let results = (outs SM_CursorType:$result);
  let assemblyFormat = "$ring attr-dict `:` type($ring)";
}

def SM_AdvanceOp : SM_Op<"advance", [Pure]> {
  let summary = "the next place of a ring";
  let arguments = (ins SM_RingType:$ring, SM_CursorType:$cursor);
  let results = (outs SM_CursorType:$result);
  let assemblyFormat = "$ring `,` $cursor attr-dict `:` type($ring)";
}

def SM_FillOp : SM_Op<"fill", [SingleBlock, RecursiveMemoryEffects]> {
  let summary = "starts the copies into a slot, once it is empty";
  let description = [{
    The block takes the buffers of the ring's place as slots. The token stands
    for all copies inside. Where `when` is given and false, nothing is copied and
    the place counts as filled all the same.
  }];
  let arguments = (ins SM_RingType:$ring, SM_CursorType:$cursor, Optional<I1>:$when);
  let results = (outs SM_TokenType:$token);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$ring `,` $cursor (`when` $when^)? $body attr-dict `:` type($ring)";
  let hasRegionVerifier = 1;
}

def SM_TakeOp : SM_Op<"take", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "waits until a slot is full for all threads of the role";
  let arguments = (ins SM_RingType:$ring, SM_CursorType:$cursor, Optional<SM_TokenType>:$token);
  let results = (outs Variadic<SM_BufType>:$buffers);
  let assemblyFormat = [{
    $ring `,` $cursor (`after` $token^)? attr-dict `:` type($ring) `->` type($buffers)
  }];
  let hasVerifier = 1;
}

def SM_ReleaseOp : SM_Op<"release", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "gives a slot back: this thread has read what it wanted";
  let arguments = (ins SM_RingType:$ring, SM_CursorType:$cursor);
  let assemblyFormat = "$ring `,` $cursor attr-dict `:` type($ring)";
}

def SM_CopyOp : SM_Op<"copy", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts copying rows of global memory into a slot";
  let description = [{
    Row i of the slot comes from the bytes at addresses[i]; where not live[i],
    it becomes 0 and nothing is read. The same holds for what is behind
    `columns`, if that is given. Addresses are multiples of `alignment`, which
    is the size of the pieces that threads move.
  }];
  let arguments = (ins SM_FragmentOf<[I64]>:$addresses, SM_FragmentOf<[I1]>:$live, SM_SlotType:$to,
      OptionalAttr<I64Attr>:$columns, DefaultValuedAttr<I64Attr, "16">:$alignment);
  let results = (outs SM_TokenType:$token);
  let assemblyFormat = [{
    $addresses `live` $live `to` $to attr-dict `:` type($addresses) `,` type($live) `,` type($to)
  }];
  let hasVerifier = 1;
}

def SM_CopyBoxesOp : SM_Op<"copy_boxes", [HasParent<"FillOp">, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts copying boxes of a tensor into the place of a ring";
  let description = [{
    The slot's rows are those of box 0, 1, ..; box i begins at its coordinates
    along all axes but the last, which it has whole: index values are the same
    for all boxes. What lies outside of the tensor becomes 0; where not live[i],
    the box becomes 0 and nothing is read.
  }];
  let arguments = (ins SM_TensorMapType:$map, Variadic<AnyTypeOf<[Index, SM_FragmentOf<[I32]>]>>:$coordinates,
      SM_FragmentOf<[I1]>:$live, SM_SlotType:$to);
  let results = (outs SM_TokenType:$token);
  let assemblyFormat = [{
    $map `[` $coordinates `:` type($coordinates) `]` `live` $live `to` $to attr-dict
    `:` type($map) `,` type($live) `,` type($to)
  }];
  let hasVerifier = 1;
}

def SM_WaitOp : SM_Op<"wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "waits until a slot is full for all threads of the role, or for a product";
  let description = [{
    Of a slot and the tokens of copies it makes a buffer; of what a product still
    writes, a value. It names the op that began the product.
  }];
  let arguments = (ins AnyTypeOf<[SM_SlotType, SM_InflightType]>:$source,
      Variadic<SM_TokenType>:$tokens);
  let results = (outs AnyTypeOf<[SM_BufType, SM_Fragment]>:$result);
  let assemblyFormat = [{
    $source (`after` $tokens^)? attr-dict `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def SM_ZeroRowsOp : SM_Op<"zero_rows", [HasParent<"FillOp">, MemoryEffects<[MemWrite]>]> {
  let summary = "rows of a buffer from `first` on become 0";
  let description = [{
    What a tensor map brings of a page behind the end of its sequence may be
    anything, NaN too: the role that fills a place removes it before the place
    counts as full.
  }];
  let arguments = (ins SM_BufType:$buffer, Index:$first);
  let assemblyFormat = "$buffer `from` $first attr-dict `:` type($buffer)";
}

//===----------------------------------------------------------------------===//
// Turns
//===----------------------------------------------------------------------===//

def SM_TurnsOp : SM_Op<"turns", [HasParent<"RolesOp">, MemoryEffects<[MemAlloc]>]> {
  let summary = "turns of the instances of the role around it; the first begins";
  let results = (outs SM_TurnsType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def SM_BeginTurnOp : SM_Op<"begin_turn", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "waits until it is this instance's turn";
  let arguments = (ins SM_TurnsType:$turns);
  let assemblyFormat = "$turns attr-dict";
}

def SM_EndTurnOp : SM_Op<"end_turn", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "gives the turn to the next instance, the last one to the first";
  let arguments = (ins SM_TurnsType:$turns);
  let assemblyFormat = "$turns attr-dict";
}

def SM_LoadSharedOp : SM_Op<"lds", [MemoryEffects<[MemRead]>]> {
  let summary = "a buffer, or a part of it, as fragment of any layout";
  let description = [{
    Rows from `row` and columns from `column` on. `transposed`: the fragment is
    the transpose of that part. A fragment of one axis is the first column.
  }];
  let arguments = (ins SM_BufType:$from, DefaultValuedAttr<I64Attr, "0">:$row,
      DefaultValuedAttr<I64Attr, "0">:$column, UnitAttr:$transposed);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = "$from attr-dict `:` type($from) `->` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

def SM_StoreSharedOp : SM_Op<"sts", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "a fragment as buffer";
  let description = [{
    Waits until all threads of the role are here, writes the block to the first
    rows and columns of `to`, or a value of one axis to the first column, and
    waits until all have: the way from one layout to another.
  }];
  let arguments = (ins SM_Fragment:$value, SM_SlotType:$to);
  let results = (outs SM_BufType:$result);
  let assemblyFormat = "$value `to` $to attr-dict `:` type($value) `,` type($to) `->` type($result)";
  let hasVerifier = 1;
}

def SM_GemmOp : SM_Op<"gemm", [Pure, AllTypesMatch<["acc", "result"]>]> {
  let summary = "acc + a * b";
  let description = [{
    b is a buffer [k, n], or with transposeB [n, k], of which columns from
    `column` on are taken, or a fragment in the layout sm.rhs.
  }];
  let arguments = (ins SM_FragmentOf<[F16, BF16]>:$a, AnyTypeOf<[SM_BufType, SM_Fragment]>:$b,
      SM_FragmentOf<[F32]>:$acc, UnitAttr:$transposeB, DefaultValuedAttr<I64Attr, "0">:$column);
  let results = (outs SM_FragmentOf<[F32]>:$result);
  let assemblyFormat = [{
    $a `,` $b `acc` `(` $acc `)` attr-dict `:` type($a) `,` type($b) `->` type($result)
  }];
  let hasVerifier = 1;
}

def SM_GemmAsyncOp : SM_Op<"gemm_async", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "begins acc + a * b, or a * b without acc";
  let description = [{
    a is a buffer [m, k], or a fragment; b is a buffer [k, n], or with transposeB
    [n, k]. Both must stay as they are until sm.wait has given the result.
  }];
  let arguments = (ins AnyTypeOf<[SM_BufType, SM_FragmentOf<[F16, BF16]>]>:$a, SM_BufType:$b,
      Optional<SM_FragmentOf<[F32]>>:$acc, UnitAttr:$transposeB);
  let results = (outs SM_InflightType:$result);
  let assemblyFormat = [{
    $a `,` $b (`acc` `(` $acc^ `:` type($acc) `)`)? attr-dict `:` type($a) `,` type($b) `->` type($result)
  }];
  let hasVerifier = 1;
}

def SM_ReduceOp : SM_Op<"reduce", [Pure]> {
  let summary = "combines along an axis inside each thread";
  let arguments = (ins SM_KindAttr:$kind, SM_Fragment:$source, I64Attr:$axis);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = "$kind $source `along` $axis attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def SM_CompleteOp : SM_Op<"complete", [Pure]> {
  let summary = "combines what threads hold parts of";
  let description = [{
    Parts in several warps meet in `through`: it has a row for each element of
    the source, and in it an element for each of those warps. Threads wait for
    each other before and behind that.
  }];
  let arguments = (ins SM_Fragment:$source, Optional<SM_SlotType>:$through);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = [{
    $source (`through` $through^ `:` type($through))? attr-dict `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def SM_FactorOp : SM_Op<"factor", [Pure]> {
  let summary = "what all threads know, beside parts that it scales or chooses";
  let description = [{
    The source's elements with the type of parts of them. They are no parts:
    only the other operand of a multiplication, the divisor of a division and
    the condition of a selection may be a factor. So a sum that is rescaled in a
    loop stays in parts until its end.
  }];
  let arguments = (ins SM_Fragment:$source);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def SM_ExpandOp : SM_Op<"expand", [Pure]> {
  let summary = "spreads a value along an axis";
  let description = [{
    Element i of the source becomes all elements with i at the axis that is not
    `axis`.
  }];
  let arguments = (ins SM_Fragment:$source, I64Attr:$axis);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = "$source `along` $axis attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def SM_SplatOp : SM_Op<"splat", [Pure]> {
  let summary = "a scalar in every element";
  let arguments = (ins AnyType:$value);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = "$value attr-dict `:` type($value) `->` type($result)";
  let hasVerifier = 1;
}

def SM_CoordOp : SM_Op<"coord", [Pure]> {
  let summary = "base + 0 .. N-1 as i32";
  let arguments = (ins Index:$base);
  let results = (outs SM_FragmentOf<[I32]>:$result);
  let assemblyFormat = "$base attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

def SM_LoadOp : SM_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "reads an element at each address; 0 where not live";
  let arguments = (ins SM_FragmentOf<[I64]>:$addresses, SM_FragmentOf<[I1]>:$live);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = [{
    $addresses `live` $live attr-dict `:` type($addresses) `,` type($live) `->` type($result)
  }];
  let hasVerifier = 1;
}

def SM_StoreOp : SM_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "writes an element to each address, where live";
  let description = [{
    Where several threads hold one element, one of them writes it.
  }];
  let arguments = (ins SM_Fragment:$value, SM_FragmentOf<[I64]>:$addresses, SM_FragmentOf<[I1]>:$live);
  let assemblyFormat = [{
    $value `to` $addresses `live` $live attr-dict `:` type($value) `,` type($addresses) `,` type($live)
  }];
  let hasVerifier = 1;
}

def SM_LoadRowsOp : SM_Op<"load_rows", [MemoryEffects<[MemRead]>]> {
  let summary = "reads a block whose row i lies at addresses[i]; 0 where not live";
  let description = [{
    Of `columns` columns, if that is given: the others become 0 and nothing is
    read. Addresses are multiples of `alignment` or of an element.
  }];
  let arguments = (ins SM_FragmentOf<[I64]>:$addresses, SM_FragmentOf<[I1]>:$live,
      Optional<Index>:$columns, DefaultValuedAttr<I64Attr, "16">:$alignment);
  let results = (outs SM_Fragment:$result);
  let assemblyFormat = [{
    $addresses `live` $live (`columns` $columns^)? attr-dict
    `:` type($addresses) `,` type($live) `->` type($result)
  }];
  let hasVerifier = 1;
}

def SM_StoreRowsOp : SM_Op<"store_rows", [MemoryEffects<[MemWrite]>]> {
  let summary = "writes a block whose row i goes to addresses[i], where live";
  let description = [{
    Where several threads hold one element, one of them writes it. Of `columns`
    columns, if that is given. Addresses are multiples of `alignment` or of an
    element.
  }];
  let arguments = (ins SM_Fragment:$value, SM_FragmentOf<[I64]>:$addresses, SM_FragmentOf<[I1]>:$live,
      Optional<Index>:$columns, DefaultValuedAttr<I64Attr, "16">:$alignment);
  let assemblyFormat = [{
    $value `to` $addresses `live` $live (`columns` $columns^)? attr-dict
    `:` type($value) `,` type($addresses) `,` type($live)
  }];
  let hasVerifier = 1;
}

#endif // ATTN_DIALECT_SM_IR_SMOPS_TD
