//===- JoinRows.cpp - Which parts meet in which row -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row's parts are the chunks of the strands that read for it: by strand in
// the order of its segments, in a strand by tiles. Rows that follow one another
// in the same strands have parts in consecutive slots and share merges.
//
//===----------------------------------------------------------------------===//
#include "ForestPlanner.h"

using namespace attnrt;

void ForestPlanner::listReaders(int32_t head) {
  const int64_t rows = batch.problem().row_count;
  readingBegin.assign(size_t(rows) + 1, 0);
  auto eachRow = [&](auto visit) {
    for (size_t s = 0; s < maker.strands.size(); ++s) {
      const Strand &strand = maker.strands[s];
      if (head >= 0 && unitOf(strand, head) < 0) {
        continue;
      }
      const RowRun &run = maker.runs[strand.run];
      for (int32_t k = 0; k < run.rows; ++k) {
        visit(batch.rowAt(run.place + k), Reading{int32_t(s), k});
      }
    }
  };
  eachRow([&](int32_t row, Reading) { ++readingBegin[row + 1]; });
  for (int64_t r = 0; r < rows; ++r) {
    readingBegin[r + 1] += readingBegin[r];
  }
  readings.resize(readingBegin.back());
  eachRow([&](int32_t row, Reading reading) {
    readings[readingBegin[row]++] = reading;
  });
  // Filling has moved every begin to the next one.
  std::copy_backward(readingBegin.begin(), readingBegin.end() - 1,
                     readingBegin.end());
  readingBegin[0] = 0;
}

/// Nothing but parts of one strand make the rows' outputs.
bool ForestPlanner::isAlone(const Strand &strand) const {
  const RowRun &run = maker.runs[strand.run];
  for (int32_t k = 0; k < run.rows; ++k) {
    const int32_t row = batch.rowAt(run.place + k);
    if (readingBegin[row + 1] - readingBegin[row] != 1 || batch.extCount(row) ||
        batch.keepOf(row) >= 0) {
      return false;
    }
  }
  return true;
}

/// Slots for the chunks of one head, or of all heads for -1.
void ForestPlanner::giveSlots(int32_t head) {
  for (const Strand &strand : maker.strands) {
    const int32_t begin = head < 0 ? 0 : unitOf(strand, head);
    if (begin < 0) {
      continue;
    }
    const int32_t end = head < 0 ? strand.units : begin + packing.subs;
    const bool alone = isAlone(strand);
    const int64_t rows = maker.runs[strand.run].rows;
    for (int32_t unit = begin; unit < end; ++unit) {
      const int32_t first = chunker.first[strand.unit + unit];
      const int32_t last = chunker.first[strand.unit + unit + 1];
      if (alone && last - first == 1) {
        continue;
      }
      for (int32_t c = first; c < last; ++c) {
        // Past 2^31 the stage is refused.
        chunker.chunks[c].slot = int32_t(slots);
        slots += rows * subCount(unit);
      }
    }
  }
}

/// Do the merges of the row go on with those of the row before?
bool ForestPlanner::joinsRow(int64_t row) const {
  const int32_t begin = readingBegin[row], before = readingBegin[row - 1];
  const int32_t count = readingBegin[row + 1] - begin;
  if (count != begin - before || batch.extCount(row) ||
      batch.extCount(row - 1) || batch.keepOf(row) >= 0 ||
      batch.keepOf(row - 1) >= 0) {
    return false;
  }
  for (int32_t i = 0; i < count; ++i) {
    const Reading &a = readings[before + i], &b = readings[begin + i];
    if (a.strand != b.strand || a.place + 1 != b.place) {
      return false;
    }
  }
  return true;
}

/// Merges of n rows that join one another, for all sub runs of a head.
void ForestPlanner::addRowMerges(int32_t row, int32_t n, int32_t head) {
  const attnrt_problem &p = batch.problem();
  const Reading *from = readings.data() + readingBegin[row];
  const Reading *to = readings.data() + readingBegin[row + 1];
  for (int32_t sub = 0; sub < packing.subs; ++sub) {
    auto chunksOf = [&](const Reading &reading) {
      const Strand &strand = maker.strands[reading.strand];
      const int32_t unit = strand.unit + unitOf(strand, head) + sub;
      return std::make_pair(chunker.first[unit], chunker.first[unit + 1]);
    };
    if (to - from == 1 && chunker.chunks[chunksOf(*from).first].slot < 0) {
      continue; // the item writes the output itself
    }
    const int64_t within = int64_t(head) * p.group + subBegin(sub);
    const int64_t perState = int64_t(p.heads) * p.group;
    for (int32_t k = 0; k < n; k += options.merge_rows) {
      attnrt_merge merge{};
      merge.first = row + k;
      merge.n = std::min(options.merge_rows, n - k);
      merge.begin = int32_t(mergeSlots.size());
      merge.head = uint16_t(head);
      merge.sub_begin = uint16_t(subBegin(sub));
      merge.sub_count = uint16_t(subCount(sub));
      merge.seg = merge.dst = -1;
      for (int32_t e = 0; e < batch.extCount(row); ++e) {
        int64_t state = p.ext[p.ext_begin[row] + e];
        mergeSlots.push_back(int32_t(state * perState + within));
      }
      for (const Reading *reading = from; reading < to; ++reading) {
        auto [first, last] = chunksOf(*reading);
        for (int32_t c = first; c < last; ++c) {
          mergeSlots.push_back(chunker.chunks[c].slot +
                               (reading->place + k) * merge.sub_count);
        }
      }
      merge.count = int32_t(mergeSlots.size()) - merge.begin;
      if (batch.keepOf(row) >= 0) {
        int64_t state = int64_t(p.ext_count) + p.keep[row];
        merge.dst = int32_t(state * perState + within);
      }
      merges.push_back(merge);
    }
  }
}

void ForestPlanner::joinRowsOf(int32_t head) {
  const attnrt_problem &p = batch.problem();
  listReaders(head);
  giveSlots(head);
  const int32_t end = head < 0 ? p.heads : head + 1;
  const int32_t rows = int32_t(p.row_count);
  for (int32_t row = 0, next; row < rows; row = next) {
    for (next = row + 1; next < rows && joinsRow(next); ++next) {
    }
    for (int32_t h = std::max(head, 0); h < end; ++h) {
      addRowMerges(row, next - row, h);
    }
  }
}

void ForestPlanner::joinRows() {
  bool alike = std::all_of(maker.strands.begin(), maker.strands.end(),
                           [](const Strand &s) { return s.head < 0; });
  if (alike) {
    joinRowsOf(-1);
    return;
  }
  for (int32_t head = 0; head < batch.problem().heads; ++head) {
    joinRowsOf(head);
  }
}
