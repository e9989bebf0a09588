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
      clocks(numCtas * numWarps), cells(size_t(numCtas) * cellsPerCta),
      visits(numCtas) {
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

//===--- CTAs that end ----------------------------------------------------===//

/// Times of an agent ascend: who knows its last visit knows all of them.
void RaceDetector::noteVisit(uint32_t rank, const Visit &visit) {
  std::vector<Visit> &list = visits[rank];
  if (list.size() <= visit.agent) {
    list.resize(visit.agent + 1);
  }
  list[visit.agent] = visit;
}

std::vector<RaceDetector::Visit>
RaceDetector::visitsAtEnd(uint32_t rank) const {
  // A CTA is there as long as one of its warps.
  std::vector<Visit> open = visits[rank];
  std::erase_if(open, [&](const Visit &visit) {
    bool isOver = visit.time == 0;
    for (uint32_t w = 0; w < numWarps && !isOver; ++w) {
      isOver = known(warp(rank, w), visit.agent) >= visit.time;
    }
    return isOver;
  });
  return open;
}

//===--- Reads ------------------------------------------------------------===//

/// Whether f(mark) holds for one of them.
template <class F> bool RaceDetector::anyOfCrowd(uint32_t crowd, F f) {
  while (crowd) {
    Crowd &part = crowds[crowd - 1];
    for (uint32_t i = 0; i < part.count; ++i) {
      if (f(part.marks[i])) {
        return true;
      }
    }
    crowd = part.next;
  }
  return false;
}

void RaceDetector::addToCrowd(State &state, const Mark &mark) {
  if (!state.crowd || crowds[state.crowd - 1].count == crowds[0].marks.size()) {
    uint32_t made;
    if (freeCrowds.empty()) {
      crowds.emplace_back();
      made = uint32_t(crowds.size());
    } else {
      made = freeCrowds.back();
      freeCrowds.pop_back();
    }
    crowds[made - 1].count = 0;
    crowds[made - 1].next = state.crowd;
    state.crowd = made;
  }
  Crowd &crowd = crowds[state.crowd - 1];
  crowd.marks[crowd.count++] = mark;
}

void RaceDetector::freeCrowd(State &state) {
  while (state.crowd) {
    freeCrowds.push_back(state.crowd);
    state.crowd = crowds[state.crowd - 1].next;
  }
}

/// Of a word, reads of other bytes stay.
void RaceDetector::dropReads(State &state, uint8_t bytes) {
  bool isKept = state.read.bytes & ~bytes;
  if (!isKept) {
    state.read = Mark();
  }
  if (!state.crowd) {
    return;
  }
  std::vector<Mark> rest;
  if (bytes != 0xF) {
    anyOfCrowd(state.crowd, [&](const Mark &mark) {
      if (mark.bytes & ~bytes) {
        rest.push_back(mark);
      }
      return false;
    });
  }
  freeCrowd(state);
  for (const Mark &mark : rest) {
    addToCrowd(state, mark);
  }
}

/// A read that is ordered before this one needs no place of its own: who comes
/// behind this one comes behind both.
void RaceDetector::noteRead(State &state, const Actor &actor,
                            const Mark &mark) {
  auto put = [&](Mark &old) {
    bool isSame = old.agent == mark.agent;
    if (!isSame && (!isKnown(actor, old) || (old.bytes & ~mark.bytes))) {
      return false;
    }
    uint8_t others = isSame && old.time == mark.time ? old.bytes : 0;
    old = mark;
    old.bytes |= others;
    return true;
  };
  if (!state.read.time) {
    state.read = mark;
  } else if (!put(state.read) && !anyOfCrowd(state.crowd, put)) {
    addToCrowd(state, mark);
  }
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
  std::vector<Mark> reads;
  anyOfCrowd(cell.whole.crowd, [&](const Mark &mark) {
    reads.push_back(mark);
    return false;
  });
  freeCrowd(cell.whole);
  for (State &word : split[index - 1]) {
    word = cell.whole;
    for (const Mark &mark : reads) {
      addToCrowd(word, mark);
    }
  }
  cell.whole = State();
  cell.words = index;
}

//===--- Accesses ---------------------------------------------------------===//

bool RaceDetector::Recorder::visit(State &state, uint8_t bytes, uint32_t offset,
                                   bool hasFound) {
  bool isClean = true;
  auto note = [&](const Mark &other, bool wasWrite, bool isProxy) {
    if (isClean && !hasFound) {
      conflict = {other.agent, other.inst, wasWrite, isProxy, offset};
    }
    isClean = false;
  };
  Mark own = mark;
  own.bytes = bytes;
  Mark &write = state.write;
  bool areAtomic = write.isAtomic && mark.isAtomic;
  if ((write.bytes & bytes) && !areAtomic && !races.isSafe(actor, write)) {
    note(write, true, races.isKnown(actor, write));
  }
  if (!isWrite) {
    races.noteRead(state, actor, own);
    return !isClean;
  }
  auto isRace = [&](const Mark &read) {
    return (read.bytes & bytes) && !races.isKnown(actor, read) &&
           !(read.isAtomic && mark.isAtomic);
  };
  if (state.read.time && isRace(state.read)) {
    note(state.read, false, false);
  }
  races.anyOfCrowd(state.crowd, [&](const Mark &read) {
    bool isConflict = isRace(read);
    if (isConflict) {
      note(read, false, false);
    }
    return isConflict;
  });
  races.dropReads(state, bytes);
  // Two halves of a word that different agents write at one time stay known as
  // one write of the later one.
  bool isOrdered = !write.time || races.isKnown(actor, write);
  own.bytes |= isOrdered ? 0 : write.bytes;
  write = own;
  return !isClean;
}

bool RaceDetector::Recorder::accessSlowly(uint32_t rank, uint32_t offset,
                                          uint32_t bytes) {
  bool found = false;
  uint32_t end = offset + bytes;
  for (uint32_t at = offset; at < end;) {
    uint32_t start = at / 16 * 16, stop = std::min(start + 16, end);
    Cell &cell = races.cells[size_t(rank) * races.cellsPerCta + start / 16];
    bool isWhole = at == start && stop == start + 16;
    if (isWhole && !cell.words) {
      found |= visit(cell.whole, kAllBytes, at, found);
      at = stop;
      continue;
    }
    if (!cell.words) {
      races.splitCell(cell);
    }
    for (uint32_t w = at / 4; w * 4 < stop; ++w) {
      uint32_t from = std::max(at, w * 4) % 4;
      uint32_t to = std::min(stop, w * 4 + 4) - w * 4;
      uint8_t mask = uint8_t(((1u << (to - from)) - 1) << from);
      found |=
          visit(races.split[cell.words - 1][w % 4], mask, w * 4 + from, found);
    }
    if (isWhole && isWrite) {
      // All words are alike now.
      cell.whole.write = races.split[cell.words - 1][0].write;
      races.freeSplits.push_back(cell.words);
      cell.words = 0;
    }
    at = stop;
  }
  return found;
}
