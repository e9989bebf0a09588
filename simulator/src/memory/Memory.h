//===- Memory.h - Spaces, windows and accesses ------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generic addresses: shared, local and parameter memory have windows of their
// own far from any buffer; an address of theirs in the own space is the offset
// in the window. A CTA of a cluster with rank r has its part of the shared
// window at r << 24.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_MEMORY_MEMORY_H
#define PTXSIM_MEMORY_MEMORY_H

#include "program/Program.h"
#include "ptxsim/Device.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ptxsim {

class ReleaseTable;
struct Actor;
struct Cta;

constexpr uint64_t kSharedWindow = 0x0100'0000'0000;
constexpr uint64_t kLocalWindow = 0x0200'0000'0000;
constexpr uint64_t kParamWindow = 0x0300'0000'0000;
constexpr uint64_t kWindowBytes = 0x0001'0000'0000;
constexpr uint64_t kFirstBuffer = 0x7f00'0000'0000;
constexpr uint64_t kGuardBytes = 64 * 1024;

constexpr uint32_t kCtaWindowBytes = 1 << 24;

/// An offset in the shared memory of the CTA with this rank, in the terms of
/// the whole cluster.
constexpr uint64_t sharedAddress(uint32_t rank, uint32_t offset) {
  return uint64_t(rank + 1) * kCtaWindowBytes + offset;
}

/// Memory that costs nothing until it is touched.
struct FreeZeroed {
  void operator()(void *memory) const { std::free(memory); }
};

/// One buffer of global (or .const) memory.
struct Buffer {
  std::string name;
  DevicePointer base = 0;
  uint64_t bytes = 0;
  bool isFree = false;
  bool isConst = false;
  std::unique_ptr<std::byte[], FreeZeroed> data;
  /// By byte: whether it was written; null: all of it.
  std::unique_ptr<uint8_t[]> written;
  /// By 32-byte sector: bit 0 read, bit 1 written in this launch.
  std::unique_ptr<std::atomic<uint8_t>[]> touched;
  /// By 4-byte word: its last write and read (check/GlobalRaces.h).
  std::unique_ptr<uint64_t[], FreeZeroed> writers, readers;

  bool contains(DevicePointer address, uint64_t size) const {
    return address >= base && address - base <= bytes &&
           size <= bytes - (address - base);
  }
};

class GlobalMemory {
public:
  GlobalMemory();
  ~GlobalMemory();
  /// Null if there is no memory. With `isZero` it is 0 and counts as written.
  Buffer *allocate(uint64_t bytes, std::string name, uint64_t align,
                   bool isZero = false);
  /// The buffer that holds the address, or else the one that lies nearest below
  /// (freed ones as well); null if there is none.
  Buffer *find(DevicePointer address) const;
  void free(Buffer &buffer);
  /// Forgets which sectors were touched, by whom, and what was released.
  void startLaunch();
  uint64_t countTouched(unsigned bit) const;
  /// "buffer+16", "16 bytes behind buffer (64 bytes)", "null", "0x12".
  std::string describe(DevicePointer address) const;
  ReleaseTable &releases() { return *table; }
  /// Atomics of all CTAs.
  std::mutex &atomicMutex(DevicePointer address) {
    return mutexes[(address >> 5) % std::size(mutexes)];
  }

private:
  std::vector<std::unique_ptr<Buffer>> buffers; // ascending
  DevicePointer next = kFirstBuffer;
  std::mutex mutexes[64];
  std::unique_ptr<ReleaseTable> table;
};

/// [8.5], [8.6] of the memory model. Accesses that say nothing are weak.
enum class Order : uint8_t { Weak, Relaxed, Acquire, Release, AcquireRelease };
inline bool isStrong(Order order) { return order != Order::Weak; }
inline bool acquires(Order order) {
  return order == Order::Acquire || order == Order::AcquireRelease;
}
inline bool releases(Order order) {
  return order == Order::Release || order == Order::AcquireRelease;
}
/// Whom an order holds for. Cluster and system count as the device.
enum class Scope : uint8_t { Cta, Device };

/// A write that nothing orders against another write.
struct Doubt {
  unsigned lane;
  std::string message;
};

/// An access of one warp instruction. Addresses are in the space's own terms
/// (Generic ones are resolved lane by lane).
struct Access {
  enum class Kind : uint8_t { Read, Write, Atomic };
  Space space = Space::Generic;
  Kind kind = Kind::Read;
  Mask lanes = 0;
  /// Of one lane; the alignment that it must have (0: the same).
  uint32_t bytes = 4, align = 0;
  uint64_t address[kLanes];
  /// Out: where the lane's bytes are. The space that each lane is in.
  std::byte *host[kLanes];
  Space resolved[kLanes];
  /// Out, of lanes in shared memory: whose, and where in it.
  Cta *cta[kLanes];
  uint32_t offset[kLanes];
  /// Who accesses, if it is not the warp itself but one of its copies.
  const Actor *actor = nullptr;
  /// If not 0: the lanes that findings name, where `lanes` are pieces of what
  /// they have asked for.
  Mask issuer = 0;
  bool isCounted = true;
  /// Out, if it is there: lanes whose write races with another one. The caller
  /// tells whether both write the same (Warp::settle).
  std::vector<Doubt> *doubts = nullptr;
  /// What mbarrier instructions do with their object.
  bool isOfBarrier = false;
  Order order = Order::Weak;
  Scope scope = Scope::Device;
  /// Lanes in groups of so many make one request of shared memory (ldmatrix: 8
  /// rows); 0: by the size of a lane.
  unsigned lanesPerGroup = 0;
};

} // namespace ptxsim

#endif // PTXSIM_MEMORY_MEMORY_H
