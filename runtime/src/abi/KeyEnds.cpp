//===- KeyEnds.cpp - How many keys tables can hold ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KeyEnds.h"

#include <algorithm>
#include <climits>

using namespace attnrt;

/// Goes through the postfix form with what each part is: a constant, something
/// that is at least 0 (symbols and other axes, as far as they lead anywhere),
/// or the axis behind some steps. False for all else.
bool KeyEnd::read(const Expression &e, uint32_t axis, KeyEnd &out) {
  enum class Part { Constant, AtLeast0, Axis };
  struct Term {
    Part part;
    int64_t constant;
  };
  std::vector<Term> stack;
  out.steps.clear();
  for (const Expression::Step &step : e.steps) {
    if (step.kind <= StepKind::Symbol) {
      bool isAxis = step.kind == StepKind::Axis && step.value == axis;
      stack.push_back({isAxis                            ? Part::Axis
                       : step.kind == StepKind::Constant ? Part::Constant
                                                         : Part::AtLeast0,
                       step.value});
      continue;
    }
    Term right = stack.back();
    stack.pop_back();
    Term &left = stack.back();
    if (step.kind == StepKind::Add && left.part != Part::Axis) {
      std::swap(left, right);
    }
    if (left.part == Part::Constant) {
      return false; // 2 * m, which no writer of bundles leaves
    }
    if (right.part != Part::Constant) {
      if (step.kind != StepKind::Add || right.part == Part::Axis) {
        return false;
      }
      continue; // at least the left part alone
    }
    if (step.kind == StepKind::Mod || right.constant < 0 ||
        (step.kind != StepKind::Add && !right.constant)) {
      return false;
    }
    if (left.part == Part::Axis) {
      out.steps.push_back({step.kind, right.constant});
    }
  }
  return stack.back().part == Part::Axis;
}

std::vector<KeyEnd> KeyEnd::find(const View &view, uint32_t axis) {
  std::vector<KeyEnd> found;
  auto look = [&](const std::vector<Expression> &at, int32_t lookup,
                  uint32_t argument) {
    for (size_t k = 0; k < at.size(); ++k) {
      KeyEnd end;
      end.lookup = lookup;
      end.argument = argument;
      end.dimension = uint32_t(k);
      if (read(at[k], axis, end)) {
        found.push_back(std::move(end));
      }
    }
  };
  for (size_t s = 0; s < view.symbols.size(); ++s) {
    look(view.symbols[s].at, int32_t(s), view.symbols[s].argument);
  }
  look(view.address, -1, view.argument);
  return found;
}

int64_t KeyEnd::fit(int64_t entries) const {
  for (size_t i = steps.size(); i-- > 0;) {
    const int64_t by = steps[i].value;
    if (steps[i].kind == StepKind::Add) {
      entries -= by;
    } else if (steps[i].kind == StepKind::Mul) {
      entries = (entries + by - 1) / by;
    } else if (__builtin_mul_overflow(entries, by, &entries)) {
      return INT64_MAX;
    }
    entries = std::max<int64_t>(entries, 0);
  }
  return entries;
}

std::vector<ViewKeys> ViewKeys::find(const Entry &entry,
                                     const LaunchRecord &launch) {
  std::vector<ViewKeys> found;
  for (const KeyView &keys : launch.keys) {
    for (size_t axis = 0; axis < keys.axes.size(); ++axis) {
      if (keys.axes[axis] != KeyView::kKeyAxis) {
        continue;
      }
      ViewKeys here{keys.view, uint32_t(axis), keys.axes,
                    KeyEnd::find(entry.views[keys.view], uint32_t(axis))};
      if (!here.ends.empty()) {
        found.push_back(std::move(here));
      }
    }
  }
  return found;
}
