//===- ClusterWalk.h - CTAs of a cluster move words at random ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The text of a kernel whose CTAs walk through steps that are drawn: each
// stores to another, loads from it, adds to it, sends it bytes, sends bytes to
// several, stores its own; then all meet. The same words of every CTA are kept
// beside it.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_CLUSTERWALK_H
#define PTXSIM_TEST_CLUSTERWALK_H

#include "ptxsim/Device.h"

#include <random>
#include <string>
#include <vector>

namespace ptxsim::test {

/// Text of the kernel, and the words of every CTA beside it.
class ClusterWalk {
public:
  /// Of shared memory of a CTA; its threads; clusters along x of the grid;
  /// words of input.
  static constexpr uint32_t kWords = 512, kThreads = 64, kClusters = 2,
                            kInput = 1024;

  ClusterWalk(uint32_t seed, Dim3 shape);

  void step();
  std::string text() const;
  /// [cluster][rank]: the words that were stored, then all of shared memory.
  std::vector<uint32_t> expected() const;
  size_t wordsOut() const { return out[0][0].size() + kWords; }

  Dim3 shape;
  /// Two buffers that the kernel takes, beside the one it stores to.
  std::vector<uint32_t> input, table;

private:
  uint32_t draw(uint32_t least, uint32_t most) {
    return std::uniform_int_distribution<uint32_t>(least, most)(random);
  }
  void store();
  void load();
  void atomic();
  void push();
  void multicast();
  void drain();
  void meet();

  /// Puts a value of each rank into %v<reg>.
  void look(const std::string &reg, const std::vector<uint32_t> &ofRank);
  /// %v1 and %x1: the words of CTA %v0 as a shared and a generic address.
  void mapTarget();
  std::vector<uint32_t> permutation();
  /// All wait for bytes that the CTA expects, in a phase of 'filled'.
  void expectBytes(const std::vector<uint32_t> &bytes);
  void awaitBytes();

  std::mt19937 random;
  uint32_t size, numSteps = 0, numFills = 0, numMeetings = 0, labels = 0;
  std::string body;
  /// [cluster][rank].
  std::vector<std::vector<std::vector<uint32_t>>> words, out;
};

} // namespace ptxsim::test

#endif // PTXSIM_TEST_CLUSTERWALK_H
