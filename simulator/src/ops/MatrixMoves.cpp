//===- MatrixMoves.cpp - Tiles between shared memory and registers ------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.14.5.15] ldmatrix, [9.7.14.5.16] stmatrix, [9.7.14.5.17] movmatrix of
// tiles of 8x8 elements of 16 bits. Lane 8q + r brings the address of row r of
// tile q. In registers a tile lies as in memory: lane 4g + t has elements 2t
// and 2t + 1 of row g; with .trans, of column g.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "Families.h"
#include "Operands.h"

#include <algorithm>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

using namespace ptxsim;

namespace {

constexpr unsigned kRows = 8;
constexpr unsigned kRowBytes = 16;

enum Flags : uint32_t { kTransposed = 1 };

struct MoveData : InstData {
  Space space = Space::Generic;
};

/// As in memory: [row][column].
using Tile = uint16_t[kRows][kRows];

void transpose(Tile &tile) {
  for (unsigned i = 0; i < kRows; ++i) {
    for (unsigned j = 0; j < i; ++j) {
      std::swap(tile[i][j], tile[j][i]);
    }
  }
}

/// Rows of 8 halves to columns.
void loadTransposed(std::byte *const *rows, uint32_t *to) {
#if defined(__SSE2__)
  __m128i row[kRows], pairs[kRows], quads[kRows];
  for (unsigned r = 0; r < kRows; ++r) {
    row[r] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[r]));
  }
  // Neighbouring rows meet: words of two halves, then of four, then of eight.
  for (unsigned r = 0; r < kRows; r += 2) {
    pairs[r] = _mm_unpacklo_epi16(row[r], row[r + 1]);
    pairs[r + 1] = _mm_unpackhi_epi16(row[r], row[r + 1]);
  }
  for (unsigned r = 0; r < kRows; r += 4) {
    quads[r] = _mm_unpacklo_epi32(pairs[r], pairs[r + 2]);
    quads[r + 1] = _mm_unpackhi_epi32(pairs[r], pairs[r + 2]);
    quads[r + 2] = _mm_unpacklo_epi32(pairs[r + 1], pairs[r + 3]);
    quads[r + 3] = _mm_unpackhi_epi32(pairs[r + 1], pairs[r + 3]);
  }
  auto *columns = reinterpret_cast<__m128i *>(to);
  for (unsigned c = 0; c < kRows / 2; ++c) {
    _mm_storeu_si128(columns + 2 * c,
                     _mm_unpacklo_epi64(quads[c], quads[c + 4]));
    _mm_storeu_si128(columns + 2 * c + 1,
                     _mm_unpackhi_epi64(quads[c], quads[c + 4]));
  }
#else
  Tile tile;
  for (unsigned r = 0; r < kRows; ++r) {
    std::memcpy(tile[r], rows[r], kRowBytes);
  }
  transpose(tile);
  std::memcpy(to, tile, sizeof(tile));
#endif
}

/// Of the lanes that run.
void putTile(Warp &w, const Ref &ref, const Tile &tile) {
  uint32_t words[kLanes];
  static_assert(sizeof(words) == sizeof(Tile));
  std::memcpy(words, tile, sizeof(words));
  uint32_t *d = w.out<uint32_t>(ref);
  for (unsigned l = 0; l < kLanes; ++l) {
    d[l] = w.exec >> l & 1 ? words[l] : d[l];
  }
}

void takeTile(const Warp &w, const Ref &ref, Tile &tile) {
  std::memcpy(tile, w.in<uint32_t>(ref), sizeof(Tile));
}

/// The rows of `count` tiles; 8 lanes make one request.
Access startRows(const Warp &w, const Inst &in, size_t count,
                 Access::Kind kind) {
  Access access;
  access.space = static_cast<const MoveData *>(in.data)->space;
  access.kind = kind;
  // Lanes that bring no row may hold anything.
  access.lanes = w.exec & (kAllLanes >> (kLanes - kRows * count));
  access.bytes = kRowBytes;
  access.lanesPerGroup = kRows;
  setAddresses(w, in.s[0], in.imm, access);
  return access;
}

} // namespace

static Step runLoadMatrix(Warp &w, const Inst &in) {
  Access access = startRows(w, in, in.d.size(), Access::Kind::Read);
  Mask good = w.access(in, access);
  if (w.exec == kAllLanes && good == access.lanes) {
    for (unsigned q = 0; q < in.d.size(); ++q) {
      std::byte *const *rows = access.host + kRows * q;
      uint32_t *d = w.out<uint32_t>(in.d[q]);
      if (in.flags & kTransposed) {
        loadTransposed(rows, d);
      } else {
        for (unsigned r = 0; r < kRows; ++r) {
          std::memcpy(d + r * kRowBytes / 4, rows[r], kRowBytes);
        }
      }
    }
    return Step::Next;
  }
  for (unsigned q = 0; q < in.d.size(); ++q) {
    // What a bad address would have brought shows in results.
    Tile tile;
    std::memset(tile, 0xCD, sizeof(tile));
    for (unsigned r = 0; r < kRows; ++r) {
      unsigned lane = kRows * q + r;
      if (good >> lane & 1) {
        std::memcpy(tile[r], access.host[lane], kRowBytes);
      }
    }
    if (in.flags & kTransposed) {
      transpose(tile);
    }
    putTile(w, in.d[q], tile);
  }
  return Step::Next;
}

static Step runStoreMatrix(Warp &w, const Inst &in) {
  size_t count = in.s.size() - 1;
  Access access = startRows(w, in, count, Access::Kind::Write);
  Mask good = w.access(in, access);
  for (unsigned q = 0; q < count; ++q) {
    Tile tile;
    takeTile(w, in.s[q + 1], tile);
    if (in.flags & kTransposed) {
      transpose(tile);
    }
    for (unsigned r = 0; r < kRows; ++r) {
      unsigned lane = kRows * q + r;
      if (good >> lane & 1) {
        std::memcpy(access.host[lane], tile[r], kRowBytes);
      }
    }
  }
  return Step::Next;
}

static Step runMoveMatrix(Warp &w, const Inst &in) {
  Tile tile;
  takeTile(w, in.s[0], tile);
  transpose(tile);
  putTile(w, in.d[0], tile);
  return Step::Next;
}

static void takeCommon(const Instruction &text, Words &words, Inst &inst) {
  if (!words.take("sync") || !words.take("aligned") || !words.take("m8n8")) {
    Builder::fail("expects .sync.aligned.m8n8 in '" + text.name() + "'");
  }
  inst.flags = words.take("trans") ? uint32_t(kTransposed) : 0;
  inst.kind = InstClass::MatrixMove;
  inst.needsAllLanes = true;
}

static void takeB16(const Instruction &text, Words &words) {
  if (words.takeType() != Type{Type::Kind::Bits, 16, 1}) {
    failType(text);
  }
  words.done();
}

/// ldmatrix.sync.aligned.m8n8.x4{.trans}{.shared}.b16 {d}, [p];
/// stmatrix.sync.aligned.m8n8.x4{.trans}{.shared}.b16 [p], {s};
static bool decodeLoadStoreMatrix(const Instruction &text, Builder &builder,
                                  Inst &inst) {
  bool isLoad = text.opcode == "ldmatrix";
  if (!isLoad && builder.program.module->chip < 90) {
    Builder::fail("expects sm_90 or newer for '" + text.name() + "'");
  }
  Words words(text);
  takeCommon(text, words, inst);
  std::string_view count = words.take({"x1", "x2", "x4"});
  if (count.empty()) {
    Builder::fail("expects .x1, .x2 or .x4 in '" + text.name() + "'");
  }
  auto &data = builder.makeData<MoveData>(inst);
  if (!words.take({"shared", "shared::cta"}).empty()) {
    data.space = Space::Shared;
  }
  takeB16(text, words);
  Builder::expectOperands(text, 2, 2);
  std::span<const Operand> tiles =
      builder.elements(text.operands[isLoad ? 0 : 1]);
  size_t expected = size_t(count[1] - '0');
  if (tiles.size() != expected) {
    Builder::fail("expects " + std::to_string(expected) + " registers for '" +
                  text.name() + "', but got " + std::to_string(tiles.size()));
  }
  std::vector<Ref> d,
      s{builder.address(text.operands[isLoad ? 1 : 0], inst.imm)};
  for (const Operand &tile : tiles) {
    if (isLoad) {
      d.push_back(exactDst(builder, tile, kB32));
    } else {
      s.push_back(exactSrc(builder, tile, kB32));
    }
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  inst.run = isLoad ? runLoadMatrix : runStoreMatrix;
  return true;
}

/// movmatrix.sync.aligned.m8n8.trans.b16 d, a;
static bool decodeMoveMatrix(const Instruction &text, Builder &builder,
                             Inst &inst) {
  Words words(text);
  takeCommon(text, words, inst);
  if (!inst.flags) {
    Builder::fail("expects .trans in '" + text.name() + "'");
  }
  takeB16(text, words);
  setPlain(text, builder, inst, kB32, {kB32});
  inst.run = runMoveMatrix;
  return true;
}

void ptxsim::addMatrixMoves(DecoderTable &table) {
  table["ldmatrix"].push_back(decodeLoadStoreMatrix);
  table["stmatrix"].push_back(decodeLoadStoreMatrix);
  table["movmatrix"].push_back(decodeMoveMatrix);
}
