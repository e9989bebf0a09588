//===- GlobalMemory.cpp - Buffers of the device -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Memory.h"
#include "check/GlobalRaces.h"

#include <algorithm>
#include <cstring>
#include <new>

using namespace ptxsim;

static constexpr uint64_t kWordsPerSector = 8;

static std::string toHex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
  return text;
}

GlobalMemory::GlobalMemory() : table(std::make_unique<ReleaseTable>()) {}
GlobalMemory::~GlobalMemory() = default;

Buffer *GlobalMemory::allocate(uint64_t bytes, std::string name, uint64_t align,
                               bool isZero) {
  if (align == 0 || (align & (align - 1)) || bytes > (uint64_t(1) << 46)) {
    return nullptr;
  }
  auto buffer = std::make_unique<Buffer>();
  align = std::max<uint64_t>(align, 256);
  uint64_t sectors = (bytes + 31) / 32;
  buffer->name = std::move(name);
  buffer->base = (next + align - 1) / align * align;
  buffer->bytes = bytes;
  // A null pointer of an empty buffer would look like no memory.
  buffer->data.reset(static_cast<std::byte *>(std::calloc(bytes + 1, 1)));
  if (!isZero) {
    buffer->written.reset(new (std::nothrow) uint8_t[bytes + 1]());
  }
  buffer->touched.reset(new (std::nothrow) std::atomic<uint8_t>[sectors + 1]());
  for (auto *words : {&buffer->writers, &buffer->readers}) {
    words->reset(static_cast<uint64_t *>(
        std::calloc((sectors + 1) * kWordsPerSector, sizeof(uint64_t))));
  }
  if (!buffer->data || (!isZero && !buffer->written) || !buffer->touched ||
      !buffer->writers || !buffer->readers) {
    return nullptr;
  }
  if (!isZero) {
    std::memset(buffer->data.get(), 0xCD, bytes);
  }
  next =
      (buffer->base + bytes + 2 * kGuardBytes - 1) / kGuardBytes * kGuardBytes;
  buffers.push_back(std::move(buffer));
  return buffers.back().get();
}

Buffer *GlobalMemory::find(DevicePointer address) const {
  auto behind = std::upper_bound(
      buffers.begin(), buffers.end(), address,
      [](DevicePointer a, const auto &buffer) { return a < buffer->base; });
  return behind == buffers.begin() ? nullptr : std::prev(behind)->get();
}

void GlobalMemory::free(Buffer &buffer) {
  // The address stays taken, so that a use is told apart from another buffer.
  buffer.isFree = true;
  buffer.data.reset();
  buffer.written.reset();
  buffer.touched.reset();
  buffer.writers.reset();
  buffer.readers.reset();
}

void GlobalMemory::startLaunch() {
  table->clear();
  for (auto &buffer : buffers) {
    if (!buffer->isFree) {
      for (uint64_t s = 0; s < (buffer->bytes + 31) / 32; ++s) {
        if (!buffer->touched[s].load(std::memory_order_relaxed)) {
          continue;
        }
        buffer->touched[s].store(0, std::memory_order_relaxed);
        std::fill_n(buffer->writers.get() + s * kWordsPerSector,
                    kWordsPerSector, 0);
        std::fill_n(buffer->readers.get() + s * kWordsPerSector,
                    kWordsPerSector, 0);
      }
    }
  }
}

uint64_t GlobalMemory::countTouched(unsigned bit) const {
  uint64_t count = 0;
  for (const auto &buffer : buffers) {
    if (!buffer->isFree) {
      for (uint64_t s = 0; s < (buffer->bytes + 31) / 32; ++s) {
        count += buffer->touched[s].load(std::memory_order_relaxed) >> bit & 1;
      }
    }
  }
  return count;
}

std::string GlobalMemory::describe(DevicePointer address) const {
  if (address == 0) {
    return "null";
  }
  Buffer *buffer = find(address);
  if (!buffer || address - buffer->base > (uint64_t(1) << 40)) {
    return toHex(address);
  }
  uint64_t offset = address - buffer->base;
  if (offset < buffer->bytes) {
    return (buffer->isFree ? "freed " : "") + buffer->name + "+" +
           std::to_string(offset);
  }
  return std::to_string(offset - buffer->bytes) + " bytes behind " +
         (buffer->isFree ? "freed " : "") + buffer->name + " (" +
         std::to_string(buffer->bytes) + " bytes)";
}
