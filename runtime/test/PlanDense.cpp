//===- PlanDense.cpp - Data of a world, and its result --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>

using namespace attnrt::test;

static constexpr int dim = State::dim;

int32_t World::readers(int32_t s) const {
  return (rowEnd.empty() ? rowBegin[s + 1] : rowEnd[s]) - rowBegin[s];
}

int32_t World::readerAt(int32_t s, int32_t place) const {
  return rowList.empty() ? rowBegin[s] + place : rowList[rowBegin[s] + place];
}

int32_t World::realCount(int32_t s) const {
  const attnrt_segment &segment = segments[s];
  return segment.len_ref < 0
             ? segment.count
             : std::clamp(lengths[segment.len_ref] - segment.len_bias, 0,
                          segment.count);
}

bool World::sees(int32_t s, int32_t place, int32_t ordinal) const {
  const attnrt_segment &segment = segments[s];
  const int32_t row = readerAt(s, place);
  int64_t end = limit[row];
  if (!rowLenRef.empty() && rowLenRef[row] >= 0) {
    end = lengths[rowLenRef[row]] - rowBack[row]; // limit is a mere bound then
  }
  int64_t at = segment.coord0;
  at += segment.select < 0 ? ordinal : selection[segment.select + ordinal];
  // With a window, lo is only what the planner was told.
  if (ordinal >= realCount(s) || at >= end ||
      at < (window ? end - window : lo[row])) {
    return false;
  }
  if (maskBegin.empty() || maskBegin[s] < 0) {
    return true;
  }
  const int64_t words = (readers(s) + 63) / 64;
  return masks[maskBegin[s] + ordinal * words + place / 64] >> place % 64 & 1;
}

int64_t World::address(const attnrt_segment &segment, int32_t x,
                       int32_t head) const {
  const int32_t page = pageSize[segment.view];
  int64_t at = int64_t(table[segment.list + x / page]) * page + x % page;
  return (at * heads + head) * dim;
}

/// Pages for every segment; keys and values where somebody sees them.
void World::fillStorage(std::mt19937 &rng) {
  std::normal_distribution<double> normal;
  std::vector<int32_t> size(segments.size()), begin[2];
  table.clear();
  int64_t pages[2] = {0, 0};
  for (size_t s = 0; s < segments.size(); ++s) {
    attnrt_segment &segment = segments[s];
    size[s] = segment.count;
    if (segment.select >= 0) {
      // What the list of any length may name.
      for (int32_t t = 0; t < segment.count; ++t) {
        size[s] = std::max(size[s], selection[segment.select + t] + 1);
      }
    }
    segment.list = int64_t(table.size());
    const int32_t page = pageSize[segment.view];
    for (int32_t p = 0; p * page < size[s]; ++p) {
      begin[segment.view].push_back(int32_t(table.size()));
      table.push_back(int32_t(pages[segment.view]++));
    }
  }
  for (auto &elements : begin) { // shuffle the pages of a view
    for (size_t i = elements.size(); i > 1; --i) {
      std::swap(table[elements[i - 1]],
                table[elements[draw(rng, 0, int32_t(i) - 1)]]);
    }
  }
  for (int view = 0; view < 2; ++view) {
    k[view].assign(pages[view] * pageSize[view] * heads * dim, NAN);
    v[view].assign(k[view].size(), NAN);
  }
  for (size_t s = 0; s < segments.size(); ++s) {
    const attnrt_segment &segment = segments[s];
    for (int32_t t = 0; t < segment.count; ++t) {
      bool seen = false;
      for (int32_t r = 0; r < readers(s) && !seen; ++r) {
        seen = sees(s, r, t);
      }
      for (int32_t h = 0; h < heads && seen; ++h) {
        if (segment.head >= 0 && segment.head != h) {
          continue;
        }
        int32_t x = segment.select < 0 ? t : selection[segment.select + t];
        int64_t at = address(segment, x, h);
        for (int d = 0; d < dim; ++d) {
          k[segment.view][at + d] = normal(rng);
          v[segment.view][at + d] = normal(rng);
        }
      }
    }
  }
}

void World::fillDense() {
  const size_t outputs = coord.size() * heads * group;
  std::vector<State> states(outputs);
  for (size_t r = 0; r < coord.size() && !extBegin.empty(); ++r) {
    for (int32_t e = extBegin[r]; e < extBegin[r + 1]; ++e) {
      for (int32_t hs = 0; hs < heads * group; ++hs) {
        combine(states[r * heads * group + hs],
                extStates[ext[e] * heads * group + hs], entry.ordered);
      }
    }
  }
  std::vector<int32_t> syms = sym;
  if (sym.empty()) {
    syms.assign(coord.size(), 0);
    for (size_t s = segments.size(); s-- > 0;) {
      for (int32_t r = 0; r < readers(s); ++r) {
        syms[readerAt(s, r)] = segments[s].param;
      }
    }
  }
  denseColumns.clear();
  columnBase.clear();
  auto score = [&](const attnrt_segment &segment, int64_t output, int32_t row,
                   int64_t kv) {
    return scoreOf(&q[output * dim], &k[segment.view][kv], segment, syms[row]);
  };
  auto eachSeen = [&](auto visit) {
    for (size_t s = 0; s < segments.size(); ++s) {
      const attnrt_segment &segment = segments[s];
      for (int32_t t = 0; t < segment.count; ++t) {
        int32_t x = segment.select < 0 ? t : selection[segment.select + t];
        for (int32_t p = 0; p < readers(s); ++p) {
          if (!sees(s, p, t)) {
            continue;
          }
          for (int32_t hs = 0; hs < heads * group; ++hs) {
            if (segment.head < 0 || segment.head == hs / group) {
              int32_t row = readerAt(s, p);
              visit(s, t, hs / group, row, int64_t(row) * heads * group + hs,
                    address(segment, x, hs / group));
            }
          }
        }
      }
    }
  };
  // For one row, points come segment after segment, ordinal after ordinal.
  eachSeen([&](size_t s, int32_t, int32_t, int32_t row, int64_t o, int64_t kv) {
    combine(states[o],
            point(score(segments[s], o, row, kv), &v[segments[s].view][kv],
                  entry.ordered),
            entry.ordered);
  });
  dense.assign(outputs * dim, 0);
  denseLse.assign(outputs, 0);
  for (size_t o = 0; o < outputs; ++o) {
    epilogue(states[o], entry.ordered, &dense[o * dim], &denseLse[o]);
  }
  if (!columns) {
    return;
  }
  int64_t all = 0;
  for (const attnrt_segment &segment : segments) {
    columnBase.push_back(all);
    all += int64_t(segment.count) * heads;
  }
  denseColumns.assign(all, 0);
  eachSeen(
      [&](size_t s, int32_t t, int32_t h, int32_t row, int64_t o, int64_t kv) {
        denseColumns[columnBase[s] + int64_t(h) * segments[s].count + t] +=
            std::exp(score(segments[s], o, row, kv) - denseLse[o]);
      });
}

void World::fill(std::mt19937 &rng) {
  std::normal_distribution<double> normal;
  lengths.clear();
  for (size_t i = 0; i < lengthHigh.size(); ++i) {
    // The ends more often than others.
    int32_t which = draw(rng, 0, 3);
    lengths.push_back(which == 0   ? lengthLow[i]
                      : which == 1 ? lengthHigh[i]
                                   : draw(rng, lengthLow[i], lengthHigh[i]));
  }
  q.resize(coord.size() * heads * group * dim);
  for (double &x : q) {
    x = normal(rng);
  }
  extStates.resize(size_t(extCount) * heads * group);
  for (State &state : extStates) {
    state.m = entry.ordered ? 0 : normal(rng);
    state.l = entry.ordered ? 0.8 : 1 + std::fabs(normal(rng));
    for (double &x : state.acc) {
      x = normal(rng);
    }
  }
  fillStorage(rng);
  fillDense();
}
