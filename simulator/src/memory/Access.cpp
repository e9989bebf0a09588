//===- Access.cpp - Every access of a warp to memory --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "check/GlobalRaces.h"
#include "check/RaceDetector.h"
#include "check/Reporter.h"
#include "count/Banks.h"
#include "exec/Warp.h"
#include "program/WideLanes.h"

#include <algorithm>

using namespace ptxsim;

std::string ptxsim::describeAddress(const Warp &warp, Space space,
                                    uint64_t offset) {
  if (space == Space::Global || space == Space::Const) {
    return warp.cta.group.launch.memory.describe(offset);
  }
  const Program &program = warp.program;
  const auto &placed = space == Space::Shared  ? program.shared
                       : space == Space::Local ? program.local
                                               : program.parameters;
  std::string text;
  if (space == Space::Shared &&
      offset / kCtaWindowBytes > warp.cta.group.ctas.size()) {
    return "shared+" + std::to_string(offset) + " (outside of the cluster)";
  }
  if (space == Space::Shared && offset >= kCtaWindowBytes) {
    text = "cta rank " + std::to_string(offset / kCtaWindowBytes - 1) + " ";
    offset %= kCtaWindowBytes;
  }
  const Placed *best = nullptr;
  for (const Placed &p : placed) {
    if (p.offset <= offset && (!best || p.offset >= best->offset)) {
      best = &p;
    }
  }
  const char *names[] = {"generic", "const",     "global",
                         "local",   "parameter", "shared"};
  text += names[size_t(space)];
  text += "+" + std::to_string(offset);
  if (best) {
    text += " (" + best->variable->name + "+" +
            std::to_string(offset - best->offset) + ")";
  }
  return text;
}

void ptxsim::reportRace(Warp &warp, const Inst &in, unsigned lane,
                        const Actor &actor, const Cta &cta, bool isWrite,
                        const RaceDetector::Conflict &other,
                        std::vector<Doubt> *doubts) {
  const RaceDetector &races = *warp.cta.group.races;
  auto verb = [](bool isWrite) { return isWrite ? "write" : "read"; };
  uint64_t address =
      &cta == &warp.cta ? other.offset : sharedAddress(cta.rank, other.offset);
  std::string text = std::string(verb(isWrite)) + " of " +
                     describeAddress(warp, Space::Shared, address) + " by " +
                     races.name(actor.agent);
  std::string where = "at line " +
                      std::to_string(warp.program.code[other.inst].line()) +
                      " by " + races.name(other.agent);
  text +=
      other.isProxy
          ? " through the asynchronous proxy has no fence.proxy.async "
            "between it and the write " +
                where
          : std::string(" races with the ") + verb(other.isWrite) + " " + where;
  if (doubts && isWrite && other.isWrite && !other.isProxy) {
    doubts->push_back({lane, std::move(text)});
    return;
  }
  warp.cta.group.launch.reporter.report(warp, in, "races", Mask(1) << lane,
                                        std::move(text));
}

namespace {

/// Where the bytes of one lane are, and what knows whether they were written.
struct Place {
  std::byte *host = nullptr;
  uint8_t *written = nullptr;
};

/// The places of all lanes in the CTA's own shared memory, if all are there and
/// aligned.
PTXSIM_INLINE bool placeInOwn(Access &access, Cta &cta) {
  uint64_t bits = 0;
  uint32_t top = 0;
  PTXSIM_LANES
  for (unsigned l = 0; l < kLanes; ++l) {
    bits |= access.address[l];
    access.offset[l] = uint32_t(access.address[l]);
    top = std::max(top, access.offset[l]);
  }
  uint32_t align = access.align ? access.align : access.bytes;
  if (bits >> 32 || (bits & (align - 1)) ||
      top + uint64_t(access.bytes) > cta.shared.size()) {
    return false;
  }
  std::byte *shared = cta.shared.data();
  PTXSIM_LANES
  for (unsigned l = 0; l < kLanes; ++l) {
    access.host[l] = shared + access.offset[l];
    access.cta[l] = &cta;
  }
  std::fill_n(access.resolved, kLanes, Space::Shared);
  return true;
}
bool placeInOwnAnywhere(Access &access, Cta &cta) {
  return placeInOwn(access, cta);
}
PTXSIM_WIDE bool placeInOwnWide(Access &access, Cta &cta) {
  return placeInOwn(access, cta);
}
const auto place = hasWideLanes() ? placeInOwnWide : placeInOwnAnywhere;

/// One access while it is worked on.
class Resolver {
public:
  Resolver(Warp &warp, const Inst &in, Access &access)
      : warp(warp), in(in), access(access), group(warp.cta.group),
        checks(group.launch.options.checks),
        counters(group.counters[&in - warp.program.code.data()]) {}

  Mask run() {
    Mask good = 0, shared = 0, global = 0;
    Mask rest = access.lanes;
    if (rest == kAllLanes && areOwnShared()) {
      shared = kAllLanes;
      rest = 0;
    }
    for (Mask left = rest; left; left &= left - 1) {
      unsigned lane = unsigned(std::countr_zero(left));
      Mask bit = Mask(1) << lane;
      if (isPlainShared(lane)) {
        shared |= bit;
      } else if (resolve(lane)) {
        good |= bit;
        shared |= access.resolved[lane] == Space::Shared ? bit : 0;
        global |= access.resolved[lane] == Space::Global ? bit : 0;
      }
    }
    if (checks.races && shared) {
      checkRaces(shared);
    }
    if (checks.races && global && group.order) {
      checkGlobalRaces(global);
    }
    if (group.launch.options.countMemory && access.isCounted) {
      count(shared, global);
    }
    return good | shared;
  }

private:
  /// The lane's space and the offset in its window.
  std::pair<Space, uint64_t> locate(unsigned lane) const {
    uint64_t address = access.address[lane];
    if (access.space != Space::Generic) {
      return {access.space, address};
    }
    auto inWindow = [&](uint64_t window) {
      return address - window < kWindowBytes;
    };
    if (inWindow(kSharedWindow)) {
      return {Space::Shared, address - kSharedWindow};
    }
    if (inWindow(kLocalWindow)) {
      return {Space::Local, address - kLocalWindow};
    }
    if (inWindow(kParamWindow)) {
      return {Space::Param, address - kParamWindow};
    }
    return {Space::Global, address};
  }

  std::string describe(Space space, uint64_t offset) const {
    return describeAddress(warp, space, offset);
  }

  const char *verb() const {
    return access.kind == Access::Kind::Read    ? "reads"
           : access.kind == Access::Kind::Write ? "writes"
                                                : "updates";
  }

  void report(const char *check, unsigned lane, std::string message) {
    group.launch.reporter.report(
        warp, in, check, access.issuer ? access.issuer : Mask(1) << lane,
        std::move(message));
  }

  /// Of a CTA of others: copies outlive their own one.
  bool hasEnded(const Cta &cta) const {
    return &cta != &warp.cta && cta.numLive == 0;
  }

  /// Behind the address of a finding: why there is no memory.
  std::string describeLack(Space space, uint64_t offset) const {
    Cta *cta = space == Space::Shared ? warp.cta.findShared(offset) : nullptr;
    if (!cta) {
      return "";
    }
    return hasEnded(*cta)
               ? ", but cta rank " + std::to_string(cta->rank) + " has ended"
               : ", which is outside of the " +
                     std::to_string(cta->shared.size()) + " bytes of the CTA";
  }

  Place find(unsigned lane, Space space, uint64_t offset) {
    uint64_t bytes = access.bytes;
    auto inside = [&](uint64_t size) {
      return offset <= size && bytes <= size - offset;
    };
    switch (space) {
    case Space::Shared: {
      Cta *cta = warp.cta.findShared(offset);
      offset %= kCtaWindowBytes;
      if (!cta || !inside(cta->shared.size()) || hasEnded(*cta)) {
        return {};
      }
      access.cta[lane] = cta;
      access.offset[lane] = uint32_t(offset);
      return {cta->shared.data() + offset, nullptr};
    }
    case Space::Local: {
      // Local memory knows no atomics [9.7.13.5].
      uint64_t size = warp.program.localBytes;
      if (!inside(size) || access.kind == Access::Kind::Atomic) {
        return {};
      }
      uint64_t at = lane * size + offset;
      return {warp.local.data() + at, warp.localWritten.empty()
                                          ? nullptr
                                          : warp.localWritten.data() + at};
    }
    case Space::Param: {
      auto &parameters = group.launch.parameters;
      if (!inside(parameters.size()) || access.kind != Access::Kind::Read) {
        return {};
      }
      return {const_cast<std::byte *>(parameters.data()) + offset, nullptr};
    }
    default: {
      Buffer *buffer = warp.lastBuffer;
      if (!buffer || !buffer->contains(offset, bytes)) {
        buffer = group.launch.memory.find(offset);
      }
      if (!buffer || buffer->isFree || !buffer->contains(offset, bytes) ||
          (buffer->isConst && access.kind != Access::Kind::Read)) {
        return {};
      }
      warp.lastBuffer = buffers[lane] = buffer;
      uint64_t at = offset - buffer->base;
      uint8_t bit = access.kind == Access::Kind::Read ? 1 : 2;
      for (uint64_t s = at / 32; s <= (at + bytes - 1) / 32; ++s) {
        if (!(buffer->touched[s].load(std::memory_order_relaxed) & bit)) {
          buffer->touched[s].fetch_or(bit, std::memory_order_relaxed);
        }
      }
      uint8_t *written = buffer->written.get();
      return {buffer->data.get() + at, written ? written + at : nullptr};
    }
    }
  }

  /// The most common case, without a branch for each lane: all of them in
  /// shared memory of the CTA itself, and nothing to say about what is there.
  bool areOwnShared() {
    Cta &cta = warp.cta;
    if (access.space != Space::Shared || cta.shared.size() < access.bytes) {
      return false;
    }
    if (!place(access, cta)) {
      return false;
    }
    bool isAsked = !cta.shadow.empty() && !access.isOfBarrier;
    for (unsigned l = 0; isAsked && l < kLanes; ++l) {
      if (!cta.shadow.isPlain(uint32_t(access.address[l]), access.bytes)) {
        return false;
      }
    }
    return true;
  }

  /// The common case: shared memory of the CTA itself about which there is
  /// nothing to say.
  bool isPlainShared(unsigned lane) {
    Cta &cta = warp.cta;
    uint64_t offset = access.address[lane];
    uint32_t align = access.align ? access.align : access.bytes;
    if (access.space != Space::Shared || (offset & (align - 1)) ||
        offset + access.bytes > cta.shared.size()) {
      return false;
    }
    if (!cta.shadow.empty() && !access.isOfBarrier &&
        !cta.shadow.isPlain(uint32_t(offset), access.bytes)) {
      return false;
    }
    access.resolved[lane] = Space::Shared;
    access.host[lane] = cta.shared.data() + offset;
    access.cta[lane] = &cta;
    access.offset[lane] = uint32_t(offset);
    return true;
  }

  bool resolve(unsigned lane) {
    auto [space, offset] = locate(lane);
    access.resolved[lane] = space;
    uint32_t align = access.align ? access.align : access.bytes;
    if (offset % align) {
      if (checks.alignment) {
        report("alignment", lane,
               std::string(verb()) + " " + std::to_string(access.bytes) +
                   " bytes at " + describe(space, offset) +
                   ", which is not a multiple of " + std::to_string(align));
      }
      // The hardware would stop here.
      return false;
    }
    Place place = find(lane, space, offset);
    if (!place.host) {
      if (checks.bounds) {
        report("bounds", lane,
               std::string(verb()) + " " + std::to_string(access.bytes) +
                   " bytes at " + describe(space, offset) +
                   describeLack(space, offset));
      }
      return false;
    }
    access.host[lane] = place.host;
    if (space == Space::Shared) {
      useShared(lane);
      return true;
    }
    if (!place.written || !checks.uninitialised) {
      return true;
    }
    if (access.kind != Access::Kind::Write) {
      if (const void *at = std::memchr(place.written, 0, access.bytes)) {
        auto i = uint64_t(static_cast<const uint8_t *>(at) - place.written);
        report("uninitialised", lane,
               std::string(verb()) + " " + describe(space, offset + i) +
                   ", which was not written");
        // Once is enough.
        std::memset(place.written, 1, access.bytes);
      }
    }
    if (access.kind != Access::Kind::Read) {
      std::memset(place.written, 1, access.bytes);
    }
    return true;
  }

  /// Checks and notes what becomes of bytes of shared memory.
  void useShared(unsigned lane) {
    Shadow &shadow = access.cta[lane]->shadow;
    uint32_t offset = access.offset[lane];
    if (shadow.empty() || access.isOfBarrier ||
        shadow.isPlain(offset, access.bytes)) {
      return;
    }
    uint32_t at = shadow.find(offset, access.bytes, 0, Shadow::kBarrier);
    bool isBarrier = at < access.bytes;
    if (isBarrier && checks.barriers) {
      report("barriers", lane,
             std::string(verb()) + " " + describeShared(lane, at) +
                 ", which belongs to an mbarrier");
    }
    at = shadow.find(offset, access.bytes, 0, Shadow::kInFlight);
    bool isOfCopy = at < access.bytes;
    // Copies among each other are ordered by the races check alone.
    if (isOfCopy && checks.async && !access.actor) {
      report("async", lane,
             std::string(verb()) + " " + describeShared(lane, at) +
                 ", which an asynchronous copy fills that was not waited for");
    }
    at = shadow.find(offset, access.bytes, Shadow::kWritten, 0);
    if (at < access.bytes && access.kind != Access::Kind::Write) {
      report("uninitialised", lane,
             std::string(verb()) + " " + describeShared(lane, at) +
                 ", which was not written");
    }
    // Once is enough for what was read too early.
    if (!isBarrier && !isOfCopy) {
      shadow.assign(offset, access.bytes, Shadow::kWritten);
    }
  }

  std::string describeShared(unsigned lane, uint32_t at) const {
    return describe(Space::Shared, access.offset[lane] + at);
  }

  void checkRaces(Mask lanes) {
    RaceDetector &races = *group.races;
    Actor actor = access.actor ? *access.actor : races.actor(warp.agent());
    bool isWrite = access.kind != Access::Kind::Read;
    bool isAtomic = isStrong(access.order);
    RaceDetector::Recorder recorder(races, actor, warp.program.indexOf(in),
                                    isWrite, isAtomic);
    for (Mask left = lanes; left; left &= left - 1) {
      unsigned lane = unsigned(std::countr_zero(left));
      if (recorder.access(access.cta[lane]->rank, access.offset[lane],
                          access.bytes)) {
        reportRace(warp, in,
                   access.issuer ? unsigned(std::countr_zero(access.issuer))
                                 : lane,
                   actor, *access.cta[lane], isWrite, recorder.conflict,
                   access.doubts);
      }
    }
  }

  void checkGlobalRaces(Mask global) {
    for (Mask left = global; left; left &= left - 1) {
      unsigned lane = unsigned(std::countr_zero(left));
      global &= ~(Mask(buffers[lane]->isConst) << lane);
    }
    if (!global) {
      return;
    }
    auto conflict =
        group.order->access(warp.agent(), in, access, global, buffers);
    if (!conflict) {
      return;
    }
    bool isWrite = access.kind != Access::Kind::Read;
    std::string where =
        conflict->inst ? " at line " + std::to_string(conflict->inst->line())
                       : "";
    std::string text = std::string(isWrite ? "write" : "read") + " of " +
                       describe(Space::Global, access.address[conflict->lane]) +
                       " races with the " +
                       (conflict->isWrite ? "write" : "read") + where + " by " +
                       nameThread(conflict->cta, conflict->warp);
    if (access.doubts && isWrite && conflict->isWrite) {
      access.doubts->push_back({conflict->lane, std::move(text)});
    } else {
      report("races", conflict->lane, std::move(text));
    }
  }

  /// "cta 1,0,0 warp 2"
  std::string nameThread(uint64_t cta, uint32_t number) const {
    const LaunchConfig &config = group.launch.config;
    uint64_t size = config.cluster.count();
    auto [x, y, z] = locateCta(config, cta / size, uint32_t(cta % size));
    return "cta " + std::to_string(x) + "," + std::to_string(y) + "," +
           std::to_string(z) + " warp " + std::to_string(number);
  }

  void count(Mask shared, Mask global) {
    if (global) {
      uint64_t bytes = uint64_t(std::popcount(global)) * access.bytes;
      ++counters.globalRequests;
      counters.globalSectors += countSectors(access, global);
      (access.kind == Access::Kind::Read ? counters.globalReadBytes
                                         : counters.globalWriteBytes) += bytes;
    }
    if (shared) {
      Wavefronts waves = countWavefronts(access, shared);
      ++counters.sharedRequests;
      counters.sharedWavefronts += waves.actual;
      counters.sharedIdealWavefronts += waves.ideal;
    }
  }

  Warp &warp;
  const Inst &in;
  Access &access;
  Group &group;
  const Checks &checks;
  Counters &counters;
  /// Of lanes in global memory.
  Buffer *buffers[kLanes];
};

} // namespace

Mask Warp::access(const Inst &in, Access &access) {
  return Resolver(*this, in, access).run();
}
