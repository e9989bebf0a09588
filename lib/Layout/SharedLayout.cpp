//===- SharedLayout.cpp - A block of a matrix in shared memory ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/SharedLayout.h"

using namespace attn;

/// What the banks of shared memory bring at once.
static constexpr int64_t kLineBytes = 128;

std::optional<SharedLayout> SharedLayout::get(int64_t rows, int64_t rowBytes) {
  if (rows <= 0 || rows % 8 || rowBytes <= 0 || rowBytes % kChunkBytes) {
    return std::nullopt;
  }
  int64_t span = kLineBytes;
  while (rowBytes % span) {
    span /= 2;
  }
  return SharedLayout(rows, rowBytes, span);
}

int64_t SharedLayout::getSwizzle(int64_t row) const {
  // Panels begin at whole lines, so only the row tells the line's number.
  int64_t line = row * span / kLineBytes;
  return line % (span / kChunkBytes) * kChunkBytes;
}

int64_t SharedLayout::getOffset(int64_t row, int64_t byte) const {
  int64_t plain = byte / span * getPanelBytes() + row * span + byte % span;
  return plain ^ getSwizzle(row);
}
