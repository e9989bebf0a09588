//===- Fold.cpp - Folds in the interpreter --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

using namespace attn;
using namespace attn::reference;

static SmallVector<int64_t> stateRanks(FoldOp op, unsigned i) {
  SmallVector<int64_t> result;
  for (AffineExpr expr : op.getStateMap(i).getResults()) {
    result.push_back(cast<AffineDimExpr>(expr).getPosition());
  }
  return result;
}

/// Numbers below `bound` from SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
uint64_t Machine::random(uint64_t bound) {
  uint64_t z = (randomState += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (z ^ (z >> 31)) % bound;
}

LogicalResult Machine::startState(FoldOp op, State &state) {
  state.resize(op.getNumStates());
  for (unsigned i = 0; i < op.getNumStates(); ++i) {
    std::optional<Word> start = scalarOf(op.getInit()[i]);
    if (!start) {
      return fail(op, "expects start values that are known scalars");
    }
    if (failed(allocateOver(op, stateRanks(op, i), state[i]))) {
      return failure();
    }
    bool isInteger = isIntegerLike(op.getInit()[i].getType());
    std::fill_n(static_cast<double *>(state[i].data()), state[i].numElements(),
                isInteger ? double(start->i) : start->f);
  }
  return success();
}

LogicalResult Machine::advance(FoldOp op, Block &block, ArrayRef<State *> given,
                               State &state) {
  unsigned count = op.getNumStates();
  for (auto [number, argument] : llvm::enumerate(block.getArguments())) {
    unsigned i = number % count;
    Tensor *&tensor = tensors[argument];
    if (!tensor) {
      FailureOr<Tensor *> created = newComputed(op, stateRanks(op, i));
      if (failed(created)) {
        return failure();
      }
      tensor = *created;
    }
    tensor->array = (*given[number / count])[i];
  }
  if (failed(runBlock(block))) {
    return failure();
  }
  // All yields are read before a state changes: one may be another's old value.
  State next(count);
  for (auto [i, value] :
       llvm::enumerate(block.getTerminator()->getOperands())) {
    Tensor *from = tensorOf(value);
    if (!from) {
      return fail(op, "expects yielded values that are known");
    }
    if (buildOnly) {
      continue;
    }
    if (failed(allocateOver(op, stateRanks(op, i), next[i]))) {
      return failure();
    }
    // An absent point leaves the state as it was.
    std::memcpy(next[i].data(), state[i].data(), state[i].numBytes());
    if (failed(copyPresent(op, *from, stateRanks(op, i), next[i]))) {
      return failure();
    }
  }
  if (!buildOnly) {
    state = std::move(next);
  }
  return success();
}

LogicalResult Machine::runSteps(FoldOp op, ArrayRef<int64_t> coordinates,
                                State &state) {
  for (int64_t coordinate : coordinates) {
    ranks.current[op.getRank()] = coordinate;
    if (failed(advance(op, op.getStep().front(), {&state}, state))) {
      return failure();
    }
  }
  return success();
}

std::vector<SmallVector<int64_t>> Machine::partition(FoldOp op,
                                                     int64_t extent) {
  int64_t parts = std::max<int64_t>(options.splits, 1);
  if (!options.randomSeed) {
    std::vector<SmallVector<int64_t>> result(parts);
    for (int64_t part = 0; part < parts; ++part) {
      auto range =
          llvm::seq(extent * part / parts, extent * (part + 1) / parts);
      result[part].assign(range.begin(), range.end());
    }
    return result;
  }
  parts = options.splits > 1 ? parts : 1 + int64_t(random(8));
  std::vector<SmallVector<int64_t>> result(parts);
  SmallVector<int64_t> owners;
  for (int64_t i = 0; i < extent; ++i) {
    owners.push_back(random(parts));
  }
  if (op.getOrdered()) {
    llvm::sort(owners);
  }
  for (int64_t i = 0; i < extent; ++i) {
    result[owners[i]].push_back(i);
  }
  for (SmallVector<int64_t> &part : result) {
    for (size_t i = part.size(); i > 1 && !op.getOrdered(); --i) {
      std::swap(part[i - 1], part[random(i)]);
    }
  }
  return result;
}

LogicalResult Machine::mergeParts(FoldOp op, SmallVectorImpl<State> &parts) {
  Block &merge = op.getMerge().front();
  while (parts.size() > 1) {
    // In order from the left; or any two, in any order, of an ordered fold two
    // neighbours.
    size_t left = 0, right = 1;
    if (options.randomSeed) {
      left = random(parts.size() - 1);
      right = left + 1;
      if (!op.getOrdered()) {
        right = left + 1 + random(parts.size() - left - 1);
        if (random(2)) {
          std::swap(left, right);
        }
      }
    }
    State joined = parts[left];
    if (failed(advance(op, merge, {&parts[left], &parts[right]}, joined))) {
      return failure();
    }
    parts[std::min(left, right)] = std::move(joined);
    parts.erase(parts.begin() + std::max(left, right));
  }
  return success();
}

LogicalResult Machine::runFold(FoldOp op) {
  int64_t rank = op.getRank();
  std::optional<int64_t> extent = indexOf(op.getExtent());
  if (!extent || *extent != ranks.extents[rank]) {
    return fail(op, "expects an extent that is known before the cascade");
  }
  if (options.randomSeed && randomState == 0) {
    randomState = *options.randomSeed + 1;
  }
  ranks.bound.set(rank);
  SmallVector<State> parts;
  if (*extent == 0 || buildOnly) {
    // No step runs, but what the results' presence is does not depend on that.
    State &state = parts.emplace_back();
    if (failed(startState(op, state))) {
      return failure();
    }
    bool outer = buildOnly;
    buildOnly = true;
    LogicalResult built = runSteps(op, {0}, state);
    buildOnly = outer;
    if (failed(built)) {
      return failure();
    }
  } else {
    for (ArrayRef<int64_t> coordinates : partition(op, *extent)) {
      State &state = parts.emplace_back();
      if (failed(startState(op, state)) ||
          failed(runSteps(op, coordinates, state))) {
        return failure();
      }
    }
    if (failed(mergeParts(op, parts))) {
      return failure();
    }
    if (options.stats) {
      options.stats->points[op] += *extent;
    }
  }
  ranks.bound.reset(rank);
  ranks.current[rank] = 0;

  // A fold is a reduction over its rank.
  llvm::SmallBitVector folded(ranks.extents.size());
  folded.set(rank);
  Operation *yield = op.getStep().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
    Tensor *&result = tensors[op.getResult(i)];
    if (!result) {
      FailureOr<Tensor *> created = newComputed(op, stateRanks(op, i));
      if (failed(created)) {
        return failure();
      }
      result = *created;
    }
    result->array = parts[0][i];
    // The yielded value's own ranks are those of the state, so its presence
    // speaks of the result.
    const Tensor *yielded = tensorOf(value);
    result->presence =
        yielded->computed ? handOn(yielded->presence, folded) : Presence();
  }
  return success();
}
