//===- LoopNest.cpp - Loops over the points that are present --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Running a nest; LoopNestCompile.cpp builds it.
//
//===----------------------------------------------------------------------===//
#include "LoopNest.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;
using namespace attn::reference;

/// Arithmetic that wraps: symbols are data and may be anything; what comes of
/// an overflow is caught by the checks of coordinates.
static int64_t wrapAdd(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) +
                              static_cast<uint64_t>(b));
}
static int64_t wrapMul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) *
                              static_cast<uint64_t>(b));
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

void LoopNest::fail(const Twine &message) {
  if (!failed) {
    failed = true;
    error = message.str();
  }
}

std::string LoopNest::point() const {
  std::string text;
  for (auto [rank, name] : llvm::enumerate(space.names)) {
    bool looped = llvm::is_contained(order, int64_t(rank));
    if (looped || space.bound.test(rank)) {
      text += (text.empty() ? "" : ", ") + name + " = " +
              std::to_string(current[rank]);
    }
  }
  return text.empty() ? "" : " (at " + text + ")";
}

void LoopNest::failBounds(const Check &check, int64_t value, StringRef symbol) {
  std::string message;
  llvm::raw_string_ostream os(message);
  // Data that was looked up is the likely culprit: say where it stands.
  if (auto data = dyn_cast_or_null<AffineSymbolExpr>(check.expr)) {
    const Lookup &lookup = presence.lookups[data.getPosition()];
    os << "expects '" << lookup.name << "' from entry [";
    llvm::interleaveComma(lookup.at, os,
                          [&](AffineExpr at) { os << eval(compileExpr(at)); });
    os << "] of " << lookup.tensor->label << " in [0, " << check.extent
       << "), axis " << check.axis << " of " << check.tensor->label
       << ", but got " << value;
  } else if (!symbol.empty()) {
    os << "expects symbol '" << symbol << "' inside of " << check.tensor->label
       << " of shape " << formatShape(check.tensor->shape)
       << ", but its coordinate " << check.axis << " is " << value
       << ": the length goes beyond the table";
  } else {
    os << "expects coordinate " << check.axis << " of " << check.tensor->label
       << " in [0, " << check.extent << "), but got " << value;
  }
  fail(message + point());
}

bool LoopNest::passes(const Check &check, StringRef symbol) {
  int64_t value = eval(check.form);
  if (failed) {
    return false;
  }
  if (value < 0 || value >= check.extent) {
    failBounds(check, value, symbol);
    return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

int64_t LoopNest::eval(const Form &form) {
  int64_t sum = form.constant;
  for (const Term &term : form.terms) {
    int64_t value = 0;
    switch (term.kind) {
    case Term::Rank:
      value = current[term.index];
      break;
    case Term::Symbol:
      value = evalSymbol(term.index);
      break;
    case Term::FloorDiv:
      value = llvm::divideFloorSigned(eval(forms[term.index]), term.divisor);
      break;
    case Term::CeilDiv:
      value = llvm::divideCeilSigned(eval(forms[term.index]), term.divisor);
      break;
    case Term::Mod:
      value = llvm::mod(eval(forms[term.index]), term.divisor);
      break;
    }
    sum = wrapAdd(sum, wrapMul(term.factor, value));
  }
  return sum;
}

int64_t LoopNest::evalSymbol(unsigned index) {
  SymbolState &symbol = symbols[index];
  uint64_t version = versions[symbol.level + 1];
  if (symbol.stamp == version || failed) {
    return symbol.value;
  }
  for (const Check &check : symbol.access.bounds) {
    if (!check.proved && !passes(check, presence.lookups[index].name)) {
      return 0;
    }
  }
  int64_t position = eval(symbol.flat);
  if (failed) {
    return 0;
  }
  symbol.value = symbol.access.base->array.getInt(position);
  symbol.stamp = version;
  return symbol.value;
}

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

/// Cuts `runs` down to [begin, end).
static void clip(SmallVectorImpl<Run> &runs, int64_t begin, int64_t end) {
  for (Run &run : runs) {
    run.begin = std::max(run.begin, begin);
    run.end = std::min(run.end, end);
  }
  llvm::erase_if(runs, [](const Run &run) { return run.begin >= run.end; });
}

/// Adds `run` behind ascending `runs`, joining it to the last one if it
/// touches.
static void append(SmallVectorImpl<Run> &runs, Run run) {
  if (!runs.empty() && runs.back().end >= run.begin) {
    runs.back().end = std::max(runs.back().end, run.end);
  } else {
    runs.push_back(run);
  }
}

void LoopNest::narrowByPoint(int level, SmallVectorImpl<Run> &runs,
                             function_ref<bool()> holds) {
  int64_t rank = order[level];
  SmallVector<Run, 8> kept;
  for (const Run &run : runs) {
    if (run.end >= kUnbounded) {
      // Nothing to enumerate yet; another constraint may bound the rank.
      kept.push_back(run);
      continue;
    }
    for (int64_t x = run.begin; x < run.end && !failed; ++x) {
      current[rank] = x;
      touch(level);
      if (holds()) {
        append(kept, {x, x + 1});
      }
    }
  }
  runs.assign(kept.begin(), kept.end());
}

void LoopNest::narrow(const CompiledConstraint &constraint, int level,
                      SmallVectorImpl<Run> &runs) {
  bool isEquality = constraint.isEquality;
  auto holds = [&] {
    int64_t value = eval(constraint.form);
    return !failed && (isEquality ? value == 0 : value >= 0);
  };
  if (constraint.form.level < level) {
    if (!holds()) {
      runs.clear();
    }
    return;
  }
  int64_t rank = order[level];
  if (constraint.linear) {
    // coefficient * x + rest, so an interval of x.
    current[rank] = 0;
    int64_t rest = eval(constraint.form), a = constraint.coefficient;
    if (failed) {
      return runs.clear();
    }
    // The one value whose negative does not exist.
    rest = std::max(rest, -std::numeric_limits<int64_t>::max());
    if (isEquality) {
      int64_t x = -rest / a;
      return rest % a == 0 ? clip(runs, x, x + 1) : runs.clear();
    }
    if (a > 0) {
      return clip(runs, llvm::divideCeilSigned(-rest, a), kUnbounded);
    }
    return clip(runs, 0, llvm::divideFloorSigned(rest, -a) + 1);
  }
  if (constraint.direction != 0) {
    // Monotone (only floordiv and ceildiv): bisect each run, for an equality
    // once from each side.
    auto bisect = [&](int64_t sign) {
      bool up = constraint.direction * sign > 0;
      for (Run &run : runs) {
        int64_t low = run.begin, high = run.end;
        while (low < high) {
          int64_t middle = low + (high - low) / 2;
          current[rank] = middle;
          touch(level);
          bool in = sign * eval(constraint.form) >= 0 && !failed;
          if (in == up) {
            high = middle;
          } else {
            low = middle + 1;
          }
        }
        (up ? run.begin : run.end) = low;
      }
    };
    bisect(1);
    if (isEquality) {
      bisect(-1);
    }
    return clip(runs, 0, kUnbounded);
  }
  narrowByPoint(level, runs, holds);
}

const SmallVectorImpl<int64_t> *
LoopNest::chosenList(const CompiledCondition &condition) {
  const Coords &coords = *condition.chosen->coords;
  int64_t index = 0;
  for (auto [axis, form] : llvm::enumerate(condition.at)) {
    int64_t value = eval(form);
    if (!failed && (value < 0 || value >= coords.shape[axis])) {
      fail("expects coordinate " + Twine(axis) + " of a selection in [0, " +
           Twine(coords.shape[axis]) + "), but got " + Twine(value) + point());
    }
    index += value * coords.strides[axis];
  }
  return failed ? nullptr : &coords.lists[index];
}

void LoopNest::narrowToChosen(const CompiledCondition &condition, int level,
                              SmallVectorImpl<Run> &runs) {
  int64_t block = condition.chosen->coords->block;
  if (!condition.listIsFixed) {
    return narrowByPoint(level, runs, [&] {
      const auto *list = chosenList(condition);
      int64_t value = eval(condition.coordinate);
      return list &&
             llvm::binary_search(*list, llvm::divideFloorSigned(value, block));
    });
  }
  // The list is the same for the whole loop and names its rank: walk the list.
  const auto *list = chosenList(condition);
  SmallVector<Run, 8> kept;
  for (const Run &run : runs) {
    for (int64_t chosen :
         list ? ArrayRef<int64_t>(*list) : ArrayRef<int64_t>()) {
      if (chosen > kUnbounded / block) {
        break;
      }
      int64_t begin = std::max(run.begin, chosen * block);
      int64_t end = std::min(run.end, (chosen + 1) * block);
      if (begin < end) {
        append(kept, {begin, end});
      }
    }
  }
  runs.assign(kept.begin(), kept.end());
}

void LoopNest::findRuns(int level, SmallVectorImpl<Run> &runs) {
  int64_t rank = order[level];
  bool padding = rank == int64_t(space.extents.size());
  runs.assign(1, {0, padding ? 1 : space.extents[rank]});
  for (const CompiledCondition &condition : conditions[level + 1]) {
    if (runs.empty() || failed) {
      return;
    }
    if (condition.chosen) {
      narrowToChosen(condition, level, runs);
      continue;
    }
    if (condition.anyOf.size() == 1) {
      for (const CompiledConstraint &constraint : condition.anyOf.front()) {
        narrow(constraint, level, runs);
      }
      continue;
    }
    SmallVector<Run, 8> all;
    for (const auto &disjunct : condition.anyOf) {
      SmallVector<Run, 8> part(runs.begin(), runs.end());
      for (const CompiledConstraint &constraint : disjunct) {
        narrow(constraint, level, part);
      }
      all.append(part.begin(), part.end());
    }
    llvm::sort(all, [](Run a, Run b) { return a.begin < b.begin; });
    runs.clear();
    for (Run run : all) {
      append(runs, run);
    }
  }
}

bool LoopNest::holdsOutside(const CompiledCondition &condition) {
  if (condition.chosen) {
    const auto *list = chosenList(condition);
    int64_t value = eval(condition.coordinate);
    return list && llvm::binary_search(
                       *list, llvm::divideFloorSigned(
                                  value, condition.chosen->coords->block));
  }
  return llvm::any_of(condition.anyOf, [&](const auto &disjunct) {
    return llvm::all_of(disjunct, [&](const CompiledConstraint &constraint) {
      int64_t value = eval(constraint.form);
      return !failed && (constraint.isEquality ? value == 0 : value >= 0);
    });
  });
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

LogicalResult LoopNest::enter(int level) {
  for (Operand &operand : operands) {
    for (const Check &check : operand.checks[level + 1]) {
      if (!passes(check)) {
        return failure();
      }
    }
    int64_t outside = level < 0 ? 0 : operand.partial[level];
    operand.partial[level + 1] =
        wrapAdd(outside, eval(operand.stages[level + 1]));
  }
  return failure(failed);
}

LogicalResult
LoopNest::walk(unsigned level,
               function_ref<LogicalResult(int64_t, int64_t)> body) {
  SmallVector<Run, 8> runs;
  findRuns(level, runs);
  if (failed) {
    return failure();
  }
  if (level + 1 == order.size()) {
    if (runs.empty()) {
      return success();
    }
    if (mlir::failed(enter(level))) {
      return failure();
    }
    for (const Run &run : runs) {
      if (mlir::failed(body(run.begin, run.end)) || failed) {
        return failure();
      }
    }
    return success();
  }
  for (const Run &run : runs) {
    for (int64_t x = run.begin; x < run.end; ++x) {
      current[order[level]] = x;
      touch(level);
      if (int(level) >= lastCondition && mlir::failed(enter(level))) {
        return failure();
      }
      if (mlir::failed(walk(level + 1, body))) {
        return failure();
      }
    }
  }
  return success();
}

LogicalResult
LoopNest::run(function_ref<LogicalResult(int64_t, int64_t)> body) {
  failed = false;
  for (int64_t rank : order) {
    if (rank < int64_t(space.extents.size()) && space.extents[rank] == 0) {
      return success();
    }
  }
  for (unsigned rank : space.bound.set_bits()) {
    current[rank] = space.current[rank];
  }
  for (int level = -1; level < int(order.size()); ++level) {
    touch(level);
  }
  for (Operand &operand : operands) {
    operand.loadedCount = -1;
    llvm::fill(operand.partial, 0);
  }
  for (const CompiledCondition &condition : conditions[0]) {
    bool holds = holdsOutside(condition);
    if (failed) {
      return failure();
    }
    if (!holds) {
      return success();
    }
  }
  if (lastCondition < 0 && mlir::failed(enter(-1))) {
    return failure();
  }
  return walk(0, body);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

bool LoopNest::checkRun(const Operand &operand, int64_t begin, int64_t count) {
  if (operand.linearChecks.empty() && operand.pointChecks.empty()) {
    return true;
  }
  int last = int(order.size()) - 1;
  auto passAt = [&](ArrayRef<Check> checks, int64_t x) {
    current[innermost()] = x;
    touch(last);
    return llvm::all_of(checks, [&](const Check &c) { return passes(c); });
  };
  if (!passAt(operand.linearChecks, begin) ||
      !passAt(operand.linearChecks, begin + count - 1)) {
    return false;
  }
  for (int64_t i = 0; i < count && !operand.pointChecks.empty(); ++i) {
    if (!passAt(operand.pointChecks, begin + i)) {
      return false;
    }
  }
  return true;
}

FailureOr<int64_t> LoopNest::position(unsigned number, int64_t begin,
                                      int64_t count) {
  Operand &operand = operands[number];
  assert(!operand.scattered && "no constant step");
  if (!checkRun(operand, begin, count)) {
    return failure();
  }
  return operand.partial.back();
}

const int64_t *LoopNest::locate(unsigned number, int64_t begin, int64_t count) {
  Operand &operand = operands[number];
  if (!checkRun(operand, begin, count)) {
    return nullptr;
  }
  operand.positions.resize(kChunk);
  int last = int(order.size()) - 1;
  for (int64_t i = 0; i < count; ++i) {
    if (!operand.scattered) {
      operand.positions[i] =
          operand.partial.back() + (begin + i) * operand.step;
      continue;
    }
    current[innermost()] = begin + i;
    touch(last);
    operand.positions[i] = eval(operand.flat);
  }
  return failed ? nullptr : operand.positions.data();
}

const double *LoopNest::load(unsigned number, int64_t begin, int64_t count) {
  Operand &operand = operands[number];
  const HostArray &array = operand.access.base->array;
  operand.values.resize(kChunk);
  if (operand.scattered) {
    const int64_t *positions = locate(number, begin, count);
    if (!positions) {
      return nullptr;
    }
    gatherDoubles(array.dtype(), array.data(), positions, count,
                  operand.values.data());
    return operand.values.data();
  }
  if (!checkRun(operand, begin, count)) {
    return nullptr;
  }
  int64_t from = operand.partial.back() + begin * operand.step;
  if (array.dtype() == DType::F64 && operand.step == 1) {
    return static_cast<const double *>(array.data()) + from;
  }
  // Ranks that an operand does not carry often run just outside of this one.
  if (operand.loadedFrom != from || operand.loadedCount != count) {
    loadDoubles(array.dtype(), array.data(), from, operand.step, count,
                operand.values.data());
    operand.loadedFrom = from;
    operand.loadedCount = count;
  }
  return operand.values.data();
}

const int64_t *LoopNest::loadInts(unsigned number, int64_t begin,
                                  int64_t count) {
  const int64_t *positions = locate(number, begin, count);
  if (!positions) {
    return nullptr;
  }
  Operand &operand = operands[number];
  operand.integers.resize(kChunk);
  for (int64_t i = 0; i < count; ++i) {
    operand.integers[i] = operand.access.base->array.getInt(positions[i]);
  }
  return operand.integers.data();
}
