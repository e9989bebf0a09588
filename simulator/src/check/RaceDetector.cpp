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

RaceDetector::RaceDetector(uint32_t numWarps, uint32_t sharedBytes)
    : numWarps(numWarps), numAgents(2 * numWarps),
      clocks(numAgents, VectorClock(numAgents, 0)),
      granules((sharedBytes + 3) / 4),
      reads(size_t(granules.size()) * numAgents) {
  for (uint32_t a = 0; a < numAgents; ++a) {
    clocks[a][a] = 1;
  }
}

void RaceDetector::release(uint32_t agent, VectorClock &clock) {
  join(clock, clocks[agent]);
  advance(agent);
}

void RaceDetector::acquire(uint32_t agent, const VectorClock &clock) {
  join(clocks[agent], clock);
}

void RaceDetector::acquireFrom(uint32_t agent, uint32_t other, uint32_t time) {
  uint32_t &known = clocks[agent][other];
  known = std::max(known, time);
}

void RaceDetector::fork(uint32_t starter, uint32_t agent) {
  join(clocks[agent], clocks[starter]);
  advance(agent);
  advance(starter);
}

bool RaceDetector::access(uint32_t agent, const Inst &in, uint32_t offset,
                          uint32_t bytes, bool isWrite, bool isAtomic,
                          Conflict &conflict) {
  bool found = false;
  const VectorClock &clock = clocks[agent];
  uint32_t first = offset / 4, last = (offset + bytes - 1) / 4;
  for (uint32_t g = first; g <= last; ++g) {
    uint32_t from = g == first ? offset % 4 : 0;
    uint32_t to = g == last ? (offset + bytes - 1) % 4 + 1 : 4;
    uint8_t mask = uint8_t(((1u << (to - from)) - 1) << from);
    Granule &granule = granules[g];
    bool isOrdered = granule.writer == ~uint32_t(0) ||
                     granule.writer == agent ||
                     granule.writeTime <= clock[granule.writer];
    bool isTold = granule.isAtomic && isAtomic;
    if (!isOrdered && !isTold && (granule.writeBytes & mask) && !found) {
      conflict = {granule.writer, granule.writeInst, true, g * 4 + from};
      found = true;
    }
    Read *read = &reads[size_t(g) * numAgents];
    if (isWrite) {
      for (uint32_t a = 0; a < numAgents && !found; ++a) {
        if (a != agent && read[a].time > clock[a] && (read[a].bytes & mask) &&
            !(read[a].isAtomic && isAtomic)) {
          conflict = {a, read[a].inst, false, g * 4 + from};
          found = true;
        }
      }
      // Two halves of a word that different agents write at one time stay
      // known as one write of the later one.
      granule.writeBytes = isOrdered || granule.writer == agent
                               ? mask
                               : uint8_t(granule.writeBytes | mask);
      granule.writer = agent;
      granule.writeTime = clock[agent];
      granule.writeInst = &in;
      granule.isAtomic = isAtomic;
    } else {
      Read &own = read[agent];
      own.bytes = own.time == clock[agent] ? uint8_t(own.bytes | mask) : mask;
      own.time = clock[agent];
      own.inst = &in;
      own.isAtomic = isAtomic;
    }
  }
  return found;
}
