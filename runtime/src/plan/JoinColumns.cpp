//===- JoinColumns.cpp - Which parts meet in which ordinal ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In a stage of axis 1 the outputs of a segment and head are its ordinals. A
// chunk covers an interval of them for its rows and query heads. Between two
// neighbouring ends of intervals all ordinals have the same parts.
//
//===----------------------------------------------------------------------===//
#include "ForestPlanner.h"

using namespace attnrt;

Ordinals ForestPlanner::ordinalsOf(const Chunk &chunk,
                                   const attnrt_entry &entry) const {
  const Strand &strand = maker.strands[chunk.strand];
  const RowRun &run = maker.runs[strand.run];
  int32_t from = run.kvBegin + chunk.from * entry.kv_tile;
  int32_t to = chunk.to == run.tiles ? run.kvEnd
                                     : run.kvBegin + chunk.to * entry.kv_tile;
  return {from, to};
}

/// Joins the strands [from, to), which are those of the segment.
void ForestPlanner::joinColumnsOf(const attnrt_entry &entry, int32_t seg,
                                  int32_t head, size_t from, size_t to) {
  intervals.clear();
  borders.assign({0, batch.segment(seg).count});
  for (size_t s = from; s < to; ++s) {
    const Strand &strand = maker.strands[s];
    const int32_t unit = strand.unit + unitOf(strand, head);
    for (int32_t c = chunker.first[unit];
         c < chunker.first[unit + packing.subs]; ++c) {
      Ordinals covers = ordinalsOf(chunker.chunks[c], entry);
      intervals.push_back({covers.from, covers.to, c});
      borders.push_back(covers.from);
      borders.push_back(covers.to);
    }
  }
  // Intervals that overlap no other write their outputs themselves.
  bySize.resize(intervals.size());
  for (size_t i = 0; i < bySize.size(); ++i) {
    bySize[i] = int32_t(i);
  }
  std::sort(bySize.begin(), bySize.end(), [&](int32_t a, int32_t b) {
    return intervals[a].from < intervals[b].from;
  });
  int32_t end = 0;
  for (size_t i = 0; i < bySize.size(); ++i) {
    const Interval &interval = intervals[bySize[i]];
    bool meets =
        interval.from < end ||
        (i + 1 < bySize.size() && intervals[bySize[i + 1]].from < interval.to);
    if (meets) {
      chunker.chunks[interval.chunk].slot = int32_t(slots);
      slots += interval.to - interval.from;
    }
    end = std::max(end, interval.to);
  }
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
  for (size_t b = 0; b + 1 < borders.size(); ++b) {
    for (int32_t x = borders[b]; x < borders[b + 1];) {
      attnrt_merge merge{};
      merge.first = x;
      merge.n = std::min(options.merge_rows, borders[b + 1] - x);
      merge.begin = int32_t(mergeSlots.size());
      merge.head = uint16_t(head);
      merge.sub_count = 1;
      merge.seg = seg;
      merge.dst = -1;
      bool direct = false;
      for (const Interval &interval : intervals) {
        if (interval.from <= x && x < interval.to) {
          const int32_t slot = chunker.chunks[interval.chunk].slot;
          direct |= slot < 0;
          mergeSlots.push_back(slot + (x - interval.from));
        }
      }
      if (direct) {
        mergeSlots.resize(merge.begin);
        break;
      }
      merge.count = int32_t(mergeSlots.size()) - merge.begin;
      merges.push_back(merge);
      x += merge.n;
    }
  }
}

void ForestPlanner::joinColumns(const attnrt_entry &entry) {
  const attnrt_problem &p = batch.problem();
  size_t from = 0;
  for (int32_t seg = 0; seg < p.segment_count; ++seg) {
    size_t to = from;
    while (to < maker.strands.size() &&
           maker.runs[maker.strands[to].run].seg == seg) {
      ++to;
    }
    const int32_t only = p.segments[seg].head;
    for (int32_t head = std::max(only, 0);
         head < (only < 0 ? p.heads : only + 1); ++head) {
      joinColumnsOf(entry, seg, head, from, to);
    }
    from = to;
  }
}
