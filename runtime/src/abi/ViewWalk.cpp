//===- ViewWalk.cpp - The points of a view, on the host -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Axes get their ends as docs/attn-spec.md says: from the domain where one of
// its constraints falls as the axis grows, else from what the axis indexes
// bare. Then the box of all axes that tables, domain or sums in the address
// name is walked, the axes whose ends depend on others inside; axes that only
// stand bare in the address need no walk.
//
//===----------------------------------------------------------------------===//
#include "ViewWalk.h"

#include "../Guard.h"

#include <cstring>

using namespace attnrt;

ViewWalk::ViewWalk(const View &view, const std::vector<HostValue> &values)
    : view(view), values(values), isKnown(view.axes.size()),
      byDomain(view.axes.size()), endings(view.axes.size()),
      at(view.axes.size()) {
  orderAxes();
}

ViewWalk::ViewWalk(const Selection &selection,
                   const std::vector<HostValue> &values)
    : ViewWalk(selection.list, values) {
  this->selection = &selection;
}

/// By its linear form: a stack of constants and factors.
ViewWalk::Share ViewWalk::shareOf(const Expression &e, size_t axis) const {
  struct Term {
    Share share;
    bool isConstant;
    int64_t constant;
  };
  std::vector<Term> stack;
  for (const Expression::Step &step : e.steps) {
    if (step.kind <= StepKind::Symbol) {
      Term term{{}, step.kind == StepKind::Constant, step.value};
      if (step.kind == StepKind::Axis && size_t(step.value) == axis) {
        term.share = {true, true, 1};
      } else if (step.kind == StepKind::Symbol) {
        // A symbol that the axis looks up may do anything.
        for (const Expression &c : view.symbols[size_t(step.value)].at) {
          if (shareOf(c, axis).isNamed) {
            term.share = {true, false, 0};
          }
        }
      }
      stack.push_back(term);
      continue;
    }
    Term right = stack.back();
    stack.pop_back();
    Term &left = stack.back();
    Share &share = left.share;
    share.isNamed |= right.share.isNamed;
    share.isLinear &= right.share.isLinear;
    if (step.kind == StepKind::Add) {
      share.isLinear &= !__builtin_add_overflow(
          share.factor, right.share.factor, &share.factor);
    } else if (step.kind == StepKind::Mul &&
               (left.isConstant || right.isConstant)) {
      int64_t by = right.isConstant ? right.constant : left.constant;
      int64_t old = right.isConstant ? share.factor : right.share.factor;
      share.isLinear &= !__builtin_mul_overflow(old, by, &share.factor);
    } else if (share.isNamed) {
      share.isLinear = false;
    }
    left.isConstant = false;
  }
  return stack.back().share;
}

/// Whether all axes that it names, `but` one, are walked further outside.
bool ViewWalk::isResolved(const Expression &e, size_t but) const {
  for (size_t axis = 0; axis < view.axes.size(); ++axis) {
    if (axis != but && !isKnown[axis] && shareOf(e, axis).isNamed) {
      return false;
    }
  }
  return true;
}

/// Each disjunct has a constraint that ends the axis and is known by then.
bool ViewWalk::endsByDomain(size_t axis) const {
  for (const auto &set : view.domain) {
    bool ends = false;
    for (const Constraint &c : set) {
      ends |=
          shareOf(c.expression, axis).falls() && isResolved(c.expression, axis);
    }
    if (!ends) {
      return false;
    }
  }
  return !view.domain.empty();
}

/// Whether some constraint falls with the axis.
bool ViewWalk::mayEndByDomain(size_t axis) const {
  for (const auto &set : view.domain) {
    for (const Constraint &c : set) {
      if (shareOf(c.expression, axis).falls()) {
        return true;
      }
    }
  }
  return false;
}

/// Its own size, or the least of what the axis indexes as itself plus a
/// constant; -1 if there is none.
int64_t ViewWalk::bareEnd(size_t axis) const {
  if (view.sizes[axis] >= 0) {
    return view.sizes[axis];
  }
  int64_t end = -1;
  auto look = [&](const Expression &e, int64_t size) {
    const auto &s = e.steps;
    bool isBare = s[0].kind == StepKind::Axis && size_t(s[0].value) == axis;
    bool isShifted = isBare && s.size() == 3 &&
                     s[1].kind == StepKind::Constant && s[1].value >= 0 &&
                     s[2].kind == StepKind::Add;
    if (isBare && (s.size() == 1 || isShifted)) {
      int64_t here = std::max<int64_t>(isShifted ? size - s[1].value : size, 0);
      end = end < 0 ? here : std::min(end, here);
    }
  };
  for (size_t k = 0; k < view.address.size(); ++k) {
    look(view.address[k], values[view.argument].tensor.shape[k]);
  }
  for (const Lookup &lookup : view.symbols) {
    for (size_t k = 0; k < lookup.at.size(); ++k) {
      look(lookup.at[k], values[lookup.argument].tensor.shape[k]);
    }
  }
  return end;
}

void ViewWalk::orderAxes() {
  std::vector<bool> matters(view.axes.size());
  for (size_t axis = 0; axis < view.axes.size(); ++axis) {
    for (const Lookup &lookup : view.symbols) {
      for (const Expression &e : lookup.at) {
        matters[axis] = matters[axis] || shareOf(e, axis).isNamed;
      }
    }
    for (const auto &set : view.domain) {
      for (const Constraint &c : set) {
        matters[axis] = matters[axis] || shareOf(c.expression, axis).isNamed;
      }
    }
    for (const Expression &e : view.address) {
      matters[axis] =
          matters[axis] || (e.steps.size() > 1 && shareOf(e, axis).isNamed);
    }
  }
  // Ends by the domain as far as they go; then the first axis that is bare, if
  // there is one that no constraint will end once others are known; and so on.
  size_t none = view.axes.size();
  while (true) {
    size_t best = none, bare = none;
    for (size_t axis = none; axis-- > 0;) {
      if (!matters[axis] || isKnown[axis]) {
        continue;
      }
      if (endsByDomain(axis)) {
        best = axis;
      } else if (bareEnd(axis) >= 0 && (bare == none || !mayEndByDomain(axis) ||
                                        mayEndByDomain(bare))) {
        bare = axis;
      }
    }
    if (best != none) {
      byDomain[best] = true;
    } else {
      best = bare;
    }
    if (best == none) {
      break;
    }
    isKnown[best] = true;
    order.push_back(best);
  }
  for (size_t axis = 0; axis < none; ++axis) {
    if (matters[axis] && !isKnown[axis]) {
      endless.push_back(axis);
    }
  }
}

void ViewWalk::requireEnds() const {
  if (!endless.empty()) {
    const char *name = view.axes[endless[0]].c_str();
    raise(ATTNRT_UNAVAILABLE,
          "the view of argument %u cannot be checked, as its axis '%s' has no "
          "end: expects a constraint '%s < ..' in each part of its domain, a "
          "table or storage with '%s' itself as a coordinate, or its size in "
          "the view's type",
          view.argument, name, name, name);
  }
}

/// The coordinates of axes that are walked, but for one.
std::string ViewWalk::point(size_t but) const {
  std::string text;
  for (size_t axis : order) {
    if (axis != but) {
      text += (text.empty() ? "" : ", ") + view.axes[axis] + " = " +
              std::to_string(at[axis]);
    }
  }
  return text;
}

void ViewWalk::refuse(const std::string &what) {
  raise(ATTNRT_INVALID_ARGUMENT,
        "the %s of argument %u leads astray at %s: "
        "%s",
        selection ? "list" : "view", view.argument,
        point(view.axes.size()).c_str(), what.c_str());
}

int64_t ViewWalk::evaluate(const Expression &e) {
  int64_t stack[65]; // as deep as Check.cpp lets it be
  size_t depth = 0;
  for (const Expression::Step &step : e.steps) {
    if (step.kind <= StepKind::Symbol) {
      stack[depth++] = step.kind == StepKind::Constant ? step.value
                       : step.kind == StepKind::Axis
                           ? at[size_t(step.value)]
                           : symbol(size_t(step.value));
      continue;
    }
    int64_t right = stack[--depth], &left = stack[depth - 1];
    bool overflows = false;
    if (step.kind == StepKind::Add) {
      overflows = __builtin_add_overflow(left, right, &left);
    } else if (step.kind == StepKind::Mul) {
      overflows = __builtin_mul_overflow(left, right, &left);
    } else { // right > 0
      int64_t rest = left % right < 0 ? left % right + right : left % right;
      left =
          step.kind == StepKind::Mod ? rest : left / right - (left % right < 0);
    }
    if (overflows) {
      refuse("a coordinate is past 64 bits");
    }
  }
  return stack[0];
}

static int64_t readInteger(const void *from, uint32_t dtype) {
  auto read = [&](auto value) {
    std::memcpy(&value, from, sizeof(value));
    return int64_t(value);
  };
  switch (dtype) {
  case ATTNRT_I64:
  case ATTNRT_U64:
    return read(int64_t());
  case ATTNRT_I32:
    return read(int32_t());
  case ATTNRT_U32:
    return read(uint32_t());
  case ATTNRT_I16:
    return read(int16_t());
  case ATTNRT_U16:
    return read(uint16_t());
  case ATTNRT_I8:
    return read(int8_t());
  case ATTNRT_U8:
  case ATTNRT_BOOL:
    return read(uint8_t());
  default:
    raise(ATTNRT_UNAVAILABLE, "a symbol that is no integer cannot be checked");
  }
}

void ViewWalk::requireData(uint32_t argument) const {
  if (!values[argument].tensor.data) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "argument %u is looked at when tables are checked: its values are "
          "expected in `host`",
          argument);
  }
}

int64_t ViewWalk::symbol(size_t number) {
  const Lookup &lookup = view.symbols[number];
  const HostValue &value = values[lookup.argument];
  if (lookup.at.empty() && value.tensor.rank == 0 && !value.tensor.data) {
    return readInteger(&value.cell, value.tensor.dtype);
  }
  int64_t offset = 0;
  for (size_t k = 0; k < lookup.at.size(); ++k) {
    int64_t i = evaluate(lookup.at[k]);
    if (i < 0 || i >= value.tensor.shape[k]) {
      refuse("it looks up entry " + std::to_string(i) + " of axis " +
             std::to_string(k) + " of argument " +
             std::to_string(lookup.argument) + ", which has " +
             std::to_string(value.tensor.shape[k]));
    }
    offset += i * value.tensor.stride[k];
  }
  requireData(lookup.argument);
  int64_t bytes = elementBits(value.tensor.dtype) / 8;
  return readInteger(static_cast<const char *>(value.tensor.data) +
                         offset * bytes,
                     value.tensor.dtype);
}

/// The constraints that end an axis by what is further outside, by disjunct.
std::vector<std::vector<ViewWalk::Ending>>
ViewWalk::endingsOf(size_t axis) const {
  std::vector<bool> isOutside(view.axes.size());
  for (size_t i = 0; order[i] != axis; ++i) {
    isOutside[order[i]] = true;
  }
  std::vector<std::vector<Ending>> endings;
  for (const auto &set : view.domain) {
    endings.emplace_back();
    for (const Constraint &c : set) {
      const Share share = shareOf(c.expression, axis);
      bool mayUse = share.falls();
      for (size_t other = 0; mayUse && other < view.axes.size(); ++other) {
        mayUse = other == axis || isOutside[other] ||
                 !shareOf(c.expression, other).isNamed;
      }
      if (mayUse) {
        endings.back().push_back({&c.expression, -share.factor});
      }
    }
  }
  return endings;
}

/// One past the last value that any disjunct lets the axis have. The axis is 0
/// when this is asked.
int64_t ViewWalk::endOf(size_t axis) {
  if (!byDomain[axis]) {
    return bareEnd(axis);
  }
  if (endings[axis].empty()) {
    endings[axis] = endingsOf(axis);
  }
  int64_t end = 0;
  for (const auto &set : endings[axis]) {
    int64_t here = INT64_MAX;
    for (const Ending &ending : set) {
      int64_t rest = evaluate(*ending.expression);
      here = std::min(here, rest < 0 ? 0 : rest / ending.falls + 1);
    }
    end = std::max(end, here);
  }
  return end;
}

bool ViewWalk::isInDomain() {
  for (const auto &set : view.domain) {
    bool holds = true;
    for (size_t i = 0; holds && i < set.size(); ++i) {
      int64_t value = evaluate(set[i].expression);
      holds = set[i].isEquality ? value == 0 : value >= 0;
    }
    if (holds) {
      return true;
    }
  }
  return view.domain.empty();
}

void ViewWalk::look() {
  const attnrt_tensor &storage = values[view.argument].tensor;
  std::vector<int64_t> place;
  for (size_t k = 0; k < view.address.size(); ++k) {
    if (view.address[k].steps.size() == 1 &&
        view.address[k].steps[0].kind == StepKind::Axis &&
        !isKnown[size_t(view.address[k].steps[0].value)]) {
      continue; // takes its end from here
    }
    int64_t i = evaluate(view.address[k]);
    if (i < 0 || i >= storage.shape[k]) {
      refuse("it goes to " + std::to_string(i) + " on axis " +
             std::to_string(k) + " of the argument, which has " +
             std::to_string(storage.shape[k]));
    }
    if (found) {
      found->push_back(i);
    }
    if (selection) {
      place.push_back(i);
    }
  }
  if (selection) {
    lookAtChoice(place);
  }
}

/// Coordinates past the end of the rank choose nothing, but none is negative.
void ViewWalk::lookAtChoice(const std::vector<int64_t> &place) {
  const attnrt_tensor &list = values[view.argument].tensor;
  requireData(view.argument);
  int64_t offset = 0;
  for (size_t k = 0; k < place.size(); ++k) {
    offset += place[k] * list.stride[k];
  }
  const int64_t bytes = elementBits(list.dtype) / 8;
  const int64_t choice = readInteger(
      static_cast<const char *>(list.data) + offset * bytes, list.dtype);
  if (choice < 0) {
    refuse("it chooses coordinate " + std::to_string(choice) +
           ", but expects 0 or more");
  }
}

void ViewWalk::lookAtCount() {
  const int64_t count = symbol(0);
  if (count < 0 || count > selection->most) {
    refuse("expects 0.." + std::to_string(selection->most) +
           " coordinates, but the count (argument " +
           std::to_string(view.symbols[0].argument) + ") is " +
           std::to_string(count));
  }
}

void ViewWalk::visit(size_t depth) {
  if (depth == order.size()) {
    if (isInDomain()) {
      look();
    }
    return;
  }
  size_t axis = order[depth];
  if (fixed && (*fixed)[axis] >= 0) {
    at[axis] = (*fixed)[axis];
    return visit(depth + 1);
  }
  at[axis] = 0;
  if (selection && axis + 1 == view.axes.size()) {
    lookAtCount();
  }
  int64_t end = endOf(axis);
  for (int64_t i = 0; i < end; ++i) {
    at[axis] = i;
    visit(depth + 1);
  }
  at[axis] = 0;
}

/// Whether all tables that it names are here with their values.
bool ViewWalk::isReadable(const Expression &e) const {
  for (const Expression::Step &step : e.steps) {
    if (step.kind != StepKind::Symbol) {
      continue;
    }
    const Lookup &lookup = view.symbols[size_t(step.value)];
    const attnrt_tensor &table = values[lookup.argument].tensor;
    if (!table.data && (table.rank || !lookup.at.empty())) {
      return false;
    }
    for (const Expression &at : lookup.at) {
      if (!isReadable(at)) {
        return false;
      }
    }
  }
  return true;
}

void ViewWalk::checkEnd(const ViewKeys &keys, const KeyReach *reach) {
  const size_t last = keys.axis;
  bool canSay = endless.empty() && isKnown[last] && byDomain[last];
  for (size_t i = 0; canSay && order[i] != last; ++i) {
    canSay = keys.axes[order[i]] >= 0;
  }
  for (const auto &set : view.domain) {
    for (const Constraint &c : set) {
      canSay = canSay && isReadable(c.expression);
    }
  }
  if (canSay) {
    visitEnds(0, keys, reach);
  }
}

/// Of the requests at the coordinates that the walk has; it stands at 0 on axes
/// that it has not come to, which the view does not look at: the furthest.
int64_t ViewWalk::reachOf(const ViewKeys &keys, const KeyReach &reach) const {
  std::vector<int64_t> wanted(reach.sizes.size(), -1);
  for (size_t i = 0; order[i] != keys.axis; ++i) {
    const size_t rank = size_t(keys.axes[order[i]]);
    if (rank >= wanted.size()) {
      return 0;
    }
    wanted[rank] = at[order[i]];
  }
  int64_t furthest = 0;
  for (size_t request = 0; request < reach.keys.size(); ++request) {
    int64_t rest = int64_t(request);
    bool isHere = true;
    for (size_t rank = wanted.size(); rank-- > 0;) {
      const int64_t coordinate = rest % reach.sizes[rank];
      rest /= reach.sizes[rank];
      isHere = isHere && (wanted[rank] < 0 || wanted[rank] == coordinate);
    }
    if (isHere) {
      furthest = std::max(furthest, reach.keys[request]);
    }
  }
  return furthest;
}

void ViewWalk::visitEnds(size_t depth, const ViewKeys &keys,
                         const KeyReach *reach) {
  const size_t axis = order[depth];
  at[axis] = 0;
  const int64_t end = endOf(axis);
  if (axis == keys.axis && end > 0) {
    lookAtEnd(keys, end, reach);
  }
  for (int64_t i = 0; axis != keys.axis && i < end; ++i) {
    at[axis] = i;
    visitEnds(depth + 1, keys, reach);
  }
  at[axis] = 0;
}

void ViewWalk::lookAtEnd(const ViewKeys &keys, int64_t end,
                         const KeyReach *reach) {
  const size_t axis = keys.axis;
  const int64_t seen = reach ? std::min(end, reachOf(keys, *reach)) : end;
  at[axis] = seen - 1;
  if (seen <= 0 || !isInDomain()) {
    return;
  }
  for (const KeyEnd &key : keys.ends) {
    const Expression &e =
        (key.lookup < 0 ? view.address
                        : view.symbols[size_t(key.lookup)].at)[key.dimension];
    const int64_t size = values[key.argument].tensor.shape[key.dimension];
    if (!isReadable(e) || evaluate(e) < size) {
      continue;
    }
    int64_t fit = 0, past = seen - 1; // it grows with the axis
    while (fit < past) {
      at[axis] = fit + (past - fit) / 2;
      if (evaluate(e) < size) {
        fit = at[axis] + 1;
      } else {
        past = at[axis];
      }
    }
    const std::string &name = view.axes[axis], where = point(axis);
    raise(ATTNRT_INVALID_ARGUMENT,
          "the view of argument %u goes on to %s = %lld%s%s, but argument %u "
          "has %lld entries along axis %u: expects an end of %s at %lld or "
          "before",
          view.argument, name.c_str(), static_cast<long long>(end - 1),
          where.empty() ? "" : " at ", where.c_str(), key.argument,
          static_cast<long long>(size), key.dimension, name.c_str(),
          static_cast<long long>(fit));
  }
}

void ViewWalk::addresses(const std::vector<int64_t> &given,
                         std::vector<int64_t> &out) {
  out.clear();
  requireEnds();
  fixed = &given;
  found = &out;
  visit(0);
  fixed = nullptr;
  found = nullptr;
}
