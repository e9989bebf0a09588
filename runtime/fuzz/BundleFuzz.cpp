//===- BundleFuzz.cpp - Bytes that call themselves a bundle ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A libFuzzer target: files of bundles are its corpus. Digests are left out
// first, so that changes reach the checks of structure and meaning; what these
// take is read once more with digests. Half of the changes are of a number by a
// little: what an index just past its list does, random bytes seldom ask.
//
//===----------------------------------------------------------------------===//
#include "../src/Guard.h"
#include "../src/bundle/Bundle.h"

#include <random>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try {
    attnrt::readBundle(data, size, /*digests=*/false);
    attnrt::readBundle(data, size, /*digests=*/true);
  } catch (const attnrt::Failure &) {
  }
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t most, unsigned seed) {
  std::minstd_rand draw(seed);
  if (size == 0 || draw() % 2) {
    return LLVMFuzzerMutate(data, size, most);
  }
  // Numbers are little-endian: the lowest byte is the one that an alignment of
  // four or eight, or none for enumerations, has.
  size_t step = draw() % 2 ? 4 : 1;
  uint8_t &low = data[draw() % ((size + step - 1) / step) * step];
  int changes[] = {1, -1, 2, 8, -int(low), -1 - int(low)};
  low = uint8_t(low + changes[draw() % 6]);
  return size;
}
