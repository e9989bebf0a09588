//===- Cpu.cpp - What this CPU can run ------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cpu.h"

#include "attnrt/cpu_features.h"
#include "attnrt/cpu_tiles.h"

using namespace attnrt;

namespace {
struct Feature {
  const char *name;
  bool isHere;
};
} // namespace

std::string attnrt::missingOnThisCpu(const Target &target) {
#if defined(__x86_64__)
  const Feature known[] = {
#define X(name) {name, bool(__builtin_cpu_supports(name))},
      ATTNRT_CPU_LEVELS(X) ATTNRT_CPU_VECTOR_FEATURES(X)
#undef X
  };
  auto isHere = [&](const std::string &name) {
    for (const Feature &feature : known) {
      if (name == feature.name) {
        return feature.isHere;
      }
    }
    // Asked for only where a bundle wants them: signals cost more with tiles.
#define X(tiles)                                                               \
  if (name == tiles) {                                                         \
    return bool(attnrt_has_bf16_tiles());                                      \
  }
    ATTNRT_CPU_TILE_FEATURES(X)
#undef X
    return false; // what is not known cannot be promised
  };
  if (!isHere(target.chip)) {
    return target.chip;
  }
  for (const std::string &feature : target.features) {
    if (!isHere(feature)) {
      return feature;
    }
  }
  return {};
#else
  return target.chip;
#endif
}

bool attnrt::usesTiles(const Target &target) {
  for (const std::string &feature : target.features) {
#define X(tiles)                                                               \
  if (feature == tiles) {                                                      \
    return true;                                                               \
  }
    ATTNRT_CPU_TILE_FEATURES(X)
#undef X
  }
  return false;
}

int attnrt::levelOf(const Target &target) {
  int level = 0, number = 0;
#define X(name)                                                                \
  ++number;                                                                    \
  level = target.chip == (name) ? number : level;
  ATTNRT_CPU_LEVELS(X)
#undef X
  return level * 16 + int(target.features.size());
}
