//===- Transfer.cpp - What one bulk copy moves ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Moves the bytes of a transfer that was checked.
//
//===----------------------------------------------------------------------===//
#include "Transfer.h"
#include "exec/Warp.h"

#include <cstring>

using namespace ptxsim;

namespace {

/// Host addresses of global memory, one buffer after the other.
class GlobalBytes {
public:
  explicit GlobalBytes(GlobalMemory &memory) : memory(memory) {}
  /// Null where there is no memory: that was reported.
  std::byte *at(DevicePointer address, uint32_t bytes) {
    if (!buffer || !buffer->contains(address, bytes)) {
      buffer = memory.find(address);
      if (!buffer || buffer->isFree || !buffer->contains(address, bytes)) {
        buffer = nullptr;
        return nullptr;
      }
    }
    return buffer->data.get() + (address - buffer->base);
  }

private:
  GlobalMemory &memory;
  Buffer *buffer = nullptr;
};

/// What lies outside of a tensor: zeros, or NaNs of the element's type.
void fill(const Transfer &transfer, std::byte *to, uint32_t bytes) {
  std::memset(to, 0, bytes);
  if (!transfer.map || transfer.map->fill == TensorMapDesc::Fill::Zero) {
    return;
  }
  // All bits but the sign.
  uint32_t size = elementBytes(transfer.map->element);
  std::memset(to, 0xFF, bytes);
  for (uint32_t i = size; i <= bytes; i += size) {
    to[i - 1] = std::byte(0x7F);
  }
}

} // namespace

void ptxsim::moveIn(GlobalMemory &memory, const Transfer &transfer) {
  std::byte *shared = transfer.cta->shared.data();
  if (transfer.source) {
    std::memmove(shared + transfer.shared,
                 transfer.source->shared.data() + transfer.sourceOffset,
                 transfer.bytes);
    return;
  }
  GlobalBytes global(memory);
  transfer.forEachPiece([&](const Transfer::Piece &piece) {
    const std::byte *from =
        piece.global ? global.at(piece.global, piece.bytes) : nullptr;
    if (from) {
      std::memcpy(shared + piece.shared, from, piece.bytes);
    } else {
      fill(transfer, shared + piece.shared, piece.bytes);
    }
  });
}

void ptxsim::moveOut(GlobalMemory &memory, const Transfer &transfer) {
  const std::byte *shared = transfer.cta->shared.data();
  GlobalBytes global(memory);
  transfer.forEachPiece([&](const Transfer::Piece &piece) {
    std::byte *to =
        piece.global ? global.at(piece.global, piece.bytes) : nullptr;
    if (to) {
      std::memcpy(to, shared + piece.shared, piece.bytes);
    }
  });
}

void ptxsim::mark(const Transfer &transfer, uint8_t state) {
  // A swizzle keeps whole lines, but moves a part of one to elsewhere in it.
  Shadow &shadow = transfer.cta->shadow;
  uint32_t bytes = transfer.sharedBytes();
  if (!transfer.map || transfer.map->swizzle == TensorMapDesc::Swizzle::None ||
      bytes % 128 == 0) {
    shadow.assign(transfer.shared, bytes, state);
    return;
  }
  transfer.forEachPiece([&](const Transfer::Piece &piece) {
    shadow.assign(piece.shared, piece.bytes, state);
  });
}
