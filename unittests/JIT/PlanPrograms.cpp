//===- PlanPrograms.cpp - Cascades that plans are made for ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanPrograms.h"

using namespace attn::test;

static void replaceAll(std::string &text, const std::string &from,
                       const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
       at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

/// Words in capitals are replaced: sizes behind x, clauses elsewhere.
static const char *const head = R"mlir(
!cache = memref<?xPAGExGxWxELEMENT>
!keys = tensor<?x?xGxWxELEMENT>
!queries = tensor<?x?xGxRxWxf32>
!scores = tensor<?xGxRx?x?xf32>
!rows = tensor<?xGxRx?xf32>
!sums = tensor<?xGxRx?xWxf32>
!table = memref<TABLETYPE>
!lengths = tensor<LENGTHTYPE>
func.func @attend(
    %q: !queries, %kp: !cache, %vp: !cache, %table: !table, %len: !lengths,
    %queries: tensor<?xi32>, %scale: f32MORE) -> RESULT {
)mlir";

/// Keys (k, e) or values (v, f).
static std::string viewOf(char name, char rank) {
  std::string text = R"mlir(
  %NAME = attn.view (b, m, g, RANK)
      symbols(pg = %table[BATCH, m floordiv PAGE], len = %len[BATCH])
      where (m < len) of %NAMEp[pg, m mod PAGE, g, RANK]
      : (!cache, !table, !lengths) -> !keys
)mlir";
  replaceAll(text, "NAME", {name});
  replaceAll(text, "RANK", {rank});
  return text;
}

static const char *const softmax = R"mlir(
  %o = attn.cascade ranks(b, g, r, p, m, e, f) -> !queries {
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scaleFACTOR
        -> [b, g, r, p, m] reduce add(e)
        symbols(LENSYMBOLqueries = %queries[b])
        where (p < queriesMASK)PRESENCE
        : (!queries, !keys, f32FACTYPELENTYPE, tensor<?xi32>PRESTYPE)
        -> !scores
)mlir";

const char *const attn::test::kAttentionOfScores = R"mlir(
    %gm = attn.einsum %qk[b, g, r, p, m] -> [b, g, r, p] reduce max(m)
        : (!scores) -> !rows
    %sn = attn.einsum %qk[b, g, r, p, m], %gm[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %d = arith.subf %s, %x : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, g, r, p, m] -> [b, g, r, p] reduce add(m)
        : (!scores) -> !rows
    %a = attn.einsum %sn[b, g, r, p, m], %sd[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %y = arith.divf %n, %d : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %a[b, g, r, p, m], %v[b, m, g, f] -> [b, p, g, r, f]
        reduce add(m) : (!scores, !keys) -> !queries
    attn.yield %av : !queries
  }
  return %o : !queries
}
)mlir";

/// x becomes decay * x + (q k) v at each key, in the order of the keys; a state
/// is the product of its decays and its sum.
static const char *const decay = R"mlir(
  %one = arith.constant 1.0 : f32
  %zero = arith.constant 0.0 : f32
  %axis = arith.constant 1 : index
  %n = tensor.dim %k, %axis : !keys
  %o = attn.cascade ranks(b, g, r, p, m, e, f) -> !queries {
    %s:2 = attn.fold over m to %n ordered
        state(%c[b, g, r, p] = %one, %x[b, g, r, p, f] = %zero) : !rows, !sums
    step {
      %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scale
          -> [b, g, r, p] reduce add(e)
          symbols(LENSYMBOLqueries = %queries[b])
          where (p < queriesMASK)
          : (!queries, !keys, f32LENTYPE, tensor<?xi32>) -> !rows
      %c1 = attn.einsum %c[b, g, r, p], %decay[b, m], %qk[b, g, r, p]
          -> [b, g, r, p] : (!rows, tensor<?x?xf32>, !rows) -> !rows {
      ^bb0(%old: f32, %by: f32, %w: f32):
        %y = arith.mulf %old, %by : f32
        attn.yield %y : f32
      }
      %x1 = attn.einsum %x[b, g, r, p, f], %decay[b, m], %qk[b, g, r, p],
          %v[b, m, g, f] -> [b, g, r, p, f]
          : (!sums, tensor<?x?xf32>, !rows, !keys) -> !sums {
      ^bb0(%old: f32, %by: f32, %w: f32, %new: f32):
        %kept = arith.mulf %old, %by : f32
        %more = arith.mulf %w, %new : f32
        %y = arith.addf %kept, %more : f32
        attn.yield %y : f32
      }
      attn.yield %c1, %x1 : !rows, !sums
    } merge(%lc, %lx) with(%rc, %rx) {
      %c2 = attn.einsum %lc[b, g, r, p], %rc[b, g, r, p] -> [b, g, r, p]
          : (!rows, !rows) -> !rows
      %x2 = attn.einsum %lx[b, g, r, p, f], %rc[b, g, r, p],
          %rx[b, g, r, p, f] -> [b, g, r, p, f]
          : (!sums, !rows, !sums) -> !sums {
      ^bb0(%left: f32, %by: f32, %right: f32):
        %kept = arith.mulf %left, %by : f32
        %y = arith.addf %kept, %right : f32
        attn.yield %y : f32
      }
      attn.yield %c2, %x2 : !rows, !sums
    }
    %out = attn.einsum %s#1[b, g, r, p, f] -> [b, p, g, r, f]
        : (!sums) -> !queries
    attn.yield %out : !queries
  }
  return %o : !queries
}
)mlir";

/// The weights of a softmax whose log-sum-exp is known, by key.
static const char *const columns = R"mlir(
  %o = attn.cascade ranks(b, g, r, p, m, e) -> tensor<?xGx?xf32> {
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scale
        -> [b, g, r, p, m] reduce add(e)
        symbols(LENSYMBOLqueries = %queries[b])
        where (p < queriesMASK)
        : (!queries, !keys, f32LENTYPE, tensor<?xi32>) -> !scores
    %w = attn.einsum %qk[b, g, r, p, m], %lse[b, p, g, r] -> [b, g, r, p, m]
        : (!scores, tensor<?x?xGxRxf32>) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %d = arith.subf %s, %x : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %c = attn.einsum %w[b, g, r, p, m] -> [b, g, m] reduce add(p, r)
        : (!scores) -> tensor<?xGx?xf32>
    attn.yield %c : tensor<?xGx?xf32>
  }
  return %o : tensor<?xGx?xf32>
}
)mlir";

std::string attn::test::makeProgram(const Shape &shape) {
  std::string text = head + viewOf('k', 'e');
  bool isColumns = shape.fold == Fold::columns;
  if (!isColumns) {
    text += viewOf('v', 'f');
  }
  text += isColumns ? columns
          : shape.fold == Fold::decay
              ? decay
              : std::string(softmax) + kAttentionOfScores;
  bool isAll = shape.mask == Mask::none;
  std::string mask = isAll ? "" : " and m <= p + len - queries";
  if (shape.mask == Mask::window) {
    mask += " and m > p + len - queries - " + std::to_string(shape.window);
  }
  std::string more;
  if (shape.points) {
    more += ", %sees: tensor<SEESTYPE>";
  }
  if (shape.heat) {
    more += ", %heat: tensor<?x?xf32>";
  }
  if (shape.fold == Fold::decay) {
    more += ", %decay: tensor<?x?xf32>";
  }
  if (isColumns) {
    more += ", %lse: tensor<?x?xGxRxf32>";
  }
  const std::pair<const char *, std::string> words[] = {
      {"MORE", more},
      {"RESULT", isColumns ? "tensor<?xGx?xf32>" : "!queries"},
      {"MASK", mask},
      {"LENSYMBOL", isAll ? "" : "len = %len[BATCH], "},
      {"LENTYPE", isAll ? "" : ", !lengths"},
      {"FACTOR", shape.heat ? ", %heat[b, m]" : ""},
      {"FACTYPE", shape.heat ? ", tensor<?x?xf32>" : ""},
      {"PRESENCE", shape.points ? " and %sees[SEEN]" : ""},
      {"PRESTYPE", shape.points ? ", tensor<SEESTYPE>" : ""},
      {"SEESTYPE", shape.lists ? "?xGx?xi1" : "?x?xGx?xi1"},
      {"SEEN", shape.lists ? "b, g, m" : "b, p, g, m"},
      {"TABLETYPE", shape.lists ? "?xGx?xi32" : "?x?xi32"},
      {"LENGTHTYPE", shape.lists ? "?xGxi32" : "?xi32"},
      {"BATCH", shape.lists ? "b, g" : "b"},
      {"ELEMENT", shape.bf16 ? "bf16" : "f32"},
      {"PAGE", std::to_string(shape.page)},
      {"xG", "x" + std::to_string(shape.heads)},
      {"xR", "x" + std::to_string(shape.group)},
      {"xW", "x" + std::to_string(shape.width)}};
  for (const auto &[from, to] : words) {
    replaceAll(text, from, to);
  }
  return text;
}
