//===- GlobalRaces.cpp - Unordered accesses to global memory ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "GlobalRaces.h"
#include "exec/Warp.h"

#include <algorithm>
#include <atomic>

using namespace ptxsim;

//===--- Knowledge --------------------------------------------------------===//

static bool isBelow(const std::pair<uint64_t, VectorClock> &entry,
                    uint64_t group) {
  return entry.first < group;
}

const VectorClock *Knowledge::of(uint64_t group) const {
  auto it = std::lower_bound(groups.begin(), groups.end(), group, isBelow);
  return it == groups.end() || it->first != group ? nullptr : &it->second;
}

void Knowledge::join(uint64_t group, const VectorClock &clock) {
  auto it = std::lower_bound(groups.begin(), groups.end(), group, isBelow);
  if (it == groups.end() || it->first != group) {
    it = groups.insert(it, {group, {}});
  }
  ptxsim::join(it->second, clock);
}

void Knowledge::join(const Knowledge &other) {
  for (const auto &[group, clock] : other.groups) {
    join(group, clock);
  }
}

bool Knowledge::covers(const Knowledge &other) const {
  return std::all_of(
      other.groups.begin(), other.groups.end(), [&](auto &entry) {
        const VectorClock *own = of(entry.first);
        return own && std::equal(entry.second.begin(), entry.second.end(),
                                 own->begin(), own->end(),
                                 [](uint32_t a, uint32_t b) { return a <= b; });
      });
}

SharedKnowledge ReleaseTable::at(DevicePointer address) {
  Part &part = parts[(address >> 2) % std::size(parts)];
  std::lock_guard lock(part.mutex);
  auto it = part.released.find(address);
  return it == part.released.end() ? nullptr : it->second;
}

void ReleaseTable::release(DevicePointer address,
                           const SharedKnowledge &knowledge) {
  Part &part = parts[(address >> 2) % std::size(parts)];
  std::lock_guard lock(part.mutex);
  SharedKnowledge &here = part.released[address];
  if (!here) {
    here = knowledge;
  } else if (here != knowledge) {
    // Others may hold what was there.
    auto joined = std::make_shared<Knowledge>(*here);
    joined->join(*knowledge);
    here = std::move(joined);
  }
}

void ReleaseTable::clear() {
  for (Part &part : parts) {
    part.released.clear();
  }
}

//===--- Acquires and releases --------------------------------------------===//

GroupOrder::GroupOrder(Group &group, RaceDetector &races, ReleaseTable &table)
    : group(group), warpsPerCta(uint32_t(group.ctas.front()->warps.size())),
      races(races), table(table), warps(group.ctas.size() * warpsPerCta) {}

const GroupOrder::Known *GroupOrder::latest(History WarpState::*history,
                                            uint32_t by, uint32_t warp) const {
  const History &list = warps[by].*history;
  uint32_t known = by == warp ? ~uint32_t(0) : races.known(warp, by);
  for (size_t i = list.size(); i-- > 0;) {
    if (list[i].time <= known) {
      return &list[i];
    }
  }
  return nullptr;
}

/// The two together; either may be null.
static SharedKnowledge joined(const SharedKnowledge &a,
                              const SharedKnowledge &b) {
  if (!a || !b || a == b) {
    return a ? a : b;
  }
  if (a->covers(*b)) {
    return a;
  }
  auto result = std::make_shared<Knowledge>(*a);
  result->join(*b);
  return result;
}

void GroupOrder::append(History &history, uint32_t time, const Clock &own,
                        const SharedKnowledge &ofAll) {
  if (history.empty() || history.back().time != time) {
    Known next = history.empty() ? Known() : history.back();
    next.time = time;
    history.push_back(std::move(next));
  }
  Known &last = history.back();
  last.own.join(own);
  last.ofAll = joined(last.ofAll, ofAll);
}

SharedKnowledge GroupOrder::snapshot(uint32_t warp) {
  auto result = std::make_shared<Knowledge>();
  for (uint32_t by = 0; hasAcquired && by < warps.size(); ++by) {
    if (const Known *known = latest(&WarpState::acquired, by, warp)) {
      result->join(*known->ofAll);
    }
  }
  result->join(group.number, races.clock(warp).seen);
  return result;
}

void GroupOrder::acquire(uint32_t warp, const SharedKnowledge &knowledge) {
  if (const VectorClock *own = knowledge->of(group.number)) {
    Clock clock;
    clock.seen = *own;
    races.acquire(warp, clock);
  }
  History &history = warps[warp].acquired;
  if (history.empty() || !history.back().ofAll->covers(*knowledge)) {
    append(history, races.time(warp), {}, knowledge);
    hasAcquired = true;
  }
}

void GroupOrder::fence(uint32_t warp, Scope scope) {
  for (uint32_t by = 0; hasSeen && by < warps.size(); ++by) {
    if (const Known *seen = latest(&WarpState::seen, by, warp)) {
      races.acquire(warp, seen->own);
      if (scope == Scope::Device && seen->ofAll) {
        acquire(warp, seen->ofAll);
      }
    }
  }
  WarpState &state = warps[warp];
  uint32_t time = races.time(warp);
  if (scope == Scope::Device) {
    append(state.fences, time, races.clock(warp), snapshot(warp));
    state.fenceTime = time;
  } else {
    append(state.fences, time, races.clock(warp), nullptr);
  }
  hasFenced = true;
  races.advance(warp);
}

void GroupOrder::beforeWrite(uint32_t warp, uint64_t location, Scope scope,
                             bool releases) {
  bool isShared = location - kSharedWindow < kWindowBytes;
  bool isForAll = scope == Scope::Device && !isShared;
  if (releases) {
    if (isForAll) {
      table.release(location, snapshot(warp));
    }
    races.release(warp, released[location]);
    return;
  }
  SharedKnowledge ofAll;
  for (uint32_t by = 0; hasFenced && by < warps.size(); ++by) {
    if (const Known *fence = latest(&WarpState::fences, by, warp)) {
      released[location].join(fence->own);
      ofAll = joined(ofAll, fence->ofAll);
    }
  }
  if (isForAll && ofAll) {
    table.release(location, ofAll);
  }
}

void GroupOrder::afterRead(uint32_t warp, uint64_t location, Scope scope,
                           bool acquires) {
  bool isShared = location - kSharedWindow < kWindowBytes;
  SharedKnowledge ofAll;
  if (scope == Scope::Device && !isShared) {
    ofAll = table.at(location);
  }
  auto it = released.find(location);
  if (it == released.end() && !ofAll) {
    return;
  }
  static const Clock none;
  const Clock &own = it == released.end() ? none : it->second;
  if (acquires) {
    races.acquire(warp, own);
    if (ofAll) {
      acquire(warp, ofAll);
    }
  } else {
    append(warps[warp].seen, races.time(warp), own, ofAll);
    hasSeen = true;
  }
}

//===--- Words of memory --------------------------------------------------===//

/// An access to a word, in 64 bits: who, when, where in the program, which of
/// the 4 bytes. 0: none.
struct GroupOrder::Stamp {
  static constexpr uint64_t kMost = 0xFFFF; // of time and instruction

  uint64_t bits = 0;

  static Stamp make(uint64_t cta, uint32_t warp, uint32_t time, uint64_t inst,
                    bool isStrong) {
    return {(cta + 1) << 43 | uint64_t(warp) << 38 |
            std::min<uint64_t>(time, kMost) << 22 | std::min(inst, kMost) << 6 |
            uint64_t(isStrong) << 4};
  }
  uint64_t cta() const { return (bits >> 43) - 1; }
  uint32_t warp() const { return uint32_t(bits >> 38 & 31); }
  /// kMost: that or later.
  uint32_t time() const { return uint32_t(bits >> 22 & kMost); }
  uint64_t inst() const { return bits >> 6 & kMost; }
  /// Reads: weak reads of the same bytes by several CTAs.
  bool isOfMany() const { return bits >> 5 & 1; }
  bool isStrong() const { return bits >> 4 & 1; }
  uint32_t bytes() const { return bits & 15; }
  Stamp with(uint32_t bytes) const { return {(bits & ~uint64_t(15)) | bytes}; }
  Stamp ofMany() const { return {bits | 32}; }
  /// The same operation of the same warp, but for the bytes.
  bool isSame(const Stamp &other) const {
    return (bits | 47) == (other.bits | 47);
  }
};

bool GroupOrder::isOrdered(uint32_t warp, const Stamp &stamp) const {
  uint64_t size = group.ctas.size();
  Agent agent = races.warp(uint32_t(stamp.cta() % size), stamp.warp());
  if (stamp.cta() / size == group.number) {
    return agent == warp || races.known(warp, agent) >= stamp.time();
  }
  for (uint32_t by = 0; hasAcquired && by < warps.size(); ++by) {
    const Known *known = latest(&WarpState::acquired, by, warp);
    const VectorClock *clock =
        known ? known->ofAll->of(stamp.cta() / size) : nullptr;
    if (clock && (*clock)[agent] >= stamp.time()) {
      return true;
    }
  }
  return false;
}

bool GroupOrder::conflicts(uint32_t warp, const Stamp &now,
                           const Stamp &then) const {
  return (then.bytes() & now.bytes()) && !(then.isStrong() && now.isStrong()) &&
         !isOrdered(warp, then);
}

std::optional<GroupOrder::Conflict>
GroupOrder::access(uint32_t warp, const Inst &in, const Access &access,
                   Mask lanes, Buffer *const *buffers) {
  bool isWrite = access.kind != Access::Kind::Read;
  bool isStrong = ptxsim::isStrong(access.order);
  // Who acquires a fence and the strong write behind it is ordered behind that
  // write too: it counts as done at the fence.
  uint32_t time = races.time(warp);
  if (isWrite && isStrong && !releases(access.order) && hasFenced) {
    // 0: another warp's fence, which a barrier has put before it.
    time = warps[warp].fenceTime;
  }
  const Program &program = group.launch.program;
  uint64_t cta = group.number * group.ctas.size() + warp / warpsPerCta;
  Stamp now = Stamp::make(cta, warp % warpsPerCta, time,
                          uint64_t(&in - program.code.data()), isStrong);
  std::optional<Conflict> found;
  auto note = [&](unsigned lane, const Stamp &then, bool wasWrite) {
    if (!found) {
      found = {lane, then.cta(), then.warp(),
               then.inst() < Stamp::kMost ? &program.code[then.inst()]
                                          : nullptr,
               wasWrite};
    }
  };
  /// f(word of the buffer, mask of bytes).
  auto forEachWord = [&](unsigned lane, auto f) {
    uint64_t offset = access.address[lane] - buffers[lane]->base;
    uint64_t end = offset + access.bytes;
    if ((offset | end) % 4 == 0) {
      for (uint64_t word = offset / 4; word < end / 4; ++word) {
        f(word, 15);
      }
      return;
    }
    for (uint64_t word = offset / 4; word * 4 < end; ++word) {
      uint64_t from = std::max(offset, word * 4) - word * 4;
      uint64_t to = std::min(end, word * 4 + 4) - word * 4;
      f(word, uint32_t((1u << to) - (1u << from)));
    }
  };
  using Word = std::atomic_ref<uint64_t>;
  for (Mask left = lanes; left; left &= left - 1) {
    unsigned lane = unsigned(std::countr_zero(left));
    Buffer &buffer = *buffers[lane];
    forEachWord(lane, [&](uint64_t word, uint32_t bytes) {
      Stamp own = now.with(bytes);
      if (!isWrite) {
        Word reader(buffer.readers[word]);
        Stamp then{reader.load(std::memory_order_relaxed)};
        bool isSame = then.isSame(own);
        if (isSame) {
          own = own.with(bytes | then.bytes());
        }
        if (then.bits && then.bytes() == own.bytes() &&
            (then.isOfMany() ||
             (then.cta() != cta && !then.isStrong() && !isStrong))) {
          own = own.ofMany();
        }
        if (own.bits != then.bits) {
          reader.store(own.bits, std::memory_order_relaxed);
        }
        return;
      }
      Word writer(buffer.writers[word]);
      Stamp then{writer.load(std::memory_order_relaxed)};
      Stamp merged = then.isSame(own) ? own.with(bytes | then.bytes()) : own;
      then.bits = writer.exchange(merged.bits);
      if (then.bits && conflicts(warp, own, then)) {
        note(lane, then, true);
      }
      Stamp read{Word(buffer.readers[word]).load()};
      if (read.bits &&
          (conflicts(warp, own, read) ||
           (read.isOfMany() && (read.bytes() & bytes) && !hasAcquired))) {
        note(lane, read, false);
      }
    });
  }
  if (isWrite) {
    return found;
  }
  // A write elsewhere either sees these reads or is seen by them.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (Mask left = lanes; left && !found; left &= left - 1) {
    unsigned lane = unsigned(std::countr_zero(left));
    Buffer &buffer = *buffers[lane];
    forEachWord(lane, [&](uint64_t word, uint32_t bytes) {
      Stamp then{Word(buffer.writers[word]).load(std::memory_order_relaxed)};
      if (then.bits && conflicts(warp, now.with(bytes), then)) {
        note(lane, then, true);
      }
    });
  }
  return found;
}
