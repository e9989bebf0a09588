//===- CopyKit.h - Bulk copies and what they leave behind -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel whose threads fill shared memory with numbers of their own, run the
// text of a test, and then store all of shared memory, byte for byte:
//
//     CopyJob job(loadText(job.map));
//     CopyOutcome got = job.run(options);
//     EXPECT_EQ(firstDifference(got.shared[0], want), "");
//
// In the text: %smem, %smem64 is the dynamic shared memory, aligned to 1024;
// bars are four mbarriers of one arrival each; %map, %global, %tx, %mask and
// %c0 to %c4 are what the job holds; %one is true in thread 0 of a CTA; %rank
// is the CTA in the cluster.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_COPYKIT_H
#define PTXSIM_TEST_COPYKIT_H

#include "WgmmaKit.h"
#include "ptxsim/Device.h"

#include <string>
#include <vector>

namespace ptxsim::test {

using Bytes = std::vector<uint8_t>;

struct CopyOutcome : Outcome {
  Bytes global;
  /// [CTA].
  std::vector<Bytes> shared;
};

class CopyJob {
public:
  explicit CopyJob(const std::string &body = "", unsigned ctas = 1);

  CopyOutcome run(const Options &options = {}) const;
  /// What shared memory of a CTA holds before the text runs.
  Bytes filled(unsigned cta = 0) const;

  /// Lines: fill, init, proxy, ready, and those of the text; read.
  Source source;
  /// The base is an offset in `global`.
  TensorMapDesc map;
  /// The other argument; it takes the place of `map` if it is there.
  std::vector<std::byte> mapBytes;
  int32_t at[5] = {0, 0, 0, 0, 0};
  uint32_t tx = 0, mask = 0, sharedBytes = 4096, threads = 64;
  unsigned ctas; // one cluster
  /// A buffer; bytes from `written` on are allocated only.
  Bytes global;
  size_t written = ~size_t(0);
};

/// Bytes that differ from their neighbours.
Bytes noise(size_t bytes, uint32_t seed = 1);

/// "cp.async.bulk.tensor.2d ... [%map, {%c0, %c1}] ..." without ';'. `space` is
/// "cta" or "cluster", `options` stands behind complete_tx::bytes and
/// `operands` at the end.
std::string tensorLoad(unsigned rank, const std::string &to,
                       const std::string &barrier = "bars",
                       const std::string &space = "cluster",
                       const std::string &options = "",
                       const std::string &operands = "");
std::string tensorStore(unsigned rank, const std::string &from,
                        const std::string &options = "",
                        const std::string &operands = "");
/// Thread 0 expects %tx bytes and issues the copy; all wait. Lines: expect,
/// copy, wait.
std::string loadText(const std::string &copy);
/// All wait for a phase of the barrier; `name` is the line's.
std::string waitForCopies(const std::string &barrier, const std::string &parity,
                          const std::string &name);
/// Thread 0 issues it, commits and waits. Lines: copy, commit, done.
std::string storeText(const std::string &copy);

/// Elements of the box in each dimension, and bytes of all of it.
uint64_t boxCount(const TensorMapDesc &map, unsigned d);
uint64_t boxBytes(const TensorMapDesc &map);

/// Where the swizzle puts a byte, by the pictures of the manual.
uint64_t swizzled(TensorMapDesc::Swizzle swizzle, uint64_t address);

/// One element of the box: in the tensor or not, where it lies in the buffer
/// and in shared memory.
struct Element {
  bool isInside;
  uint64_t global, shared;
};
std::vector<Element> elementsOf(const TensorMapDesc &map, const int32_t *at,
                                uint64_t sharedOffset);

/// What shared memory holds behind a load, but for elements that are any NaN.
void applyLoad(const CopyJob &job, uint64_t sharedOffset, Bytes &shared,
               std::vector<uint64_t> *nans = nullptr);
/// What the buffer holds behind a store.
void applyStore(const CopyJob &job, uint64_t sharedOffset, const Bytes &shared,
                Bytes &global);

/// "byte 5: expects 3, but got 4"; empty: none.
std::string firstDifference(const Bytes &got, const Bytes &want);
bool isNaN(TensorMapDesc::Element element, const uint8_t *bytes);

/// Three completions, and two more schedules.
std::vector<Options> everyOptions();
std::string wayOf(const Options &options);

/// Each of these options shows a finding of the check on a line; `says` is a
/// part of its message.
void expectFinding(const CopyJob &job, const std::string &line,
                   const std::string &check, const std::string &says = "");
/// A race of both lines, whichever comes later and is told.
void expectRace(const CopyJob &job, const std::string &one,
                const std::string &other);
/// A warp waits in vain on that line.
void expectDeadlock(const CopyJob &job, const std::string &line,
                    const std::string &says = "");
void expectNoFinding(const CopyJob &job);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_COPYKIT_H
