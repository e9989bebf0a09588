//===- AttnDialect.td - The attn dialect ----------------------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_IR_ATTNDIALECT_TD
#define ATTN_DIALECT_ATTN_IR_ATTNDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::attn";
  let summary = "attention as cascades of Einsums over named ranks";
  let description = [{
    What is computed, and nothing else: tensors with named ranks, maps and
    reductions on the points that are present, addresses as affine maps. No
    order, no tiles, no hardware. Semantics: `docs/attn-spec.md`.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

class Attn_Op<string mnemonic, list<Trait> traits = []>
    : Op<Attn_Dialect, mnemonic, traits>;
class Attn_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Attn_Dialect, name, traits> { let mnemonic = attrMnemonic; }
class Attn_Type<string name, string typeMnemonic, list<Trait> traits = []>
    : TypeDef<Attn_Dialect, name, traits> { let mnemonic = typeMnemonic; }

def Attn_Monoid : I32EnumAttr<"Monoid", "commutative monoid of a reduction", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"mul", 1>,
    I32EnumAttrCase<"max", 2>, I32EnumAttrCase<"min", 3>]> {
  let cppNamespace = "::attn";
  let genSpecializedAttr = 0;
}

def Attn_SelectRule : I32EnumAttr<"SelectRule", "how attn.select chooses coordinates", [
    I32EnumAttrCase<"listed", 0>, I32EnumAttrCase<"topk", 1>,
    I32EnumAttrCase<"threshold", 2>]> {
  let cppNamespace = "::attn";
  let genSpecializedAttr = 0;
}
def Attn_SelectRuleAttr : EnumAttr<Attn_Dialect, Attn_SelectRule, "rule">;

// One reduce action: a monoid over ranks, given by number; the custom form of
// the op prints their names. Several actions apply from left to right.
def Attn_ReduceAttr : Attn_Attr<"Reduce", "reduce"> {
  let summary = "a reduce action: monoid and ranks";
  let parameters = (ins EnumParameter<Attn_Monoid>:$monoid,
                        ArrayRefParameter<"int64_t">:$ranks);
  let assemblyFormat = "`<` $monoid `,` `[` $ranks `]` `>`";
}
def Attn_ReduceArrayAttr : TypedArrayAttrBase<Attn_ReduceAttr, "array of reduce actions">;
def Attn_IntegerSetAttr : Attr<CPred<"::llvm::isa<::mlir::IntegerSetAttr>($_self)">, "integer set attribute">;
def Attn_SetArrayAttr : TypedArrayAttrBase<Attn_IntegerSetAttr, "array of integer sets">;

// T1: block >= 1 and max >= 1. The rank they select from is named where they
// are used (`at n in %s[b]`): types cannot print rank names.
def Attn_CoordsType : Attn_Type<"Coords", "coords"> {
  let summary = "a list of chosen coordinates per point";
  let description = [{
    `block`: one chosen coordinate c stands for the points c * block ..
    c * block + block - 1 of the selected rank. `max`: most coordinates in one
    list; it bounds grids and workspaces at compile time.
  }];
  let parameters = (ins "int64_t":$block, "int64_t":$max);
  let assemblyFormat = "`<` $block `,` $max `>`";
  let genVerifyDecl = 1;
}

#endif // ATTN_DIALECT_ATTN_IR_ATTNDIALECT_TD
