//===- ClusterKit.h - Grids of clusters -------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_CLUSTERKIT_H
#define PTXSIM_TEST_CLUSTERKIT_H

#include "LaunchKit.h"

namespace ptxsim::test {

/// Three clusters in x, two in y.
inline Launch clusterOf(const Dim3 &shape, const std::string &shared,
                        const std::string &body, uint32_t threads = 1) {
  Launch launch(shared, body);
  launch.config.cluster = shape;
  launch.config.grid = {3 * shape.x, 2 * shape.y, shape.z};
  launch.config.block.x = threads;
  launch.words = launch.config.grid.count() * threads;
  return launch;
}

/// Where a CTA is, from its number in the grid, x first.
struct Spot {
  Dim3 cta, cluster, inCluster;
  uint32_t rank = 0; // in the cluster
  Dim3 shape, grid;  // of a cluster; of all
  /// Number in the grid of the CTA of the same cluster with another rank.
  uint32_t peer(uint32_t other) const {
    uint32_t x = cluster.x * shape.x + other % shape.x;
    uint32_t y = cluster.y * shape.y + other / shape.x % shape.y;
    uint32_t z = cluster.z * shape.z + other / shape.x / shape.y;
    return x + grid.x * (y + grid.y * z);
  }
};

inline Spot spotOf(const Launch &launch, uint32_t number) {
  const Dim3 &g = launch.config.grid, &s = launch.config.cluster;
  Spot p;
  p.cta = {number % g.x, number / g.x % g.y, number / g.x / g.y};
  p.cluster = {p.cta.x / s.x, p.cta.y / s.y, p.cta.z / s.z};
  p.inCluster = {p.cta.x % s.x, p.cta.y % s.y, p.cta.z % s.z};
  p.rank = p.inCluster.x + s.x * (p.inCluster.y + s.y * p.inCluster.z);
  p.shape = s;
  p.grid = g;
  return p;
}

/// One word of each CTA.
template <class F> std::vector<uint32_t> wordsOf(const Launch &launch, F f) {
  std::vector<uint32_t> words;
  for (uint32_t i = 0; i < launch.config.grid.count(); ++i) {
    words.push_back(f(spotOf(launch, i)));
  }
  return words;
}

inline const std::string kMeet =
    "  barrier.cluster.arrive;\n  barrier.cluster.wait;\n";

/// Names of `words`: 32 and 64 bits of the shared window, and generic.
inline const std::string kNames =
    "  mov.u32 %v3, words;\n  mov.u64 %x3, words;\n"
    "  cvta.shared.u64 %x4, %x3;\n";
inline const std::string kWords = ".shared .align 4 .b32 words[2];";

} // namespace ptxsim::test

#endif // PTXSIM_TEST_CLUSTERKIT_H
