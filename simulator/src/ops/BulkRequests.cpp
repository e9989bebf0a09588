//===- BulkRequests.cpp - What a lane asks a bulk copy for ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes a transfer of a lane's operands, and checks it: tensor map, coordinates
// and sizes, addresses in shared memory, and then all of its accesses.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "BulkCopies.h"
#include "check/Reporter.h"
#include "memory/Pieces.h"

using namespace ptxsim;
using namespace ptxsim::bulk;

/// Reads the map that the lane's address is of.
static std::optional<TensorMapDesc> readMap(Warp &w, const Inst &in,
                                            unsigned lane) {
  const Data &data = dataOf(in);
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

std::pair<Cta *, uint32_t> bulk::findShared(Warp &w, const Inst &in,
                                            unsigned lane, unsigned operand,
                                            int64_t offset, uint32_t align) {
  uint64_t address = w.lane(in.s[operand], lane) + uint64_t(offset);
  Cta *cta = w.cta.findShared(address);
  uint32_t at = uint32_t(address % kCtaWindowBytes);
  if (!cta || address >= kWindowBytes || at >= cta->shared.size()) {
    report(w, in, "bounds", Mask(1) << lane,
           "expects shared memory, but got " +
               describeAddress(w, Space::Shared, address));
    return {nullptr, 0};
  }
  if (cta != &w.cta && cta->numLive == 0) {
    report(w, in, "bounds", Mask(1) << lane,
           "copies at " + describeAddress(w, Space::Shared, address) +
               ", but cta rank " + std::to_string(cta->rank) + " has ended");
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
static bool isRightCta(Warp &w, const Inst &in, unsigned lane, const Cta &cta,
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

std::optional<Transfer> bulk::makeTransfer(Warp &w, const Inst &in,
                                           unsigned lane) {
  const Data &data = dataOf(in);
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

bool bulk::checkTransfer(Warp &w, const Inst &in, unsigned lane,
                         const Transfer &transfer, bool isStore,
                         const Actor *actor) {
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
