//===- BundleFuzz.cpp - Bytes that call themselves a bundle ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A libFuzzer target. The first byte chooses whether digests are looked at:
// without them the checks of structure and meaning are reached.
//
//===----------------------------------------------------------------------===//
#include "../src/Guard.h"
#include "../src/bundle/Bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) {
    return 0;
  }
  try {
    attnrt::readBundle(data + 1, size - 1, data[0] & 1);
  } catch (const attnrt::Failure &) {
  }
  return 0;
}
