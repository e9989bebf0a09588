//===- IoModel.cpp - Bytes that a cascade must and will move --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/IoModel.h"
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/TileGrid.h"
#include "attn/Analysis/TileProblem.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;
using llvm::SmallBitVector;

//===----------------------------------------------------------------------===//
// From IR
//===----------------------------------------------------------------------===//

namespace {

/// Lists the tensors that a cascade reads and writes, each once.
class TensorLister {
public:
  TensorLister(CascadeOp cascade, int64_t rank, const SmallBitVector &columns)
      : cascade(cascade), rank(rank), columns(columns) {}

  void addRead(Value value, AffineMap map) {
    if (!isa<RankedTensorType, MemRefType>(value.getType()) ||
        isComputed(cascade, value) || !seen.insert(value).second) {
      return;
    }
    add(value, map, /*isOutput=*/false);
    if (auto view = value.getDefiningOp<ViewOp>()) {
      for (auto [i, symbol] : llvm::enumerate(view.getSymbols())) {
        AffineMap at = view.getSymbolMap(i);
        // Where another table points to is not known: as if from its begin on.
        SmallVector<AffineExpr> begin(
            at.getNumSymbols(), getAffineConstantExpr(0, at.getContext()));
        at = at.replaceDimsAndSymbols({}, begin, at.getNumDims(), 0);
        addRead(symbol, at.compose(map));
      }
    }
  }

  void addOutputs() {
    for (Value value :
         cascade.getBody().front().getTerminator()->getOperands()) {
      if (auto einsum = value.getDefiningOp<EinsumOp>()) {
        add(value, einsum.getResultMap(), /*isOutput=*/true);
      } else if (auto fold = value.getDefiningOp<FoldOp>()) {
        add(value, fold.getStateMap(cast<OpResult>(value).getResultNumber()),
            /*isOutput=*/true);
      }
    }
  }

  SmallVector<IoTensor, 0> tensors;

private:
  void add(Value value, AffineMap map, bool isOutput) {
    IoTensor tensor;
    tensor.name = isOutput ? "result" : getValueName(value);
    tensor.isOutput = isOutput;
    Type element = cast<ShapedType>(value.getType()).getElementType();
    // An i1 is stored in a byte; i4 elements are packed.
    tensor.bits = element.isInteger(1) || !element.isIntOrFloat()
                      ? 8
                      : element.getIntOrFloatBitWidth();
    for (AffineExpr expr : map.getResults()) {
      tensor.factors.push_back(getFactor(expr));
      tensor.perColumn |=
          tensor.factors.back().kind == IoTensor::Factor::Columns;
    }
    tensors.push_back(std::move(tensor));
  }

  /// How many different values `expr` takes.
  IoTensor::Factor getFactor(AffineExpr expr) {
    IoTensor::Factor factor;
    if (auto binary = dyn_cast<AffineBinaryOpExpr>(expr)) {
      auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
      if (constant && expr.getKind() == AffineExprKind::Mod) {
        factor.value = constant.getValue();
        return factor;
      }
      if (constant && expr.getKind() == AffineExprKind::FloorDiv) {
        factor = getFactor(binary.getLHS());
        factor.value *= constant.getValue();
        return factor;
      }
    }
    for (unsigned r = 0; r < columns.size(); ++r) {
      if (!expr.isFunctionOfDim(r)) {
        continue;
      }
      if (columns.test(r)) {
        factor.kind = IoTensor::Factor::Columns;
        factor.value = getColumnsPerValue(expr);
        return factor;
      }
      factor.kind = IoTensor::Factor::Rank;
      factor.rank = cascade.getRankName(r).str();
    }
    return factor;
  }

  /// In `m1 * 4 + m0 floordiv 16` with 64 columns in a tile: 64 / 4.
  int64_t getColumnsPerValue(AffineExpr expr) {
    int64_t tile = 1;
    SmallVector<AffineExpr> zeros(columns.size(),
                                  getAffineConstantExpr(0, expr.getContext()));
    for (unsigned r : columns.set_bits()) {
      if (int64_t(r) != rank) {
        int64_t extent = getStaticExtent(cascade, r);
        tile *= ShapedType::isDynamic(extent) ? 1 : extent;
      }
    }
    auto at = [&](int64_t value) {
      zeros[rank] = getAffineConstantExpr(value, expr.getContext());
      auto folded = dyn_cast<AffineConstantExpr>(expr.replaceDims(zeros));
      return folded ? folded.getValue() : 0;
    };
    int64_t step = at(1) - at(0);
    return step > 0 && tile % step == 0 ? tile / step : 1;
  }

  CascadeOp cascade;
  int64_t rank;
  SmallBitVector columns;
  llvm::DenseSet<Value> seen;
};

} // namespace

std::optional<IoModel::Counter> IoModel::makeCounter(CascadeOp cascade) {
  SmallVector<TileGrid, 0> grids = findTileGrids(cascade);
  if (grids.size() != 1 || grids[0].innerRanks.size() > 1 ||
      grids[0].sets.hasOtherTerms) {
    return std::nullopt;
  }
  const TileGrid &grid = grids[0];
  unsigned numRanks = cascade.getNumRanks();
  Counter counter;
  SmallVector<TileAxis> axes;
  if (grid.rowRank >= 0) {
    TileAxis row;
    row.dim = grid.rowRank;
    row.dynamicSize = true;
    axes.push_back(row);
    counter.rowRank = cascade.getRankName(grid.rowRank).str();
  }
  TileAxis col;
  col.dim = grid.innerRanks.empty() ? grid.colRank : grid.innerRanks[0];
  axes.push_back(col);
  counter.colRank = cascade.getRankName(col.dim).str();
  auto params = getTileParams(numRanks, grid.sets.symbols.size(), axes);
  counter.names.resize(params.numParams);
  for (auto [rank, param] : llvm::enumerate(params.dimParam)) {
    if (param >= 0) {
      counter.names[param] = cascade.getRankName(rank).str();
    }
  }
  for (auto [symbol, param] : llvm::enumerate(params.symbolParam)) {
    counter.names[param] = grid.sets.symbolNames[symbol].str();
  }
  if (grid.rowRank >= 0) {
    counter.rowParam = params.loParam[0];
    counter.rowSizeParam = params.sizeParam[0];
  }
  counter.colParam = params.loParam.back();
  if (!grid.innerRanks.empty()) {
    counter.outerParam = params.dimParam[grid.colRank];
    counter.outerRank = cascade.getRankName(grid.colRank).str();
  }
  FailureOr<TileClasses> classes = classifyConjunction(
      grid.sets.conjunction, numRanks, grid.sets.symbols.size(), axes);
  if (failed(classes) || !classes->exact) {
    return std::nullopt;
  }
  // A rank that the mask names besides these would need a count per value.
  for (auto [rank, param] : llvm::enumerate(params.dimParam)) {
    auto reads = [&](const LinearSet &set) {
      auto named = [&, p = param](const auto &row) {
        return row.coeffs[p] != 0;
      };
      return llvm::any_of(set.constraints, named) ||
             llvm::any_of(set.divisions, named);
    };
    if (param >= 0 && param != counter.outerParam &&
        llvm::any_of(classes->some, reads)) {
      return std::nullopt;
    }
  }
  counter.classes = std::move(*classes);
  counter.intervals = foldIntervals(counter.classes, counter.colParam, 1);
  return counter;
}

FailureOr<IoModel> IoModel::create(CascadeOp cascade, int64_t rank) {
  IoModel model;
  SmallBitVector columns = getColumns(cascade, rank);
  SmallBitVector rows(columns.size()), shared(columns.size());
  TensorLister lister(cascade, rank, columns);
  auto name = [&](unsigned r) { return cascade.getRankName(r).str(); };
  cascade->walk([&](EinsumOp einsum) {
    for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
      lister.addRead(input, einsum.getInputMap(i));
    }
    for (auto [i, symbol] : llvm::enumerate(einsum.getSymbols())) {
      lister.addRead(symbol, einsum.getSymbolMap(i));
    }
    for (auto [i, operand] : llvm::enumerate(einsum.getPresence())) {
      lister.addRead(operand, einsum.getPresenceMap(i));
    }
    // The ranks of a score: an einsum with columns in its result that reads
    // tensors from outside.
    SmallBitVector result = getRanks(einsum.getResultMap());
    if (!result.anyCommon(columns)) {
      return;
    }
    for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
      if (isComputed(cascade, input) ||
          !isa<RankedTensorType>(input.getType())) {
        continue;
      }
      SmallBitVector ranks = getRanks(einsum.getInputMap(i));
      (ranks.anyCommon(columns) ? shared : rows) |= (ranks &= result);
    }
  });
  lister.addOutputs();
  model.tensors = std::move(lister.tensors);
  rows.reset(columns);
  shared.reset(columns);
  rows.reset(shared);
  for (unsigned r = 0; r < columns.size(); ++r) {
    int64_t extent = getStaticExtent(cascade, r);
    if (!ShapedType::isDynamic(extent)) {
      model.extents[name(r)] = extent;
    }
  }
  for (unsigned r : columns.set_bits()) {
    model.columnRanks.push_back(name(r));
  }
  for (unsigned r : shared.set_bits()) {
    model.sharedRanks.push_back(name(r));
  }
  for (unsigned r : rows.set_bits()) {
    model.rowRanks.push_back(name(r));
  }
  model.counter = makeCounter(cascade);
  model.countsMask = model.counter || findTileGrids(cascade).empty();
  if (model.counter && !model.counter->rowRank.empty()) {
    std::string first = model.counter->rowRank;
    llvm::erase(model.rowRanks, first);
    llvm::erase(model.sharedRanks, first);
    model.rowRanks.insert(model.rowRanks.begin(), first);
  }
  TileProblem problem = getTileProblem(cascade, rank);
  model.numScoreDots = problem.numScoreDots;
  model.scoreChannels =
      problem.numScoreDots ? problem.scoreChannels / problem.numScoreDots : 0;
  model.elementBytes = problem.elementBytes;
  cascade->walk([&](FoldOp fold) {
    for (unsigned s = 0; s < fold.getNumStates(); ++s) {
      auto type = cast<RankedTensorType>(fold.getResult(s).getType());
      int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
      for (auto [axis, expr] :
           llvm::enumerate(fold.getStateMap(s).getResults())) {
        unsigned r = cast<AffineDimExpr>(expr).getPosition();
        if (!rows.test(r) && !shared.test(r) && !type.isDynamicDim(axis)) {
          bytes *= type.getDimSize(axis);
        }
      }
      model.stateBytesPerRow += bytes;
    }
  });
  return model;
}

//===----------------------------------------------------------------------===//
// Without IR
//===----------------------------------------------------------------------===//

IoReport &IoReport::operator+=(const IoReport &other) {
  pairs += other.pairs;
  columns += other.columns;
  kvBytes += other.kvBytes;
  compulsoryBytes += other.compulsoryBytes;
  phaseBytes += other.phaseBytes;
  memoryBytes += other.memoryBytes;
  coreBytes += other.coreBytes;
  stateBytes += other.stateBytes;
  return *this;
}

int64_t IoModel::Counter::count(MutableArrayRef<int64_t> params, int64_t row,
                                int64_t size, int64_t cols,
                                int64_t outer) const {
  if (rowParam >= 0) {
    params[rowParam] = row;
    params[rowSizeParam] = size;
  }
  int64_t total = 0;
  for (int64_t o = 0; o < outer; ++o) {
    if (outerParam >= 0) {
      params[outerParam] = o;
    }
    for (auto [first, last] : intervals.evaluate(params, 0, cols)) {
      if (intervals.exact) {
        total += last - first;
        continue;
      }
      for (int64_t k = first; k < last; ++k) {
        params[colParam] = k;
        total += classes.classify(params) != TileClass::Empty;
      }
    }
  }
  return total;
}

SmallVector<std::string> IoModel::getFreeNames() const {
  SmallVector<std::string> names;
  auto need = [&](const std::string &name) {
    if (!name.empty() && !extents.count(name) &&
        !llvm::is_contained(names, name)) {
      names.push_back(name);
    }
  };
  llvm::for_each(columnRanks, need);
  llvm::for_each(sharedRanks, need);
  llvm::for_each(rowRanks, need);
  for (const IoTensor &tensor : tensors) {
    for (const IoTensor::Factor &factor : tensor.factors) {
      need(factor.rank);
    }
  }
  if (counter) {
    for (auto [param, name] : llvm::enumerate(counter->names)) {
      bool used =
          llvm::any_of(counter->classes.some, [&](const LinearSet &set) {
            auto reads = [&, p = param](const auto &row) {
              return row.coeffs[p];
            };
            return llvm::any_of(set.constraints, reads) ||
                   llvm::any_of(set.divisions, reads);
          });
      if (used) {
        need(name);
      }
    }
  }
  return names;
}

FailureOr<IoReport> IoModel::evaluate(const IoBindings &bindings,
                                      const IoSettings &settings,
                                      std::string &error) const {
  for (const std::string &name : getFreeNames()) {
    if (!bindings.count(name)) {
      error = "expects a value for '" + name + "'";
      return failure();
    }
  }
  for (const auto &entry : bindings) {
    if (entry.second > (int64_t(1) << 31) ||
        entry.second < -(int64_t(1) << 31)) {
      error = "expects values below 2^31, but got " +
              std::to_string(entry.second) + " for '" + entry.first().str() +
              "'";
      return failure();
    }
  }
  if (settings.fastBytes < 1 || settings.rows < 1 || settings.splits < 1) {
    error = "expects fast memory, rows and splits of at least 1";
    return failure();
  }
  auto get = [&](StringRef name) -> int64_t {
    auto known = extents.find(name);
    int64_t value =
        known != extents.end() ? known->second : bindings.lookup(name);
    return value;
  };
  auto product = [&](ArrayRef<std::string> names) {
    int64_t result = 1;
    for (const std::string &name : names) {
      result *= std::max<int64_t>(get(name), 0);
    }
    return result;
  };
  auto getBytes = [&](const IoTensor &tensor, int64_t columns) {
    // Packed elements of less than a byte: round once, at the end.
    double elements = 1;
    for (const IoTensor::Factor &factor : tensor.factors) {
      int64_t size =
          factor.kind == IoTensor::Factor::Constant ? factor.value
          : factor.kind == IoTensor::Factor::Rank
              ? llvm::divideCeilSigned(get(factor.rank), factor.value)
              : llvm::divideCeilSigned(columns, factor.value);
      elements *= std::max<int64_t>(size, 0);
    }
    return int64_t(std::ceil(elements * tensor.bits / 8));
  };

  IoReport report;
  ArrayRef<std::string> packedRanks(rowRanks);
  bool masksRows = counter && counter->rowParam >= 0;
  int64_t numRows = masksRows ? get(counter->rowRank) : product(rowRanks);
  if (masksRows) {
    packedRanks = packedRanks.drop_front();
  }
  int64_t others = masksRows ? product(packedRanks) : 1;
  int64_t allColumns = product(columnRanks);
  int64_t outer =
      counter && counter->outerParam >= 0 ? get(counter->outerRank) : 1;
  int64_t cols = counter ? get(counter->colRank) : allColumns;
  if (numRows > 0 && outer > (int64_t(1) << 26) / numRows) {
    error = "expects at most 2^26 rows times column tiles, but got " +
            std::to_string(numRows) + " * " + std::to_string(outer);
    return failure();
  }
  SmallVector<int64_t> params;
  if (counter) {
    for (const std::string &name : counter->names) {
      params.push_back(name.empty() ? 0 : get(name));
    }
  }
  auto columnsOf = [&](int64_t row, int64_t size) {
    return counter ? counter->count(params, row, size, cols, outer)
                   : allColumns;
  };
  report.columns = numRows > 0 ? columnsOf(0, numRows) : 0;
  int64_t pairs = 0;
  if (masksRows) {
    for (int64_t row = 0; row < numRows; ++row) {
      pairs += columnsOf(row, 1);
    }
  } else {
    pairs = numRows * report.columns;
  }
  report.pairs = pairs * others * product(sharedRanks);

  int64_t onceBytes = 0;
  for (const IoTensor &tensor : tensors) {
    int64_t bytes = getBytes(tensor, report.columns);
    report.compulsoryBytes += bytes;
    if (tensor.perColumn) {
      report.kvBytes += bytes;
    }
    onceBytes += tensor.perColumn ? 0 : bytes;
  }
  double words = double(settings.fastBytes) / elementBytes;
  double squared = double(scoreChannels) * scoreChannels;
  // The bound holds for pairs that were counted exactly.
  if (countsMask && words >= squared && scoreChannels > 0) {
    double phase =
        double(report.pairs) * numScoreDots * squared / words - words;
    report.phaseBytes = std::max(0.0, phase * elementBytes);
  }

  int64_t step =
      settings.packed
          ? std::max<int64_t>(1, settings.rows / std::max<int64_t>(others, 1))
          : settings.rows;
  int64_t tileRepeats = settings.packed ? 1 : others;
  report.coreBytes = onceBytes;
  for (int64_t row = 0; row < numRows; row += step) {
    int64_t seen = columnsOf(row, std::min(step, numRows - row));
    for (const IoTensor &tensor : tensors) {
      if (tensor.perColumn) {
        report.coreBytes += getBytes(tensor, seen) * tileRepeats;
      }
    }
  }
  if (settings.splits > 1) {
    report.stateBytes = 2 * settings.splits * stateBytesPerRow *
                        product(rowRanks) * product(sharedRanks);
  }
  report.memoryBytes = report.compulsoryBytes + report.stateBytes;
  return report;
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

void IoModel::printFormulas(raw_ostream &os) const {
  for (const IoTensor &tensor : tensors) {
    os << (tensor.isOutput ? "  writes " : "  reads ") << tensor.name << ": ";
    for (const IoTensor::Factor &factor : tensor.factors) {
      bool isConstant = factor.kind == IoTensor::Factor::Constant;
      std::string what =
          factor.kind == IoTensor::Factor::Columns ? "columns" : factor.rank;
      auto known = extents.find(factor.rank);
      if (factor.kind == IoTensor::Factor::Rank && known != extents.end()) {
        what = std::to_string(known->second);
      }
      if (isConstant) {
        os << factor.value;
      } else if (factor.value != 1) {
        os << "ceil(" << what << " / " << factor.value << ")";
      } else {
        os << what;
      }
      os << " * ";
    }
    if (tensor.bits % 8) {
      os << tensor.bits << " / 8";
    } else {
      os << tensor.bits / 8;
    }
    os << " bytes\n";
  }
}

static std::string formatBytes(int64_t bytes) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (bytes < 1024) {
    os << bytes << " B";
    return text;
  }
  const char *units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = bytes / 1024.0;
  unsigned unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  os << llvm::format("%.2f ", value) << units[unit];
  return text;
}

void attn::printReport(const IoModel &model, const IoReport &report,
                       raw_ostream &os) {
  auto ratio = [&](int64_t bytes, int64_t bound) {
    if (bound <= 0) {
      os << "-";
    } else {
      os << llvm::format("%.3f", double(bytes) / bound);
    }
  };
  os << "  pairs " << report.pairs << ", columns " << report.columns
     << ", kv bytes " << report.kvBytes
     << (model.countsMask ? "" : " (points of the mask are not counted)")
     << "\n";
  os << "  memory: compulsory " << formatBytes(report.compulsoryBytes)
     << ", predicted " << formatBytes(report.memoryBytes) << ", ratio ";
  ratio(report.memoryBytes, report.compulsoryBytes);
  if (report.stateBytes) {
    os << " (partial states " << formatBytes(report.stateBytes) << ")";
  }
  os << "\n  core: compulsory " << formatBytes(report.compulsoryBytes)
     << ", phase bound " << formatBytes(report.phaseBytes) << ", predicted "
     << formatBytes(report.coreBytes) << ", ratio ";
  ratio(report.coreBytes, report.boundBytes());
  os << "\n";
}
