//===- RaceDetector.cpp - Unordered accesses to shared memory -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RaceDetector.h"

#include <algorithm>

using namespace ptxsim;

void ptxsim::join(VectorClock &into, const VectorClock &from) {
  if (into.size() < from.size()) {
    into.resize(from.size(), 0);
  }
  for (size_t i = 0; i < from.size(); ++i) {
    into[i] = std::max(into[i], from[i]);
  }
}

//===--- Agents -----------------------------------------------------------===//

RaceDetector::RaceDetector(uint32_t numCtas, uint32_t numWarps,
                           uint32_t sharedBytes)
    : numWarps(numWarps), cellsPerCta((sharedBytes + 15) / 16),
      clocks(numCtas * numWarps), cells(size_t(numCtas) * cellsPerCta) {
  for (uint32_t rank = 0; rank < numCtas; ++rank) {
    for (uint32_t w = 0; w < numWarps; ++w) {
      Agent made = agent(AgentKind::Warp, rank, w);
      clocks[made].seen[made] = 1;
    }
  }
}

Agent RaceDetector::agent(AgentKind kind, uint32_t rank, uint32_t number) {
  auto [it, isNew] =
      agents.try_emplace({kind, rank, number}, Agent(names.size()));
  if (isNew) {
    names.push_back(it->first);
    times.push_back(0);
    // Every warp's clock spans all agents, so that lookups need no bounds.
    for (Clock &clock : clocks) {
      clock.seen.resize(names.size(), 0);
      clock.fenced.resize(names.size(), 0);
    }
  }
  return it->second;
}

std::string RaceDetector::name(Agent agent) const {
  auto [kind, rank, number] = names[agent];
  bool isAlone = clocks.size() == numWarps;
  std::string of = isAlone ? "" : "cta " + std::to_string(rank) + " ";
  std::string warp = of + "warp " + std::to_string(number);
  switch (kind) {
  case AgentKind::Warp:
    return warp;
  case AgentKind::Copies:
    return "cp.async of " + warp;
  case AgentKind::Bulk:
    return "bulk copies of " + warp;
  case AgentKind::Products:
    return "wgmma of " + warp;
  case AgentKind::Barrier:
    return "copies of " + of + "mbarrier shared+" + std::to_string(number);
  }
  return warp;
}

void RaceDetector::acquireFrom(Agent warp, Agent other, uint32_t time) {
  uint32_t &known = clocks[warp].seen[other];
  known = std::max(known, time);
}

void RaceDetector::fenceProxy(Agent warp) {
  clocks[warp].fenced = clocks[warp].seen;
  advance(warp);
}

//===--- Accesses ---------------------------------------------------------===//

std::vector<RaceDetector::Mark> &RaceDetector::crowdOf(State &state) {
  if (!state.crowd) {
    if (freeCrowds.empty()) {
      crowds.emplace_back();
      state.crowd = uint32_t(crowds.size());
    } else {
      state.crowd = freeCrowds.back();
      freeCrowds.pop_back();
    }
  }
  return crowds[state.crowd - 1];
}

/// Of a word, reads of other bytes stay.
void RaceDetector::dropReads(State &state, uint8_t bytes) {
  if (!(state.read.bytes & ~bytes)) {
    state.read = Mark();
  }
  if (state.crowd) {
    std::vector<Mark> &crowd = crowds[state.crowd - 1];
    std::erase_if(crowd,
                  [&](const Mark &mark) { return !(mark.bytes & ~bytes); });
    if (crowd.empty()) {
      freeCrowds.push_back(state.crowd);
      state.crowd = 0;
    }
  }
}

/// A read that is ordered before this one needs no place of its own: who comes
/// behind this one comes behind both.
void RaceDetector::noteRead(State &state, const Request &request,
                            const Mark &mark) {
  auto replaces = [&](const Mark &old) {
    return old.agent == mark.agent ||
           (isKnown(request.actor, old) && !(old.bytes & ~mark.bytes));
  };
  auto put = [&](Mark &old) {
    uint8_t bytes = mark.bytes;
    if (old.agent == mark.agent && old.time == mark.time) {
      bytes |= old.bytes;
    }
    old = mark;
    old.bytes = bytes;
  };
  if (!state.read.time || replaces(state.read)) {
    put(state.read);
    return;
  }
  std::vector<Mark> &crowd = crowdOf(state);
  for (Mark &old : crowd) {
    if (replaces(old)) {
      put(old);
      return;
    }
  }
  crowd.push_back(mark);
}

bool RaceDetector::visit(State &state, Request &request, uint8_t bytes) {
  const Actor &actor = request.actor;
  Mark mark = request.mark;
  mark.bytes = bytes;
  bool isClean = true;
  auto conflict = [&](const Mark &other, bool isWrite, bool isProxy) {
    if (isClean) {
      request.conflict = {other.agent, other.inst, isWrite, isProxy, 0};
    }
    isClean = false;
  };
  Mark &write = state.write;
  bool isOrdered = !write.time || isKnown(actor, write);
  bool areAtomic = write.isAtomic && mark.isAtomic;
  if (write.time && (write.bytes & bytes) && !areAtomic) {
    if (!isOrdered) {
      conflict(write, true, false);
    } else if (actor.isAsync && !write.isAsync &&
               actor.clock->fenced[write.agent] < write.time) {
      conflict(write, true, true);
    }
  }
  if (!request.isWrite) {
    noteRead(state, request, mark);
    return isClean;
  }
  auto check = [&](const Mark &read) {
    if (read.time && (read.bytes & bytes) && !isKnown(actor, read) &&
        !(read.isAtomic && mark.isAtomic)) {
      conflict(read, false, false);
    }
  };
  check(state.read);
  if (state.crowd) {
    for (const Mark &read : crowds[state.crowd - 1]) {
      check(read);
    }
  }
  dropReads(state, bytes);
  // Two halves of a word that different agents write at one time stay known as
  // one write of the later one.
  uint8_t others = isOrdered ? 0 : write.bytes;
  write = mark;
  write.bytes |= others;
  return isClean;
}

void RaceDetector::splitCell(Cell &cell) {
  uint32_t index;
  if (freeSplits.empty()) {
    split.emplace_back();
    index = uint32_t(split.size());
  } else {
    index = freeSplits.back();
    freeSplits.pop_back();
  }
  for (State &word : split[index - 1]) {
    word = cell.whole;
    word.crowd = 0;
    if (cell.whole.crowd) {
      std::vector<Mark> copy = crowds[cell.whole.crowd - 1];
      crowdOf(word) = std::move(copy);
    }
  }
  if (cell.whole.crowd) {
    crowds[cell.whole.crowd - 1].clear();
    freeCrowds.push_back(cell.whole.crowd);
  }
  cell.whole = State();
  cell.words = index;
}

bool RaceDetector::access(const Actor &actor, uint32_t inst, uint32_t rank,
                          uint32_t offset, uint32_t bytes, bool isWrite,
                          bool isAtomic, Conflict &conflict) {
  constexpr uint8_t kAll = 0xF;
  Mark mark;
  mark.time = actor.time;
  mark.inst = inst;
  mark.agent = uint16_t(actor.agent);
  mark.isAtomic = isAtomic;
  mark.isAsync = actor.isAsync;
  Conflict latest;
  Request request{actor, mark, isWrite, latest};
  bool found = false;
  auto note = [&](bool isClean, uint32_t at) {
    if (!isClean && !found) {
      conflict = latest;
      conflict.offset = at;
      found = true;
    }
  };
  uint32_t end = offset + bytes;
  for (uint32_t at = offset; at < end;) {
    uint32_t start = at / 16 * 16, stop = std::min(start + 16, end);
    Cell &cell = cells[size_t(rank) * cellsPerCta + start / 16];
    bool isWhole = at == start && stop == start + 16;
    if (isWhole && !cell.words) {
      // A read that changes nothing but its own mark.
      State &state = cell.whole;
      if (!isWrite && isSafe(actor, state.write) &&
          (!state.read.time || state.read.agent == actor.agent)) {
        state.read = mark;
        state.read.bytes = kAll;
        at = stop;
        continue;
      }
      note(visit(cell.whole, request, kAll), at);
      at = stop;
      continue;
    }
    if (!cell.words) {
      splitCell(cell);
    }
    for (uint32_t w = at / 4; w * 4 < stop; ++w) {
      uint32_t from = std::max(at, w * 4) % 4;
      uint32_t to = std::min(stop, w * 4 + 4) - w * 4;
      uint8_t mask = uint8_t(((1u << (to - from)) - 1) << from);
      note(visit(split[cell.words - 1][w % 4], request, mask), w * 4 + from);
    }
    if (isWhole && isWrite) {
      // All words are alike now.
      cell.whole.write = split[cell.words - 1][0].write;
      for (State &word : split[cell.words - 1]) {
        word = State();
      }
      freeSplits.push_back(cell.words);
      cell.words = 0;
    }
    at = stop;
  }
  return found;
}
