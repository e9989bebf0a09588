//===- ProductOperand.cpp - A block that wgmma reads ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/ProductOperand.h"

using namespace attn;

/// Rows of a unit, and bytes of an element.
static constexpr int64_t kUnitRows = 8, kElementBytes = 2;

uint64_t ProductOperand::encode(int64_t bytes) {
  // Fields of 14 bits hold addresses of 18, in steps of 16 bytes.
  return uint64_t(bytes & 0x3ffff) >> 4;
}

uint64_t ProductOperand::getSwizzleMode() const {
  switch (layout.getSpan()) {
  case 128:
    return 1;
  case 64:
    return 2;
  case 32:
    return 3;
  default:
    return 0;
  }
}

int64_t ProductOperand::getLead() const {
  bool isSwapped = sumsRows && !getSwizzleMode();
  return isSwapped ? kUnitRows * layout.getSpan() : layout.getPanelBytes();
}

int64_t ProductOperand::getStride() const {
  bool isSwapped = sumsRows && !getSwizzleMode();
  return isSwapped ? layout.getPanelBytes() : kUnitRows * layout.getSpan();
}

uint64_t ProductOperand::getBits() const {
  return encode(getLead()) << 16 | encode(getStride()) << 32 |
         getSwizzleMode() << 62;
}

int64_t ProductOperand::getBegin(int64_t at) const {
  if (sumsRows) {
    return at * layout.getSpan();
  }
  int64_t byte = at * kElementBytes;
  return byte / layout.getSpan() * layout.getPanelBytes() +
         byte % layout.getSpan();
}
