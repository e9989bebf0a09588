//===- Chunks.cpp - Cutting units and giving them to workers --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Chunks.h"

#include "../Status.h"
#include "Share.h"

#include <climits>
#include <queue>

using namespace attnrt;

/// Prices the units: element s of the line has the units of strand s.
attnrt_status Chunker::layLine() {
  line.clear();
  int64_t end = 0;
  bool overflow = false;
  for (size_t s = 0; s < made->strands.size() && !overflow; ++s) {
    const Strand &strand = made->strands[s];
    UnitRun run;
    run.start = end;
    run.tile = options->tile_cost + int64_t(options->row_cost) *
                                        made->runs[strand.run].rows *
                                        packing->subSize;
    run.tile = std::max<int64_t>(1, run.tile);
    run.tiles = strand.tiles;
    run.count = strand.units;
    run.rowTile = int32_t(s);
    run.first = 0;
    int64_t items = options->split ? std::min(options->split, strand.tiles) : 1;
    int64_t all;
    overflow |= __builtin_mul_overflow(run.tile, int64_t(run.tiles), &run.unit);
    overflow |=
        __builtin_add_overflow(run.unit, items * options->item_cost, &run.unit);
    overflow |= __builtin_mul_overflow(run.unit, int64_t(run.count), &all);
    overflow |= __builtin_add_overflow(end, all, &end);
    line.push_back(run);
  }
  // The walks add a few pieces to the total; keep away from the end of int64.
  if (overflow || end > INT64_MAX / 4) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects a batch whose cost fits 62 bits");
  }
  return ATTNRT_OK;
}

void Chunker::add(int32_t strand, int32_t unit, int32_t from, int32_t to,
                  int32_t worker) {
  if (from == 0) {
    first[made->strands[strand].unit + unit] = int32_t(chunks.size());
  }
  chunks.push_back({strand, unit, from, to, worker, -1});
}

void Chunker::cutEvenly() {
  cutter.cut(line, options->item_cost, options->workers, cuts);
  for (int32_t w = 0; w < options->workers; ++w) {
    CutPoint at = cuts[w];
    const CutPoint end = cuts[w + 1];
    while (at.run < end.run || (at.run == end.run && at.unit < end.unit)) {
      add(at.run, at.unit, at.tile, line[at.run].tiles, w);
      at.tile = 0;
      if (++at.unit == line[at.run].count) {
        at.unit = 0;
        ++at.run;
      }
    }
    if (at.tile < end.tile) {
      add(at.run, at.unit, at.tile, end.tile, w);
    }
  }
}

void Chunker::cutFixed() {
  Sharer sharer(nullptr, options->workers, line.back().end());
  for (const UnitRun &run : line) {
    const int64_t parts = std::min(options->split, run.tiles);
    for (int32_t unit = 0; unit < run.count; ++unit) {
      int32_t from = 0;
      for (int64_t part = 1; part <= parts; ++part) {
        int32_t to = int32_t(run.tiles * part / parts);
        add(run.rowTile, unit, from, to,
            sharer.ownerOf(options->item_cost + run.tile * (to - from)));
        from = to;
      }
    }
  }
}

/// Cuts units into equal chunks that cost about `most` or less, and gives each,
/// the longest first, to the worker with the least cost so far. Returns the
/// largest cost of a worker.
int64_t Chunker::shareLongestFirst(int64_t most) {
  chunks.clear();
  // What a cut adds; a chunk does at least as much work.
  auto cutCost = [&](const UnitRun &run) {
    const RowRun &rows = made->runs[made->strands[run.rowTile].run];
    return options->item_cost +
           int64_t(options->state_cost) * packing->subSize * rows.rows;
  };
  auto partsOf = [&](const UnitRun &run) {
    int64_t work = std::max(most - options->item_cost, cutCost(run));
    int64_t tiles = std::max<int64_t>(1, work / run.tile);
    return (run.tiles + tiles - 1) / tiles;
  };
  auto costOf = [&](const UnitRun &run) {
    int64_t parts = partsOf(run);
    return (parts > 1 ? cutCost(run) : options->item_cost) +
           run.tile * ((run.tiles + parts - 1) / parts);
  };
  for (const UnitRun &run : line) {
    const int64_t parts = partsOf(run);
    for (int32_t unit = 0; unit < run.count; ++unit) {
      for (int64_t part = 0; part < parts; ++part) {
        add(run.rowTile, unit, int32_t(run.tiles * part / parts),
            int32_t(run.tiles * (part + 1) / parts), 0);
      }
    }
  }
  first.back() = int32_t(chunks.size());
  // All chunks of a strand count like its longest.
  order.resize(line.size());
  for (size_t s = 0; s < order.size(); ++s) {
    order[s] = int32_t(s);
  }
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return costOf(line[a]) > costOf(line[b]);
  });
  using Load = std::pair<int64_t, int32_t>;
  std::vector<Load> empty;
  for (int32_t w = 0; w < options->workers; ++w) {
    empty.push_back({0, w});
  }
  std::priority_queue<Load, std::vector<Load>, std::greater<Load>> loads(
      std::greater<Load>(), std::move(empty));
  int64_t longest = 0;
  for (int32_t s : order) {
    const int64_t cost = costOf(line[s]);
    const Strand &strand = made->strands[s];
    for (int32_t c = first[strand.unit]; c < first[strand.unit + strand.units];
         ++c) {
      auto [load, worker] = loads.top();
      loads.pop();
      chunks[c].worker = worker;
      loads.push({load + cost, worker});
      longest = std::max(longest, load + cost);
    }
  }
  return longest;
}

/// Chunks of a whole share may leave one worker with nearly two; smaller ones
/// cost states. So halve them until the work is even enough. A little more than
/// a share lets a unit of p shares have p chunks, where p + 1 would be one too
/// many for the workers.
void Chunker::cutForest() {
  const int64_t share =
      (line.back().end() + options->workers - 1) / options->workers;
  int64_t best = INT64_MAX, bestMost = 0, last = 0;
  int64_t most = share + share / 16;
  for (int tries = 0; tries < 3; ++tries, most /= 2) {
    last = most;
    int64_t longest = shareLongestFirst(most);
    if (longest < best) {
      best = longest;
      bestMost = most;
    }
    if (longest <= share + share / 10) {
      break;
    }
  }
  if (bestMost != last) {
    shareLongestFirst(bestMost);
  }
}

attnrt_status Chunker::cut(const StrandMaker &newStrands,
                           const Packing &newPacking,
                           const attnrt_plan_options &newOptions,
                           attnrt_strategy strategy) {
  made = &newStrands;
  packing = &newPacking;
  options = &newOptions;
  chunks.clear();
  first.assign(1, 0);
  if (made->strands.empty()) {
    return ATTNRT_OK;
  }
  if (made->units >= INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects fewer than 2^31 items, but got %lld",
                (long long)made->units);
  }
  if (attnrt_status status = layLine()) {
    return status;
  }
  int64_t parts = 0;
  for (const UnitRun &run : line) {
    parts += int64_t(run.count) * std::min(options->split, run.tiles);
  }
  if (parts > INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects fewer than 2^31 items, but got %lld",
                (long long)parts);
  }
  first.assign(size_t(made->units) + 1, 0);
  switch (strategy) {
  case ATTNRT_STRATEGY_FIXED:
    cutFixed();
    break;
  case ATTNRT_STRATEGY_FOREST:
    cutForest();
    break;
  default:
    cutEvenly();
  }
  first.back() = int32_t(chunks.size());
  return ATTNRT_OK;
}
