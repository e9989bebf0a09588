//===- Cascade.cpp - Cascades and selections in the interpreter -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

using namespace attn;
using namespace attn::reference;

/// Elements that an intermediate may have before ranks are sliced (32 MiB).
static constexpr int64_t kSliceLimit = int64_t(1) << 22;

//===----------------------------------------------------------------------===//
// Computed tensors
//===----------------------------------------------------------------------===//

SmallVector<int64_t> Machine::shapeOver(ArrayRef<int64_t> axes) {
  SmallVector<int64_t> shape;
  for (int64_t rank : axes) {
    shape.push_back(ranks.extents[rank]);
  }
  return shape;
}

SmallVector<AffineExpr> Machine::dimsOf(ArrayRef<int64_t> axes) {
  SmallVector<AffineExpr> dims;
  for (int64_t rank : axes) {
    dims.push_back(getAffineDimExpr(rank, context));
  }
  return dims;
}

SmallVector<int64_t> Machine::unbound(const llvm::SmallBitVector &set) {
  SmallVector<int64_t> result;
  for (unsigned rank : set.set_bits()) {
    if (!ranks.bound.test(rank)) {
      result.push_back(rank);
    }
  }
  return result;
}

LogicalResult Machine::allocateOver(Operation *op, ArrayRef<int64_t> axes,
                                    HostArray &array) {
  // A sliced rank has one coordinate at a time: stride 0 reaches it from all.
  SmallVector<int64_t> shape = shapeOver(axes), memory = shape;
  for (auto [axis, rank] : llvm::enumerate(axes)) {
    memory[axis] = sliced.test(rank) ? 1 : shape[axis];
  }
  if (failed(allocate(op, array, memory))) {
    return failure();
  }
  SmallVector<int64_t> strides(array.strides());
  for (auto [axis, rank] : llvm::enumerate(axes)) {
    strides[axis] = sliced.test(rank) ? 0 : strides[axis];
  }
  array = array.withLayout(memory, strides);
  return success();
}

FailureOr<Tensor *> Machine::newComputed(Operation *op,
                                         ArrayRef<int64_t> axes) {
  Tensor &tensor = newTensor(shapeOver(axes), "the result of " + describe(op));
  tensor.computed = true;
  tensor.ranks.assign(axes.begin(), axes.end());
  if (failed(allocateOver(op, axes, tensor.array))) {
    return failure();
  }
  return &tensor;
}

LogicalResult Machine::copyPresent(Operation *op, const Tensor &from,
                                   ArrayRef<int64_t> axes,
                                   const HostArray &to) {
  Tensor target;
  target.shape = shapeOver(axes);
  target.array = to;
  LoopNest nest(context, ranks, error);
  unsigned source = nest.addOperand(from, dimsOf(axes));
  unsigned output = nest.addOperand(target, dimsOf(axes));
  llvm::SmallBitVector loops(ranks.extents.size());
  for (int64_t rank : axes) {
    loops.set(rank);
  }
  nest.compile(unbound(loops));
  auto *data = static_cast<double *>(to.data());
  LogicalResult done = nest.run([&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t count = std::min(LoopNest::kChunk, end - x);
      const double *values = nest.load(source, x, count);
      if (!values) {
        return failure();
      }
      int64_t step = nest.getStep(output);
      store(data + *nest.position(output, x, count) + x * step, step, values,
            count);
    }
    return success();
  });
  return failed(done) ? fail(op, error) : success();
}

//===----------------------------------------------------------------------===//
// Cascades
//===----------------------------------------------------------------------===//

LogicalResult Machine::runBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (failed(runOp(op))) {
      return failure();
    }
  }
  return success();
}

/// Writes what the current slice yields into the results.
LogicalResult Machine::yieldSlice(CascadeOp op) {
  Operation *yield = op.getBody().front().getTerminator();
  for (auto [value, result] :
       llvm::zip(yield->getOperands(), op.getResults())) {
    Tensor *from = tensorOf(value);
    if (!from) {
      return fail(yield, "expects values that are known");
    }
    Tensor *&to = tensors[result];
    if (!from->computed) {
      to = from;
      continue;
    }
    if (!to) {
      to = &newTensor(from->shape, "the result of " + describe(op));
      if (failed(allocate(op, to->array, from->shape))) {
        return failure();
      }
    }
    if (failed(copyPresent(yield, *from, from->ranks, to->array))) {
      return failure();
    }
  }
  return success();
}

LogicalResult Machine::checkCascade(CascadeOp op) {
  // Nothing can be said about a cascade that reads what is not known.
  WalkResult walked = op.getBody().walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      bool outside =
          op->getParentRegion()->isAncestor(operand.getParentRegion()) &&
          !op.getBody().isAncestor(operand.getParentRegion());
      if (outside && !tensorOf(operand)) {
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  bool known = llvm::all_of(op.getExtents(), [&](Value extent) {
    return scalarOf(extent).has_value();
  });
  if (walked.wasInterrupted() || !known) {
    return success();
  }
  if (failed(findRankExtents(op))) {
    return failure();
  }
  extents[op] = llvm::to_vector(ranks.extents);
  sliced = llvm::SmallBitVector(op.getNumRanks());
  for (SelectOp select : op.getBody().getOps<SelectOp>()) {
    bool readable = llvm::all_of(select.getInputs(), [&](Value input) {
      Tensor *tensor = tensorOf(input);
      return tensor && tensor->isKnown();
    });
    if (select.getRule() == SelectRule::listed && readable &&
        failed(runSelect(select))) {
      return failure();
    }
  }
  Operation *yield = op.getBody().front().getTerminator();
  for (auto [value, result] :
       llvm::zip(yield->getOperands(), op.getResults())) {
    if (std::optional<SmallVector<int64_t>> axes = ranksOf(value, op)) {
      Tensor &tensor =
          newTensor(shapeOver(*axes), "the result of " + describe(op));
      tensor.known = false;
      tensor.array =
          tensor.array.withLayout(tensor.shape, rowMajorStrides(tensor.shape));
      tensors[result] = &tensor;
    } else if (Tensor *outer = tensorOf(value)) {
      tensors[result] = outer;
    }
  }
  return success();
}

LogicalResult Machine::runCascade(CascadeOp op) {
  if (checkOnly) {
    return checkCascade(op);
  }
  if (failed(findRankExtents(op))) {
    return failure();
  }
  sliced = chooseSlices(op, ranks, kSliceLimit);
  ranks.bound |= sliced;
  SmallVector<int64_t> order(sliced.set_bits());
  while (true) {
    if (failed(runBlock(op.getBody().front())) || failed(yieldSlice(op))) {
      return failure();
    }
    // The next slice: the last sliced rank runs fastest.
    int64_t i = int64_t(order.size()) - 1;
    for (; i >= 0; --i) {
      int64_t rank = order[i];
      if (++ranks.current[rank] < ranks.extents[rank]) {
        break;
      }
      ranks.current[rank] = 0;
    }
    if (i < 0) {
      break;
    }
  }
  // Intermediates are dead; nothing outside can name them.
  compiled.clear();
  op.getBody().walk([&](Operation *inner) {
    for (Value value : inner->getResults()) {
      tensors.erase(value);
    }
  });
  for (Tensor &tensor : arena) {
    if (tensor.computed) {
      tensor.array = HostArray();
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Selections
//===----------------------------------------------------------------------===//

int64_t Machine::listIndex(const Coords &coords, const LoopNest &nest,
                           int64_t x) {
  int64_t index = 0;
  for (auto [rank, stride] : llvm::zip(coords.ranks, coords.strides)) {
    int64_t at = rank == nest.innermost() ? x : nest.coordinate(rank);
    index += at * stride;
  }
  return index;
}

LogicalResult Machine::runListed(SelectOp op, Coords &coords) {
  Tensor *list = tensorOf(op.getInputs()[0]);
  Tensor *count = tensorOf(op.getInputs()[1]);
  if (!list || !count || list->shape.empty()) {
    return fail(op, "expects lists and counts that are known");
  }
  int64_t most =
      std::min(cast<CoordsType>(op.getType()).getMax(), list->shape.back());
  llvm::SmallBitVector loops(ranks.extents.size());
  for (int64_t rank : coords.ranks) {
    loops.set(rank);
  }
  // The place in a list is one more rank, for this op only.
  Space space = ranks;
  unsigned place = ranks.extents.size();
  space.resize(place + 1);
  space.names[place] = "place";
  space.extents[place] = list->shape.back();

  LoopNest counts(context, space, error);
  unsigned used = counts.addOperand(*count, op.getInputMap(1).getResults());
  counts.compile(unbound(loops));
  LogicalResult done = counts.run([&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t length = std::min(LoopNest::kChunk, end - x);
      const int64_t *values = counts.loadInts(used, x, length);
      for (int64_t i = 0; values && i < length; ++i) {
        if (values[i] < 0 || values[i] > most) {
          error = "expects a count in [0, " + std::to_string(most) + "] from " +
                  count->label + ", but got " + std::to_string(values[i]) +
                  " for list " +
                  std::to_string(listIndex(coords, counts, x + i));
          return failure();
        }
      }
      if (!values) {
        return failure();
      }
    }
    return success();
  });
  if (failed(done)) {
    return fail(op, error);
  }

  // Only entries below the count are looked at.
  LoopNest entries(context, space, error);
  SmallVector<AffineExpr> at(op.getInputMap(0).getResults());
  at.push_back(getAffineDimExpr(place, context));
  unsigned entry = entries.addOperand(*list, at);
  AffineExpr length =
      entries.addLookup(*count, op.getInputMap(1).getResults(), "count");
  Condition below;
  below.anyOf.push_back({Constraint{length - 1 - at.back(), false}});
  entries.require(below);
  SmallVector<int64_t> order = unbound(loops);
  order.push_back(place);
  entries.compile(order, /*keepOrder=*/true);
  done = entries.run([&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t size = std::min(LoopNest::kChunk, end - x);
      const int64_t *values = entries.loadInts(entry, x, size);
      for (int64_t i = 0; values && i < size; ++i) {
        if (values[i] < 0) {
          error = "expects coordinates of at least 0 in " + list->label +
                  ", but got " + std::to_string(values[i]) + " at place " +
                  std::to_string(x + i) + " of list " +
                  std::to_string(listIndex(coords, entries, x));
          return failure();
        }
        coords.lists[listIndex(coords, entries, x)].push_back(values[i]);
      }
      if (!values) {
        return failure();
      }
    }
    return success();
  });
  return failed(done) ? fail(op, error) : success();
}

LogicalResult Machine::runScored(SelectOp op, Coords &coords) {
  bool threshold = op.getRule() == SelectRule::threshold;
  int64_t over = *op.getOver();
  size_t most = cast<CoordsType>(op.getType()).getMax();
  LoopNest nest(context, ranks, error);
  SmallVector<unsigned> operands;
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    Tensor *tensor = tensorOf(input);
    if (!tensor) {
      return fail(op, "expects scores that are known");
    }
    operands.push_back(
        nest.addOperand(*tensor, op.getInputMap(i).getResults()));
  }
  llvm::SmallBitVector loops(ranks.extents.size());
  for (int64_t rank : coords.ranks) {
    loops.set(rank);
  }
  SmallVector<int64_t> order = unbound(loops);
  order.push_back(over);
  nest.compile(order, /*keepOrder=*/true);
  // Absent scores are not visited, so they are never chosen.
  std::vector<std::vector<std::pair<double, int64_t>>> found(
      coords.lists.size());
  LogicalResult done = nest.run([&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t length = std::min(LoopNest::kChunk, end - x);
      const double *scores = nest.load(operands[0], x, length);
      const double *limits =
          threshold ? nest.load(operands[1], x, length) : scores;
      if (!scores || !limits) {
        return failure();
      }
      auto &list = found[listIndex(coords, nest, x)];
      for (int64_t i = 0; i < length; ++i) {
        if (scores[i] >= limits[i]) {
          list.push_back({scores[i], x + i});
        }
      }
    }
    return success();
  });
  if (failed(done)) {
    return fail(op, error);
  }
  for (auto [chosen, list] : llvm::zip(found, coords.lists)) {
    if (threshold && chosen.size() > most) {
      return fail(op, "expects at most " + Twine(most) +
                          " coordinates in a list, but got " +
                          Twine(chosen.size()));
    }
    // The largest first; of equal ones the lowest coordinate.
    llvm::sort(chosen, [](const auto &a, const auto &b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    chosen.resize(std::min(chosen.size(), most));
    for (auto [score, coordinate] : chosen) {
      list.push_back(coordinate);
    }
  }
  return success();
}

LogicalResult Machine::runSelect(SelectOp op) {
  Coords *&coords = selections[op.getResult()];
  if (!coords) {
    coords = &coordsArena.emplace_back();
    coords->block = cast<CoordsType>(op.getType()).getBlock();
    int64_t size = 1;
    for (AffineExpr expr : llvm::reverse(op.getResultMap().getResults())) {
      int64_t rank = cast<AffineDimExpr>(expr).getPosition();
      int64_t extent = ranks.extents[rank];
      coords->ranks.insert(coords->ranks.begin(), rank);
      coords->shape.insert(coords->shape.begin(), extent);
      coords->strides.insert(coords->strides.begin(),
                             sliced.test(rank) ? 0 : size);
      size *= sliced.test(rank) ? 1 : extent;
    }
    coords->lists.resize(size);
  }
  for (auto &list : coords->lists) {
    list.clear();
  }
  if (buildOnly) {
    return success();
  }
  LogicalResult done = op.getRule() == SelectRule::listed
                           ? runListed(op, *coords)
                           : runScored(op, *coords);
  for (auto &list : coords->lists) {
    llvm::sort(list);
  }
  return done;
}
