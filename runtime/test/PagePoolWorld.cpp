//===- PagePoolWorld.cpp - A model of the page pool, by what it promises --===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePoolWorld.h"

#include "PagePoolKit.h"

#include <algorithm>

using namespace attnrt_test;

PagePoolWorld::PagePoolWorld(uint32_t seed) : rng(seed) {
  auto params = sized<attnrt_page_pool_params>();
  const int32_t sizes[] = {1, 2, 3, 4, 8};
  size = sizes[draw(0, 4)];
  numPages = draw(5, 80);
  byKey = chance(20);
  usesSteps = chance(70);
  const bool hasNull = chance(70);
  null = hasNull ? 0 : -1;
  params.num_pages = numPages;
  params.page_size = size;
  params.flags = (byKey ? uint32_t(ATTNRT_PAGES_BY_KEY) : 0) |
                 (hasNull ? 0 : uint32_t(ATTNRT_PAGES_NO_NULL));
  params.num_groups = draw(1, 3);
  for (int g = 0; g < params.num_groups; ++g) {
    attnrt_page_group rule{0, 0};
    if (chance(40)) {
      rule.window = draw(2, 4 * size + 1);
      rule.sink = chance(50) ? draw(0, 2 * size) : 0;
    }
    rules.push_back(rule);
  }
  params.groups = rules.data();
  heads = chance(50) ? draw(1, 3) : 0;
  if (chance(60)) {
    params.side = ATTNRT_SIDE_POSITION | ATTNRT_SIDE_COUNT;
    params.side_heads = heads;
  }
  params.seed = seed + 1;
  attnrt_context_create(nullptr, &context);
  if (attnrt_page_pool_create(context, &params, &pool)) {
    fail(attnrt_last_message());
    return;
  }
  if (params.side) {
    DLTensor tensor{};
    attnrt_page_pool_side(pool, ATTNRT_SIDE_POSITION, &tensor);
    positions = static_cast<const int32_t *>(tensor.data);
    attnrt_page_pool_side(pool, ATTNRT_SIDE_COUNT, &tensor);
    counts = static_cast<const float *>(tensor.data);
  }
  auto shape = sized<attnrt_page_table_params>();
  shape.group = tableGroup = draw(0, int(rules.size()) - 1);
  shape.rows = draw(1, 4);
  shape.columns = 40;
  attnrt_page_table_create(pool, &shape, &table);
  device.assign(size_t(shape.rows * shape.columns), null);
  bound.assign(size_t(shape.rows), 0);

  for (int32_t page = null + 1; page < numPages; ++page) {
    free.insert(page);
  }
  store.assign(size_t(numPages) * size_t(size),
               std::vector<Tag>(size_t(std::max(heads, 1)), -1));
  lastUse.assign(size_t(numPages), 0);
  written.assign(size_t(numPages), 0);
}

PagePoolWorld::~PagePoolWorld() {
  attnrt_page_table_release(table);
  attnrt_page_pool_release(pool);
  attnrt_context_release(context);
}

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

PagePoolWorld::Tag PagePoolWorld::exactTag(uint64_t salt, Tag before,
                                           int32_t token) {
  Tag &tag = tagNumbers[{salt, before, token}];
  return tag ? tag : tag = ++lastTag;
}

std::vector<PagePoolWorld::Tag>
PagePoolWorld::tagsOf(uint64_t salt, const std::vector<int32_t> &tokens) {
  std::vector<Tag> tags;
  for (int32_t token : tokens) {
    tags.push_back(exactTag(salt, tags.empty() ? 0 : tags.back(), token));
  }
  return tags;
}

/// Whether the token at position `length` sees something of the page.
bool PagePoolWorld::isSeen(size_t group, int64_t page, int64_t length) const {
  const attnrt_page_group &rule = rules[group];
  for (int64_t p = page * size; p < std::min((page + 1) * size, length); ++p) {
    if (!rule.window || p < rule.sink || p > length - rule.window) {
      return true;
    }
  }
  return false;
}

int64_t PagePoolWorld::expectedReuse(const std::vector<Tag> &tags) const {
  // No further than the pages that groups without a window have.
  for (int64_t pages = int64_t(tags.size()) / size; pages > 0; --pages) {
    bool complete = true;
    for (size_t g = 0; g < rules.size(); ++g) {
      for (int64_t i = 0; i < pages; ++i) {
        complete &= !isSeen(g, i, pages * size) ||
                    index.count({g, tags[size_t((i + 1) * size - 1)]});
      }
    }
    if (complete) {
      return pages * size;
    }
  }
  return 0;
}

int PagePoolWorld::holders(int32_t page, bool pinsToo) const {
  int64_t count = 0;
  for (const Sequence &sequence : sequences) {
    for (const Group &group : sequence.groups) {
      count += std::count(group.pages.begin(), group.pages.end(), page);
    }
  }
  for (const Pin &pin : pins) {
    count += pinsToo ? std::count(pin.pages.begin(), pin.pages.end(), page) : 0;
  }
  return int(count);
}

bool PagePoolWorld::mustCopy(const Sequence &sequence, size_t group) const {
  const Group &own = sequence.groups[group];
  const size_t length = own.places[0].size();
  if (length % size_t(size) == 0) {
    return false;
  }
  const int32_t page = own.pages.back();
  const bool isRewrite = int32_t(length % size_t(size)) < written[size_t(page)];
  return holders(page) > 1 || (isRewrite && std::max(lastUse[size_t(page)],
                                                     sequence.lastStep) > done);
}

void PagePoolWorld::park(int32_t page) {
  for (const auto &entry : index) {
    if (entry.second == page) {
      cached.push_back(page);
      return;
    }
  }
  free.insert(page);
}

/// Called when the entry that held it is gone already.
void PagePoolWorld::giveUp(int32_t page, uint64_t step) {
  lastUse[size_t(page)] = std::max(lastUse[size_t(page)], step);
  if (holders(page)) {
    return;
  }
  if (lastUse[size_t(page)] > done) {
    limbo.push_back(page);
    ++counters.inLimbo;
  } else {
    park(page);
  }
}

void PagePoolWorld::unpublish(int32_t page) {
  for (auto entry = index.begin(); entry != index.end(); ++entry) {
    if (entry->second == page) {
      index.erase(entry);
      return;
    }
  }
}

/// The pool handed this page out as a fresh one.
void PagePoolWorld::taken(int32_t page) {
  if (free.empty()) {
    expect(!cached.empty() && cached.front() == page,
           "page " + std::to_string(page) + " was not the one to evict");
    if (!cached.empty()) {
      unpublish(cached.front());
      cached.erase(cached.begin());
      ++counters.evicted;
    }
  } else {
    expect(free.erase(page) == 1,
           "page " + std::to_string(page) + " was handed out, but not free");
  }
  written[size_t(page)] = 0;
}

void PagePoolWorld::revive(int32_t page) {
  auto drop = [&](std::vector<int32_t> &list) {
    auto found = std::find(list.begin(), list.end(), page);
    const bool isThere = found != list.end();
    if (isThere) {
      list.erase(found);
    }
    return isThere;
  };
  if (!drop(cached)) {
    counters.revived += drop(limbo);
  }
}

std::vector<int32_t> PagePoolWorld::tableOf(uint64_t handle, size_t group) {
  attnrt_sequence_view view{};
  if (attnrt_sequence_pages(pool, handle, int32_t(group), &view)) {
    fail(attnrt_last_message());
    return {};
  }
  std::vector<int32_t> pages(view.pages, view.pages + view.num_pages);
  for (int32_t &page : pages) {
    page = page == null ? -1 : page;
  }
  return pages;
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// What every sequence reads through its tables.
void PagePoolWorld::checkContents() {
  for (const Sequence &sequence : sequences) {
    for (size_t g = 0; g < rules.size(); ++g) {
      const Group &group = sequence.groups[g];
      expect(tableOf(sequence.handle, g) == group.pages,
             "a table differs from the model's");
      const size_t length = group.places[0].size();
      for (size_t t = 0; t < length && error.empty(); ++t) {
        const int32_t page = group.pages[t / size_t(size)];
        if (page < 0) {
          continue;
        }
        const size_t slot = size_t(page) * size_t(size) + t % size_t(size);
        for (size_t h = 0; h < store[slot].size(); ++h) {
          const int32_t position = group.places[h][t];
          expect(store[slot][h] == sequence.tags[size_t(position)],
                 "ordinal " + std::to_string(t) + " of group " +
                     std::to_string(g) + " reads what another one wrote");
          const size_t number = slot * store[slot].size() + h;
          expect(!positions ||
                     (positions[number] == position && counts[number] == 1.0f),
                 "the side pools of ordinal " + std::to_string(t) +
                     " are not its own");
        }
      }
    }
  }
}

void PagePoolWorld::checkStates() {
  auto stats = sized<attnrt_page_pool_stats>();
  attnrt_page_pool_describe(pool, &stats);
  std::set<int32_t> held, pinned;
  for (const Sequence &sequence : sequences) {
    for (const Group &group : sequence.groups) {
      held.insert(group.pages.begin(), group.pages.end());
    }
  }
  for (const Pin &pin : pins) {
    for (int32_t page : pin.pages) {
      if (!held.count(page)) {
        pinned.insert(page);
      }
    }
  }
  held.insert(pinned.begin(), pinned.end());
  held.erase(-1);
  pinned.erase(-1);
  expect(stats.pages_free == int64_t(free.size()) &&
             stats.pages_cached == int64_t(cached.size()) &&
             stats.pages_limbo == int64_t(limbo.size()) &&
             stats.pages_held == int64_t(held.size()) &&
             stats.pages_pinned == int64_t(pinned.size()) &&
             stats.sequences == int64_t(sequences.size()) &&
             stats.pages_total == numPages - null - 1,
         "the statistics differ from the model's");
  // When there will be room.
  const int64_t wanted = draw(0, numPages);
  uint64_t step = 0, expected = UINT64_MAX;
  for (uint64_t s = done; s <= begun && expected == UINT64_MAX; ++s) {
    int64_t pages = int64_t(free.size() + cached.size());
    for (int32_t page : limbo) {
      pages += lastUse[size_t(page)] <= s;
    }
    expected = pages >= wanted ? (s == done ? 0 : s) : expected;
  }
  const attnrt_status status = attnrt_page_pool_when(pool, wanted, &step);
  expect(expected == UINT64_MAX ? status == ATTNRT_NOT_FOUND
                                : status == ATTNRT_OK && step == expected,
         "the step that gives room is another");
}

void PagePoolWorld::checkMissing(const Sequence &sequence) {
  const size_t g = size_t(draw(0, int(rules.size()) - 1));
  const Group &group = sequence.groups[g];
  const int32_t head = draw(0, int(group.places.size()) - 1);
  const int64_t end = int64_t(sequence.tags.size());
  const int64_t begin = draw(0, int(end));
  std::vector<bool> isThere(size_t(end) + 1);
  const std::vector<int32_t> &places = group.places[size_t(head)];
  for (size_t t = 0; t < places.size(); ++t) {
    if (group.pages[t / size_t(size)] >= 0) {
      isThere[size_t(places[t])] = true;
    }
  }
  std::vector<attnrt_range> ranges(100);
  int64_t count = 0;
  attnrt_sequence_missing(pool, sequence.handle, int32_t(g), head, begin, end,
                          ranges.data(), 100, &count);
  std::vector<bool> said(size_t(end) + 1, true);
  int64_t last = -1;
  for (int64_t i = 0; i < count; ++i) {
    expect(ranges[size_t(i)].begin > last &&
               ranges[size_t(i)].begin < ranges[size_t(i)].end,
           "missing ranges do not rise");
    last = ranges[size_t(i)].end;
    std::fill(said.begin() + ranges[size_t(i)].begin,
              said.begin() + ranges[size_t(i)].end, false);
  }
  for (int64_t p = begin; p < end; ++p) {
    expect(said[size_t(p)] == isThere[size_t(p)],
           "position " + std::to_string(p) + " is missing or not");
  }
  std::vector<int32_t> all(places.size());
  attnrt_sequence_positions(pool, sequence.handle, int32_t(g), head, 0,
                            int64_t(all.size()), all.data());
  expect(all == places, "positions differ from the model's");
}

/// The device's table, which sees nothing but changes.
void PagePoolWorld::checkTable() {
  const size_t columns = device.size() / bound.size();
  const size_t row = size_t(draw(0, int(bound.size()) - 1));
  bound[row] = sequences.empty() || chance(10) ? 0 : any().handle;
  attnrt_page_table_bind(table, int32_t(row), bound[row]);
  std::vector<attnrt_table_change> changes(device.size());
  int64_t count = 0;
  const int64_t room = draw(0, 3) ? int64_t(changes.size()) : draw(0, 2);
  const attnrt_status status =
      attnrt_page_table_changes(table, changes.data(), room, &count);
  if (status) {
    return; // too many, or too wide: nothing changed, and they come again
  }
  std::set<int32_t> offsets;
  for (int64_t i = 0; i < count; ++i) {
    expect(offsets.insert(changes[size_t(i)].offset).second,
           "an offset is changed twice");
    device[size_t(changes[size_t(i)].offset)] = changes[size_t(i)].value;
  }
  for (size_t r = 0; r < bound.size(); ++r) {
    std::vector<int32_t> shown(columns, null);
    for (const Sequence &sequence : sequences) {
      const auto &pages = sequence.groups[size_t(tableGroup)].pages;
      for (size_t i = 0; sequence.handle == bound[r] && i < pages.size(); ++i) {
        shown[i] = pages[i] < 0 ? null : pages[i];
      }
    }
    expect(std::equal(shown.begin(), shown.end(),
                      device.begin() + int64_t(r * columns)),
           "the device's table shows something else");
  }
  expect(
      std::equal(device.begin(), device.end(), attnrt_page_table_data(table)),
      "the host's copy of the device's table differs");
}

std::string PagePoolWorld::step() {
  ++counters.operations;
  const int kind = sequences.empty() ? 0 : draw(0, 99);
  if (kind < 20) {
    create();
  } else if (kind < 53) {
    append(any());
  } else if (kind < 58) {
    fork();
  } else if (kind < 68) {
    truncate(any());
  } else if (kind < 73) {
    trim(any());
  } else if (kind < 76) {
    compact(any());
  } else if (kind < 97) {
    release();
  } else {
    pin();
  }
  if (usesSteps) {
    stepInFlight();
  }
  useStaleHandle();
  if (attnrt_page_pool_audit(pool)) {
    fail(attnrt_last_message());
  }
  checkStates();
  checkContents();
  if (!sequences.empty()) {
    checkMissing(any());
  }
  if (chance(20)) {
    checkTable();
  }
  return error;
}
