//===- PagePoolMoves.cpp - Random operations on a pool and its model ------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePoolKit.h"
#include "PagePoolWorld.h"

#include <algorithm>

using namespace attnrt_test;

void PagePoolWorld::create() {
  if (sequences.size() > 12) {
    return;
  }
  // Few tokens, and prompts that were there before: prefixes in common.
  std::vector<int32_t> tokens;
  if (!prompts.empty() && chance(70)) {
    tokens = prompts[prompts.size() - 1 -
                     size_t(draw(0, std::min(5, int(prompts.size()) - 1)))];
    tokens.resize(chance(30) ? size_t(draw(0, int(tokens.size())))
                             : tokens.size());
  }
  for (int i = chance(50) ? draw(0, 2 * size + 2) : 0; i > 0; --i) {
    tokens.push_back(chance(70) ? 0 : draw(1, 2));
  }
  tokens.resize(std::min(tokens.size(), size_t(8 * size)));
  prompts.push_back(tokens);
  const uint64_t salt = chance(20);
  const std::vector<Tag> tags = tagsOf(salt, tokens);
  attnrt_content content = contentOf(tokens);
  std::vector<attnrt_block_key> keys;
  if (byKey) {
    for (size_t i = size_t(size); i <= tags.size(); i += size_t(size)) {
      keys.push_back({uint64_t(tags[i - 1]), 0});
    }
    content.tokens = nullptr;
    content.keys = keys.data();
    content.num_keys = int64_t(keys.size());
  }
  const int64_t expected = expectedReuse(tags);
  int64_t matched = -1, reused = -1;
  Sequence sequence{};
  sequence.salt = salt;
  attnrt_page_pool_match(pool, &content, salt, &matched);
  expect(attnrt_sequence_create(pool, &content, salt, &sequence.handle,
                                &reused) == ATTNRT_OK,
         attnrt_last_message());
  expect(reused == expected && matched == expected,
         "reuses " + std::to_string(reused) + " tokens, not " +
             std::to_string(expected));
  counters.reused += reused;
  sequence.tags.assign(tags.begin(), tags.begin() + reused);
  sequence.rest.assign(tokens.begin() + reused, tokens.end());
  sequence.known = reused;
  sequence.groups.resize(rules.size());
  for (size_t g = 0; g < rules.size(); ++g) {
    Group &group = sequence.groups[g];
    group.places.assign(size_t(std::max(heads, 1)), countUp(int32_t(reused)));
    for (int64_t i = 0; i < reused / size; ++i) {
      const bool seen = isSeen(g, i, reused);
      const int32_t page =
          seen ? index.at({g, tags[size_t((i + 1) * size - 1)]}) : -1;
      if (seen) {
        revive(page);
      }
      group.pages.push_back(page);
    }
  }
  sequences.push_back(sequence);
}

void PagePoolWorld::append(Sequence &sequence) {
  const bool isUnknown = chance(5);
  const size_t count = size_t(
      sequence.rest.empty() && chance(70) ? draw(0, 3) : draw(0, 3 * size));
  const size_t next = sequence.tags.size();
  if (next + count > 38 * size_t(size)) {
    return; // the device's table has 40 columns
  }
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(i < sequence.rest.size() ? sequence.rest[i]
                     : chance(80)             ? 0
                                              : draw(0, 2));
  }
  const bool isOpen = !sequence.lossy && sequence.known == int64_t(next);
  std::vector<Tag> tags;
  for (int32_t token : tokens) {
    const Tag before =
        tags.empty() ? (next ? sequence.tags.back() : 0) : tags.back();
    tags.push_back(isOpen && !isUnknown ? exactTag(sequence.salt, before, token)
                                        : ++lastTag);
  }
  attnrt_content content = contentOf(tokens);
  if (isUnknown) {
    content.tokens = nullptr;
  }
  std::vector<attnrt_block_key> keys;
  if (byKey) {
    for (size_t i = 0; i < count && !isUnknown; ++i) {
      if ((next + i + 1) % size_t(size) == 0) {
        keys.push_back({uint64_t(tags[i]), 0});
      }
    }
    content.tokens = nullptr;
    content.keys = keys.data();
    content.num_keys = int64_t(keys.size());
  }

  size_t needed = 0;
  for (size_t g = 0; g < rules.size(); ++g) {
    const Group &group = sequence.groups[g];
    needed += pagesFor(group.places[0].size() + count) - group.pages.size();
    needed += count && mustCopy(sequence, g);
  }
  std::vector<int64_t> slots(rules.size() * count);
  std::vector<attnrt_page_copy> copies(rules.size());
  int32_t numCopies = -1;
  const attnrt_status status = attnrt_sequence_append(
      pool, sequence.handle, &content, slots.data(), copies.data(), &numCopies);
  if (needed > free.size() + cached.size()) {
    expect(status == ATTNRT_RESOURCE_EXHAUSTED,
           "an append was not refused that has no pages");
    ++counters.refused;
    return;
  }
  expect(status == ATTNRT_OK, attnrt_last_message());
  if (count == 0 || !error.empty()) {
    return;
  }

  int32_t copy = 0;
  for (size_t g = 0; g < rules.size(); ++g) {
    Group &group = sequence.groups[g];
    const size_t length = group.places[0].size();
    const std::vector<int32_t> now = tableOf(sequence.handle, g);
    expect(now.size() == pagesFor(length + count),
           "a table has another length");
    if (!error.empty()) {
      return;
    }
    if (mustCopy(sequence, g)) {
      const int32_t source = group.pages.back();
      expect(copy < numCopies && copies[size_t(copy)].group == int32_t(g) &&
                 copies[size_t(copy)].src == source &&
                 copies[size_t(copy)].dst == now[group.pages.size() - 1] &&
                 copies[size_t(copy)].tokens == int32_t(length % size_t(size)),
             "the copy of a shared page is missing or another");
      if (!error.empty()) {
        return;
      }
      const attnrt_page_copy &c = copies[size_t(copy++)];
      for (int32_t i = 0; i < c.tokens; ++i) {
        store[size_t(c.dst * size + i)] = store[size_t(c.src * size + i)];
      }
      taken(c.dst);
      written[size_t(c.dst)] = c.tokens;
      group.pages.back() = c.dst;
      giveUp(source, sequence.lastStep);
      ++counters.copies;
    } else if (length % size_t(size) && count) {
      counters.rewrites +=
          written[size_t(group.pages.back())] > int32_t(length % size_t(size));
      unpublish(group.pages.back());
    }
    for (size_t i = group.pages.size(); i < now.size(); ++i) {
      taken(now[i]);
      group.pages.push_back(now[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      const int64_t slot =
          int64_t(group.pages[(length + i) / size_t(size)]) * size +
          int64_t((length + i) % size_t(size));
      expect(slots[g * count + i] == slot, "a token goes to another slot");
      std::fill(store[size_t(slot)].begin(), store[size_t(slot)].end(),
                tags[i]);
      written[size_t(slot / size)] = int32_t(slot % size) + 1;
      for (auto &places : group.places) {
        places.push_back(int32_t(next + i));
      }
    }
  }
  expect(copy == numCopies, "there are copies that nobody needs");
  sequence.tags.insert(sequence.tags.end(), tags.begin(), tags.end());
  sequence.rest.erase(sequence.rest.begin(),
                      sequence.rest.begin() +
                          int64_t(std::min(count, sequence.rest.size())));
  // Without the key of a page its tokens are unknown; without tokens all are.
  const bool fills = (next + count) / size_t(size) > next / size_t(size);
  if (isOpen && !isUnknown) {
    sequence.known = int64_t(next + count);
  } else if (isOpen && byKey) {
    sequence.known =
        fills ? int64_t(next / size_t(size)) * size : int64_t(next + count);
  }
  if (isOpen && !isUnknown) {
    for (size_t i = next / size_t(size); (i + 1) * size_t(size) <= next + count;
         ++i) {
      for (size_t g = 0; g < rules.size(); ++g) {
        index.insert({{g, sequence.tags[(i + 1) * size_t(size) - 1]},
                      sequence.groups[g].pages[i]});
      }
    }
  }
}

void PagePoolWorld::fork() {
  if (sequences.size() > 12) {
    return;
  }
  Sequence child = any();
  expect(attnrt_sequence_fork(pool, child.handle, &child.handle) == ATTNRT_OK,
         attnrt_last_message());
  child.lastStep = 0;
  sequences.push_back(child);
}

void PagePoolWorld::truncate(Sequence &sequence) {
  const int64_t next = int64_t(sequence.tags.size());
  const int64_t position =
      chance(70) ? std::max<int64_t>(0, next - draw(0, 3)) : draw(0, int(next));
  bool isFine = true;
  for (size_t g = 0; g < rules.size(); ++g) {
    const Group &group = sequence.groups[g];
    const int64_t length = int64_t(group.places[0].size()) - (next - position);
    if (position == next) {
      continue;
    }
    // What stays must be all before the position, and what the group sees.
    for (const auto &places : group.places) {
      isFine &= length >= 0 && (length == int64_t(places.size()) ||
                                places[size_t(length)] == position);
      for (int64_t t = length; isFine && t < int64_t(places.size()); ++t) {
        isFine &= places[size_t(t)] == position + (t - length);
      }
    }
    for (int64_t i = 0; isFine && i * size < length; ++i) {
      const bool isTail = (i + 1) * size > length;
      const bool seen = !sequence.lossy && isSeen(g, i, length);
      isFine &= group.pages[size_t(i)] >= 0 || !(isTail || seen);
    }
    isFine &= length >= group.floor;
  }
  // Or nothing was written there, if nobody else reads it.
  bool isDiscarded = isFine && chance(20);
  for (size_t g = 0; isDiscarded && g < rules.size(); ++g) {
    const Group &group = sequence.groups[g];
    const int64_t length = int64_t(group.places[0].size()) - (next - position);
    for (size_t i = size_t(length / size); i < group.pages.size(); ++i) {
      isDiscarded &= group.pages[i] < 0 || holders(group.pages[i]) == 1;
    }
  }
  for (size_t g = 0; isDiscarded && position < next && g < rules.size(); ++g) {
    const Group &group = sequence.groups[g];
    const int64_t length = int64_t(group.places[0].size()) - (next - position);
    for (size_t i = size_t(length / size); i < group.pages.size(); ++i) {
      for (int64_t t = 0; group.pages[i] >= 0 && t < size; ++t) {
        auto &slot = store[size_t(group.pages[i]) * size_t(size) + size_t(t)];
        if (int64_t(i) * size + t >= length) {
          slot.assign(slot.size(), -2);
        }
      }
      if (group.pages[i] >= 0) {
        unpublish(group.pages[i]);
      }
    }
  }
  counters.discards += isDiscarded;
  const attnrt_status status =
      isDiscarded ? attnrt_sequence_discard(pool, sequence.handle, position)
                  : attnrt_sequence_truncate(pool, sequence.handle, position);
  expect((status == ATTNRT_OK) == isFine,
         isFine ? attnrt_last_message() : "a truncation was not refused");
  if (status) {
    return;
  }
  for (Group &group : sequence.groups) {
    const size_t length = group.places[0].size() - size_t(next - position);
    for (auto &places : group.places) {
      places.resize(length);
    }
    while (group.pages.size() > pagesFor(length)) {
      const int32_t page = group.pages.back();
      group.pages.pop_back();
      if (page >= 0) {
        giveUp(page, sequence.lastStep);
      }
    }
  }
  sequence.tags.resize(size_t(position));
  sequence.known = std::min(sequence.known, position);
}

void PagePoolWorld::trim(Sequence &sequence) {
  const int32_t only = chance(50) ? -1 : draw(0, int(rules.size()) - 1);
  const int64_t sink = draw(0, 2 * size), window = draw(0, 4 * size);
  expect(attnrt_sequence_trim(pool, sequence.handle, only, sink, window) ==
             ATTNRT_OK,
         attnrt_last_message());
  for (size_t g = 0; g < rules.size(); ++g) {
    if (only >= 0 && size_t(only) != g) {
      continue;
    }
    Group &group = sequence.groups[g];
    const int64_t length = int64_t(group.places[0].size());
    for (int64_t i = int64_t(group.pages.size()); i-- > 0;) {
      const int32_t page = group.pages[size_t(i)];
      if (page < 0 || i * size < sink || (i + 1) * size > length - window) {
        continue;
      }
      group.pages[size_t(i)] = -1;
      giveUp(page, sequence.lastStep);
      sequence.lossy |= isSeen(g, i, length);
      ++counters.trims;
    }
  }
}

void PagePoolWorld::compact(Sequence &sequence) {
  const size_t g = size_t(draw(0, int(rules.size()) - 1));
  Group &group = sequence.groups[g];
  const int64_t length = int64_t(group.places[0].size());
  std::vector<int32_t> there;
  for (int64_t t = 0; t < length; ++t) {
    if (group.pages[size_t(t / size)] >= 0) {
      there.push_back(int32_t(t));
    }
  }
  auto what = sized<attnrt_compaction>();
  what.group = int32_t(g);
  what.heads = heads && chance(50) ? heads : 0;
  what.num_keep = draw(0, int(there.size()));
  const int64_t lists = std::max(what.heads, 1);
  std::vector<int32_t> keep;
  for (int64_t h = 0; h < lists; ++h) {
    std::vector<int32_t> list = there;
    if (chance(70)) {
      std::shuffle(list.begin() + int64_t(list.size()) / 3, list.end(), rng);
    }
    std::sort(list.begin(), list.begin() + what.num_keep);
    keep.insert(keep.end(), list.begin(), list.begin() + what.num_keep);
  }
  what.keep = keep.data();
  std::vector<attnrt_slot_copy> copies(keep.size() + 1);
  int64_t numCopies = -1;
  const std::vector<int32_t> before = group.pages;
  const attnrt_status status =
      attnrt_sequence_compact(pool, sequence.handle, &what, copies.data(),
                              int64_t(copies.size()), &numCopies);
  int64_t staying = 0;
  for (bool same = true; same && (staying + 1) * size <= what.num_keep;) {
    for (int64_t h = 0; h < lists; ++h) {
      for (int64_t i = staying * size; i < (staying + 1) * size; ++i) {
        same &= keep[size_t(h * what.num_keep + i)] == i;
      }
    }
    staying += same;
  }
  const size_t after = pagesFor(size_t(what.num_keep));
  if (what.num_keep < length &&
      after - size_t(staying) > free.size() + cached.size()) {
    expect(status == ATTNRT_RESOURCE_EXHAUSTED, "a compaction was not refused");
    ++counters.refused;
    return;
  }
  expect(status == ATTNRT_OK, attnrt_last_message());
  if (status || what.num_keep == length) {
    expect(numCopies == 0, "copies where nothing moves");
    return;
  }
  ++counters.compactions;
  const std::vector<int32_t> now = tableOf(sequence.handle, g);
  expect(now.size() == after, "a compacted table has another length");
  for (size_t i = 0; i < now.size() && error.empty(); ++i) {
    if (int64_t(i) < staying) {
      expect(now[i] == before[i], "a page moved that loses nothing");
    } else {
      taken(now[i]);
      written[size_t(now[i])] =
          int32_t(std::min<int64_t>(size, what.num_keep - int64_t(i) * size));
    }
  }
  for (int64_t i = 0; i < numCopies; ++i) {
    const attnrt_slot_copy &copy = copies[size_t(i)];
    for (int32_t k = 0; k < copy.count; ++k) {
      auto &to = store[size_t(copy.dst + k)];
      const auto &from = store[size_t(copy.src + k)];
      if (copy.head < 0) {
        to = from;
      } else {
        to[size_t(copy.head)] = from[size_t(copy.head)];
      }
    }
  }
  for (size_t h = 0; h < group.places.size(); ++h) {
    std::vector<int32_t> places;
    for (int64_t i = 0; i < what.num_keep; ++i) {
      const size_t list = what.heads ? h : 0;
      places.push_back(group.places[h][size_t(
          keep[list * size_t(what.num_keep) + size_t(i)])]);
    }
    group.places[h] = places;
  }
  group.pages = now;
  for (size_t i = before.size(); i-- > size_t(staying);) {
    if (before[i] >= 0) {
      giveUp(before[i], sequence.lastStep);
    }
  }
  sequence.lossy = true;
  group.floor = what.num_keep;
}

void PagePoolWorld::release() {
  const size_t number = size_t(draw(0, int(sequences.size()) - 1));
  Sequence gone = sequences[number];
  expect(attnrt_sequence_release(pool, gone.handle) == ATTNRT_OK,
         attnrt_last_message());
  dead.push_back(gone.handle);
  size_t longest = 0;
  for (const Group &group : gone.groups) {
    longest = std::max(longest, group.pages.size());
  }
  for (size_t i = longest; i-- > 0;) {
    for (size_t g = 0; g < rules.size(); ++g) {
      auto &pages = sequences[number].groups[g].pages;
      if (i < pages.size()) {
        const int32_t page = pages[i];
        pages.pop_back();
        if (page >= 0) {
          giveUp(page, gone.lastStep);
        }
      }
    }
  }
  sequences.erase(sequences.begin() + int64_t(number));
}

void PagePoolWorld::pin() {
  if (pins.size() > 2 || (!pins.empty() && chance(40))) {
    const size_t number = size_t(draw(0, int(pins.size()) - 1));
    Pin gone = pins[number];
    expect(attnrt_pin_release(pool, gone.handle) == ATTNRT_OK,
           attnrt_last_message());
    for (size_t i = gone.pages.size(); i-- > 0;) {
      // Groups of one page in their order, the deepest page first.
      const size_t g = rules.size() - 1 - i % rules.size();
      const size_t at = i / rules.size() * rules.size() + g;
      const int32_t page = gone.pages[at];
      pins[number].pages[at] = -1;
      if (page >= 0) {
        giveUp(page, 0);
      }
    }
    pins.erase(pins.begin() + int64_t(number));
    return;
  }
  const Sequence &sequence = any();
  const int64_t tokens = draw(0, int(sequence.tags.size()));
  Pin pin{};
  int64_t pinned = -1;
  expect(attnrt_sequence_pin(pool, sequence.handle, tokens, &pin.handle,
                             &pinned) == ATTNRT_OK,
         attnrt_last_message());
  const int64_t count = std::min(tokens, sequence.known) / size;
  expect(pinned == count * size, "another number of tokens is pinned");
  for (int64_t i = 0; i < count; ++i) {
    for (size_t g = 0; g < rules.size(); ++g) {
      auto entry = index.find({g, sequence.tags[size_t((i + 1) * size - 1)]});
      const int32_t page = entry == index.end() ? -1 : entry->second;
      if (page >= 0) {
        revive(page);
      }
      pin.pages.push_back(page);
    }
  }
  pins.push_back(pin);
  ++counters.pins;
}

void PagePoolWorld::stepInFlight() {
  if (chance(30) && begun - done < 3) {
    const bool all = chance(30);
    std::vector<uint64_t> handles;
    uint64_t step = 0;
    for (Sequence &sequence : sequences) {
      if (all || chance(60)) {
        handles.push_back(sequence.handle);
        sequence.lastStep = begun + 1;
      }
    }
    attnrt_page_pool_begin_step(pool, all ? nullptr : handles.data(),
                                all ? 0 : int64_t(handles.size()), &step);
    if (!all && handles.empty()) {
      // Null and 0 means all.
      for (Sequence &sequence : sequences) {
        sequence.lastStep = handles.data() ? sequence.lastStep : begun + 1;
      }
    }
    expect(step == ++begun, "a step has another number");
  }
  if (chance(30) && done < begun) {
    done += uint64_t(draw(1, int(begun - done)));
    expect(attnrt_page_pool_end_step(pool, done) == ATTNRT_OK,
           attnrt_last_message());
    std::vector<int32_t> waiting;
    for (int32_t page : limbo) {
      if (lastUse[size_t(page)] > done) {
        waiting.push_back(page);
      } else {
        park(page);
      }
    }
    limbo = waiting;
  }
  if (chance(5)) {
    attnrt_page_pool_end_step(pool, uint64_t(draw(0, int(done))));
  }
}

void PagePoolWorld::useStaleHandle() {
  if (dead.empty()) {
    return;
  }
  const uint64_t handle = dead[size_t(draw(0, int(dead.size()) - 1))];
  const std::vector<int32_t> token = {1};
  attnrt_content content = contentOf(token);
  attnrt_page_copy copies[3];
  int32_t count = 0;
  uint64_t out = 0;
  int64_t many = 0;
  auto what = sized<attnrt_compaction>();
  attnrt_sequence_view view{};
  const attnrt_status statuses[] = {
      attnrt_sequence_append(pool, handle, &content, nullptr, copies, &count),
      attnrt_sequence_release(pool, handle),
      attnrt_sequence_fork(pool, handle, &out),
      attnrt_sequence_truncate(pool, handle, 0),
      attnrt_sequence_trim(pool, handle, -1, 0, 0),
      attnrt_sequence_compact(pool, handle, &what, nullptr, 0, &many),
      attnrt_sequence_pages(pool, handle, 0, &view),
      attnrt_sequence_pin(pool, handle, 0, &out, nullptr),
      attnrt_pin_release(pool, handle)};
  for (attnrt_status status : statuses) {
    expect(status == ATTNRT_NOT_FOUND, "a stale handle was taken");
  }
  ++counters.stale;
}
