//===- Compact.cpp - Keeping some ordinals of a group ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is kept moves to new pages and never inside of old ones, since steps in
// flight may still read those. Full pages in front that lose nothing stay.
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

using namespace attnrt;

namespace {

/// The lists to keep, and what they mean for a table.
struct Lists {
  const attnrt_compaction &what;
  int64_t heads() const { return what.heads ? what.heads : 1; }
  int32_t at(int64_t head, int64_t i) const {
    return what.keep[head * what.num_keep + i];
  }
  /// Whether all lists begin with the first `count` ordinals.
  bool beginWith(int64_t count) const {
    for (int64_t h = 0; h < heads(); ++h) {
      // Lists rise: the last one tells.
      if (count && at(h, count - 1) != count - 1) {
        return false;
      }
    }
    return true;
  }
};

/// Slot copies with neighbours joined; counts them even where there is no room.
class CopyList {
public:
  CopyList(attnrt_slot_copy *out, int64_t capacity)
      : out(out), capacity(capacity) {}
  void add(int64_t src, int64_t dst, int32_t head) {
    if (isOpen && last.head == head && last.src + last.count == src &&
        last.dst + last.count == dst) {
      ++last.count;
    } else {
      flush();
      last = {src, dst, 1, head};
      isOpen = true;
    }
  }
  void flush() {
    if (isOpen) {
      if (count < capacity) {
        out[count] = last;
      }
      ++count;
      isOpen = false;
    }
  }
  int64_t count = 0;

private:
  attnrt_slot_copy *out;
  int64_t capacity;
  attnrt_slot_copy last{};
  bool isOpen = false;
};

} // namespace

static void checkLists(const Lists &lists, const GroupTable &table,
                       int32_t null, int32_t size) {
  for (int64_t h = 0; h < lists.heads(); ++h) {
    int64_t before = -1;
    for (int64_t i = 0; i < lists.what.num_keep; ++i) {
      const int64_t ordinal = lists.at(h, i);
      if (ordinal <= before || ordinal >= table.length) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "expects rising ordinals below %lld, but got %lld behind %lld at "
              "element %lld of list %lld",
              (long long)table.length, (long long)ordinal, (long long)before,
              (long long)i, (long long)h);
      }
      if (table.pages[size_t(ordinal / size)] == null) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "expects ordinals whose pages are there, but got %lld, which was "
              "trimmed",
              (long long)ordinal);
      }
      before = ordinal;
    }
  }
}

int64_t PagePool::compact(uint64_t handle, const attnrt_compaction *given,
                          attnrt_slot_copy *copies, int64_t capacity) {
  Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  const attnrt_compaction what = readParams(given, "attnrt_compaction");
  requireGroup(what.group);
  GroupTable &table = sequence.groups[size_t(what.group)];
  const int32_t sideHeads = side.exist() ? side.numHeads() : what.heads;
  if (what.reserved || what.num_keep < 0 || what.num_keep > table.length ||
      (what.num_keep && !what.keep) || what.heads < 0 ||
      (what.heads && what.heads != sideHeads) || capacity < 0 ||
      (capacity && !copies)) {
    raise(
        ATTNRT_INVALID_ARGUMENT,
        "expects lists of at most %lld ordinals for 0 or %d heads and room for "
        "copies, but got %lld for %d and room for %lld",
        (long long)table.length, sideHeads, (long long)what.num_keep,
        what.heads, (long long)capacity);
  }
  const Lists lists{what};
  checkLists(lists, table, null, size);
  if (what.num_keep == table.length) {
    return 0; // rising lists of all ordinals are all ordinals
  }
  const Kept *old = table.kept.get();
  if (old && what.heads != 0 && old->heads != 1 && old->heads != what.heads) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects lists for %d heads as before, but got %d", old->heads,
          what.heads);
  }

  int64_t staying = 0;
  while ((staying + 1) * size <= what.num_keep &&
         lists.beginWith((staying + 1) * size)) {
    ++staying;
  }
  const int64_t pagesAfter = (what.num_keep + size - 1) / size;
  if (pagesAfter - staying > slots.available()) {
    refuse(pagesAfter - staying);
  }

  // Positions: a list for each head that has one of its own now.
  auto kept = std::make_shared<Kept>();
  kept->heads = old && old->heads > 1 ? old->heads : int32_t(lists.heads());
  kept->count = what.num_keep;
  kept->positions.resize(size_t(kept->heads * what.num_keep));
  const int64_t shift = sequence.next - table.length;
  for (int32_t h = 0; h < kept->heads; ++h) {
    for (int64_t i = 0; i < what.num_keep; ++i) {
      const int64_t ordinal = lists.at(what.heads ? h : 0, i);
      kept->positions[size_t(h * what.num_keep + i)] =
          ordinal < table.numKept()
              ? old->positions[size_t((old->heads > 1 ? h : 0) * old->count +
                                      ordinal)]
              : int32_t(ordinal + shift);
    }
  }
  std::vector<int32_t> fresh(table.pages.begin(),
                             table.pages.begin() + staying);
  fresh.resize(size_t(pagesAfter), null);
  // How many copies there are depends on which pages follow one another, which
  // is known only once they are taken: there has to be room for the most that
  // runs inside of pages give.
  CopyList worst(nullptr, 0);
  for (int64_t h = 0; h < lists.heads(); ++h) {
    for (int64_t i = staying * size; i < what.num_keep; ++i) {
      const int64_t ordinal = lists.at(h, i);
      const int64_t gap = ordinal / size * 2 * size + ordinal % size;
      worst.add(gap, i / size * 2 * size + i % size, int32_t(h));
    }
  }
  worst.flush();
  if (worst.count > capacity) {
    raise(ATTNRT_RESOURCE_EXHAUSTED,
          "expects room for %lld copies, but got %lld", (long long)worst.count,
          (long long)capacity);
  }

  // The old pages are held until the copies are listed: no page is both.
  for (int64_t i = staying; i < pagesAfter; ++i) {
    fresh[size_t(i)] = takePage(i ? fresh[size_t(i - 1)] : -1, what.group);
    slots[fresh[size_t(i)]].filled =
        int32_t(std::min<int64_t>(size, what.num_keep - i * size));
  }
  CopyList list(copies, capacity);
  for (int64_t h = 0; h < lists.heads(); ++h) {
    for (int64_t i = staying * size; i < what.num_keep; ++i) {
      const int64_t ordinal = lists.at(h, i);
      list.add(int64_t(table.pages[size_t(ordinal / size)]) * size +
                   ordinal % size,
               int64_t(fresh[size_t(i / size)]) * size + i % size,
               what.heads ? int32_t(h) : -1);
    }
  }
  list.flush();
  for (int64_t i = 0; i < list.count; ++i) {
    side.copy(copies[i]);
  }
  for (size_t i = table.pages.size(); i-- > size_t(staying);) {
    if (table.pages[i] != null) {
      takeBack(table.pages[i], sequence);
    }
  }
  table.pages.swap(fresh);
  table.length = what.num_keep;
  table.numNull = 0;
  table.kept = std::move(kept);
  ++table.edits;
  sequence.lossy = true;
  return list.count;
}
