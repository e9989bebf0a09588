//===- Shadow.h - What is known of each byte of shared memory ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_MEMORY_SHADOW_H
#define PTXSIM_MEMORY_SHADOW_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace ptxsim {

class Shadow {
public:
  enum State : uint8_t {
    kWritten = 1,
    kBarrier = 2,  // belongs to an mbarrier
    kInFlight = 4, // a copy that nobody has waited for fills it
  };

  /// `isWritten`: nobody asks whether bytes were written.
  void reset(size_t size, bool isWritten) {
    bytes.assign(size, isWritten ? kWritten : 0);
  }
  bool empty() const { return bytes.empty(); }

  /// Written, and nothing else.
  bool isPlain(uint32_t offset, uint32_t size) const {
    const uint8_t *at = bytes.data() + offset;
    if (size % 8 == 0) {
      uint64_t rest = 0, word;
      for (uint32_t i = 0; i < size; i += 8) {
        std::memcpy(&word, at + i, 8);
        rest |= word ^ 0x0101'0101'0101'0101;
      }
      return rest == 0;
    }
    return std::all_of(at, at + size, [](uint8_t b) { return b == kWritten; });
  }
  /// The first byte that has not all of `set` or has one of `clear`; `size` if
  /// there is none.
  uint32_t find(uint32_t offset, uint32_t size, uint8_t set,
                uint8_t clear) const {
    for (uint32_t i = 0; i < size; ++i) {
      uint8_t b = bytes[offset + i];
      if ((b & set) != set || (b & clear)) {
        return i;
      }
    }
    return size;
  }
  void assign(uint32_t offset, uint32_t size, uint8_t state) {
    uint8_t *at = bytes.data() + offset;
    // What copies have: no call for it.
    if (size == 16) {
      std::memset(at, state, 16);
    } else {
      std::memset(at, state, size);
    }
  }

private:
  std::vector<uint8_t> bytes;
};

} // namespace ptxsim

#endif // PTXSIM_MEMORY_SHADOW_H
