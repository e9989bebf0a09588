//===- Sha256.h - Digests of bytes ------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_SUPPORT_SHA256_H
#define ATTNRT_SRC_SUPPORT_SHA256_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace attnrt {

/// SHA-256 of `size` bytes (FIPS 180-4, section 6.2).
std::array<uint8_t, 32> sha256(const void *data, size_t size);

} // namespace attnrt

#endif // ATTNRT_SRC_SUPPORT_SHA256_H
