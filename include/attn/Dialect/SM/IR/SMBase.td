//===- SMBase.td - Layouts and types of the sm dialect --------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_IR_SMBASE_TD
#define ATTN_DIALECT_SM_IR_SMBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def SM_Dialect : Dialect {
  let name = "sm";
  let cppNamespace = "::attn::sm";
  let summary = "how one SM of a GPU does the work of its items";
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

def SM_Kind : I32EnumAttr<"Kind", "what combines two values", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"mul", 1>,
    I32EnumAttrCase<"maximum", 2>, I32EnumAttrCase<"minimum", 3>]> {
  let cppNamespace = "::attn::sm";
  let genSpecializedAttr = 0;
}

//===----------------------------------------------------------------------===//
// Layouts: encodings of tensor types
//===----------------------------------------------------------------------===//

class SM_Layout<string name, string mnem> : AttrDef<SM_Dialect, name> {
  let mnemonic = mnem;
}

def SM_AccAttr : SM_Layout<"Acc", "acc"> {
  let summary = "accumulator of a matrix product; at 16 bits, its left operand";
  let description = [{
    FragmentLayout::accumulator over rowWarps x columnWarps warps.
  }];
  let parameters = (ins "int64_t":$rowWarps, "int64_t":$columnWarps);
  let assemblyFormat = "`<` $rowWarps `x` $columnWarps `>`";
}

def SM_LhsAttr : SM_Layout<"Lhs", "lhs"> {
  let summary = "left operand of a matrix product, 16 bits";
  let description = [{
    FragmentLayout::leftOperand: the accumulator of rowWarps x 1 warps, held by
    each of columnWarps warps. Over one column of warps it is an accumulator.
  }];
  let parameters = (ins "int64_t":$rowWarps, "int64_t":$columnWarps);
  let assemblyFormat = "`<` $rowWarps `x` $columnWarps `>`";
}

def SM_RhsAttr : SM_Layout<"Rhs", "rhs"> {
  let summary = "right operand of a matrix product, 16 bits";
  let description = [{
    FragmentLayout::rightOperand over rowWarps x columnWarps warps: [k, n], or
    with `transposed` [n, k].
  }];
  let parameters = (ins "int64_t":$rowWarps, "int64_t":$columnWarps,
                        DefaultValuedParameter<"bool", "false">:$transposed);
  let assemblyFormat = [{
    `<` $rowWarps `x` $columnWarps (`,` `transposed` `=` $transposed^)? `>`
  }];
}

def SM_MoverAttr : SM_Layout<"Mover", "mover"> {
  let summary = "rows that a thread copies a part of";
  let description = [{
    `threads` neighbouring threads (a power of two, at most 32) of each of
    `columnWarps` warps move one row in pieces of up to 16 bytes in turn;
    those of all `warps` go through the rows together. The last threads of a row
    have nothing to do where its pieces do not divide among them. Values with
    this layout are what a thread must know of its rows.
  }];
  let parameters = (ins "int64_t":$threads, "int64_t":$warps,
                        DefaultValuedParameter<"int64_t", "1">:$columnWarps);
  let assemblyFormat = [{
    `<` $threads `,` $warps (`,` `columnWarps` `=` $columnWarps^)? `>`
  }];
}

def SM_LanesAttr : SM_Layout<"Lanes", "lanes"> {
  let summary = "element i in lane i mod 32 of each warp";
  let description = [{
    Of a power of two below 32 elements, the lanes behind hold the same again.
    So one lane does something for one element: it issues the copy of a box.
  }];
  let parameters = (ins "int64_t":$warps);
  let assemblyFormat = "`<` $warps `>`";
}

def SM_SliceAttr : SM_Layout<"Slice", "slice"> {
  let summary = "`parent` without an axis; threads along it hold the same";
  let parameters = (ins "int64_t":$axis, "::mlir::Attribute":$parent);
  let assemblyFormat = "`<` $axis `,` $parent `>`";
  let genVerifyDecl = 1;
}

def SM_PartialAttr : SM_Layout<"Partial", "partial"> {
  let summary = "`parent` without an axis; threads along it hold parts";
  let description = [{
    What the threads hold is combined by the monoid `kind`, when somebody asks.
  }];
  let parameters = (ins EnumParameter<SM_Kind>:$kind, "int64_t":$axis,
                        "::mlir::Attribute":$parent);
  let assemblyFormat = "`<` $kind `,` $axis `,` $parent `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class SM_Type<string name, string mnem> : TypeDef<SM_Dialect, name> {
  let mnemonic = mnem;
}

def SM_SlotType : SM_Type<"Slot", "slot"> {
  let summary = "room for a block of a matrix, which copies may fill";
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $rows `,` $columns `,` $elementType `>`";
  let genVerifyDecl = 1;
}

def SM_BufType : SM_Type<"Buf", "buf"> {
  let summary = "a block of a matrix in shared memory, which may be read";
  let description = [{
    Its bytes lie as SharedLayout says. Only a wait makes one of a slot, so that
    reading before the copies are complete does not verify.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $rows `,` $columns `,` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    SlotType getSlot() const { return SlotType::get(getContext(), getRows(), getColumns(), getElementType()); }
  }];
}

def SM_RingType : SM_Type<"Ring", "ring"> {
  let summary = "slots that are filled and emptied in turn, each a set of buffers";
  let parameters = (ins "int64_t":$slots, ArrayRefParameter<"::attn::sm::BufType">:$buffers);
  let assemblyFormat = "`<` $slots `of` $buffers `>`";
  let genVerifyDecl = 1;
}

def SM_CursorType : SM_Type<"Cursor", "cursor"> {
  let summary = "a party's place in a ring: the slot, and how often it went around";
}

def SM_TokenType : SM_Type<"Token", "token"> {
  let summary = "asynchronous copies that may still be under way";
}

def SM_InflightType : SM_Type<"Inflight", "inflight"> {
  let summary = "a value that the hardware may still be writing; sm.wait gives it";
  let parameters = (ins "::mlir::RankedTensorType":$value);
  let assemblyFormat = "`<` $value `>`";
}

def SM_TensorMapType : SM_Type<"TensorMap", "tensormap"> {
  let summary = "how boxes of a tensor in global memory are copied";
  let description = [{
    Elements of a box along each axis of the tensor. Those of the last axis are
    a row of a block, all others are its rows, the last but one fastest.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$box, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` `[` $box `]` `,` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getBox().size(); }
    int64_t getColumns() const { return getBox().back(); }
    int64_t getRows() const {
      int64_t rows = 1;
      for (int64_t size : getBox().drop_back())
        rows *= size;
      return rows;
    }
  }];
}

def SM_TurnsType : SM_Type<"Turns", "turns"> {
  let summary = "whose turn it is among the instances of a role";
}

def SM_ItemType : SM_Type<"Item", "item"> {
  let summary = "a record of the plan: a work item, or a merge";
}

def SM_Fragment : Type<And<[CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">,
    CPred<"::attn::sm::isFragment($_self)">]>,
    "tensor with a layout that its shape fits">;
class SM_FragmentOf<list<Type> types> : Type<And<[SM_Fragment.predicate,
    Or<!foreach(t, types, SubstLeaves<"$_self",
       "::llvm::cast<::mlir::RankedTensorType>($_self).getElementType()", t.predicate>)>]>,
    "tensor of " # !interleave(!foreach(t, types, t.summary), " or ") # " with a layout that its shape fits">;

#endif // ATTN_DIALECT_SM_IR_SMBASE_TD
