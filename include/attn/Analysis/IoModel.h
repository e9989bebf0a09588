//===- IoModel.h - Bytes that a cascade must and will move ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With P the number of admitted (row, column) pairs, d the channels of a score
// and M the words of a fast memory:
//
//   compulsory = bytes of every distinct input element that an admitted pair
//                touches, of tables, and of the outputs
//   phase      = P d^2 / M - M words, for M >= d^2
//
// and no schedule moves less than the larger one. Proof of `phase`, for
// schedules that store no partial dot product: cut a schedule into phases of M
// transfers. In one phase at most 2 M words are ever in fast memory, so at most
// 2 M / d rows of q and k together, so at most (M / d)^2 pairs are completed,
// whatever the mask. Hence at least P d^2 / M^2 phases, each of M words but the
// last. (Order of growth: Saha and Ye, arXiv 2402.07443.)
//
// Predicted bytes: from memory, everything once, plus writing and reading the
// partial states of a split; into a core, for each tile of rows the columns it
// sees, plus rows and outputs once.
//
// A model is made from IR once and then needs none: a runtime evaluates it with
// the lengths of a request. Columns of a mask are counted by intervals
// (FoldIntervals.h), not point by point.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_IOMODEL_H
#define ATTN_ANALYSIS_IOMODEL_H

#include "attn/Analysis/FoldIntervals.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "llvm/ADT/StringMap.h"

namespace attn {

/// Values of names: extents of ranks ("m": number of keys) and symbols of the
/// mask ("off").
using IoBindings = llvm::StringMap<int64_t>;

struct IoSettings {
  /// Bytes of the fast memory of one core or SM.
  int64_t fastBytes = 256 * 1024;
  /// Rows in a tile. `packed`: heads that share columns count as rows.
  int64_t rows = 128;
  bool packed = true;
  /// Parts that the columns are split into; 1: no partial states.
  int64_t splits = 1;
};

/// One tensor that enters or leaves.
struct IoTensor {
  /// ceil(extent of a rank or of the columns / divisor), or a constant.
  struct Factor {
    enum Kind { Constant, Rank, Columns } kind = Constant;
    int64_t value = 1; // the constant, or the divisor
    std::string rank;  // of kind Rank
  };
  std::string name;
  SmallVector<Factor> factors;
  int64_t bits = 8;
  bool isOutput = false;
  /// Has a factor of the columns.
  bool perColumn = false;
};

struct IoReport {
  /// Admitted pairs, columns that any row sees.
  int64_t pairs = 0, columns = 0;
  /// Bytes of per-column tensors that are needed: keys and values, their scales
  /// and tables.
  int64_t kvBytes = 0;
  int64_t compulsoryBytes = 0;
  /// The phase bound of the fast memory; 0 where it says nothing.
  int64_t phaseBytes = 0;
  int64_t memoryBytes = 0, coreBytes = 0, stateBytes = 0;
  /// The larger lower bound.
  int64_t boundBytes() const { return std::max(compulsoryBytes, phaseBytes); }

  /// Of two requests that share nothing.
  IoReport &operator+=(const IoReport &other);
};

class IoModel {
public:
  /// The model of folding `rank`, or of the cascade's fold over it.
  static FailureOr<IoModel> create(CascadeOp cascade, int64_t rank);

  /// Whether the mask is known, so that pairs are counted and not just bounded.
  bool countsPairs() const { return countsMask; }

  /// Names that evaluate() needs and the IR does not give, in order.
  SmallVector<std::string> getFreeNames() const;

  /// The report for given values; a rank's value overrides nothing static. For
  /// a ragged batch, evaluate each request with its batch rank bound to 1, and
  /// add. On failure `error` says which name is missing or out of range. Rows
  /// times outer column tiles may be at most 2^26.
  FailureOr<IoReport> evaluate(const IoBindings &bindings,
                               const IoSettings &settings,
                               std::string &error) const;

  /// Compulsory bytes of each tensor as a product of names, one per line.
  void printFormulas(raw_ostream &os) const;

private:
  /// Counts the columns that a run of rows sees.
  struct Counter {
    TileClasses classes;
    FoldIntervals intervals;
    SmallVector<std::string> names; // of the parameters
    int rowParam = -1, rowSizeParam = -1, outerParam = -1;
    unsigned colParam = 0;
    std::string rowRank, colRank, outerRank;
    int64_t count(MutableArrayRef<int64_t> params, int64_t row, int64_t size,
                  int64_t cols, int64_t outer) const;
  };
  static std::optional<Counter> makeCounter(CascadeOp cascade);

  SmallVector<IoTensor, 0> tensors;
  /// Extents that the IR gives.
  llvm::StringMap<int64_t> extents;
  SmallVector<std::string> columnRanks;
  /// Ranks of a score: rows (the mask's first), and those that the columns'
  /// tensors have as well.
  SmallVector<std::string> rowRanks, sharedRanks;
  int64_t scoreChannels = 0, numScoreDots = 0;
  /// Bytes of a state per row, without channels that are not static.
  int64_t stateBytesPerRow = 0;
  int64_t elementBytes = 2;
  std::optional<Counter> counter;
  bool countsMask = true;

  friend void printReport(const IoModel &, const IoReport &, raw_ostream &);
};

/// The table of a report: level, compulsory, phase bound, predicted, ratio.
void printReport(const IoModel &model, const IoReport &report, raw_ostream &os);

} // namespace attn

#endif // ATTN_ANALYSIS_IOMODEL_H
