//===- Strands.cpp - Which rows read what together ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Strands.h"

#include <algorithm>

using namespace attnrt;

Packing::Packing(int32_t group, int32_t maxPackedRows) {
  subs = (group + maxPackedRows - 1) / maxPackedRows;
  // Even sub runs: 9 + 8 query heads rather than 16 + 1.
  subSize = (group + subs - 1) / subs;
  subs = (group + subSize - 1) / subSize;
  maxRows = maxPackedRows / subSize;
}

/// A mask has one bit of a word for each row of an item.
int32_t StrandMaker::mostRows(int32_t seg) const {
  return batch->masked(seg) ? std::min(packing.maxRows, 64) : packing.maxRows;
}

/// Adds a run of the given places; nothing if none of its rows sees anything.
void StrandMaker::addRun(int32_t seg, int32_t place, int32_t rows) {
  RowRun run{seg, place, rows, INT32_MAX, 0, 0, INT32_MAX, 0, -1};
  for (int32_t at = place; at < place + rows; ++at) {
    const Ordinals hull = batch->hull(seg, batch->rowAt(at));
    const Ordinals sure = batch->sure(seg, batch->rowAt(at));
    if (hull.any()) {
      run.kvBegin = std::min(run.kvBegin, hull.from);
      run.kvEnd = std::max(run.kvEnd, hull.to);
    }
    run.fullFrom = std::max(run.fullFrom, sure.from);
    run.fullTo = std::min(run.fullTo, sure.to);
  }
  if (run.kvBegin >= run.kvEnd) {
    return;
  }
  const int32_t tile = entry->kv_tile;
  run.kvBegin = run.kvBegin / tile * tile;
  run.tiles = int32_t((int64_t(run.kvEnd) - run.kvBegin + tile - 1) / tile);
  runs.push_back(run);
}

/// Cuts the places [from, to) into runs. Rows that see nothing end a run, or
/// with overBlind are taken along where a later row of the run sees something.
void StrandMaker::addRunsOf(int32_t seg, int32_t from, int32_t to,
                            bool overBlind) {
  const int32_t most = mostRows(seg);
  int32_t begin = -1, last = -1; // of the open run, and its last seeing row
  for (int32_t at = from; at < to; ++at) {
    const bool sees = batch->hull(seg, batch->rowAt(at)).any();
    if (begin >= 0 && (at - begin >= most || (!sees && !overBlind))) {
      addRun(seg, begin, last - begin + 1);
      begin = -1;
    }
    if (sees) {
      begin = begin < 0 ? at : begin;
      last = at;
    }
  }
  if (begin >= 0) {
    addRun(seg, begin, last - begin + 1);
  }
}

void StrandMaker::findSyms() {
  const attnrt_problem &p = batch->problem();
  syms.assign(size_t(p.row_count), 0);
  if (p.sym) {
    std::copy_n(p.sym, p.row_count, syms.begin());
    return;
  }
  for (int32_t s = int32_t(p.segment_count) - 1; s >= 0; --s) {
    for (int32_t at = batch->placeBegin(s); at < batch->placeEnd(s); ++at) {
      syms[batch->rowAt(at)] = p.segments[s].param;
    }
  }
}

/// Runs for a fixed split: what a row shares a run with must not move its
/// boundaries. Rows of one sym (one request) may share a run whatever they see,
/// if no other rows are in it; else all rows of a run see the same.
void StrandMaker::findAloof(int32_t seg) {
  const int32_t end = batch->placeEnd(seg);
  auto hullAt = [&](int32_t at) { return batch->hull(seg, batch->rowAt(at)); };
  auto same = [](Ordinals a, Ordinals b) {
    return a.from == b.from && a.to == b.to;
  };
  int32_t open = -1; // begin of rows that all see the same
  for (int32_t at = batch->placeBegin(seg), next; at < end; at = next) {
    const Ordinals first = hullAt(at);
    const int32_t sym = syms[batch->rowAt(at)];
    bool uniform = true;
    for (next = at; next < end && syms[batch->rowAt(next)] == sym; ++next) {
      uniform &= same(hullAt(next), first);
    }
    if (open >= 0 && !(uniform && same(first, hullAt(open)))) {
      addRunsOf(seg, open, at, false);
      open = -1;
    }
    if (!uniform) {
      addRunsOf(seg, at, next, false);
    } else if (open < 0) {
      open = at;
    }
  }
  if (open >= 0) {
    addRunsOf(seg, open, end, false);
  }
}

void StrandMaker::findRuns(int32_t seg) {
  if (options->split) {
    findAloof(seg);
  } else {
    addRunsOf(seg, batch->placeBegin(seg), batch->placeEnd(seg), true);
  }
}

void StrandMaker::addStrands(size_t firstRun) {
  for (size_t r = firstRun; r < runs.size(); ++r) {
    const RowRun &run = runs[r];
    if (!nextStrand.empty()) {
      std::fill_n(nextStrand.begin() + run.place, run.rows,
                  int32_t(strands.size()));
    }
    strands.push_back(
        {int32_t(r), run.tiles, batch->segment(run.seg).head, 0, 0});
  }
}

/// Finds what the rows of the segment read after it: whole strands, or nothing.
/// False if a strand has rows that do not read the segment, or too many.
bool StrandMaker::findReaders(int32_t seg) {
  readers.clear();
  const int32_t begin = batch->placeBegin(seg), end = batch->placeEnd(seg);
  const int32_t most = mostRows(seg);
  for (int32_t at = begin; at < end;) {
    const int32_t strand = nextStrand[at];
    if (strand < 0) {
      bool joins = !readers.empty() && readers.back().strand < 0 &&
                   readers.back().rows < most;
      if (joins) {
        ++readers.back().rows;
      } else {
        readers.push_back({-1, at, 1});
      }
      ++at;
      continue;
    }
    const RowRun &run = runs[strands[strand].run];
    if (run.place != at || run.place + run.rows > end || run.rows > most) {
      return false;
    }
    for (int32_t r = at; r < at + run.rows; ++r) {
      if (nextStrand[r] != strand) {
        return false;
      }
    }
    readers.push_back({strand, at, run.rows});
    at += run.rows;
  }
  return true;
}

void StrandMaker::foldInto(int32_t seg) {
  for (const Reader &reader : readers) {
    const size_t first = runs.size();
    addRun(seg, reader.place, reader.rows);
    if (runs.size() == first) {
      continue; // they see nothing of it
    }
    if (reader.strand < 0) {
      addStrands(first);
      continue;
    }
    Strand &strand = strands[reader.strand];
    runs.back().next = strand.run;
    strand.run = int32_t(first);
    strand.tiles += runs.back().tiles;
  }
}

/// Replaces the runs of `seg` from firstRun on by runs of its readers where
/// reading the segment once for each of them costs less than the states that
/// rows of more than one strand need.
bool StrandMaker::fold(int32_t seg, size_t firstRun) {
  if (runs.size() == firstRun || !findReaders(seg)) {
    return false;
  }
  const size_t shared = runs.size();
  int64_t together = 0, apart = 0;
  for (size_t r = firstRun; r < shared; ++r) {
    together +=
        options->item_cost + int64_t(runs[r].tiles) * options->tile_cost;
  }
  for (const Reader &reader : readers) {
    const size_t first = runs.size();
    addRun(seg, reader.place, reader.rows);
    if (runs.size() == first) {
      continue;
    }
    apart +=
        options->item_cost + int64_t(runs.back().tiles) * options->tile_cost;
    if (reader.strand >= 0) {
      together += int64_t(reader.rows) * packing.subSize * options->state_cost;
    }
  }
  runs.resize(apart < together ? firstRun : shared);
  if (apart >= together) {
    return false;
  }
  foldInto(seg);
  return true;
}

void StrandMaker::make(const Batch &newBatch, const attnrt_entry &newEntry,
                       const attnrt_plan_options &newOptions,
                       const Packing &newPacking) {
  batch = &newBatch;
  entry = &newEntry;
  options = &newOptions;
  packing = newPacking;
  const attnrt_problem &p = batch->problem();
  runs.clear();
  strands.clear();
  nextStrand.clear();
  if (options->split) {
    findSyms();
  }
  // What a row reads next must not depend on the head.
  bool folds = entry->resumes && entry->axis == 0 && !options->split &&
               !p.row_list &&
               std::all_of(p.segments, p.segments + p.segment_count,
                           [](const attnrt_segment &s) { return s.head < 0; });
  if (folds) {
    nextStrand.assign(size_t(p.row_count), -1);
  }
  // From the leaves up: the strands that a segment may be folded into exist.
  for (int32_t s = int32_t(p.segment_count) - 1; s >= 0; --s) {
    const size_t first = runs.size();
    findRuns(s);
    if (!folds || !fold(s, first)) {
      addStrands(first);
    }
  }
  std::sort(strands.begin(), strands.end(),
            [&](const Strand &a, const Strand &b) {
              const RowRun &x = runs[a.run], &y = runs[b.run];
              return x.seg != y.seg ? x.seg < y.seg : x.place < y.place;
            });
  units = 0;
  for (Strand &strand : strands) {
    strand.units = packing.subs * (strand.head < 0 ? p.heads : 1);
    strand.unit = int32_t(units); // past 2^31 the caller gives up
    units += strand.units;
  }
}
