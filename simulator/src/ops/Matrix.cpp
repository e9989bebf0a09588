//===- Matrix.cpp - Products of matrices by a warp ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.14.5] mma.sync.m16n8k*: D = A * B + C with A 16xk, B kx8.
//
// All shapes share one layout of words. With l = 4g + t a lane, a register is
// a tile of 8 rows and 4 words, word (g, t) from lane l; a word holds 1, 2 or 4
// elements that follow each other along k. Registers of A go down two tiles and
// then along k, those of B along k, where a row of its tile is a column of B.
//
// How the hardware rounds sums of products is not specified; here each product
// is added with one rounding to f32, in the order of k. Sums of 8-bit integers
// are exact in f32: 32 products of 16 bits have less than 24.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Products.h"

#include <algorithm>
#include <array>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace ptxsim;

namespace {

struct MatrixData : InstData {
  Elements a, b;
  Depth depth;
  Sums sums = Sums::F32;
  bool isSaturating = false;
};

/// Sums of a fragment by [register][lane], as f32 has them: even columns of 8
/// rows, odd ones, then those of the other 8 rows.
using Fragment = float[4][kLanes];

/// Operands of one instruction as numbers.
struct Operands {
  // Registers as load() leaves them; those of B were turned.
  alignas(64) float a[16 * kMostK], b[kMostK * kTile];
  alignas(64) Fragment sums;
};

} // namespace

template <bool isWide>
PTXSIM_INLINE void turn(const uint32_t *words, uint32_t *to) {
#if defined(__x86_64__)
  if constexpr (isWide) {
    return turnWide(words, to);
  }
#endif
  turn(words, to);
}

template <bool isWide>
PTXSIM_INLINE void multiply(const MatrixData &data, Operands &x) {
  for (unsigned half = 0; half < 2; ++half) {
    const float *a = x.a + half * data.depth.tile();
    float *even = x.sums[half * 2], *odd = x.sums[half * 2 + 1];
#if defined(__x86_64__)
    if constexpr (isWide) {
      multiplyWide(data.depth, a, x.b, even, odd);
      continue;
    }
#endif
    multiplyAnywhere(data.depth, a, x.b, even, odd);
  }
}

//===--- Sums -------------------------------------------------------------===//

/// Sums of integers start at 0, so that they are exact.
PTXSIM_INLINE void startSums(const Warp &w, const Inst &in, Operands &x) {
  const auto &data = *static_cast<const MatrixData *>(in.data);
  const Ref *c = in.s.data() + 3 * data.depth.blocks;
  switch (data.sums) {
  case Sums::F32:
    for (unsigned i = 0; i < 4; ++i) {
      std::copy_n(w.in<float>(c[i]), kLanes, x.sums[i]);
    }
    break;
  case Sums::F16:
    for (unsigned half = 0; half < 2; ++half) {
      const uint32_t *words = w.in<uint32_t>(c[half]);
      for (unsigned l = 0; l < kLanes; ++l) {
        x.sums[half * 2][l] = F16::get(words[l], 0);
        x.sums[half * 2 + 1][l] = F16::get(words[l], 1);
      }
    }
    break;
  case Sums::S32:
    std::fill_n(&x.sums[0][0], 4 * kLanes, 0.0f);
    break;
  }
}

/// By register of D.
using Results = uint32_t[4][kLanes];

PTXSIM_INLINE void finishF32(const float *sums, uint32_t *d) {
  for (unsigned l = 0; l < kLanes; ++l) {
    d[l] = std::bit_cast<uint32_t>(canonical(sums[l]));
  }
}
PTXSIM_INLINE void finishF32(const Fragment &sums, Results &d) {
  for (unsigned i = 0; i < 4; ++i) {
    finishF32(sums[i], d[i]);
  }
}

PTXSIM_INLINE void finishF16(const Fragment &sums, Results &d) {
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned l = 0; l < kLanes; ++l) {
      d[half][l] = nearest<Half>(sums[half * 2][l]).bits |
                   uint32_t(nearest<Half>(sums[half * 2 + 1][l]).bits) << 16;
    }
  }
}

PTXSIM_INLINE void finishS32(const Warp &w, const Ref *c, bool isSaturating,
                             const Fragment &sums, Results &d) {
  for (unsigned i = 0; i < 4; ++i) {
    const int32_t *start = w.in<int32_t>(c[i]);
    if (!isSaturating) {
      for (unsigned l = 0; l < kLanes; ++l) {
        d[i][l] = uint32_t(int32_t(sums[i][l])) + uint32_t(start[l]);
      }
      continue;
    }
    for (unsigned l = 0; l < kLanes; ++l) {
      int64_t sum = int64_t(sums[i][l]) + start[l];
      d[i][l] = uint32_t(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX));
    }
  }
}

template <bool isWide> PTXSIM_INLINE Step run(Warp &w, const Inst &in) {
  const auto &data = *static_cast<const MatrixData *>(in.data);
  Operands x;
  unsigned numA = 2 * data.depth.blocks;
  for (unsigned r = 0; r < numA; ++r) {
    data.a.load(w.in<uint32_t>(in.s[r]), x.a + r * data.depth.tile());
  }
  for (unsigned r = 0; r < data.depth.blocks; ++r) {
    alignas(64) uint32_t turned[kLanes];
    turn<isWide>(w.in<uint32_t>(in.s[numA + r]), turned);
    data.b.load(turned, x.b + r * data.depth.tile());
  }
  startSums(w, in, x);
  multiply<isWide>(data, x);
  // Everything but the start of sums of integers has been read.
  if (data.sums == Sums::F32 && w.exec == kAllLanes) {
    for (unsigned i = 0; i < 4; ++i) {
      finishF32(x.sums[i], w.out<uint32_t>(in.d[i]));
    }
    return Step::Next;
  }
  alignas(64) Results results;
  switch (data.sums) {
  case Sums::F32:
    finishF32(x.sums, results);
    break;
  case Sums::F16:
    finishF16(x.sums, results);
    break;
  case Sums::S32:
    finishS32(w, &in.s[numA + data.depth.blocks], data.isSaturating, x.sums,
              results);
    break;
  }
  for (size_t i = 0; i < in.d.size(); ++i) {
    uint32_t *d = w.out<uint32_t>(in.d[i]);
    if (w.exec == kAllLanes) {
      std::copy_n(results[i], kLanes, d);
      continue;
    }
    for (unsigned l = 0; l < kLanes; ++l) {
      d[l] = w.exec >> l & 1 ? results[i][l] : d[l];
    }
  }
  return Step::Next;
}

static Step runAnywhere(Warp &w, const Inst &in) { return run<false>(w, in); }
#if defined(__x86_64__)
PTXSIM_WIDE static Step runWide(Warp &w, const Inst &in) {
  return run<true>(w, in);
}
static Handler getHandler() { return hasWideLanes() ? runWide : runAnywhere; }
#else
static Handler getHandler() { return runAnywhere; }
#endif

//===--- Decoding ---------------------------------------------------------===//

static void addElements(Builder &builder, const Instruction &text,
                        const Operand &operand, unsigned count,
                        std::vector<Ref> &refs, bool isWritten) {
  std::span<const Operand> elements = builder.elements(operand);
  if (elements.size() != count) {
    Builder::fail("expects " + std::to_string(count) + " registers in '" +
                  text.name() + "', but got " +
                  std::to_string(elements.size()));
  }
  for (const Operand &element : elements) {
    refs.push_back(isWritten ? exactDst(builder, element, kB32)
                             : exactSrc(builder, element, kB32));
  }
}

/// mma.sync.aligned.m16n8k16.row.col{.satfinite}.d.a.b.c {d}, {a}, {b}, {c};
static bool decodeMatrix(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  if (!words.take("sync") || !words.take("aligned")) {
    Builder::fail("expects .sync.aligned in '" + text.name() + "'");
  }
  static constexpr std::pair<std::string_view, unsigned> shapes[] = {
      {"m16n8k4", 4}, {"m16n8k8", 8}, {"m16n8k16", 16}, {"m16n8k32", 32}};
  unsigned k = 0;
  for (const auto &[name, depth] : shapes) {
    k = words.take(name) ? depth : k;
  }
  constexpr std::string_view layouts[] = {"row", "col"};
  if (std::search(text.modifiers.begin(), text.modifiers.end(),
                  std::begin(layouts),
                  std::end(layouts)) == text.modifiers.end()) {
    Builder::fail("expects .row.col in '" + text.name() + "'");
  }
  words.take("row");
  words.take("col");
  auto &data = builder.makeData<MatrixData>(inst);
  data.isSaturating = words.take("satfinite");
  Type d = words.takeType(), a = words.takeType(), b = words.takeType(),
       c = words.takeType();
  words.done();
  data.a = getElements(text, a);
  data.b = getElements(text, b);
  data.sums = getSums(text, a, d);
  bool mayDiffer = (isByteInteger(a) && isByteInteger(b)) ||
                   (isByteFloat(a) && isByteFloat(b));
  if (c != d || (a != b && !mayDiffer) ||
      (data.isSaturating && !isByteInteger(a))) {
    failType(text);
  }
  data.depth.perWord = data.a.perWord;
  data.depth.blocks = k / (4 * data.a.perWord);
  if (data.depth.blocks != 1 && data.depth.blocks != 2) {
    Builder::fail("does not know the shape of '" + text.name() + "'");
  }
  if (isByteFloat(a) && builder.program.module->chip < 89) {
    Builder::fail("expects sm_89 or newer for '" + text.name() + "'");
  }
  Builder::expectOperands(text, 4, 4);
  std::vector<Ref> results, sources;
  unsigned numSums = data.sums == Sums::F16 ? 2 : 4;
  addElements(builder, text, text.operands[0], numSums, results, true);
  addElements(builder, text, text.operands[1], 2 * data.depth.blocks, sources,
              false);
  addElements(builder, text, text.operands[2], data.depth.blocks, sources,
              false);
  addElements(builder, text, text.operands[3], numSums, sources, false);
  builder.setOperands(inst, std::move(results), std::move(sources));
  inst.run = getHandler();
  inst.kind = InstClass::Matrix;
  inst.macs = uint64_t(16) * kTile * data.depth.k();
  // The second of four types that end the opcode.
  inst.macType = text.modifiers[text.modifiers.size() - 3];
  inst.needsAllLanes = true;
  return true;
}

void ptxsim::addMatrix(DecoderTable &table) {
  table["mma"].push_back(decodeMatrix);
  addMatrixMoves(table);
}
