//===- Golden.h - What a GPU gave for the probes ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// golden-<gpu>.json:
//
//     {
//       "gpu": "NVIDIA H200", "compute_capability": "9.0", "driver": "12.8",
//       "probes": [
//         {"name": "sm_80/add", "hash": "...", "error": "",
//          "outputs": [{"name": "add.s32", "type": "u32", "hex": "..."}]}
//       ]
//     }
//
// `hex` holds one element after the other, each with its high digits first.
// With an error (why the GPU did not run the probe) there are no outputs.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_GOLDEN_GOLDEN_H
#define PTXSIM_TEST_GOLDEN_GOLDEN_H

#include "Probe.h"

namespace ptxsim::golden {

struct GoldenOutput {
  std::string name, type, hex;
};

struct GoldenProbe {
  std::string name, hash, error;
  std::vector<GoldenOutput> outputs;
};

struct GoldenFile {
  std::string gpu, computeCapability, driver;
  std::vector<GoldenProbe> probes;

  bool runs(const Chip &chip) const;
};

/// Of the bytes of a probe's output buffer.
GoldenProbe makeGolden(const Probe &probe, const std::vector<uint8_t> &output);
GoldenProbe makeFailure(const Probe &probe, const std::string &error);

std::string writeGolden(const GoldenFile &file);
/// The text of one probe, as in the file.
std::string writeGolden(const GoldenProbe &probe);
Result<GoldenFile> readGolden(const std::string &text);
Result<GoldenProbe> readGoldenProbe(const std::string &text);

/// What a probe did in the simulator.
struct Outcome {
  std::vector<uint8_t> output;
  /// Why there is no output; empty if there is one.
  std::string trouble;
  /// The first finding; empty if there was none.
  std::string finding;
};

/// What differs, a line each; empty if the outcome is as the GPU's.
std::vector<std::string> compareProbe(const Probe &probe,
                                      const GoldenProbe &golden,
                                      const Outcome &outcome);
/// Probes that the GPU can run but the file lacks, and the other way round.
std::vector<std::string> compareNames(const std::vector<Probe> &probes,
                                      const GoldenFile &file);

} // namespace ptxsim::golden

#endif // PTXSIM_TEST_GOLDEN_GOLDEN_H
