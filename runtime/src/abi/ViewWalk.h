//===- ViewWalk.h - The points of a view, on the host -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_VIEWWALK_H
#define ATTNRT_SRC_ABI_VIEWWALK_H

#include "KeyEnds.h"

namespace attnrt {

/// An argument for the host: a tensor, or the cell of a scalar. Without data
/// only its sizes are known.
struct HostValue {
  attnrt_tensor tensor;
  uint64_t cell;
};

/// How far the rows of requests surely see, in keys; 0: they see none. Requests
/// are the points of `sizes`, row-major.
struct KeyReach {
  std::vector<int64_t> sizes, keys;
};

/// Goes through the domain of a view: every table entry that a point looks up
/// must be there, and every address must lie in the storage. `values` has one
/// element for each argument of the entry. The calls throw INVALID_ARGUMENT
/// with the first point that leads astray, or where values are missing.
class ViewWalk {
public:
  /// `values` must outlive the walk.
  ViewWalk(const View &view, const std::vector<HostValue> &values);
  /// The list of a selection as a view: its elements and counts as well.
  ViewWalk(const Selection &selection, const std::vector<HostValue> &values);

  /// All points. UNAVAILABLE for a domain that the host cannot go through (no
  /// end of an axis is known).
  void run() {
    requireEnds();
    visit(0);
  }

  /// The last point along the keys that a request's rows see, for all requests:
  /// whether the coordinates of `keys` hold it. Says nothing where the domain
  /// does not end the axis, or by values that the host has not, or by other
  /// axes than requests. Null: rows see all keys.
  void checkEnd(const ViewKeys &keys, const KeyReach *reach);

  /// Those at which axes that `fixed` has (at least 0) are that: appends their
  /// addresses to an empty `out`, but for coordinates that are an axis which
  /// nothing else names.
  void addresses(const std::vector<int64_t> &fixed, std::vector<int64_t> &out);

private:
  /// What an expression says of an axis.
  struct Share {
    bool isNamed = false;
    bool isLinear = true; ///< `factor` times the axis, plus the rest
    int64_t factor = 0;

    bool falls() const { return isNamed && isLinear && factor < 0; }
  };
  /// An expression that falls by `falls` for each step of an axis.
  struct Ending {
    const Expression *expression;
    int64_t falls;
  };
  using Axes = std::vector<int64_t>;

  Share shareOf(const Expression &e, size_t axis) const;
  bool isResolved(const Expression &e, size_t but) const;
  bool endsByDomain(size_t axis) const;
  bool mayEndByDomain(size_t axis) const;
  int64_t bareEnd(size_t axis) const;
  void lookAtCount();
  void lookAtChoice(const std::vector<int64_t> &place);
  void orderAxes();
  void requireEnds() const;
  bool isReadable(const Expression &e) const;
  [[nodiscard]] int64_t reachOf(const ViewKeys &keys,
                                const KeyReach &reach) const;
  void visitEnds(size_t depth, const ViewKeys &keys, const KeyReach *reach);
  void lookAtEnd(const ViewKeys &keys, int64_t end, const KeyReach *reach);

  int64_t evaluate(const Expression &e);
  int64_t symbol(size_t number);
  [[nodiscard]] std::vector<std::vector<Ending>> endingsOf(size_t axis) const;
  int64_t endOf(size_t axis);
  bool isInDomain();
  void visit(size_t depth);
  void look();
  void requireData(uint32_t argument) const;
  [[nodiscard]] std::string point(size_t but) const;
  [[noreturn]] void refuse(const std::string &what);

  const Selection *selection = nullptr;
  const View &view;
  const std::vector<HostValue> &values;
  std::vector<bool> isKnown;  ///< axes that stand in `order`
  std::vector<size_t> order;  ///< axes to walk, outermost first
  std::vector<bool> byDomain; ///< by axis
  /// By axis and disjunct; empty until they are asked for.
  std::vector<std::vector<std::vector<Ending>>> endings;
  std::vector<size_t> endless; ///< axes that matter and have no known end
  Axes at;
  // Of a call of addresses.
  const Axes *fixed = nullptr;
  Axes *found = nullptr;
};

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_VIEWWALK_H
