//===- RowCompare.cpp - Comparison of results row by row ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/RowCompare.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace attn;

namespace {
/// What one row shows; `column` is where its worst element stands.
struct RowResult {
  double error = 0;
  int64_t column = 0;
};
} // namespace

static RowResult compareRow(ArrayRef<double> got, ArrayRef<double> expected) {
  constexpr double kNever = HUGE_VAL;
  double scale = 0, worst = -1;
  RowResult result;
  for (int64_t i = 0, e = got.size(); i < e; ++i) {
    double x = got[i], y = expected[i];
    double difference = x == y ? 0 : std::fabs(x - y);
    if (std::isnan(difference) || std::isinf(y)) {
      // A NaN somewhere, or an infinity: only equality is right.
      difference = x == y ? 0 : kNever;
    }
    if (std::isfinite(y)) {
      scale = std::max(scale, std::fabs(y));
    }
    if (difference > worst) {
      worst = difference;
      result.column = i;
    }
  }
  if (worst <= 0) {
    return result;
  }
  result.error = scale == 0 ? kNever : worst / scale;
  return result;
}

RowComparison attn::compareRows(const HostArray &got, const HostArray &expected,
                                double rtol) {
  RowComparison result;
  if (got.shape() != expected.shape()) {
    result.ok = false;
    result.badRows = 1;
    result.maxRowError = HUGE_VAL;
    result.message = "expects shape " + formatShape(expected.shape()) +
                     ", but got " + formatShape(got.shape());
    return result;
  }
  int64_t length = got.rank() == 0 ? 1 : got.shape().back();
  int64_t rows = length == 0 ? 0 : got.numElements() / length;
  std::optional<HostArray> left = got.copyAs(DType::F64);
  std::optional<HostArray> right = expected.copyAs(DType::F64);
  if (!left || !right) {
    result.ok = false;
    result.badRows = rows;
    result.maxRowError = HUGE_VAL;
    result.message = "the arrays do not fit in memory as f64";
    return result;
  }
  for (int64_t row = 0; row < rows; ++row) {
    auto part = [&](const HostArray &array) {
      auto *first = static_cast<const double *>(array.data());
      return ArrayRef<double>(first + row * length, length);
    };
    RowResult found = compareRow(part(*left), part(*right));
    result.maxRowError = std::max(result.maxRowError, found.error);
    if (found.error <= rtol) {
      continue;
    }
    result.ok = false;
    if (result.badRows++ > 0) {
      continue;
    }
    SmallVector<int64_t> coordinate;
    int64_t rest = row * length + found.column;
    for (int64_t extent : llvm::reverse(got.shape())) {
      coordinate.insert(coordinate.begin(), rest % extent);
      rest /= extent;
    }
    llvm::raw_string_ostream os(result.message);
    os << "expects " << llvm::format("%.9g", part(*right)[found.column])
       << " at [";
    llvm::interleaveComma(coordinate, os);
    os << "], but got " << llvm::format("%.9g", part(*left)[found.column])
       << " (row error " << llvm::format("%.3g", found.error) << ", tolerance "
       << llvm::format("%.3g", rtol) << ")";
  }
  return result;
}
