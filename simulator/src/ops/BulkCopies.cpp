//===- BulkCopies.cpp - Copies by the asynchronous proxy ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.25.4] cp.async.bulk, its prefetch, commit_group, wait_group;
// [9.7.9.27.1] cp.async.bulk.tensor, its prefetch.
//
// Every lane that runs issues a copy of its own. A copy is checked where it is
// issued: addresses, and its accesses as those of an asynchronous agent. Copies
// into shared memory are agents of the mbarrier that tells their end, copies
// out of it are those of their warp. An mbarrier tells all bytes of the box,
// also those that lie outside of the tensor.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "BulkQueue.h"
#include "Families.h"
#include "Operands.h"
#include "check/Reporter.h"
#include "exec/Warp.h"
#include "memory/Pieces.h"

#include <algorithm>

using namespace ptxsim;

namespace {

enum class Direction : uint8_t { Load, Across, Store, Prefetch };

struct BulkData : InstData {
  Direction direction = Direction::Load;
  /// 0: a range of bytes.
  uint32_t rank = 0;
  bool isMulticast = false;
  /// .shared::cta.global: into the own CTA only.
  bool isOwn = false;
  int64_t sharedOffset = 0, globalOffset = 0, barrierOffset = 0;
  /// Places among the sources; coordinates stand from `start` on.
  unsigned shared = 0, global = 0, start = 0, bytes = 0, barrier = 0, mask = 0;
};

const BulkData &dataOf(const Inst &in) {
  return *static_cast<const BulkData *>(in.data);
}

//===--- Moving bytes -----------------------------------------------------===//

/// Host addresses of global memory, one buffer after the other.
class GlobalBytes {
public:
  GlobalBytes(Warp &w) : memory(w.cta.group.launch.memory) {}
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

void moveIn(Warp &w, const Transfer &transfer) {
  std::byte *shared = transfer.cta->shared.data();
  if (transfer.source) {
    std::memmove(shared + transfer.shared,
                 transfer.source->shared.data() + transfer.sourceOffset,
                 transfer.bytes);
    return;
  }
  GlobalBytes global(w);
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

void moveOut(Warp &w, const Transfer &transfer) {
  const std::byte *shared = transfer.cta->shared.data();
  GlobalBytes global(w);
  transfer.forEachPiece([&](const Transfer::Piece &piece) {
    std::byte *to =
        piece.global ? global.at(piece.global, piece.bytes) : nullptr;
    if (to) {
      std::memcpy(to, shared + piece.shared, piece.bytes);
    }
  });
}

/// The state of all bytes that a copy writes in shared memory. A swizzle keeps
/// whole lines, but moves a part of one to elsewhere in it.
void mark(const Transfer &transfer, uint8_t state) {
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

/// A copy whose end an mbarrier tells.
class BulkCopy : public Deferred {
public:
  BulkCopy(Mbarrier &barrier, Warp &w, const Inst &in, unsigned lane,
           Transfer transfer, uint32_t time)
      : Deferred(barrier, w, in, lane), transfer(std::move(transfer)),
        time(time) {
    barrier.lastCopy = std::max(barrier.lastCopy, time);
    barrier.copies.push_back(time);
  }

  void perform() override {
    moveIn(warp, transfer);
    if (!transfer.cta->shadow.empty()) {
      mark(transfer, Shadow::kWritten);
    }
    std::erase(barrier.copies, time);
    barrier.bytes -= transfer.sharedBytes();
    if (-barrier.bytes > Mbarrier::kMostBytes) {
      report(warp, inst, "barriers", Mask(1) << lane,
             "copies more bytes than " + barrier.describe() + " can count");
    }
    ++warp.cta.group.progress;
    barrier.update();
  }

private:
  Transfer transfer;
  uint32_t time;
};

//===--- Checking a copy --------------------------------------------------===//

/// All accesses of a copy. False if it must not be done.
bool checkTransfer(Warp &w, const Inst &in, unsigned lane,
                   const Transfer &transfer, bool isStore, const Actor *actor) {
  uint64_t window = sharedAddress(transfer.cta->rank, 0);
  auto kinds = [](bool isWritten) {
    return isWritten ? Access::Kind::Write : Access::Kind::Read;
  };
  Pieces shared(w, in, lane, Space::Shared, kinds(!isStore), 1, actor);
  uint32_t align = transfer.map ? elementBytes(transfer.map->element) : 16;
  Pieces global(w, in, lane, Space::Global, kinds(isStore), align, nullptr);
  Pieces source(w, in, lane, Space::Shared, Access::Kind::Read, 1, actor);
  transfer.forEachPiece([&](const Transfer::Piece &piece) {
    // What a store leaves out it does not read either.
    if (!isStore || piece.global) {
      shared.add(window + piece.shared, piece.bytes);
    }
    if (piece.global) {
      global.add(piece.global, piece.bytes);
    }
    if (transfer.source) {
      source.add(
          sharedAddress(transfer.source->rank,
                        transfer.sourceOffset + piece.shared - transfer.shared),
          piece.bytes);
    }
  });
  bool areGood = shared.finish();
  areGood &= global.finish();
  return source.finish() && areGood;
}

/// Reads the map that the lane's address is of.
std::optional<TensorMapDesc> readMap(Warp &w, const Inst &in, unsigned lane) {
  const BulkData &data = dataOf(in);
  Access access;
  access.space = Space::Generic;
  access.lanes = Mask(1) << lane;
  access.bytes = sizeof(TensorMap);
  access.align = alignof(TensorMap);
  setAddresses(w, in.s[data.global], data.globalOffset, access);
  if (!w.access(in, access)) {
    return std::nullopt;
  }
  TensorMap bytes;
  std::memcpy(&bytes, access.host[lane], sizeof bytes);
  Result<TensorMapDesc> map = decodeTensorMap(bytes);
  if (!map) {
    report(w, in, "async", Mask(1) << lane, map.message());
    return std::nullopt;
  }
  if (map->rank != data.rank) {
    report(w, in, "async", Mask(1) << lane,
           "expects a tensor map of rank " + std::to_string(data.rank) +
               ", but got one of rank " + std::to_string(map->rank));
    return std::nullopt;
  }
  return *map;
}

/// The place in shared memory of an operand; its CTA is null if there is none.
std::pair<Cta *, uint32_t> findShared(Warp &w, const Inst &in, unsigned lane,
                                      unsigned operand, int64_t offset,
                                      uint32_t align) {
  uint64_t address = w.lane(in.s[operand], lane) + uint64_t(offset);
  Cta *cta = w.cta.findShared(address);
  uint32_t at = uint32_t(address % kCtaWindowBytes);
  if (!cta || address >= kWindowBytes || at >= cta->shared.size()) {
    report(w, in, "bounds", Mask(1) << lane,
           "expects shared memory, but got " +
               describeAddress(w, Space::Shared, address));
    return {nullptr, 0};
  }
  if (at % align) {
    report(w, in, "alignment", Mask(1) << lane,
           "copies at " + describeAddress(w, Space::Shared, address) +
               ", which is not a multiple of " + std::to_string(align));
    return {nullptr, 0};
  }
  return {cta, at};
}

/// Whether an operand is in the CTA that its state space wants.
bool isRightCta(Warp &w, const Inst &in, unsigned lane, const Cta &cta,
                bool wantsOwn) {
  if ((&cta == &w.cta) == wantsOwn) {
    return true;
  }
  report(w, in, "bounds", Mask(1) << lane,
         std::string("expects shared memory of ") +
             (wantsOwn ? "the own" : "another") +
             " CTA of the cluster, but got "
             "that of rank " +
             std::to_string(cta.rank));
  return false;
}

/// The copy that the lane asks for; nothing if it is not a good one.
std::optional<Transfer> makeTransfer(Warp &w, const Inst &in, unsigned lane) {
  const BulkData &data = dataOf(in);
  Transfer transfer;
  if (data.rank) {
    transfer.map = readMap(w, in, lane);
    if (!transfer.map) {
      return std::nullopt;
    }
    for (uint32_t d = 0; d < data.rank; ++d) {
      transfer.start[d] = int32_t(w.lane(in.s[data.start + d], lane));
      if (data.direction == Direction::Store && transfer.start[d] < 0) {
        report(w, in, "async", Mask(1) << lane,
               "expects coordinates from 0 on of a store, but got " +
                   std::to_string(transfer.start[d]));
        return std::nullopt;
      }
    }
  } else {
    transfer.bytes = uint32_t(w.lane(in.s[data.bytes], lane));
    if (transfer.bytes % 16 || transfer.bytes == 0) {
      report(w, in, "alignment", Mask(1) << lane,
             "expects a number of bytes that is a multiple of 16, but got " +
                 std::to_string(transfer.bytes));
      return std::nullopt;
    }
    if (data.direction != Direction::Across) {
      transfer.global =
          w.lane(in.s[data.global], lane) + uint64_t(data.globalOffset);
    }
  }
  if (data.direction == Direction::Prefetch) {
    return transfer;
  }
  std::tie(transfer.cta, transfer.shared) = findShared(
      w, in, lane, data.shared, data.sharedOffset, data.rank ? 128 : 16);
  if (!transfer.cta) {
    return std::nullopt;
  }
  // .shared::cluster of a load is any of them, of a copy across another one.
  bool isAny = data.direction == Direction::Load && !data.isOwn;
  if (!isAny && !isRightCta(w, in, lane, *transfer.cta,
                            data.direction != Direction::Across)) {
    return std::nullopt;
  }
  if (data.direction == Direction::Across) {
    std::tie(transfer.source, transfer.sourceOffset) =
        findShared(w, in, lane, data.global, data.globalOffset, 16);
    if (!transfer.source || !isRightCta(w, in, lane, *transfer.source, true)) {
      return std::nullopt;
    }
  }
  return transfer;
}

//===--- Copies into shared memory ----------------------------------------===//

/// One copy that ends at the object at `offset` of the CTA it goes to.
void load(Warp &w, const Inst &in, unsigned lane, Transfer transfer,
          uint32_t offset) {
  Group &group = w.cta.group;
  Mbarrier *barrier = transfer.cta->mbarriers.find(offset);
  if (!barrier) {
    report(w, in, "barriers", Mask(1) << lane,
           "expects an mbarrier that was initialised, but got " +
               describeAddress(w, Space::Shared, offset));
    return;
  }
  Actor actor, *by = nullptr;
  if (RaceDetector *races = group.races.get()) {
    // The object itself, by the generic proxy.
    Actor own = races->actor(w.agent());
    RaceDetector::Recorder recorder(*races, own, w.program.indexOf(in), false,
                                    true);
    if (recorder.access(transfer.cta->rank, offset, 8)) {
      reportRace(w, in, lane, own, *transfer.cta, false, recorder.conflict);
    }
    Agent agent = races->agent(AgentKind::Barrier, transfer.cta->rank, offset);
    actor = races->start(agent, w.agent(), true, false);
    by = &actor;
  }
  if (!checkTransfer(w, in, lane, transfer, false, by)) {
    return;
  }
  if (group.launch.options.checks.async) {
    mark(transfer, Shadow::kWritten | Shadow::kInFlight);
  }
  group.deferred.add(std::make_unique<BulkCopy>(
      *barrier, w, in, lane, std::move(transfer), by ? actor.time : 0));
}

Step runLoad(Warp &w, const Inst &in) {
  const BulkData &data = dataOf(in);
  Group &group = w.cta.group;
  forEachLane(w.exec, [&](unsigned l) {
    std::optional<Transfer> transfer = makeTransfer(w, in, l);
    if (!transfer) {
      return;
    }
    auto [cta, offset] =
        findShared(w, in, l, data.barrier, data.barrierOffset, 8);
    if (!cta) {
      return;
    }
    if (cta != transfer->cta) {
      report(w, in, "async", Mask(1) << l,
             "expects the mbarrier in the CTA that the copy goes to");
      return;
    }
    if (!data.isMulticast) {
      load(w, in, l, std::move(*transfer), offset);
      return;
    }
    uint32_t ranks = uint32_t(w.lane(in.s[data.mask], l)) & 0xFFFF;
    if (ranks == 0 || ranks >> group.ctas.size()) {
      report(w, in, "async", Mask(1) << l,
             "expects a mask of the cluster's " +
                 std::to_string(group.ctas.size()) + " CTAs, but got " +
                 std::to_string(ranks));
    }
    for (auto &target : group.ctas) {
      if (ranks >> target->rank & 1) {
        transfer->cta = target.get();
        load(w, in, l, *transfer, offset);
      }
    }
  });
  return Step::Next;
}

//===--- Copies out of shared memory --------------------------------------===//

BulkQueue &queueOf(Warp &w) {
  if (!w.bulk) {
    w.bulk = std::make_unique<BulkQueue>();
  }
  return *w.bulk;
}

Step runStore(Warp &w, const Inst &in) {
  Group &group = w.cta.group;
  BulkQueue &queue = queueOf(w);
  queue.performSome(w);
  forEachLane(w.exec, [&](unsigned l) {
    std::optional<Transfer> transfer = makeTransfer(w, in, l);
    if (!transfer) {
      return;
    }
    Actor actor, *by = nullptr;
    if (RaceDetector *races = group.races.get()) {
      Agent agent = races->agent(AgentKind::Bulk, w.cta.rank, w.number);
      actor = races->start(agent, w.agent(), true, false);
      by = &actor;
    }
    if (!checkTransfer(w, in, l, *transfer, true, by)) {
      return;
    }
    BulkQueue::Store &store = queue.open.emplace_back();
    store.inst = &in;
    store.lane = l;
    store.transfer = std::move(*transfer);
    store.time = by ? actor.time : 0;
    if (group.launch.options.completion == Completion::Eager) {
      queue.perform(w, store);
    }
  });
  return Step::Next;
}

Step runCommit(Warp &w, const Inst &) {
  BulkQueue &queue = queueOf(w);
  queue.performSome(w);
  queue.commit(w.exec);
  return Step::Next;
}

Step runWait(Warp &w, const Inst &in) {
  BulkQueue &queue = queueOf(w);
  queue.performSome(w);
  uint32_t time = queue.wait(w, w.exec, uint32_t(in.imm), in.flags);
  if (RaceDetector *races = w.cta.group.races.get(); races && time) {
    races->acquireFrom(
        w.agent(), races->agent(AgentKind::Bulk, w.cta.rank, w.number), time);
  }
  return Step::Next;
}

Step runPrefetch(Warp &w, const Inst &in) {
  forEachLane(w.exec, [&](unsigned l) { (void)makeTransfer(w, in, l); });
  return Step::Next;
}

//===--- Decoding ---------------------------------------------------------===//

uint32_t takeRank(Words &words) {
  constexpr std::string_view names[] = {"1d", "2d", "3d", "4d", "5d"};
  for (uint32_t d = 0; d < std::size(names); ++d) {
    if (words.take(names[d])) {
      return d + 1;
    }
  }
  return 0;
}

/// The sources of an instruction while they are collected.
struct Sources {
  Builder &builder;
  std::vector<Ref> refs;

  unsigned add(const Operand &operand, const Type &type) {
    refs.push_back(builder.src(operand, type));
    return unsigned(refs.size() - 1);
  }
  unsigned addAddress(const Operand &operand, int64_t &offset) {
    refs.push_back(builder.address(operand, offset));
    return unsigned(refs.size() - 1);
  }
  /// [map, {coordinates}] or [address].
  void addGlobal(const Instruction &text, const Operand &operand,
                 BulkData &data) {
    data.global = addAddress(operand, data.globalOffset);
    if (!data.rank) {
      return;
    }
    std::span<const Operand> list;
    if (operand.elements.size() == 2) {
      list = builder.elements(operand.elements[1]);
    }
    if (list.size() != data.rank) {
      Builder::fail("expects [map, {" + std::to_string(data.rank) +
                    " coordinates}] in '" + text.name() + "'");
    }
    data.start = unsigned(refs.size());
    for (const Operand &coordinate : list) {
      add(coordinate, kB32);
    }
  }
};

/// Which way, from the two spaces, the destination first; `isOwn` if that is
/// .shared::cta.
Direction takeDirection(const Instruction &text, Words &words, bool &isOwn) {
  if (words.take("prefetch")) {
    words.take("L2");
    words.take("global");
    return Direction::Prefetch;
  }
  // Both spaces may have one name in two places.
  std::vector<std::string_view> spaces;
  for (const std::string &word : text.modifiers) {
    if (word == "global" || word.starts_with("shared")) {
      spaces.push_back(word);
    }
  }
  for (size_t i = 0; i < spaces.size(); ++i) {
    words.take(spaces[i]);
  }
  if (spaces.size() == 2) {
    bool fromGlobal = spaces[1] == "global";
    isOwn = spaces[0] == "shared::cta";
    if (spaces[0] != "global") {
      return fromGlobal ? Direction::Load : Direction::Across;
    }
    if (!fromGlobal) {
      return Direction::Store;
    }
  }
  Builder::fail("expects a copy between global and shared memory in '" +
                text.name() + "'");
}

void decodeCopy(const Instruction &text, Builder &builder, Inst &inst,
                Words &words) {
  auto &data = builder.makeData<BulkData>(inst);
  bool isTensor = words.take("tensor");
  data.rank = takeRank(words);
  data.direction = takeDirection(text, words, data.isOwn);
  if (isTensor != (data.rank > 0) ||
      (isTensor && data.direction == Direction::Across)) {
    Builder::fail("expects .tensor.1d to .tensor.5d between global and shared "
                  "memory in '" +
                  text.name() + "'");
  }
  words.take("tile");
  bool isLoad =
      data.direction == Direction::Load || data.direction == Direction::Across;
  if (isLoad && !words.take("mbarrier::complete_tx::bytes")) {
    Builder::fail("expects .mbarrier::complete_tx::bytes in '" + text.name() +
                  "'");
  }
  if (data.direction == Direction::Store && !words.take("bulk_group")) {
    Builder::fail("expects .bulk_group in '" + text.name() + "'");
  }
  data.isMulticast = isLoad && words.take("multicast::cluster");
  bool hasPolicy = words.take("L2::cache_hint");
  words.done();
  bool isPrefetch = data.direction == Direction::Prefetch;
  size_t count = (isPrefetch ? 1 : 2) + (isTensor ? 0 : 1) + size_t(isLoad) +
                 size_t(data.isMulticast) + size_t(hasPolicy);
  Builder::expectOperands(text, count, count);
  Sources sources{builder, {}};
  size_t next = 0;
  auto take = [&]() -> const Operand & { return text.operands[next++]; };
  if (isPrefetch || data.direction == Direction::Store) {
    sources.addGlobal(text, take(), data);
    if (!isPrefetch) {
      data.shared = sources.addAddress(take(), data.sharedOffset);
    }
  } else {
    data.shared = sources.addAddress(take(), data.sharedOffset);
    sources.addGlobal(text, take(), data);
  }
  if (!isTensor) {
    data.bytes = sources.add(take(), kU32);
  }
  if (isLoad) {
    data.barrier = sources.addAddress(take(), data.barrierOffset);
  }
  if (data.isMulticast) {
    data.mask = sources.add(take(), kU16);
  }
  if (hasPolicy) {
    sources.add(take(), kB64);
  }
  builder.setOperands(inst, {}, std::move(sources.refs));
  inst.run = isLoad ? runLoad : isPrefetch ? runPrefetch : runStore;
}

/// cp.async.bulk{.tensor.Nd...} and its groups.
bool decodeBulk(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!words.take("async") || !words.take("bulk")) {
    return false;
  }
  inst.kind = InstClass::AsyncCopy;
  if (words.take("commit_group")) {
    words.done();
    Builder::expectOperands(text, 0, 0);
    builder.setOperands(inst, {}, {});
    inst.run = runCommit;
  } else if (words.take("wait_group")) {
    inst.flags = words.take("read");
    words.done();
    Builder::expectOperands(text, 1, 1);
    inst.imm = builder.immediate(text.operands[0]);
    if (inst.imm < 0) {
      Builder::fail("expects a number of groups, but got " +
                    std::to_string(inst.imm));
    }
    builder.setOperands(inst, {}, {});
    inst.run = runWait;
  } else {
    decodeCopy(text, builder, inst, words);
  }
  return true;
}

} // namespace

//===--- Bulk groups ------------------------------------------------------===//

void BulkQueue::perform(Warp &w, Store &store) {
  if (!store.isDone) {
    moveOut(w, store.transfer);
    store.isDone = true;
  }
}

void BulkQueue::performSome(Warp &w) {
  ptxsim::Group &all = w.cta.group;
  if (all.launch.options.completion != Completion::Random) {
    return;
  }
  forEach([&](Store &store) {
    if (all.random() % 2) {
      perform(w, store);
    }
  });
}

void BulkQueue::commit(Mask lanes) {
  Group group;
  group.lanes = lanes;
  auto rest =
      std::stable_partition(open.begin(), open.end(), [&](const Store &store) {
        return !(lanes >> store.lane & 1);
      });
  group.stores.assign(std::make_move_iterator(rest),
                      std::make_move_iterator(open.end()));
  open.erase(rest, open.end());
  groups.push_back(std::move(group));
}

uint32_t BulkQueue::wait(Warp &w, Mask lanes, uint32_t allowed,
                         bool readsOnly) {
  uint32_t newer[kLanes] = {};
  uint32_t time = 0;
  for (size_t g = groups.size(); g-- > 0;) {
    Group &group = groups[g];
    Mask due = 0;
    forEachLane(group.lanes & lanes,
                [&](unsigned l) { due |= Mask(newer[l]++ >= allowed) << l; });
    for (Store &store : group.stores) {
      if (due >> store.lane & 1) {
        perform(w, store);
        store.isRead = true;
        time = std::max(time, store.time);
      }
    }
    // Reads may be over while writes go on: the group stays.
    if (!readsOnly) {
      group.lanes &= ~due;
      std::erase_if(group.stores,
                    [&](const Store &store) { return due >> store.lane & 1; });
    }
  }
  std::erase_if(groups, [](const Group &group) { return group.lanes == 0; });
  return time;
}

void ptxsim::addBulkCopies(DecoderTable &table) {
  table["cp"].push_back(decodeBulk);
}
