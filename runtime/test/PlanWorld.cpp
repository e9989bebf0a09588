//===- PlanWorld.cpp - Random problems of every kind ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <climits>

using namespace attnrt::test;

int32_t attnrt::test::draw(std::mt19937 &rng, int32_t a, int32_t b) {
  return a >= b ? a : std::uniform_int_distribution<int32_t>(a, b)(rng);
}

static attnrt_segment segmentOf(int32_t count, int32_t coord0, int32_t param) {
  attnrt_segment segment{};
  segment.select = segment.len_ref = segment.head = -1;
  segment.count = count;
  segment.coord0 = coord0;
  segment.param = param;
  return segment;
}

World::World() {
  entry.struct_size = columnEntry.struct_size = sizeof(attnrt_entry);
  entry.max_packed_rows = entry.kv_tile = 16;
  entry.states = 3;
  columnEntry.kernel = columnEntry.axis = columnEntry.states = 1;
  options.struct_size = sizeof(options);
  options.workers = 3;
}

void World::addSegment(int32_t count, int32_t rows, int32_t window,
                       int32_t coord0) {
  segments.push_back(segmentOf(count, coord0, int32_t(segments.size())));
  for (int32_t r = 0; r < rows; ++r) {
    int32_t position = coord0 + count - rows + r;
    coord.push_back(position);
    limit.push_back(position + 1);
    lo.push_back(window ? position + 1 - window : INT32_MIN);
  }
  rowBegin.push_back(int32_t(coord.size()));
}

attnrt_problem World::problem() const {
  auto get = [](const auto &v) { return v.empty() ? nullptr : v.data(); };
  attnrt_problem p{};
  p.struct_size = sizeof(p);
  p.heads = heads;
  p.group = group;
  p.segments = segments.data();
  p.segment_count = int64_t(segments.size());
  p.row_begin = rowBegin.data();
  p.row_end = rowEnd.capacity() ? rowEnd.data() : nullptr;
  p.row_list = get(rowList);
  p.row_list_size = int64_t(rowList.size());
  p.row_count = int64_t(coord.size());
  p.coord = coord.data();
  p.lo = lo.data();
  p.limit = limit.data();
  p.sure_lo = get(sureLo);
  p.sure_limit = get(sureLimit);
  p.row_len_ref = get(rowLenRef);
  p.row_back = get(rowBack);
  p.sym = get(sym);
  p.sure_count = get(sureCount);
  p.mask_begin = get(maskBegin);
  p.masks = masks.data();
  p.mask_words = int64_t(masks.size());
  p.ext_begin = get(extBegin);
  p.ext = ext.data();
  p.keep = get(keep);
  p.ext_count = extCount;
  p.keep_count = keepCount;
  return p;
}

const attnrt_entry *World::stages() {
  entry.next = columns ? &columnEntry : nullptr;
  return &entry;
}

namespace attnrt::test {

/// Makes worlds whose rows read several segments. Rows come depth first, so
/// segments are ranges; then they may be shuffled into lists.
class WorldMaker {
public:
  WorldMaker(World &world, std::mt19937 &rng, Kind kind)
      : w(world), rng(rng), kind(kind) {}

  void make() {
    w.rowBegin.clear();
    w.rowEnd.reserve(1); // a batch without segments has ranges, too
    if (kind == Kind::Ordered || kind == Kind::Forest ||
        kind == Kind::External || kind == Kind::Columns) {
      for (int32_t roots = draw(rng, 0, 2); roots > 0; --roots) {
        node(0, draw(rng, 0, 2));
      }
    }
    for (int32_t alone = draw(rng, 0, 3); alone > 0; --alone) {
      request(kind == Kind::Forest ? draw(rng, 0, 9) : 0);
    }
    if (kind == Kind::External) {
      addStates();
    }
    if (draw(rng, 0, 2) == 0) {
      shuffle();
    }
    packMasks();
    if (draw(rng, 0, 1)) {
      w.sym.clear(); // param of the first segment, then
    }
  }

private:
  int32_t addSegment(attnrt_segment segment, int32_t sure) {
    w.segments.push_back(segment);
    w.sureCount.push_back(sure);
    w.rowBegin.push_back(int32_t(w.coord.size()));
    w.rowEnd.push_back(int32_t(w.coord.size()));
    treeBase.push_back(-1);
    return int32_t(w.segments.size()) - 1;
  }

  /// The rows so far are the last ones that read the segment.
  void close(int32_t segment) { w.rowEnd[segment] = int32_t(w.coord.size()); }

  /// A shared prefix with what is below it.
  void node(int32_t at, int32_t depth) {
    int32_t count = draw(rng, 0, 4) ? draw(rng, 1, 120) : draw(rng, 0, 2);
    int32_t s = addSegment(segmentOf(count, at, draw(rng, 0, 3)), count);
    for (int32_t children = draw(rng, 1, 3); children > 0; --children) {
      if (depth > 0 && draw(rng, 0, 1)) {
        node(at + count, depth - 1);
      } else {
        request(at + count);
      }
    }
    close(s);
  }

  int32_t addLength(int32_t low, int32_t high) {
    w.lengthLow.push_back(low);
    w.lengthHigh.push_back(high);
    return int32_t(w.lengthLow.size()) - 1;
  }

  /// Rows whose coordinates end at `high` at most, `low` at least, and `back`
  /// before the last: lo from the shortest length, limit from the longest.
  void addRow(int32_t low, int32_t high, int32_t length, int32_t back) {
    const int32_t window = w.window;
    w.coord.push_back(high - back - 1);
    w.limit.push_back(high - back);
    w.sureLimit.push_back(low - back);
    w.lo.push_back(window ? low - back - window : INT32_MIN);
    w.sureLo.push_back(window ? high - back - window : INT32_MIN);
    w.rowLenRef.push_back(length);
    w.rowBack.push_back(length < 0 ? 0 : back);
    w.sym.push_back(requests);
  }

  /// Rows that see all of every segment.
  void addWideRows(int32_t rows) {
    for (int32_t r = 0; r < rows; ++r) {
      w.coord.push_back(r);
      w.lo.push_back(INT32_MIN);
      w.sureLo.push_back(INT32_MIN);
      w.limit.push_back(INT32_MAX);
      w.sureLimit.push_back(INT32_MAX);
      w.rowLenRef.push_back(-1);
      w.rowBack.push_back(0);
      w.sym.push_back(requests);
    }
  }

  void request(int32_t at) {
    ++requests;
    switch (kind) {
    case Kind::Overlap:
      return overlapping();
    case Kind::Heads:
      return headLists();
    case Kind::Lists:
      return selected();
    case Kind::Tree:
      return tree();
    default:
      return growing(at);
    }
  }

  /// A tail whose length only the device knows, behind what it shares; with
  /// Formats, an older part in another format first.
  void growing(int32_t at) {
    std::vector<int32_t> older;
    if (kind == Kind::Formats) {
      attnrt_segment first = segmentOf(draw(rng, 0, 90), at, 1);
      first.view = 1;
      older.push_back(addSegment(first, first.count));
      at += first.count;
    }
    int32_t rows = draw(rng, 0, 3) ? draw(rng, 1, 4) : draw(rng, 0, 9);
    int32_t count = draw(rng, rows, 120), high = at + count, low = high;
    int32_t length = -1;
    attnrt_segment tail = segmentOf(count, at, draw(rng, 0, 2));
    if (draw(rng, 0, 3)) {
      low = draw(rng, 0, 2) ? draw(rng, std::max(0, high - 12), high)
                            : draw(rng, 0, high);
      length = addLength(low, high);
      tail.len_ref = length;
      tail.len_bias = at;
    }
    int32_t s = addSegment(tail, std::clamp(low - at, 0, count));
    for (int32_t r = 0; r < rows; ++r) {
      addRow(low, high, length, rows - 1 - r);
    }
    close(s);
    for (int32_t o : older) {
      close(o);
    }
  }

  /// Contexts at the same coordinates, each with its own temperature.
  void overlapping() {
    std::vector<int32_t> parts;
    for (int32_t n = draw(rng, 1, 4); n > 0; --n) {
      int32_t count = draw(rng, 0, 60);
      parts.push_back(addSegment(segmentOf(count, draw(rng, 0, 1), n), count));
    }
    addWideRows(draw(rng, 1, 6));
    for (int32_t s : parts) {
      close(s);
    }
  }

  void headLists() {
    std::vector<int32_t> parts;
    for (int32_t h = 0; h < w.heads; ++h) {
      for (int32_t n = draw(rng, 0, 2); n > 0; --n) {
        attnrt_segment segment = segmentOf(draw(rng, 0, 100), 0, n);
        segment.head = h;
        parts.push_back(addSegment(segment, segment.count));
      }
    }
    if (draw(rng, 0, 1)) { // and what all heads read
      attnrt_segment segment = segmentOf(draw(rng, 1, 30), 0, 0);
      parts.push_back(addSegment(segment, segment.count));
    }
    addWideRows(draw(rng, 1, 6));
    for (int32_t s : parts) {
      close(s);
    }
  }

  /// Points that a list names, for one head or all; rows see those before them.
  void selected() {
    std::vector<int32_t> parts;
    const int32_t points = draw(rng, 1, 150);
    const bool perHead = draw(rng, 0, 1);
    for (int32_t h = 0; h < (perHead ? w.heads : 1); ++h) {
      std::vector<int32_t> all(points);
      for (int32_t x = 0; x < points; ++x) {
        all[x] = x;
      }
      std::shuffle(all.begin(), all.end(), rng);
      const int32_t count = draw(rng, 0, points);
      attnrt_segment segment = segmentOf(count, draw(rng, 0, 5), 0);
      segment.select = int64_t(w.selection.size());
      segment.head = perHead ? h : -1;
      int32_t sure = count;
      if (draw(rng, 0, 2)) {
        sure = draw(rng, 0, count);
        segment.len_bias = draw(rng, 0, 3);
        segment.len_ref =
            addLength(sure + segment.len_bias, count + segment.len_bias);
      }
      w.selection.insert(w.selection.end(), all.begin(), all.begin() + count);
      parts.push_back(addSegment(segment, sure));
    }
    for (int32_t rows = draw(rng, 1, 5); rows > 0; --rows) {
      addRow(points, points + draw(rng, 0, 9), -1, draw(rng, 0, points));
      w.sureLimit.back() = w.limit.back();
    }
    for (int32_t s : parts) {
      close(s);
    }
  }

  /// A prefix, and a tail of draft tokens that see their ancestors.
  void tree() {
    const int32_t before = draw(rng, 0, 80);
    const int32_t rows = draw(rng, 0, 5) ? draw(rng, 1, 9) : draw(rng, 60, 75);
    int32_t prefix = addSegment(segmentOf(before, 0, 1), before);
    int32_t drafts = addSegment(segmentOf(rows, before, 1), rows);
    treeBase[drafts] = int32_t(w.coord.size());
    addWideRows(rows);
    close(prefix);
    close(drafts);
  }

  /// A row of a tree sees itself and some of the drafts before it.
  static bool isAncestor(int32_t draft, int32_t row) {
    return draft == row ||
           (draft < row &&
            (uint32_t(draft * 31 + row) * 2654435761u >> 13) % 3);
  }

  void packMasks() {
    if (kind != Kind::Tree) {
      return;
    }
    w.maskBegin.assign(w.segments.size(), -1);
    for (int32_t s = 0; s < int32_t(w.segments.size()); ++s) {
      if (treeBase[s] < 0) {
        continue;
      }
      const int32_t places = w.readers(s), words = (places + 63) / 64;
      w.maskBegin[s] = int64_t(w.masks.size());
      w.masks.resize(w.masks.size() + size_t(words) * w.segments[s].count);
      for (int32_t t = 0; t < w.segments[s].count; ++t) {
        uint64_t *mask = &w.masks[w.maskBegin[s] + int64_t(t) * words];
        for (int32_t p = 0; p < places; ++p) {
          int32_t draft = w.coord[w.readerAt(s, p)]; // number in its request
          mask[p / 64] |= uint64_t(isAncestor(t, draft)) << p % 64;
        }
      }
    }
  }

  /// Some rows merge states from elsewhere, some stay states.
  void addStates() {
    const int32_t rows = int32_t(w.coord.size());
    w.extBegin.push_back(0);
    std::vector<int32_t> kept;
    for (int32_t r = 0; r < rows; ++r) {
      w.extCount += draw(rng, 0, 2) ? 0 : draw(rng, 1, 3);
      w.extBegin.push_back(w.extCount);
      w.keep.push_back(draw(rng, 0, 2) ? -1 : w.keepCount++);
    }
    for (int32_t e = 0; e < w.extCount; ++e) {
      w.ext.push_back(e);
    }
    std::shuffle(w.ext.begin(), w.ext.end(), rng);
    w.extCount += draw(rng, 0, 2); // and some that nobody wants
  }

  template <typename T>
  static void permute(std::vector<T> &values,
                      const std::vector<int32_t> &from) {
    std::vector<T> old = values;
    for (size_t r = 0; r < values.size(); ++r) {
      values[r] = old[from[r]];
    }
  }

  /// Renumbers the rows; segments then have lists.
  void shuffle() {
    const int32_t rows = int32_t(w.coord.size());
    std::vector<int32_t> from(rows), to(rows);
    for (int32_t r = 0; r < rows; ++r) {
      from[r] = r;
    }
    std::shuffle(from.begin(), from.end(), rng);
    for (int32_t r = 0; r < rows; ++r) {
      to[from[r]] = r;
    }
    for (std::vector<int32_t> *values :
         {&w.coord, &w.lo, &w.limit, &w.sureLo, &w.sureLimit, &w.rowLenRef,
          &w.rowBack, &w.sym}) {
      permute(*values, from);
    }
    if (kind == Kind::External) {
      permute(w.keep, from);
      std::vector<int32_t> begin{0}, ext;
      for (int32_t r = 0; r < rows; ++r) {
        for (int32_t e = w.extBegin[from[r]]; e < w.extBegin[from[r] + 1];
             ++e) {
          ext.push_back(w.ext[e]);
        }
        begin.push_back(int32_t(ext.size()));
      }
      w.extBegin = begin;
      w.ext = ext;
    }
    for (size_t s = 0; s < w.segments.size(); ++s) {
      std::vector<int32_t> list;
      for (int32_t r = w.rowBegin[s]; r < w.rowEnd[s]; ++r) {
        list.push_back(to[r]);
      }
      std::sort(list.begin(), list.end());
      w.rowBegin[s] = int32_t(w.rowList.size());
      w.rowList.insert(w.rowList.end(), list.begin(), list.end());
      w.rowEnd[s] = int32_t(w.rowList.size());
    }
    if (w.rowList.empty() && rows) {
      w.rowList.push_back(0); // nobody's, so that there is a list
    }
  }

  World &w;
  std::mt19937 &rng;
  Kind kind;
  int32_t requests = 0;
  std::vector<int32_t> treeBase; ///< by segment: its first row, or -1
};

} // namespace attnrt::test

/// The kinds in which every row reads one segment.
static void makeFlat(World &world, std::mt19937 &rng, Kind kind) {
  for (int32_t s = draw(rng, 0, 5); s > 0; --s) {
    int32_t count = draw(rng, 0, 3) ? draw(rng, 0, 130) : draw(rng, 0, 3);
    int32_t rows = kind == Kind::Ragged ? 1 : draw(rng, 0, 9);
    int32_t window = kind == Kind::Window ? draw(rng, 1, 60) : 0;
    int32_t coord0 = kind == Kind::Shifted ? draw(rng, -200, 200) : 0;
    if (kind == Kind::Latent) {
      rows = draw(rng, 0, 2);
    }
    world.addSegment(count, rows, window, coord0);
  }
  if (kind == Kind::Hulls) {
    for (size_t r = 0; r < world.lo.size(); ++r) {
      world.lo[r] = draw(rng, -20, 130);
      world.limit[r] = draw(rng, 0, 2) ? world.lo[r] + draw(rng, 0, 90)
                                       : draw(rng, -20, 150);
    }
  }
}

World World::random(std::mt19937 &rng, Kind kind) {
  World world;
  world.heads = draw(rng, 1, 3);
  world.group = draw(rng, 1, 5);
  if (kind == Kind::Latent) {
    world.heads = 1;
    world.group = draw(rng, 0, 1) ? 128 : draw(rng, 6, 40);
  }
  world.entry.ordered = kind == Kind::Ordered;
  world.entry.kv_tile = 1 << draw(rng, 0, 5);
  world.entry.max_packed_rows =
      draw(rng, 1, 3) == 1 ? draw(rng, 1, 7) : draw(rng, 8, 48);
  world.entry.resumes = draw(rng, 0, 1);
  world.columns = kind == Kind::Columns;
  world.columnEntry.kv_tile = 1 << draw(rng, 0, 5);
  world.columnEntry.max_packed_rows = draw(rng, 1, 24);
  const int32_t splits[] = {0, 0, 0, 1, 2, 3, 7};
  world.options.split = splits[draw(rng, 0, 6)];
  world.options.strategy = world.options.split ? 3 * draw(rng, 0, 1)
                                               : draw(rng, ATTNRT_STRATEGY_AUTO,
                                                      ATTNRT_STRATEGY_FIXED);
  world.options.workers = draw(rng, 1, 9);
  world.options.merge_rows = draw(rng, 0, 1) ? 0 : draw(rng, 1, 5);
  if (draw(rng, 0, 3) == 0) {
    world.options.tile_cost = draw(rng, 0, 40);
    world.options.row_cost = draw(rng, 0, 4);
    world.options.item_cost = draw(rng, 0, 90);
    world.options.state_cost = draw(rng, 0, 30);
  }
  const bool growing = kind >= Kind::Forest || kind == Kind::Ordered ||
                       (kind == Kind::Window && draw(rng, 0, 1));
  if (growing) {
    world.window = kind == Kind::Window   ? draw(rng, 1, 60)
                   : draw(rng, 0, 3) == 0 ? draw(rng, 20, 90)
                                          : 0;
    if (kind == Kind::Overlap || kind == Kind::Heads || kind == Kind::Tree) {
      world.window = 0;
    }
    WorldMaker(world, rng, kind).make();
  } else {
    makeFlat(world, rng, kind);
    if (draw(rng, 0, 15) == 0) {
      world.entry.states = world.options.split = 0;
    }
  }
  world.fill(rng);
  return world;
}

//===----------------------------------------------------------------------===//
// Worlds made from others
//===----------------------------------------------------------------------===//

static void addTree(World &world, const std::vector<int32_t> &children,
                    const std::vector<int32_t> &counts, size_t level,
                    int32_t at) {
  const size_t s = world.segments.size();
  world.segments.push_back(segmentOf(counts[level], at, 0));
  world.rowBegin.push_back(int32_t(world.coord.size()));
  world.rowEnd.push_back(0);
  at += counts[level];
  if (level < children.size()) {
    for (int32_t c = 0; c < children[level]; ++c) {
      addTree(world, children, counts, level + 1, at);
    }
  } else {
    world.coord.push_back(at - 1);
    world.lo.push_back(INT32_MIN);
    world.limit.push_back(at);
  }
  world.rowEnd[s] = int32_t(world.coord.size());
}

World World::forest(const std::vector<int32_t> &children,
                    const std::vector<int32_t> &counts) {
  World world;
  world.rowBegin.clear();
  addTree(world, children, counts, 0, 0);
  return world;
}

World World::only(int32_t request) const {
  World result = *this;
  std::vector<int32_t> kept, number(coord.size(), -1);
  for (int32_t r = 0; r < int32_t(coord.size()); ++r) {
    if (sym[r] == request) {
      number[r] = int32_t(kept.size());
      kept.push_back(r);
    }
  }
  auto pick = [&](const std::vector<int32_t> &from, std::vector<int32_t> &to) {
    to.clear();
    for (size_t r = 0; r < kept.size() && !from.empty(); ++r) {
      to.push_back(from[kept[r]]);
    }
  };
  pick(coord, result.coord);
  pick(lo, result.lo);
  pick(limit, result.limit);
  pick(sureLo, result.sureLo);
  pick(sureLimit, result.sureLimit);
  pick(rowLenRef, result.rowLenRef);
  pick(rowBack, result.rowBack);
  pick(sym, result.sym);
  const size_t perRow = size_t(heads) * group * State::dim;
  result.q.clear();
  for (int32_t r : kept) {
    result.q.insert(result.q.end(), q.begin() + r * perRow,
                    q.begin() + (r + 1) * perRow);
  }
  result.rowBegin.clear();
  result.rowEnd.clear();
  result.rowEnd.reserve(1);
  result.rowList.clear();
  for (int32_t s = 0; s < int32_t(segments.size()); ++s) {
    result.rowBegin.push_back(int32_t(result.rowList.size()));
    for (int32_t place = 0; place < readers(s); ++place) {
      if (int32_t row = number[readerAt(s, place)]; row >= 0) {
        result.rowList.push_back(row);
      }
    }
    result.rowEnd.push_back(int32_t(result.rowList.size()));
  }
  if (result.rowList.empty() && !kept.empty()) {
    result.rowList.push_back(0);
  }
  result.fillDense();
  return result;
}

World World::unshared() const {
  World result = *this;
  result.segments.clear();
  result.table.clear();
  result.rowBegin.assign(1, 0);
  result.rowEnd = std::vector<int32_t>();
  for (int32_t r = 0; r < int32_t(coord.size()); ++r) {
    attnrt_segment own = segmentOf(0, 0, 0);
    own.list = int64_t(result.table.size());
    for (size_t s = 0; s < segments.size(); ++s) {
      if (rowBegin[s] <= r && r < rowEnd[s]) {
        auto from = table.begin() + segments[s].list;
        result.table.insert(result.table.end(), from, from + segments[s].count);
        own.count += segments[s].count;
      }
    }
    result.segments.push_back(own);
    result.rowBegin.push_back(r + 1);
  }
  return result;
}

int64_t World::reads(const attnrt_plan *plan) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < plan->items.count; ++i) {
    sum += attnrt_plan_items(plan)[i].kv_count;
  }
  return sum;
}
