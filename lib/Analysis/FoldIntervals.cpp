//===- FoldIntervals.cpp - Tiles that a fold visits -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/FoldIntervals.h"

#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace attn;

namespace {

/// An affine form of the variables of an interval. Coefficients may be fewer
/// than variables; the missing ones are 0.
struct Form {
  SmallVector<int64_t> coeffs;
  int64_t constant = 0;

  bool isConstant() const {
    return llvm::all_of(coeffs, [](int64_t c) { return c == 0; });
  }
  void add(int64_t factor, const Form &other) {
    if (coeffs.size() < other.coeffs.size()) {
      coeffs.resize(other.coeffs.size(), 0);
    }
    for (auto [i, coeff] : llvm::enumerate(other.coeffs)) {
      coeffs[i] += factor * coeff;
    }
    constant += factor * other.constant;
  }
};

Form scaled(int64_t factor, const Form &form) {
  Form result;
  result.add(factor, form);
  return result;
}

/// A value as a function of k: slope * k + form + sum of opaque terms.
struct Value {
  int64_t slope = 0;
  Form form;
  /// Coefficient and number of divisions of k that could not be solved.
  SmallVector<std::pair<int64_t, unsigned>> opaque;

  void add(int64_t factor, const Value &other) {
    slope += factor * other.slope;
    form.add(factor, other.form);
    for (auto [coeff, number] : other.opaque) {
      opaque.emplace_back(factor * coeff, number);
    }
  }
};

/// floor(dividend / divisor) with a dividend that moves with k.
struct OpaqueDivision {
  Value dividend;
  int64_t divisor;
};

/// Solves one member of `some` for k.
class Solver {
public:
  Solver(const TileClasses &classes, unsigned foldParam, int64_t step)
      : numParams(classes.numParams) {
    for (unsigned p = 0; p < numParams; ++p) {
      Value value;
      if (p == foldParam) {
        value.slope = step;
      } else {
        value.form = variable(p);
      }
      values.push_back(std::move(value));
    }
  }

  /// The interval, and whether it is exact.
  std::pair<FoldInterval, bool> solve(const LinearSet &set) {
    for (const LinearSet::Division &division : set.divisions) {
      addDivision(sum(division.coeffs, division.constant), division.divisor);
    }
    for (const LinearSet::Constraint &constraint : set.constraints) {
      Value value = sum(constraint.coeffs, constraint.constant);
      if (value.opaque.empty() && value.slope == 0) {
        addCondition(std::move(value.form), constraint.isEq);
        continue;
      }
      addAtLeastZero(value);
      if (constraint.isEq) {
        Value negated;
        negated.add(-1, value);
        addAtLeastZero(negated);
      }
    }
    pad();
    return {std::move(result), exact};
  }

private:
  Form variable(unsigned number) {
    Form form;
    form.coeffs.resize(number + 1, 0);
    form.coeffs[number] = 1;
    return form;
  }

  Value sum(ArrayRef<int64_t> coeffs, int64_t constant) {
    Value total;
    total.form.constant = constant;
    for (auto [i, coeff] : llvm::enumerate(coeffs)) {
      if (coeff != 0) {
        total.add(coeff, values[i]);
      }
    }
    return total;
  }

  /// floor(form / divisor) as a form; a new division unless it is a constant.
  Form divide(const Form &form, int64_t divisor) {
    if (divisor == 1) {
      return form;
    }
    if (form.isConstant()) {
      return Form{{}, llvm::divideFloorSigned(form.constant, divisor)};
    }
    result.divisions.push_back({form.coeffs, form.constant, divisor});
    return variable(numParams + result.divisions.size() - 1);
  }

  void addDivision(Value dividend, int64_t divisor) {
    Value value;
    if (dividend.opaque.empty() && dividend.slope % divisor == 0) {
      value.slope = dividend.slope / divisor;
      value.form = divide(dividend.form, divisor);
    } else {
      value.opaque.emplace_back(1, opaque.size());
      opaque.push_back({std::move(dividend), divisor});
    }
    values.push_back(std::move(value));
  }

  /// A coefficient of an input is below 2^24, one built here may be larger.
  bool fits(const Form &form) {
    constexpr int64_t limit = int64_t(1) << 31;
    return llvm::all_of(form.coeffs,
                        [&](int64_t c) { return c < limit && c > -limit; }) &&
           std::abs(form.constant) < (int64_t(1) << 61);
  }

  void addCondition(Form form, bool isEq) {
    if (fits(form)) {
      result.conditions.push_back({form.coeffs, form.constant, isEq});
    } else {
      exact = false;
    }
  }

  /// slope * k + form >= 0.
  void addBound(int64_t slope, const Form &form) {
    if (!fits(form)) {
      exact = false;
    } else if (slope == 0) {
      result.conditions.push_back({form.coeffs, form.constant, false});
    } else if (slope > 0) {
      Form low = scaled(-1, form);
      result.lower.push_back({low.coeffs, low.constant, slope});
    } else {
      result.upper.push_back({form.coeffs, form.constant, -slope});
    }
  }

  void addAtLeastZero(const Value &value) {
    if (value.opaque.empty()) {
      addBound(value.slope, value.form);
      return;
    }
    if (value.opaque.size() == 1 && value.slope == 0 &&
        opaque[value.opaque[0].second].dividend.opaque.empty()) {
      solveDivision(value);
      return;
    }
    exact = false;
    relax(value);
  }

  /// c * floor((a k + f) / d) + g >= 0 without loss.
  void solveDivision(const Value &value) {
    auto [c, number] = value.opaque[0];
    const OpaqueDivision &division = opaque[number];
    const Value &dividend = division.dividend;
    int64_t d = division.divisor;
    Form form;
    if (c > 0) {
      // floor(..) >= ceil(-g / c) = -floor(g / c).
      form = dividend.form;
      form.add(d, divide(value.form, c));
      addBound(dividend.slope, form);
      return;
    }
    // floor(..) <= floor(g / -c).
    form.add(-1, dividend.form);
    form.add(d, divide(value.form, -c));
    form.constant += d - 1;
    addBound(-dividend.slope, form);
  }

  /// A bound that every solution meets: each division is replaced by the most
  /// it can contribute over the rationals.
  void relax(const Value &value) {
    int64_t common = 1;
    for (auto [coeff, number] : value.opaque) {
      if (!opaque[number].dividend.opaque.empty()) {
        return;
      }
      common = std::lcm(common, opaque[number].divisor);
      if (common > (int64_t(1) << 24)) {
        return;
      }
    }
    int64_t slope = common * value.slope;
    Form form = scaled(common, value.form);
    for (auto [coeff, number] : value.opaque) {
      const OpaqueDivision &division = opaque[number];
      int64_t factor = coeff * (common / division.divisor);
      slope += factor * division.dividend.slope;
      form.add(factor, division.dividend.form);
      if (coeff < 0) {
        form.constant -= factor * (division.divisor - 1);
      }
    }
    addBound(slope, form);
  }

  /// Gives every coefficient list one entry per variable.
  void pad() {
    unsigned numVars = numParams + result.divisions.size();
    auto padRows = [&](auto &rows) {
      for (auto &row : rows) {
        row.coeffs.resize(numVars, 0);
      }
    };
    padRows(result.divisions);
    padRows(result.conditions);
    padRows(result.lower);
    padRows(result.upper);
  }

  unsigned numParams;
  /// Per variable of the set: parameters, then its divisions.
  SmallVector<Value> values;
  SmallVector<OpaqueDivision> opaque;
  FoldInterval result;
  bool exact = true;
};

int64_t evaluateRow(ArrayRef<int64_t> coeffs, int64_t constant,
                    ArrayRef<int64_t> values) {
  for (auto [coeff, value] : llvm::zip(coeffs, values)) {
    constant += coeff * value;
  }
  return constant;
}

/// The interval [first, second) of one part, inside [begin, end).
std::pair<int64_t, int64_t> evaluatePart(const FoldInterval &part,
                                         ArrayRef<int64_t> params,
                                         int64_t begin, int64_t end) {
  SmallVector<int64_t> values(params);
  for (const LinearSet::Division &division : part.divisions) {
    values.push_back(llvm::divideFloorSigned(
        evaluateRow(division.coeffs, division.constant, values),
        division.divisor));
  }
  for (const LinearSet::Constraint &condition : part.conditions) {
    int64_t value = evaluateRow(condition.coeffs, condition.constant, values);
    if (condition.isEq ? value != 0 : value < 0) {
      return {begin, begin};
    }
  }
  for (const FoldInterval::Bound &bound : part.lower) {
    int64_t value = evaluateRow(bound.coeffs, bound.constant, values);
    begin = std::max(begin, llvm::divideCeilSigned(value, bound.divisor));
  }
  for (const FoldInterval::Bound &bound : part.upper) {
    int64_t value = evaluateRow(bound.coeffs, bound.constant, values);
    end = std::min(end, llvm::divideFloorSigned(value, bound.divisor) + 1);
  }
  return {begin, end};
}

} // namespace

SmallVector<std::pair<int64_t, int64_t>>
FoldIntervals::evaluate(ArrayRef<int64_t> params, int64_t begin,
                        int64_t end) const {
  SmallVector<std::pair<int64_t, int64_t>> found;
  for (const FoldInterval &part : parts) {
    found.push_back(evaluatePart(part, params, begin, end));
  }
  SmallVector<std::pair<int64_t, int64_t>> visited;
  int64_t reached = begin;
  for (size_t round = 0; round < parts.size(); ++round) {
    std::optional<int64_t> start;
    for (auto [lower, upper] : found) {
      int64_t candidate = std::max(lower, reached);
      if (candidate < upper) {
        start = start ? std::min(*start, candidate) : candidate;
      }
    }
    if (!start) {
      break;
    }
    reached = *start;
    for (auto [lower, upper] : found) {
      if (lower <= *start) {
        reached = std::max(reached, upper);
      }
    }
    visited.emplace_back(*start, reached);
  }
  return visited;
}

FoldIntervals attn::foldIntervals(const TileClasses &classes,
                                  unsigned foldParam, int64_t step) {
  assert(foldParam < classes.numParams && step >= 1);
  FoldIntervals result;
  result.numParams = classes.numParams;
  result.foldParam = foldParam;
  result.step = step;
  for (const LinearSet &set : classes.some) {
    auto [interval, exact] = Solver(classes, foldParam, step).solve(set);
    result.parts.push_back(std::move(interval));
    result.exact &= exact;
  }
  return result;
}
