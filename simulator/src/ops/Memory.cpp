//===- Memory.cpp - Loads and stores ------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.8] ld, ldu, [9.7.9.11] st. Those that are volatile, relaxed, acquire
// or release go lane by lane, and loads let other warps run: they may be polls.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "Families.h"
#include "Ordering.h"
#include "check/Reporter.h"

#include <algorithm>

using namespace ptxsim;

namespace {

struct MemoryData : InstData {
  Space space = Space::Generic;
  Type type;
  /// Elements of the vector.
  unsigned count = 1;
  Order order = Order::Weak;
  Scope scope = Scope::Device;
};

} // namespace

static Access startAccess(const Warp &w, const Inst &in, const Ref &base,
                          Access::Kind kind) {
  const auto &data = *static_cast<const MemoryData *>(in.data);
  Access access;
  access.space = data.space;
  access.kind = kind;
  access.order = data.order;
  access.scope = data.scope;
  access.lanes = w.exec;
  access.bytes = uint32_t(data.type.totalBits() / 8 * data.count);
  setAddresses(w, base, in.imm, access);
  return access;
}

static uint64_t extend(uint64_t value, const Type &type, unsigned laneBytes) {
  if (type.kind != Type::Kind::Signed || type.bits == 64) {
    return value;
  }
  unsigned shift = 64 - type.bits;
  uint64_t wide = uint64_t(int64_t(value << shift) >> shift);
  return laneBytes == 4 ? uint32_t(wide) : wide;
}

/// A lane's registers from memory.
static void loadLane(Warp &w, const Inst &in, const Access &access,
                     unsigned l) {
  const auto &data = *static_cast<const MemoryData *>(in.data);
  unsigned bytes = data.type.totalBits() / 8;
  for (size_t i = 0; i < in.d.size(); ++i) {
    uint64_t value = 0;
    std::memcpy(&value, access.host[l] + i * bytes, bytes);
    w.setLane(in.d[i], l, extend(value, data.type, in.d[i].laneBytes));
  }
}

/// A lane's registers to `to`.
static void storeLane(const Warp &w, const Inst &in, unsigned l,
                      std::byte *to) {
  const auto &data = *static_cast<const MemoryData *>(in.data);
  unsigned bytes = data.type.totalBits() / 8;
  for (size_t i = 0; i < data.count; ++i) {
    uint64_t value = w.lane(in.s[i + 1], l);
    std::memcpy(to + i * bytes, &value, bytes);
  }
}

static Step runLoad(Warp &w, const Inst &in) {
  Access access = startAccess(w, in, in.s[0], Access::Kind::Read);
  forEachLane(w.access(in, access),
              [&](unsigned l) { loadLane(w, in, access, l); });
  return Step::Next;
}

static Step runStrongLoad(Warp &w, const Inst &in) {
  Access access = startAccess(w, in, in.s[0], Access::Kind::Read);
  uint64_t seen = 0;
  bool isGlobal = false;
  forEachLane(w.access(in, access), [&](unsigned l) {
    runStrong(w, access, l, true, [&] { loadLane(w, in, access, l); });
    isGlobal |= access.resolved[l] == Space::Global;
    seen = (seen ^ access.address[l] ^ w.lane(in.d[0], l)) * 0x100000001B3;
  });
  return w.afterPoll(in, seen, isGlobal);
}

/// Of lanes that write to one address, which one stays is undefined: they must
/// agree. Aligned accesses of one size overlap only if they are the same.
static void checkSameValues(Warp &w, const Inst &in, const Access &access,
                            Mask lanes) {
  unsigned order[kLanes], count = 0;
  bool isAscending = true;
  forEachLane(lanes, [&](unsigned l) {
    isAscending &= count == 0 || access.host[order[count - 1]] < access.host[l];
    order[count++] = l;
  });
  if (isAscending) {
    return;
  }
  std::sort(order, order + count, [&](unsigned a, unsigned b) {
    return std::pair(access.host[a], a) < std::pair(access.host[b], b);
  });
  for (unsigned i = 1; i < count; ++i) {
    unsigned a = order[i - 1], b = order[i];
    if (access.host[a] != access.host[b]) {
      continue;
    }
    std::byte first[64], second[64];
    storeLane(w, in, a, first);
    storeLane(w, in, b, second);
    if (std::memcmp(first, second, access.bytes) != 0) {
      report(w, in, "races", Mask(1) << a | Mask(1) << b,
             "lanes " + std::to_string(a) + " and " + std::to_string(b) +
                 " write different values to one address");
      return;
    }
  }
}

/// Where a layout has copies, several warps write one value to one place. PTX
/// calls that a race as well; compilers do it.
static void settle(Warp &w, const Inst &in, const Access &access,
                   std::vector<Doubt> &doubts) {
  Reporter &reporter = w.cta.group.launch.reporter;
  for (Doubt &doubt : doubts) {
    std::byte value[64];
    storeLane(w, in, doubt.lane, value);
    Mask lane = Mask(1) << doubt.lane;
    if (std::memcmp(value, access.host[doubt.lane], access.bytes) == 0) {
      reporter.warn(w, in, "races", lane,
                    doubt.message + "; both write the same");
    } else {
      reporter.report(w, in, "races", lane, std::move(doubt.message));
    }
  }
}

static Step runStore(Warp &w, const Inst &in) {
  Access access = startAccess(w, in, in.s[0], Access::Kind::Write);
  std::vector<Doubt> doubts;
  access.doubts = &doubts;
  Mask good = w.access(in, access);
  if (w.cta.group.launch.options.checks.races) {
    checkSameValues(w, in, access, good);
    settle(w, in, access, doubts);
  }
  forEachLane(good, [&](unsigned l) { storeLane(w, in, l, access.host[l]); });
  return Step::Next;
}

static Step runStrongStore(Warp &w, const Inst &in) {
  Access access = startAccess(w, in, in.s[0], Access::Kind::Write);
  forEachLane(w.access(in, access), [&](unsigned l) {
    runStrong(w, access, l, false,
              [&] { storeLane(w, in, l, access.host[l]); });
  });
  ++w.cta.group.progress;
  return Step::Next;
}

Space ptxsim::takeSpace(Words &words) {
  std::string_view word =
      words.take({"global", "shared", "shared::cta", "shared::cluster", "local",
                  "param", "param::entry", "const"});
  return word.empty()                 ? Space::Generic
         : word == "global"           ? Space::Global
         : word.starts_with("shared") ? Space::Shared
         : word == "local"            ? Space::Local
         : word == "const"            ? Space::Const
                                      : Space::Param;
}

Order ptxsim::takeOrder(Words &words, Order none) {
  std::string_view word = words.take(
      {"weak", "relaxed", "acquire", "release", "acq_rel", "volatile"});
  // [9.7.9.8] .volatile and .mmio are at least .relaxed.sys.
  return word.empty()        ? none
         : word == "weak"    ? Order::Weak
         : word == "acquire" ? Order::Acquire
         : word == "release" ? Order::Release
         : word == "acq_rel" ? Order::AcquireRelease
                             : Order::Relaxed;
}

Scope ptxsim::takeScope(Words &words) {
  return words.take({"cta", "cluster", "gpu", "sys"}) == "cta" ? Scope::Cta
                                                               : Scope::Device;
}

/// Hints that change no value.
static void takeHints(Words &words) {
  words.take({"ca", "cg", "cs", "lu", "cv", "wb", "wt"});
  while (
      !words
           .take({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first",
                  "L1::evict_last", "L1::no_allocate", "L2::cache_hint",
                  "L2::64B", "L2::128B", "L2::256B", "L2::evict_last",
                  "L2::evict_normal", "L2::evict_first", "nc", "unified"})
           .empty()) {
  }
}

static InstClass classOf(Space space, bool isLoad) {
  switch (space) {
  case Space::Global:
  case Space::Generic:
    return isLoad ? InstClass::LoadGlobal : InstClass::StoreGlobal;
  case Space::Shared:
    return isLoad ? InstClass::LoadShared : InstClass::StoreShared;
  default:
    return InstClass::OtherMemory;
  }
}

static bool decodeLoadStore(const Instruction &text, Builder &builder,
                            Inst &inst) {
  bool isLoad = text.opcode != "st";
  Words words(text);
  auto &data = builder.makeData<MemoryData>(inst);
  data.space = takeSpace(words);
  bool isMmio = words.take("mmio");
  data.order = takeOrder(words, isMmio ? Order::Relaxed : Order::Weak);
  data.scope = takeScope(words);
  if (data.order == Order::AcquireRelease ||
      data.order == (isLoad ? Order::Release : Order::Acquire)) {
    Builder::fail("expects another order in '" + text.name() + "'");
  }
  takeHints(words);
  unsigned vector = words.takeVector();
  data.count = vector;
  data.type = words.takeType();
  words.done();
  // A cache policy may follow.
  Builder::expectOperands(text, 2, 3);
  const Operand &value = text.operands[isLoad ? 0 : 1];
  const Operand &address = text.operands[isLoad ? 1 : 0];
  std::span<const Operand> elements = builder.elements(value);
  if (elements.size() != vector) {
    Builder::fail("expects " + std::to_string(vector) + " registers for '" +
                  text.name() + "', but got " +
                  std::to_string(elements.size()));
  }
  std::vector<Ref> d, s{builder.address(address, inst.imm)};
  for (const Operand &element : elements) {
    if (isLoad) {
      d.push_back(builder.dst(element, data.type.totalBits()));
    } else {
      s.push_back(builder.src(element, data.type));
    }
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  inst.run = isStrong(data.order) ? (isLoad ? runStrongLoad : runStrongStore)
             : isLoad             ? runLoad
                                  : runStore;
  inst.kind = classOf(data.space, isLoad);
  return true;
}

void ptxsim::addMemory(DecoderTable &table) {
  table["ld"].push_back(decodeLoadStore);
  table["ldu"].push_back(decodeLoadStore);
  table["st"].push_back(decodeLoadStore);
}
