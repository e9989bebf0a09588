//===- RequestIo.cpp - Bytes of a batch of requests -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/RequestIo.h"
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/TileGrid.h"
#include "attn/Analysis/TileProblem.h"

using namespace attn;
using llvm::SmallBitVector;

namespace {

class Evaluator {
public:
  Evaluator(CascadeOp cascade, ArrayRef<HostArray> args,
            ArrayRef<int64_t> extents, const IoSettings &settings,
            std::string &error)
      : cascade(cascade), args(args), extents(extents), settings(settings),
        error(error) {}

  LogicalResult run(int64_t rank, IoReport &total) {
    FailureOr<IoModel> model = IoModel::create(cascade, rank);
    if (failed(model) || !model->countsPairs()) {
      return fail("the mask depends on data or on a selection");
    }
    SmallVector<TileGrid, 0> grids = findTileGrids(cascade);
    PresenceSets sets;
    SmallBitVector requests(cascade.getNumRanks());
    if (!grids.empty()) {
      sets = std::move(grids.front().sets);
      for (AffineMap map : sets.symbolMaps) {
        requests |= getRanks(map);
      }
      SmallBitVector columns = getColumns(cascade, rank);
      if (requests.anyCommon(columns) ||
          (grids.front().rowRank >= 0 &&
           requests.test(grids.front().rowRank))) {
        return fail("a symbol of the mask changes along rows or columns");
      }
    }
    SmallVector<int64_t> point(cascade.getNumRanks(), 0);
    for (unsigned r : requests.set_bits()) {
      if (extents[r] == 0) {
        return success();
      }
    }
    while (true) {
      IoBindings bindings;
      for (int64_t r = 0; r < cascade.getNumRanks(); ++r) {
        bindings[cascade.getRankName(r)] = requests.test(r) ? 1 : extents[r];
      }
      if (failed(bindSymbols(sets, point, bindings))) {
        return failure();
      }
      FailureOr<IoReport> report = model->evaluate(bindings, settings, error);
      if (failed(report)) {
        return failure();
      }
      total += *report;
      if (!advance(requests, point)) {
        return success();
      }
    }
  }

private:
  LogicalResult fail(const Twine &message) {
    error = message.str();
    return failure();
  }

  /// The next request, the last rank fastest; false behind the last one.
  bool advance(const SmallBitVector &requests, MutableArrayRef<int64_t> point) {
    for (int r = requests.find_last(); r >= 0; r = requests.find_prev(r)) {
      if (++point[r] < extents[r]) {
        return true;
      }
      point[r] = 0;
    }
    return false;
  }

  LogicalResult bindSymbols(const PresenceSets &sets, ArrayRef<int64_t> point,
                            IoBindings &bindings) {
    for (auto [value, map, name] :
         llvm::zip(sets.symbols, sets.symbolMaps, sets.symbolNames)) {
      auto argument = dyn_cast<BlockArgument>(value);
      if (!argument || !isa<func::FuncOp>(argument.getOwner()->getParentOp())) {
        return fail("symbol '" + name.getValue() + "' is no argument");
      }
      const HostArray &array = args[argument.getArgNumber()];
      SmallVector<int64_t> at = map.compose(point);
      for (auto [axis, coordinate] : llvm::enumerate(at)) {
        if (coordinate < 0 || coordinate >= array.dim(axis)) {
          return fail("symbol '" + name.getValue() + "' is read at " +
                      Twine(coordinate) + " of an axis of " +
                      Twine(array.dim(axis)));
        }
      }
      bindings[name.getValue()] = array.getInt(array.offsetOf(at));
    }
    return success();
  }

  CascadeOp cascade;
  ArrayRef<HostArray> args;
  ArrayRef<int64_t> extents;
  const IoSettings &settings;
  std::string &error;
};

} // namespace

FailureOr<IoReport> attn::evaluateRequests(
    func::FuncOp function, ArrayRef<HostArray> args,
    const llvm::DenseMap<Operation *, SmallVector<int64_t>> &extents,
    const IoSettings &settings, std::string &error) {
  IoReport total;
  bool any = false;
  WalkResult walked = function.walk([&](CascadeOp cascade) {
    std::optional<int64_t> rank = getFoldRank(cascade);
    if (!rank) {
      return WalkResult::advance();
    }
    auto known = extents.find(cascade);
    if (known == extents.end()) {
      error = "the extents of a cascade depend on computed data";
      return WalkResult::interrupt();
    }
    any = true;
    Evaluator evaluator(cascade, args, known->second, settings, error);
    return WalkResult(evaluator.run(*rank, total));
  });
  if (walked.wasInterrupted()) {
    return failure();
  }
  if (!any) {
    error = "no rank is folded";
    return failure();
  }
  return total;
}
