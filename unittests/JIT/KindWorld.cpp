//===- KindWorld.cpp - Problems of every kind, for compiled kernels -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KindWorld.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace attn;
using namespace attn::test;

const char *attn::test::nameOf(Kind kind) {
  static const char *const names[numKinds] = {
      "ragged",   "causal", "window",  "latent", "ordered", "hulls",
      "shifted",  "forest", "overlap", "heads",  "lists",   "formats",
      "external", "tree",   "columns", "mixed"};
  return names[int(kind)];
}

int attn::test::partsOf(Kind kind) { return kind == Kind::Formats ? 2 : 1; }

Shape attn::test::shapeOf(Kind kind, Mask mask, int part) {
  Shape shape;
  shape.mask = mask;
  switch (kind) {
  case Kind::Ragged:
    shape.mask = Mask::none;
    break;
  case Kind::Causal:
    shape.mask = Mask::causal;
    break;
  case Kind::Window:
    shape.mask = Mask::window;
    break;
  case Kind::Latent:
    shape.heads = 1;
    shape.mask = Mask::causal;
    shape.group = 128;
    return shape;
  case Kind::Ordered:
    shape.mask = Mask::causal;
    shape.fold = Fold::decay;
    return shape;
  case Kind::Hulls:
  case Kind::Tree:
    shape.mask = Mask::none;
    shape.points = true;
    return shape;
  case Kind::Overlap:
    shape.mask = Mask::none;
    shape.heat = true;
    return shape;
  case Kind::Lists:
    shape.mask = Mask::none;
    shape.lists = shape.points = true;
    shape.page = 1;
    return shape;
  case Kind::Formats:
    shape.mask = Mask::causal;
    shape.bf16 = part == 0;
    shape.page = part == 0 ? 16 : 4;
    return shape;
  case Kind::Columns:
    shape.mask = Mask::causal;
    shape.fold = Fold::columns;
    return shape;
  default:
    break;
  }
  shape.group = shape.mask == Mask::none     ? 7
                : shape.mask == Mask::causal ? 2
                                             : 1;
  return shape;
}

KindWorld::KindWorld(Kind kind, Mask mask, int64_t tile,
                     std::mt19937_64 &random)
    : kind(kind), parts(partsOf(kind)), shape(shapeOf(kind, mask)), tile(tile),
      storage(size_t(parts)) {
  float number = 1 / std::sqrt(float(shape.width));
  std::memcpy(&scale, &number, sizeof(number));
  drawLengths(random);
  if (shape.fold == Fold::columns) {
    drawColumns(random);
  } else {
    drawRows(random);
  }
  drawSegments(random);
  findRanges();
  drawStates(random);
  drawContent(random);
  redraw(random);
}

//===----------------------------------------------------------------------===//
// The problem
//===----------------------------------------------------------------------===//

void KindWorld::drawLengths(std::mt19937_64 &random) {
  bool isSlow = kind == Kind::Latent || kind == Kind::Ordered;
  int64_t count = draw(random, 1, isSlow ? 2 : 6);
  int64_t most = isSlow ? 90 : 150;
  int64_t mostRows = kind == Kind::Ragged           ? 1
                     : isSlow || draw(random, 0, 1) ? 3
                                                    : 9;
  // Sizes of results may not depend on inexact lengths.
  bool isExact = kind == Kind::Tree || kind == Kind::Columns;
  for (int64_t b = 0; b < count; ++b) {
    int64_t rows = draw(random, 0, mostRows);
    if (kind == Kind::Tree) {
      rows = draw(random, 0, 3) ? draw(random, 1, 9) : draw(random, 60, 70);
    }
    for (int64_t list = 0; list < lists(); ++list) {
      int64_t length =
          draw(random, 0, 3) ? draw(random, 0, most) : draw(random, 0, 3);
      length = std::max(length, shape.mask == Mask::none ? 0 : rows);
      if (kind == Kind::Tree) {
        length = draw(random, 0, 3) * tile + rows;
      }
      high.push_back(int32_t(length));
      int64_t least =
          draw(random, 0, 2) ? std::max<int64_t>(length - 12, 0) : 0;
      low.push_back(int32_t(isExact ? length : draw(random, least, length)));
      mostKeys = std::max(mostKeys, length);
    }
    queries.push_back(int32_t(rows));
    mostQueries = std::max(mostQueries, rows);
  }
  if (mostKeys == 0) {
    mostKeys = low[0] = high[0] = 1;
  }
}

/// Some of the queries, in order or not.
void KindWorld::drawRows(std::mt19937_64 &random) {
  for (int64_t b = 0; b < requests() * lists(); ++b) {
    for (int32_t p = 0; p < queries[size_t(requestOf(b))]; ++p) {
      if (draw(random, 0, 9) || kind == Kind::Tree) {
        sym.push_back(int32_t(b));
        coord.push_back(p);
      }
    }
  }
  if (draw(random, 0, 1)) {
    std::vector<size_t> order(sym.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::shuffle(order.begin(), order.end(), random);
    std::vector<int32_t> syms = sym, coords = coord;
    for (size_t i = 0; i < order.size(); ++i) {
      sym[i] = syms[order[i]];
      coord[i] = coords[order[i]];
    }
  }
  for (size_t r = 0; r < sym.size(); ++r) {
    size_t b = size_t(sym[r]);
    int64_t first = coord[r] - queries[size_t(requestOf(sym[r]))] + 1;
    int64_t most = high[b], least = low[b];
    bool isAll = shape.mask == Mask::none;
    bool isWindow = shape.mask == Mask::window;
    int64_t behind = isAll ? 0 : first; // of the length is what a row sees last
    limit.push_back(int32_t(most + behind));
    sureLimit.push_back(int32_t(shape.points ? 0 : least + behind));
    auto lowest = [&](int64_t length) {
      return int32_t(
          isWindow ? std::max<int64_t>(length + first - shape.window, 0) : 0);
    };
    lo.push_back(lowest(least));
    sureLo.push_back(lowest(most));
    if (kind == Kind::Hulls) {
      lo.back() = int32_t(draw(random, -20, 130));
      limit.back() = draw(random, 0, 2)
                         ? lo.back() + int32_t(draw(random, 0, 90))
                         : int32_t(draw(random, -20, 150));
      limit.back() = std::min(limit.back(), high[b]);
    }
  }
}

/// Rows are keys, and read the queries that see them.
void KindWorld::drawColumns(std::mt19937_64 &random) {
  for (int64_t b = 0; b < requests(); ++b) {
    int32_t length = high[size_t(b)], count = queries[size_t(b)];
    for (int32_t m = 0; m < length; ++m) {
      if (draw(random, 0, 9)) {
        sym.push_back(int32_t(b));
        coord.push_back(m);
        lo.push_back(std::max(0, m - length + count));
        limit.push_back(count);
      }
    }
  }
  sureLo = lo;
  sureLimit = limit;
}

std::vector<int32_t> KindWorld::rowsOf(int64_t number) const {
  std::vector<int32_t> rows;
  for (size_t r = 0; r < sym.size(); ++r) {
    if (sym[r] == number) {
      rows.push_back(int32_t(r));
    }
  }
  return rows;
}

void KindWorld::addSegment(int64_t param, int64_t begin, int64_t end,
                           int64_t head, const std::vector<int32_t> &rows,
                           int part) {
  attnrt_segment segment{};
  segment.select = segment.len_ref = -1;
  segment.head = int32_t(head);
  segment.param = int32_t(param);
  segment.coord0 = int32_t(begin);
  segment.count = int32_t(end - begin);
  segment.view = part;
  int64_t sure = segment.count;
  if (shape.fold != Fold::columns) {
    int64_t least = low[size_t(param)];
    sure = std::clamp<int64_t>(least - begin, 0, sure);
  }
  segments.push_back(segment);
  sureCount.push_back(int32_t(sure));
  rowBegin.push_back(int32_t(rowList.size()));
  rowList.insert(rowList.end(), rows.begin(), rows.end());
  rowEnd.push_back(int32_t(rowList.size()));
}

/// Runs of anybody's keys that are there at all lengths, each read by some rows
/// of any request.
void KindWorld::drawShared(std::mt19937_64 &random, bool perHead) {
  bool areRuns = draw(random, 0, 1);
  for (int64_t count = draw(random, 0, 6); count > 0; --count) {
    int64_t b = draw(random, 0, requests() - 1);
    int64_t head =
        perHead && draw(random, 0, 1) ? draw(random, 0, shape.heads - 1) : -1;
    // Whole tiles: kernels know of no other border than those of masks.
    int64_t tiles = low[size_t(b)] / tile;
    int64_t first = kind == Kind::Overlap ? 0 : draw(random, 0, tiles);
    std::vector<int32_t> rows;
    // Those below a node of a tree, or any.
    int64_t share = areRuns ? 5 : draw(random, 0, 4);
    int64_t most = int64_t(sym.size());
    int64_t from = areRuns ? draw(random, 0, most) : 0;
    int64_t to = areRuns ? draw(random, from, most) : most;
    for (int64_t r = from; r < to; ++r) {
      if (draw(random, 0, 4) <= share) {
        rows.push_back(int32_t(r));
      }
    }
    addSegment(b, first * tile, draw(random, first, tiles) * tile, head, rows);
  }
}

void KindWorld::drawSegments(std::mt19937_64 &random) {
  bool isMixed = kind == Kind::Mixed || kind == Kind::External ||
                 (kind == Kind::Ordered && draw(random, 0, 1));
  if (isMixed || kind == Kind::Forest || kind == Kind::Overlap ||
      kind == Kind::Heads) {
    drawShared(random, kind == Kind::Heads || kind == Kind::Mixed);
  }
  for (int64_t b = 0; b < requests() * lists(); ++b) {
    std::vector<int32_t> rows = rowsOf(b);
    int64_t end =
        shape.fold == Fold::columns ? queries[size_t(b)] : high[size_t(b)];
    int64_t tiles = (end + tile - 1) / tile;
    if (kind == Kind::Lists) {
      // What a list names, and how much of it, only the device knows.
      addSegment(b, 0, end, -1, rows);
      segments.back().select = 1000 * b;
      segments.back().len_ref = int32_t(b);
      continue;
    }
    if (kind == Kind::Tree) {
      int64_t before = (end - queries[size_t(b)]) / tile * tile;
      addSegment(b, 0, before, -1, rows);
      maskBegin.push_back(-1);
      addSegment(b, before, end, -1, rows);
      maskBegin.push_back(0); // filled with the contents
      continue;
    }
    if (kind == Kind::Formats) {
      int64_t cut = draw(random, 0, tiles) * tile;
      addSegment(b, 0, std::min(cut, end), -1, rows, 0);
      if (cut < end) {
        addSegment(b, cut, end, -1, rows, 1);
      }
      continue;
    }
    // What follows whatever is shared, in pieces.
    int64_t begin = kind == Kind::Shifted || kind == Kind::Forest || isMixed
                        ? draw(random, 0, tiles)
                        : 0;
    int64_t head = -1;
    if (kind == Kind::Heads && draw(random, 0, 1)) {
      head = draw(random, 0, shape.heads - 1);
    }
    bool isWhole = kind <= Kind::Latent;
    while (begin < tiles) {
      int64_t next = isWhole || draw(random, 0, 2)
                         ? tiles
                         : draw(random, begin + 1, tiles);
      addSegment(b, begin * tile, std::min(next * tile, end), head, rows);
      begin = next;
    }
  }
}

void KindWorld::findRanges() {
  for (size_t s = 0; s < segments.size(); ++s) {
    int32_t count = rowEnd[s] - rowBegin[s];
    int32_t first = count ? rowList[size_t(rowBegin[s])] : 0;
    if (count && rowList[size_t(rowEnd[s] - 1)] != first + count - 1) {
      rangeBegin.clear();
      rangeEnd.clear();
      return;
    }
    rangeBegin.push_back(first);
    rangeEnd.push_back(first + count);
  }
}

void KindWorld::drawStates(std::mt19937_64 &random) {
  size_t components = shape.fold == Fold::softmax ? 3
                      : shape.fold == Fold::decay ? 2
                                                  : 1;
  givenStates.resize(components);
  if (parts > 1) {
    everyBegin.push_back(0);
    for (size_t r = 0; r < sym.size(); ++r) {
      everyRow.push_back(int32_t(r));
      everyBegin.push_back(int32_t(r + 1));
    }
    return;
  }
  bool any =
      kind == Kind::External || kind == Kind::Mixed || kind == Kind::Ordered;
  if (!any) {
    return;
  }
  extBegin.push_back(0);
  for (size_t r = 0; r < sym.size(); ++r) {
    for (int64_t n = draw(random, 0, 5) ? 0 : draw(random, 1, 2); n > 0; --n) {
      ext.push_back(extCount++);
    }
    extBegin.push_back(int32_t(ext.size()));
    keep.push_back(draw(random, 0, 5) ? -1 : keepCount++);
  }
  std::shuffle(ext.begin(), ext.end(), random);
  std::normal_distribution<float> normal;
  int64_t slots = slotOf(extCount, 0, 0);
  for (int64_t i = 0; i < slots; ++i) {
    if (components == 3) {
      givenStates[0].push_back(normal(random));
    }
    givenStates[components - 2].push_back(0.1f + std::abs(normal(random)));
    for (int64_t f = 0; f < shape.width; ++f) {
      givenStates[components - 1].push_back(normal(random));
    }
  }
}

attnrt_problem KindWorld::jointProblem() const {
  attnrt_problem joint = problem(0);
  joint.segments = segments.data();
  joint.segment_count = int64_t(segments.size());
  joint.row_begin = rowBegin.data();
  joint.row_end = rowEnd.data();
  joint.sure_count = sureCount.data();
  joint.keep = nullptr;
  joint.keep_count = 0;
  return joint;
}

attnrt_problem KindWorld::problem(int part) const {
  attnrt_problem problem{};
  problem.struct_size = sizeof(problem);
  problem.heads = int32_t(planHeads());
  problem.group = int32_t(planGroup());
  const std::vector<attnrt_segment> *list = &segments;
  const std::vector<int32_t> *begins = &rowBegin, *ends = &rowEnd,
                             *counts = &sureCount;
  if (parts > 1) {
    const Subset &subset = subsets[size_t(part)];
    list = &subset.segments;
    begins = &subset.rowBegin;
    ends = &subset.rowEnd;
    counts = &subset.sureCount;
  }
  problem.segments = list->data();
  problem.segment_count = int64_t(list->size());
  problem.row_begin = begins->data();
  problem.row_end = ends->data();
  problem.row_list = rowList.data();
  problem.row_list_size = int64_t(rowList.size());
  problem.row_count = int64_t(sym.size());
  problem.coord = coord.data();
  problem.lo = lo.data();
  problem.limit = limit.data();
  problem.sure_lo = sureLo.data();
  problem.sure_limit = sureLimit.data();
  problem.sure_count = counts->data();
  problem.sym = sym.data();
  if (parts == 1 && !rangeBegin.empty()) {
    problem.row_begin = rangeBegin.data();
    problem.row_end = rangeEnd.data();
    problem.row_list = nullptr;
    problem.row_list_size = 0;
  }
  if (!maskBegin.empty()) {
    problem.mask_begin = maskBegin.data();
    problem.masks = masks.data();
    problem.mask_words = int64_t(masks.size());
  }
  if (!extBegin.empty()) {
    problem.ext_begin = extBegin.data();
    problem.ext = ext.data();
    problem.ext_count = extCount;
    problem.keep = keep.data();
    problem.keep_count = keepCount;
  }
  if (parts > 1 && part == 0) {
    problem.keep = everyRow.data();
    problem.keep_count = int32_t(everyRow.size());
  }
  if (parts > 1 && part == 1) {
    problem.ext_begin = everyBegin.data();
    problem.ext = everyRow.data();
    problem.ext_count = int32_t(everyRow.size());
  }
  return problem;
}

int64_t KindWorld::fixedSlots(int part) const {
  attnrt_problem p = problem(part);
  return (int64_t(p.ext_count) + p.keep_count) * p.heads * p.group;
}
