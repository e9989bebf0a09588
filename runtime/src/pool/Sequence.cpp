//===- Sequence.cpp - Sequences and their handles -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Sequence.h"

using namespace attnrt;

Sequence *Sequences::find(uint64_t handle, SequenceKind kind) const {
  const uint32_t index = uint32_t(handle);
  if (index >= sequences.size()) {
    return nullptr;
  }
  Sequence *sequence = sequences[index].get();
  return sequence->kind == kind && sequence->generation == handle >> 32
             ? sequence
             : nullptr;
}

Sequence &Sequences::get(uint64_t handle, SequenceKind kind) const {
  if (Sequence *sequence = find(handle, kind)) {
    return *sequence;
  }
  raise(ATTNRT_NOT_FOUND,
        "expects a live %s, but got handle %u of generation %u, which is none",
        kind == SequenceKind::Live ? "sequence" : "pin", uint32_t(handle),
        uint32_t(handle >> 32));
}

Sequence &Sequences::reserve() {
  if (dead.empty()) {
    // The list has room for all of them, so that killing needs no memory.
    dead.reserve(sequences.capacity() + 1);
    makeRoom(sequences, 1);
    dead.reserve(sequences.capacity());
    sequences.push_back(std::make_unique<Sequence>());
    dead.push_back(uint32_t(sequences.size() - 1));
  }
  return *sequences[dead.back()];
}

uint64_t Sequences::revive(SequenceKind kind) {
  const uint32_t index = dead.back();
  dead.pop_back();
  Sequence &sequence = *sequences[index];
  if (++sequence.generation == 0) {
    sequence.generation = 1; // 0 is never a handle
  }
  sequence.kind = kind;
  ++(kind == SequenceKind::Live ? live : pins);
  return uint64_t(sequence.generation) << 32 | index;
}

void Sequences::kill(uint64_t handle) {
  Sequence &sequence = *sequences[uint32_t(handle)];
  --(sequence.kind == SequenceKind::Live ? live : pins);
  sequence.kind = SequenceKind::Dead;
  dead.push_back(uint32_t(handle));
}
