//===- FragmentLayout.cpp - Which thread holds which element --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/FragmentLayout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cassert>
#include <map>
#include <numeric>
#include <set>

using namespace attn;
using llvm::ArrayRef;
using llvm::SmallVector;

using Coord = FragmentLayout::Coord;

static int64_t product(ArrayRef<Digit> digits) {
  int64_t size = 1;
  for (const Digit &digit : digits) {
    size *= digit.size;
  }
  return size;
}

/// Digits of size 1 say nothing, and two that count on are one.
static FragmentLayout::Digits simplify(ArrayRef<Digit> digits) {
  FragmentLayout::Digits result;
  for (const Digit &digit : digits) {
    if (digit.size == 1) {
      continue;
    }
    if (!result.empty() && result.back().axis == digit.axis &&
        result.back().stride * (digit.axis < 0 ? 1 : result.back().size) ==
            digit.stride) {
      result.back().size *= digit.size;
    } else {
      result.push_back(digit);
    }
  }
  return result;
}

FragmentLayout::FragmentLayout(int rank, Digits registers, Digits lanes,
                               Digits warps)
    : rank(rank), registers(simplify(registers)), lanes(simplify(lanes)),
      warps(simplify(warps)) {
  assert(product(this->lanes) == kLanes && "expects 32 lanes");
  assert(llvm::all_of(this->registers, [](Digit d) { return d.axis >= 0; }) &&
         "expects an axis for every digit of a register");
}

//===--- Fragments of the matrix instructions -----------------------------===//

std::optional<FragmentLayout> FragmentLayout::accumulator(int64_t rows,
                                                          int64_t columns,
                                                          int64_t rowWarps,
                                                          int64_t columnWarps) {
  if (rows <= 0 || columns <= 0 || rows % (16 * rowWarps) ||
      columns % (8 * columnWarps)) {
    return std::nullopt;
  }
  int64_t part = columns / columnWarps;
  return FragmentLayout(2,
                        {{2, 1, 1},
                         {2, 0, 8},
                         {part / 8, 1, 8},
                         {rows / (16 * rowWarps), 0, 16 * rowWarps}},
                        {{4, 1, 2}, {8, 0, 1}},
                        {{rowWarps, 0, 16}, {columnWarps, 1, part}});
}

std::optional<FragmentLayout> FragmentLayout::leftOperand(int64_t rows,
                                                          int64_t k,
                                                          int64_t rowWarps,
                                                          int64_t columnWarps) {
  std::optional<FragmentLayout> block = accumulator(rows, k, rowWarps, 1);
  if (!block || k % 16) {
    return std::nullopt;
  }
  return FragmentLayout(
      2, block->registers, block->lanes,
      {{rowWarps, 0, 16}, {columnWarps, Digit::kReplicated, 0}});
}

std::optional<FragmentLayout>
FragmentLayout::rightOperand(int64_t k, int64_t n, int64_t rowWarps,
                             int64_t columnWarps) {
  if (k <= 0 || n <= 0 || k % 16 || n % (8 * columnWarps)) {
    return std::nullopt;
  }
  int64_t part = n / columnWarps;
  return FragmentLayout(
      2, {{2, 0, 1}, {2, 0, 8}, {k / 16, 0, 16}, {part / 8, 1, 8}},
      {{4, 0, 2}, {8, 1, 1}},
      {{rowWarps, Digit::kReplicated, 0}, {columnWarps, 1, part}});
}

FragmentLayout FragmentLayout::lanewise(int64_t size, int64_t warps) {
  return FragmentLayout(1, {{(size + kLanes - 1) / kLanes, 0, kLanes}},
                        {{kLanes, 0, 1}}, {{warps, Digit::kReplicated, 0}});
}

//===--- Others made of them ----------------------------------------------===//

FragmentLayout FragmentLayout::dropAxis(int axis, bool isPartial) const {
  auto drop = [&](ArrayRef<Digit> digits, bool isRegister) {
    Digits result;
    for (Digit digit : digits) {
      if (digit.axis == axis) {
        if (isRegister) {
          continue;
        }
        digit = {digit.size, isPartial ? Digit::kPartial : Digit::kReplicated,
                 0};
      } else if (digit.axis > axis) {
        --digit.axis;
      }
      result.push_back(digit);
    }
    return result;
  };
  return FragmentLayout(rank - 1, drop(registers, true), drop(lanes, false),
                        drop(warps, false));
}

FragmentLayout FragmentLayout::transpose() const {
  assert(rank == 2 && "expects a block");
  auto flip = [](Digits digits) {
    for (Digit &digit : digits) {
      digit.axis = digit.axis < 0 ? digit.axis : 1 - digit.axis;
    }
    return digits;
  };
  return FragmentLayout(rank, flip(registers), flip(lanes), flip(warps));
}

FragmentLayout FragmentLayout::complete() const {
  auto complete = [](Digits digits) {
    for (Digit &digit : digits) {
      digit.axis =
          digit.axis == Digit::kPartial ? int(Digit::kReplicated) : digit.axis;
    }
    return digits;
  };
  return FragmentLayout(rank, registers, complete(lanes), complete(warps));
}

//===--- Facts ------------------------------------------------------------===//

int64_t FragmentLayout::getNumRegisters() const { return product(registers); }
int64_t FragmentLayout::getNumWarps() const { return product(warps); }

bool FragmentLayout::isPartial() const {
  auto isPartial = [](const Digit &d) { return d.axis == Digit::kPartial; };
  return llvm::any_of(lanes, isPartial) || llvm::any_of(warps, isPartial);
}

int64_t FragmentLayout::getNumPartialWarps() const {
  int64_t count = 1;
  for (const Digit &digit : warps) {
    count *= digit.axis == Digit::kPartial ? digit.size : 1;
  }
  return count;
}

Coord FragmentLayout::getShape() const {
  Coord shape(rank, 1);
  for (ArrayRef<Digit> digits :
       {ArrayRef<Digit>(registers), ArrayRef<Digit>(lanes),
        ArrayRef<Digit>(warps)}) {
    for (const Digit &digit : digits) {
      if (digit.axis >= 0) {
        shape[digit.axis] += (digit.size - 1) * digit.stride;
      }
    }
  }
  return shape;
}

static void addTo(Coord &coord, ArrayRef<Digit> digits, int64_t number) {
  for (const Digit &digit : digits) {
    if (digit.axis >= 0) {
      coord[digit.axis] += number % digit.size * digit.stride;
    }
    number /= digit.size;
  }
}

Coord FragmentLayout::locateRegister(int64_t element) const {
  Coord coord(rank, 0);
  addTo(coord, registers, element);
  return coord;
}

Coord FragmentLayout::locateThread(int64_t warp, int64_t lane) const {
  Coord coord(rank, 0);
  addTo(coord, lanes, lane);
  addTo(coord, warps, warp);
  return coord;
}

Coord FragmentLayout::locate(int64_t warp, int64_t lane,
                             int64_t element) const {
  Coord coord = locateThread(warp, lane);
  addTo(coord, registers, element);
  return coord;
}

static Coord pick(const Coord &coord, ArrayRef<int> axes) {
  Coord result;
  for (int axis : axes) {
    result.push_back(coord[axis]);
  }
  return result;
}

std::optional<SmallVector<int64_t>>
FragmentLayout::gather(const FragmentLayout &to, ArrayRef<int> axes) const {
  assert(int(axes.size()) == rank && "expects an axis for each axis");
  if (isPartial() || to.isPartial()) {
    return std::nullopt;
  }
  std::map<Coord, int64_t> elements;
  for (int64_t i = 0, e = getNumRegisters(); i < e; ++i) {
    elements.try_emplace(locateRegister(i), i);
  }
  // A thread may have another share of the block in each of the two, as long as
  // its own elements meet: what differs between threads is a constant then.
  std::optional<SmallVector<int64_t>> result;
  std::set<Coord> seen;
  int64_t numWarps = std::max(getNumWarps(), to.getNumWarps());
  for (int64_t warp = 0; warp < numWarps; ++warp) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      Coord here = locateThread(warp, lane);
      Coord offset = pick(to.locateThread(warp, lane), axes);
      for (int axis = 0; axis < rank; ++axis) {
        offset[axis] -= here[axis];
      }
      // Nearly always it is the same for all threads.
      if (!seen.insert(offset).second) {
        continue;
      }
      SmallVector<int64_t> map;
      for (int64_t i = 0, e = to.getNumRegisters(); i < e; ++i) {
        Coord wanted = pick(to.locateRegister(i), axes);
        for (int axis = 0; axis < rank; ++axis) {
          wanted[axis] += offset[axis];
        }
        auto found = elements.find(wanted);
        if (found == elements.end()) {
          return std::nullopt;
        }
        map.push_back(found->second);
      }
      if (result && *result != map) {
        return std::nullopt;
      }
      result = std::move(map);
    }
  }
  return result;
}

std::optional<SmallVector<int64_t>>
FragmentLayout::gather(const FragmentLayout &to) const {
  SmallVector<int> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  return gather(to, axes);
}

SmallVector<SmallVector<int64_t>> FragmentLayout::groupsAlong(int axis) const {
  FragmentLayout reduced = dropAxis(axis);
  std::map<Coord, int64_t> places;
  for (int64_t i = 0, e = reduced.getNumRegisters(); i < e; ++i) {
    places[reduced.locateRegister(i)] = i;
  }
  SmallVector<SmallVector<int64_t>> groups(reduced.getNumRegisters());
  for (int64_t i = 0, e = getNumRegisters(); i < e; ++i) {
    Coord coord = locateRegister(i);
    coord.erase(coord.begin() + axis);
    groups[places.at(coord)].push_back(i);
  }
  return groups;
}

std::optional<SmallVector<int64_t>>
FragmentLayout::getPartialLaneMasks() const {
  SmallVector<int64_t> masks;
  int64_t place = 1;
  for (const Digit &digit : lanes) {
    if (digit.axis == Digit::kPartial) {
      if (!llvm::isPowerOf2_64(uint64_t(digit.size))) {
        return std::nullopt;
      }
      for (int64_t bit = 1; bit < digit.size; bit *= 2) {
        masks.push_back(place * bit);
      }
    }
    place *= digit.size;
  }
  return masks;
}

bool FragmentLayout::operator==(const FragmentLayout &other) const {
  return rank == other.rank && registers == other.registers &&
         lanes == other.lanes && warps == other.warps;
}

std::string FragmentLayout::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto print = [&](llvm::StringRef name, ArrayRef<Digit> digits) {
    os << name;
    for (const Digit &digit : digits) {
      os << " (" << digit.size << ", ";
      if (digit.axis == Digit::kReplicated) {
        os << "replicated)";
      } else if (digit.axis == Digit::kPartial) {
        os << "partial)";
      } else {
        os << digit.axis << ":" << digit.stride << ")";
      }
    }
  };
  print("registers", registers);
  print(" lanes", lanes);
  print(" warps", warps);
  return text;
}
