//===- Extents.cpp - Extents of view axes and of ranks --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A `?` axis of a view ends behind the largest coordinate in the view's domain.
// It is found without scanning a box: the axis is the innermost loop of a nest
// over the ranks that its constraints name, where linear constraints become
// intervals, and it starts unbounded. A union is taken disjunct by disjunct.
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

using namespace attn;
using namespace attn::reference;

/// The constraints of one disjunct, each a condition of its own.
static Presence conjunctionOf(const Presence &domain,
                              ArrayRef<Constraint> disjunct) {
  Presence result;
  result.lookups = domain.lookups;
  for (const Constraint &constraint : disjunct) {
    Condition single;
    single.anyOf.push_back({constraint});
    result.allOf.push_back(single);
  }
  return result;
}

/// How an expression goes as `axis` grows: 1 up, -1 down, 0 not at all; none if
/// it is not monotone for sure (remainders, symbols that the axis looks up).
static std::optional<int> growth(const Presence &domain, AffineExpr expr,
                                 int64_t axis) {
  if (!domain.names(expr, axis)) {
    return 0;
  }
  if (isa<AffineDimExpr>(expr)) {
    return 1;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || expr.getKind() == AffineExprKind::Mod) {
    return std::nullopt;
  }
  std::optional<int> left = growth(domain, binary.getLHS(), axis);
  if (!left) {
    return std::nullopt;
  }
  if (expr.getKind() == AffineExprKind::Add) {
    std::optional<int> right = growth(domain, binary.getRHS(), axis);
    bool opposed = right && *left * *right < 0;
    return right && !opposed ? std::optional<int>(*left ? *left : *right)
                             : std::nullopt;
  }
  // A factor, or a positive divisor.
  bool flips = cast<AffineConstantExpr>(binary.getRHS()).getValue() < 0;
  return flips ? -*left : *left;
}

/// Whether a constraint ends `axis`, whatever the numbers in it are.
static bool isLimit(const Presence &domain, const Constraint &constraint,
                    int64_t axis) {
  std::optional<int> direction = growth(domain, constraint.expr, axis);
  return direction &&
         (*direction < 0 || (constraint.isEquality && *direction != 0));
}

/// One more than the largest coordinate of `axis` in the domain; none if the
/// constraints over it and over axes that are not `open` do not bound it.
FailureOr<std::optional<int64_t>>
Machine::boundInDomain(ViewOp op, const Tensor &view, const Space &space,
                       int64_t axis, const llvm::SmallBitVector &open) {
  Space scan = space;
  SmallVector<AffineExpr> dims;
  for (unsigned i = 0; i < scan.extents.size(); ++i) {
    dims.push_back(getAffineDimExpr(i, context));
  }
  int64_t extent = 0;
  for (const auto &disjunct : view.presence.allOf.front().anyOf) {
    // Constraints that name another open axis can only shrink the domain
    // further; that axis gets its own turn.
    SmallVector<Constraint> usable;
    llvm::SmallBitVector loops(scan.extents.size());
    for (const Constraint &constraint : disjunct) {
      bool waits = llvm::any_of(open.set_bits(), [&](unsigned other) {
        return int64_t(other) != axis &&
               view.presence.names(constraint.expr, other);
      });
      if (waits) {
        continue;
      }
      usable.push_back(constraint);
      for (unsigned i = 0; i < loops.size(); ++i) {
        if (view.presence.names(constraint.expr, i)) {
          loops.set(i);
        }
      }
    }
    if (llvm::none_of(usable, [&](const Constraint &constraint) {
          return isLimit(view.presence, constraint, axis);
        })) {
      return std::optional<int64_t>();
    }
    SmallVector<int64_t> order;
    for (unsigned i : loops.set_bits()) {
      if (int64_t(i) != axis) {
        order.push_back(i);
      }
    }
    order.push_back(axis);
    // Limits first, which leave no more than a finite box; then, in that box,
    // the constraints that are not monotone.
    int64_t end = 0;
    for (bool bounded : {false, true}) {
      scan.extents[axis] = bounded ? end : LoopNest::kUnbounded;
      LoopNest nest(context, scan, error);
      nest.require(conjunctionOf(view.presence, usable), dims);
      nest.compile(order, /*keepOrder=*/true);
      end = 0;
      LogicalResult done = nest.run([&](int64_t, int64_t runEnd) {
        end = std::max(end, runEnd);
        return success();
      });
      if (failed(done)) {
        return fail(op, error);
      }
    }
    extent = std::max(extent, end);
  }
  return std::optional<int64_t>(extent);
}

/// How far `axis` may go where it indexes a symbol or the storage as itself or
/// as itself plus a constant (`%ptr[b]` and `%ptr[b + 1]` together mean one
/// less than the entries of %ptr); none if it does not.
FailureOr<std::optional<int64_t>> Machine::bareExtent(ViewOp op,
                                                      const Tensor &view,
                                                      const Space &space,
                                                      int64_t axis) {
  struct Source {
    const Tensor *tensor;
    int64_t extent;
  };
  SmallVector<Source> sources;
  auto visit = [&](const Tensor &tensor, ArrayRef<AffineExpr> at) {
    for (auto [i, expr] : llvm::enumerate(at)) {
      AffineExpr offset = expr - getAffineDimExpr(axis, context);
      auto constant = dyn_cast<AffineConstantExpr>(offset);
      if (!constant || constant.getValue() < 0) {
        continue;
      }
      int64_t extent =
          std::max<int64_t>(tensor.shape[i] - constant.getValue(), 0);
      auto *known = llvm::find_if(
          sources, [&](const Source &s) { return s.tensor == &tensor; });
      if (known == sources.end()) {
        sources.push_back({&tensor, extent});
      } else {
        known->extent = std::min(known->extent, extent);
      }
    }
  };
  for (const Lookup &lookup : view.presence.lookups) {
    visit(*lookup.tensor, lookup.at);
  }
  visit(*view.storage, view.address);
  if (sources.empty()) {
    return std::optional<int64_t>();
  }
  for (const Source &source : sources) {
    if (source.extent != sources.front().extent) {
      return fail(op, "expects one extent of axis '" + space.names[axis] +
                          "', but got " + Twine(sources.front().extent) +
                          " from " + sources.front().tensor->label + " and " +
                          Twine(source.extent) + " from " +
                          source.tensor->label);
    }
  }
  return std::optional<int64_t>(sources.front().extent);
}

LogicalResult Machine::findAxisExtents(ViewOp op, const Tensor &view,
                                       Space &space) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  llvm::SmallBitVector open(space.extents.size());
  for (auto [axis, extent] : llvm::enumerate(type.getShape())) {
    if (ShapedType::isDynamic(extent)) {
      open.set(axis);
    } else {
      space.extents[axis] = extent;
    }
  }
  auto inDomain = [&](int64_t axis) {
    return llvm::any_of(view.presence.allOf, [&](const Condition &condition) {
      return llvm::any_of(condition.anyOf, [&](const auto &disjunct) {
        return llvm::any_of(disjunct, [&](const Constraint &constraint) {
          return constraint.expr.isFunctionOfDim(axis);
        });
      });
    });
  };
  auto take = [&](int64_t axis, int64_t extent) {
    space.extents[axis] = extent;
    open.reset(axis);
  };
  auto takeBare = [&](unsigned axis) -> FailureOr<bool> {
    FailureOr<std::optional<int64_t>> extent =
        bareExtent(op, view, space, axis);
    if (failed(extent)) {
      return failure();
    }
    if (*extent) {
      take(axis, **extent);
    }
    return extent->has_value();
  };
  // Axes that no constraint names; then those that constraints bound, each as
  // soon as the axes it depends on are known; where none is bounded, one more
  // axis is as long as what it indexes, and the others are asked again.
  for (unsigned axis : SmallVector<unsigned>(open.set_bits())) {
    if (!inDomain(axis) && failed(takeBare(axis))) {
      return failure();
    }
  }
  for (bool progress = true; progress && open.any();) {
    progress = false;
    for (unsigned axis : SmallVector<unsigned>(open.set_bits())) {
      if (!inDomain(axis)) {
        continue;
      }
      FailureOr<std::optional<int64_t>> extent =
          boundInDomain(op, view, space, axis, open);
      if (failed(extent)) {
        return failure();
      }
      if (*extent) {
        take(axis, **extent);
        progress = true;
      }
    }
    for (unsigned axis : SmallVector<unsigned>(open.set_bits())) {
      if (progress) {
        break;
      }
      FailureOr<bool> taken = takeBare(axis);
      if (failed(taken)) {
        return failure();
      }
      progress = *taken;
    }
  }
  if (open.any()) {
    return fail(op, "expects a bound for axis '" +
                        space.names[open.find_first()] +
                        "': its domain does not bound it, and it indexes no "
                        "symbol or storage bare");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Ranks of a cascade
//===----------------------------------------------------------------------===//

LogicalResult Machine::findRankExtents(CascadeOp op) {
  ranks = Space();
  ranks.resize(op.getNumRanks());
  SmallVector<std::string> origin(op.getNumRanks());
  for (int64_t rank = 0; rank < op.getNumRanks(); ++rank) {
    ranks.names[rank] = op.getRankName(rank).str();
  }
  auto give = [&](int64_t rank, int64_t extent,
                  std::string from) -> LogicalResult {
    if (origin[rank].empty()) {
      ranks.extents[rank] = extent;
      origin[rank] = std::move(from);
      return success();
    }
    if (ranks.extents[rank] == extent) {
      return success();
    }
    return fail(op, "expects one extent of rank '" + ranks.names[rank] +
                        "', but got " + Twine(ranks.extents[rank]) + " from " +
                        origin[rank] + " and " + Twine(extent) + " from " +
                        from);
  };
  // Scalars of the body that need nothing from it: a fold's extent may be one.
  for (Operation &inner : op.getBody().front().without_terminator()) {
    bool ours = isa<EinsumOp, FoldOp, SelectOp, CoordOp, ViewOp>(inner);
    bool ready = llvm::all_of(inner.getOperands(), [&](Value operand) {
      return scalarOf(operand) || tensors.lookup(operand);
    });
    if (!ours && ready && failed(runOp(inner))) {
      return failure();
    }
  }
  auto giveScalar = [&](int64_t rank, Value value,
                        Operation *from) -> LogicalResult {
    std::optional<int64_t> extent = indexOf(value);
    if (!extent || *extent < 0) {
      return fail(from, "expects an extent of rank '" + ranks.names[rank] +
                            "' that is known and not negative" +
                            (extent ? ", but got " + std::to_string(*extent)
                                    : std::string()));
    }
    return give(rank, *extent, "the extent in " + describe(from));
  };
  for (auto [value, rank] : llvm::zip(op.getExtents(), op.getExtentRanks())) {
    if (failed(giveScalar(rank, value, op))) {
      return failure();
    }
  }
  auto giveBare = [&](Operation *from, OperandRange operands,
                      function_ref<AffineMap(unsigned)> mapOf) {
    for (auto [i, operand] : llvm::enumerate(operands)) {
      Tensor *tensor = tensors.lookup(operand);
      if (!tensor || tensor->computed) {
        continue;
      }
      for (auto [axis, expr] : llvm::enumerate(mapOf(i).getResults())) {
        auto dim = dyn_cast<AffineDimExpr>(expr);
        if (dim && failed(give(dim.getPosition(), tensor->shape[axis],
                               tensor->label + " in " + describe(from)))) {
          return failure();
        }
      }
    }
    return success();
  };
  WalkResult walked = op.getBody().walk([&](Operation *inner) {
    LogicalResult given = success();
    if (auto fold = dyn_cast<FoldOp>(inner)) {
      given = giveScalar(fold.getRank(), fold.getExtent(), fold);
    } else if (auto einsum = dyn_cast<EinsumOp>(inner)) {
      given = giveBare(einsum, einsum.getInputs(),
                       [&](unsigned i) { return einsum.getInputMap(i); });
    } else if (auto select = dyn_cast<SelectOp>(inner)) {
      given = giveBare(select, select.getInputs(),
                       [&](unsigned i) { return select.getInputMap(i); });
    }
    return failed(given) ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (walked.wasInterrupted()) {
    return failure();
  }
  // Declared extents: tiles of constant size, and a check of the others.
  walked = op.getBody().walk([&](EinsumOp einsum) {
    auto type = cast<RankedTensorType>(einsum.getResult().getType());
    for (auto [axis, expr] :
         llvm::enumerate(einsum.getResultMap().getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (dim && !type.isDynamicDim(axis) &&
          failed(give(dim.getPosition(), type.getDimSize(axis),
                      "the result type of " + describe(einsum)))) {
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  if (walked.wasInterrupted()) {
    return failure();
  }
  // A rank that only masks name.
  walked = op.getBody().walk([&](EinsumOp einsum) {
    for (auto [i, operand] : llvm::enumerate(einsum.getPresence())) {
      Tensor *tensor = tensors.lookup(operand);
      for (auto [axis, expr] :
           llvm::enumerate(einsum.getPresenceMap(i).getResults())) {
        auto dim = dyn_cast<AffineDimExpr>(expr);
        if (dim && tensor && !tensor->computed &&
            origin[dim.getPosition()].empty() &&
            failed(give(dim.getPosition(), tensor->shape[axis],
                        tensor->label + " in " + describe(einsum)))) {
          return WalkResult::interrupt();
        }
      }
    }
    return WalkResult::advance();
  });
  for (auto [rank, from] : llvm::enumerate(origin)) {
    if (from.empty()) {
      return fail(op, "expects an extent of rank '" + ranks.names[rank] +
                          "': no operand uses it bare, and neither the "
                          "cascade nor a fold gives one");
    }
  }
  return checkBareReads(op);
}

/// A symbol or data operand indexed by a rank as it is must have all of it.
/// (More is allowed: tables and positions may be longer than what is used.)
LogicalResult Machine::checkBareReads(CascadeOp op) {
  auto check = [&](EinsumOp einsum, OperandRange operands,
                   function_ref<AffineMap(unsigned)> mapOf) {
    for (auto [i, operand] : llvm::enumerate(operands)) {
      Tensor *tensor = tensors.lookup(operand);
      if (!tensor || tensor->computed) {
        continue;
      }
      for (auto [axis, expr] : llvm::enumerate(mapOf(i).getResults())) {
        auto dim = dyn_cast<AffineDimExpr>(expr);
        if (dim && tensor->shape[axis] < ranks.extents[dim.getPosition()]) {
          return fail(einsum,
                      "expects at least the extent " +
                          Twine(ranks.extents[dim.getPosition()]) +
                          " of rank '" + ranks.names[dim.getPosition()] +
                          "' in axis " + Twine(axis) + " of " + tensor->label +
                          ", but got " + Twine(tensor->shape[axis]));
        }
      }
    }
    return success();
  };
  WalkResult walked = op.getBody().walk([&](EinsumOp einsum) {
    bool bad =
        failed(check(einsum, einsum.getSymbols(),
                     [&](unsigned i) { return einsum.getSymbolMap(i); })) ||
        failed(check(einsum, einsum.getPresence(),
                     [&](unsigned i) { return einsum.getPresenceMap(i); }));
    return bad ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}
