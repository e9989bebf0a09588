//===- WgmmaKit.h - Products of a warpgroup and what they are ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel that fills shared memory with matrices, multiplies them with
// wgmma.mma_async and stores every accumulator register; and the same product
// in double, or in integers, from whole matrices:
//
//     Product p{.sums = "f32", .a = "bf16", .b = "bf16", .n = 64};
//     WgmmaJob job(p);
//     job.source.drop("fence");
//     Outcome got = job.run(options);
//     EXPECT_EQ(job.difference(got), "");
//
// Bytes of shared memory that no matrix uses are NaN in every format.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_WGMMAKIT_H
#define PTXSIM_TEST_WGMMAKIT_H

#include "WgmmaTile.h"
#include "ptxsim/Device.h"

#include <functional>
#include <random>
#include <string>
#include <vector>

namespace ptxsim::test {

/// Bits of an element of a matrix.
unsigned wgmmaBits(const std::string &type);
/// The number that the bits are.
double wgmmaDecode(const std::string &type, uint32_t bits);
/// Of a number that the type has.
uint32_t wgmmaEncode(const std::string &type, int value);

/// A chain of products on the same accumulators, by one or more warpgroups.
struct Product {
  std::string sums = "f32", a = "bf16", b = "bf16";
  unsigned n = 8;
  /// Products one behind the other along K.
  unsigned steps = 1;
  bool aInRegisters = false;
  /// Of each warpgroup; empty: dense tiles without swizzle, K-major.
  std::vector<Tile> tilesA = {}, tilesB = {};
  int scaleA = 1, scaleB = 1;
  /// Scale-d of the first step, as text. %accumulate is false if not
  /// `accumulates`; the others add up.
  std::string scale = "%accumulate";
  bool accumulates = true;
  std::string saturates = {};
  /// Otherwise numbers of moderate size with all their bits.
  bool smallIntegers = true;
  unsigned warpgroups = 1;
  /// Where B begins in its tile, along N.
  unsigned firstN = 0;

  unsigned depth() const { return 256 / wgmmaBits(a); } // of one step
  bool isInteger() const { return sums == "s32"; }
  unsigned numSums() const { return sums == "f16" ? n / 4 : n / 2; }
  /// "wgmma.mma_async...m64n8k16.f32.bf16.bf16".
  std::string opcode() const;
  /// The whole kernel 'k'; it needs the tiles.
  std::string text() const;
};

/// A line '@name' that multiplies to other registers, as the kernel does for
/// n = 8 of bf16, but drops what was in them.
std::string multiplyText(const std::string &sums, const std::string &name,
                         const std::string &a = "%descA0");

/// Text of which single lines have names: they end in "// @name".
class Source {
public:
  std::string text;

  Source &drop(const std::string &name);
  Source &before(const std::string &name, const std::string &line);
  Source &after(const std::string &name, const std::string &line);
  Source &replace(const std::string &name, const std::string &line);
  /// Any text, which must be there once.
  Source &swap(const std::string &from, const std::string &to);
  /// Of the line with that name, from 1.
  uint32_t line(const std::string &name) const;

private:
  size_t find(const std::string &name) const;
};

struct Outcome {
  /// Why nothing ran.
  std::string error;
  std::vector<Finding> findings;
  /// [thread][register].
  std::vector<std::vector<uint32_t>> d;
  LaunchStats stats;

  /// "line 12: async: ..." of each finding, for messages.
  std::string describe() const;
  /// A finding that is no warning, on one of the lines and of one of the
  /// checks.
  bool has(const std::vector<uint32_t> &lines,
           const std::vector<std::string> &checks) const;
  bool hasWarning(uint32_t line) const;
};

/// Whether the finding says so; no finding does before there are warnings.
bool isWarning(const Finding &finding);

using Whole = std::vector<std::vector<double>>;

class WgmmaJob {
public:
  explicit WgmmaJob(const Product &product, uint32_t seed = 7);

  Outcome run(const Options &options = {}) const;
  /// The first element of D that is not what it should be; empty: none.
  std::string difference(const Outcome &outcome) const;

  Product product;
  /// Lines: proxy, ready, fence, mma0 .., commit, wait, store0 ..
  Source source;
  unsigned threads;
  uint32_t sharedBytes = 0;
  /// How many of them the kernel writes.
  uint32_t filledBytes = 0;
  std::vector<uint8_t> image;
  /// [warp][step][a, b].
  std::vector<uint64_t> descriptors;
  /// [warpgroup]: 64 x K, K x N, 64 x N as numbers.
  std::vector<Whole> a, b, c;

  /// Puts a number into a matrix before the launch; where it is a number and
  /// where it is bits.
  void setA(unsigned warpgroup, unsigned m, unsigned k, uint32_t bits);
  void setB(unsigned warpgroup, unsigned k, unsigned n, uint32_t bits);
  void setC(unsigned warpgroup, unsigned m, unsigned n, uint32_t bits);

  uint64_t &descriptor(unsigned warp, unsigned step, unsigned operand) {
    return descriptors[(warp * product.steps + step) * 2 + operand];
  }

private:
  std::vector<std::vector<uint32_t>> bitsA, bitsC; // [warpgroup][row, column]
  /// Bytes of the image that an element has, to see two at one place.
  std::vector<bool> isTaken;

  void place(const Tile &tile, unsigned mn, unsigned k, uint32_t bits,
             unsigned bytes, bool isNew);
  uint32_t draw(const std::string &type, std::mt19937 &random) const;
  /// [thread][register].
  std::vector<uint32_t> registersOfA() const;
  std::vector<uint32_t> registersOfC() const;
};

/// The element of D, or of A, that element i of a thread's registers is.
struct Place {
  unsigned row, column;
};
Place placeOfSum(unsigned thread, unsigned i);
Place placeOfA(unsigned thread, unsigned i, unsigned bits);

/// Runs the product under every completion and expects every element and no
/// finding.
void expectProduct(const Product &product, uint32_t seed = 7);

/// Every completion shows a finding of one of the checks on one of the lines.
void expectFinding(const WgmmaJob &job, const std::vector<std::string> &lines,
                   const std::vector<std::string> &checks);
/// None does.
void expectNoFinding(const WgmmaJob &job);
/// And every element is right.
void expectClean(const WgmmaJob &job);

/// The three of them.
std::vector<Options> everyCompletion();
std::string nameOf(Completion completion);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_WGMMAKIT_H
