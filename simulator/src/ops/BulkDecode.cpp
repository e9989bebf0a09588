//===- BulkDecode.cpp - The text of bulk copies ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "AsyncGroups.h"
#include "BulkCopies.h"
#include "Families.h"
#include "Operands.h"

using namespace ptxsim;
using namespace ptxsim::bulk;

namespace {

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
  void addGlobal(const Instruction &text, const Operand &operand, Data &data) {
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
  auto &data = builder.makeData<Data>(inst);
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
  inst.flags = text.has("wait_group") && words.take("read");
  if (!decodeGroups(text, builder, inst, words, runCommit, runWait)) {
    decodeCopy(text, builder, inst, words);
  }
  return true;
}

} // namespace

void ptxsim::addBulkCopies(DecoderTable &table) {
  table["cp"].push_back(decodeBulk);
}
