//===- PagePoolWorld.h - A model of the page pool, by what it promises -*- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The model knows what every slot of the cache contains and what every sequence
// has to read there; it shares no code with the pool and computes slowly from
// its own bookkeeping what the pool has to do: which calls are refused, what is
// reused, which pages may be handed out, in which state pages are.
//
// A tag stands for the keys and values of a token. Where they are exact the tag
// is a function of salt and tokens up to there, so that a shared page has to
// contain the tags of whoever reads it; elsewhere it is a number of its own.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_PAGEPOOLWORLD_H
#define ATTNRT_TEST_PAGEPOOLWORLD_H

#include "attnrt/pool.h"

#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace attnrt_test {

class PagePoolWorld {
public:
  /// Draws the shape of a pool.
  explicit PagePoolWorld(uint32_t seed);
  ~PagePoolWorld();

  /// One random operation, and everything there is to check after it. Says what
  /// is wrong, or "".
  std::string step();

  /// What happened, to know that tests are about something.
  struct Counters {
    int64_t operations = 0, refused = 0, reused = 0, copies = 0, evicted = 0,
            trims = 0, compactions = 0, inLimbo = 0, revived = 0, stale = 0,
            rewrites = 0, pins = 0, discards = 0;
  } counters;

private:
  using Tag = int64_t;

  struct Group {
    std::vector<int32_t> pages;               ///< -1: none
    std::vector<std::vector<int32_t>> places; ///< [head] positions by ordinal
    int64_t floor = 0; ///< ordinals that the last compaction left
  };
  struct Sequence {
    uint64_t handle, salt;
    std::vector<Tag> tags;     ///< by position
    std::vector<int32_t> rest; ///< of its prompt, to be appended
    int64_t known = 0;         ///< positions whose tags are functions of tokens
    bool lossy = false;
    uint64_t lastStep = 0;
    std::vector<Group> groups;
  };
  struct Pin {
    uint64_t handle;
    std::vector<int32_t> pages;
  };

  int draw(int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(rng);
  }
  bool chance(int percent) { return draw(1, 100) <= percent; }
  Sequence &any() {
    return sequences[size_t(draw(0, int(sequences.size()) - 1))];
  }
  void fail(const std::string &what) {
    if (error.empty()) {
      error = what;
    }
  }
  void expect(bool condition, const std::string &what) {
    if (!condition) {
      fail(what);
    }
  }

  // Operations.
  void create();
  void append(Sequence &sequence);
  void fork();
  void truncate(Sequence &sequence);
  void trim(Sequence &sequence);
  void compact(Sequence &sequence);
  void release();
  void pin();
  void stepInFlight();
  void useStaleHandle();

  // The model.
  Tag exactTag(uint64_t salt, Tag before, int32_t token);
  std::vector<Tag> tagsOf(uint64_t salt, const std::vector<int32_t> &tokens);
  int64_t expectedReuse(const std::vector<Tag> &tags) const;
  bool isSeen(size_t group, int64_t page, int64_t length) const;
  bool mustCopy(const Sequence &sequence, size_t group) const;
  int holders(int32_t page, bool pinsToo = true) const;
  void giveUp(int32_t page, uint64_t step);
  void park(int32_t page);
  void taken(int32_t page);
  void unpublish(int32_t page);
  void revive(int32_t page);
  std::vector<int32_t> tableOf(uint64_t handle, size_t group);
  size_t pagesFor(size_t ordinals) const {
    return (ordinals + size_t(size) - 1) / size_t(size);
  }

  // Checks after each operation.
  void checkContents();
  void checkStates();
  void checkMissing(const Sequence &sequence);
  void checkTable();

  std::mt19937 rng;
  std::string error;
  attnrt_context *context = nullptr;
  attnrt_page_pool *pool = nullptr;
  attnrt_page_table *table = nullptr;
  int32_t numPages, size, heads;
  bool byKey, usesSteps;
  int32_t null;
  std::vector<attnrt_page_group> rules;
  const int32_t *positions = nullptr;
  const float *counts = nullptr;

  std::deque<Sequence> sequences;
  std::vector<Pin> pins;
  std::vector<uint64_t> dead;
  std::vector<std::vector<int32_t>> prompts; ///< that were asked for
  std::map<std::tuple<uint64_t, Tag, int32_t>, Tag> tagNumbers;
  Tag lastTag = 0;

  std::vector<std::vector<Tag>> store; ///< [slot][head]
  std::set<int32_t> free;
  std::vector<int32_t> cached; ///< the first one is evicted first
  std::vector<int32_t> limbo;  ///< in the order in which they were given up
  std::vector<uint64_t> lastUse;
  std::vector<int32_t> written; ///< slots of a page that were written
  std::map<std::pair<size_t, Tag>, int32_t> index; ///< last tag of a page
  uint64_t begun = 0, done = 0;

  int32_t tableGroup = 0;
  std::vector<int32_t> device; ///< the table's copy, kept by changes
  std::vector<uint64_t> bound;
};

} // namespace attnrt_test

#endif // ATTNRT_TEST_PAGEPOOLWORLD_H
