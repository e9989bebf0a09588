// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Page pools: what changes sequences. Calls are short and keep the GIL, so
// threads of Python take turns by themselves.
#include "Pool.h"

#include "Arrays.h"
#include "Error.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

namespace {

/// A run of tokens as the ABI takes it.
struct Content {
  std::vector<int32_t> tokens;
  std::vector<attnrt_block_key> keys;
  attnrt_content content = {};

  Content(nb::handle given, nb::handle count, nb::handle ofPages) {
    content.struct_size = sizeof(content);
    if (!given.is_none()) {
      tokens = intsOf(given, "tokens");
      content.tokens = tokens.data();
      content.num_tokens = int64_t(tokens.size());
    }
    if (!count.is_none()) {
      int64_t wanted = nb::cast<int64_t>(count);
      if (content.tokens && wanted != content.num_tokens) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "expects as many tokens as count, but got " +
                  std::to_string(tokens.size()) + " and " +
                  std::to_string(wanted));
      }
      content.num_tokens = wanted;
    }
    if (!ofPages.is_none()) {
      keys = keysOf(ofPages);
      content.keys = keys.data();
      content.num_keys = int64_t(keys.size());
    }
  }
};

struct Shape {
  int32_t numPages, pageSize;
  std::optional<std::vector<std::pair<int64_t, int64_t>>> groups;
  bool byKey, nullPage, checkOwner;
  std::vector<std::string> side;
  int32_t sideHeads;
  uint64_t seed;
};

} // namespace

static uint32_t sideOf(const std::vector<std::string> &names) {
  uint32_t side = 0;
  for (const std::string &name : names) {
    if (name != "position" && name != "count") {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects side pools \"position\" and \"count\", but got \"" + name +
                "\"");
    }
    side |= name == "position" ? ATTNRT_SIDE_POSITION : ATTNRT_SIDE_COUNT;
  }
  return side;
}

static PagePool makePool(const Shape &shape, nb::object context) {
  if (context.is_none()) {
    context =
        nb::module_::import_("attn_mlir._context").attr("default_context")();
  }
  std::vector<attnrt_page_group> groups;
  if (shape.groups) {
    for (auto [sink, window] : *shape.groups) {
      groups.push_back({sink, window});
    }
    if (groups.empty()) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects at least one group, but got none");
    }
  }
  attnrt_page_pool_params params = {};
  params.struct_size = sizeof(params);
  params.flags = (shape.byKey ? ATTNRT_PAGES_BY_KEY : 0u) |
                 (shape.nullPage ? 0u : ATTNRT_PAGES_NO_NULL) |
                 (shape.checkOwner ? ATTNRT_PAGES_CHECK_OWNER : 0u);
  params.num_pages = shape.numPages;
  params.page_size = shape.pageSize;
  params.num_groups = int32_t(groups.size());
  params.groups = groups.empty() ? nullptr : groups.data();
  params.side = sideOf(shape.side);
  params.side_heads = shape.sideHeads;
  params.side_device = {kDLCPU, 0};
  params.seed = shape.seed;
  attnrt_page_pool *made = nullptr;
  check(attnrt_page_pool_create(nb::cast<Context &>(context).handle.get(),
                                &params, &made));
  PagePool out;
  out.handle.reset(made);
  out.groups = groups.empty() ? 1 : params.num_groups;
  out.pageSize = shape.pageSize;
  out.null = shape.nullPage ? 0 : -1;
  return out;
}

static std::pair<uint64_t, int64_t> create(PagePool &self, nb::object tokens,
                                           nb::object count, nb::object keys,
                                           uint64_t salt) {
  Content prompt(tokens, count, keys);
  attnrt_sequence made = 0;
  int64_t reused = 0;
  check(attnrt_sequence_create(self.get(), &prompt.content, salt, &made,
                               &reused));
  return {made, reused};
}

static int64_t match(PagePool &self, nb::object tokens, nb::object count,
                     nb::object keys, uint64_t salt) {
  Content prompt(tokens, count, keys);
  int64_t reused = 0;
  check(attnrt_page_pool_match(self.get(), &prompt.content, salt, &reused));
  return reused;
}

static std::pair<Array<int64_t>, Array<int32_t>>
append(PagePool &self, uint64_t sequence, nb::object tokens, nb::object count,
       nb::object keys) {
  Content run(tokens, count, keys);
  int64_t n = run.content.num_tokens;
  // What the ABI refuses must not be asked for as memory first.
  bool isPossible = n >= 0 && n < (int64_t(1) << 40);
  std::vector<int64_t> slots(isPossible ? size_t(n * self.groups) : 0);
  std::vector<attnrt_page_copy> copies{size_t(self.groups)};
  int32_t copied = 0;
  check(attnrt_sequence_append(self.get(), sequence, &run.content,
                               isPossible ? slots.data() : nullptr,
                               copies.data(), &copied));
  copies.resize(size_t(copied));
  return {arrayOf<int64_t>(std::move(slots), {size_t(self.groups), size_t(n)}),
          arrayOf<int32_t>(std::move(copies))};
}

static Array<int64_t> compact(PagePool &self, uint64_t sequence,
                              nb::handle keep, int32_t heads, int32_t group) {
  std::vector<int32_t> kept = intsOf(keep, "keep");
  if (heads > 1 && kept.size() % size_t(heads)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects lists of one length for " + std::to_string(heads) +
              " heads, but got " + std::to_string(kept.size()) +
              " ordinals in all");
  }
  attnrt_compaction what = {};
  what.struct_size = sizeof(what);
  what.group = group;
  what.heads = heads;
  what.num_keep = int64_t(kept.size()) / (heads > 0 ? heads : 1);
  what.keep = kept.data();
  std::vector<attnrt_slot_copy> copies(kept.size());
  int64_t count = 0;
  check(attnrt_sequence_compact(self.get(), sequence, &what, copies.data(),
                                int64_t(copies.size()), &count));
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) {
    const attnrt_slot_copy &copy = copies[size_t(i)];
    out.insert(out.end(), {copy.src, copy.dst, copy.count, copy.head});
  }
  return arrayOf<int64_t>(std::move(out), {size_t(count), 4});
}

static std::pair<uint64_t, int64_t> pin(PagePool &self, uint64_t sequence,
                                        int64_t tokens) {
  attnrt_pin made = 0;
  int64_t pinned = 0;
  check(attnrt_sequence_pin(self.get(), sequence, tokens, &made, &pinned));
  return {made, pinned};
}

static uint64_t forkSequence(PagePool &self, uint64_t sequence) {
  attnrt_sequence made = 0;
  check(attnrt_sequence_fork(self.get(), sequence, &made));
  return made;
}

static uint64_t beginStep(PagePool &self,
                          std::optional<std::vector<uint64_t>> sequences) {
  const uint64_t none = 0; // an empty list reads nothing, null means all
  const uint64_t *given = nullptr;
  if (sequences) {
    given = sequences->empty() ? &none : sequences->data();
  }
  uint64_t step = 0;
  check(attnrt_page_pool_begin_step(
      self.get(), given, sequences ? int64_t(sequences->size()) : 0, &step));
  return step;
}

static void bindCreation(nb::class_<PagePool> &pool) {
  pool.def(
      "__init__",
      [](PagePool *self, int32_t numPages, int32_t pageSize,
         std::optional<std::vector<std::pair<int64_t, int64_t>>> groups,
         bool byKey, bool nullPage, std::vector<std::string> side,
         int32_t sideHeads, uint64_t seed, bool checkOwner,
         nb::object context) {
        new (self) PagePool(
            makePool({numPages, pageSize, std::move(groups), byKey, nullPage,
                      checkOwner, std::move(side), sideHeads, seed},
                     context));
      },
      "num_pages"_a, "page_size"_a = 16, nb::kw_only(), "groups"_a = nb::none(),
      "by_key"_a = false, "null_page"_a = true,
      "side"_a = std::vector<std::string>(), "side_heads"_a = 0, "seed"_a = 0,
      "check_owner"_a = false, "context"_a = nb::none(),
      "`num_pages` of `page_size` tokens. `groups`: (sink, window) of the "
      "layers that share tables, in tokens, window 0: all; None: one group "
      "that sees all. `by_key`: the prefix index compares keys of 128 bits in "
      "place of tokens. `null_page`: page 0 is never handed out and marks "
      "table entries without a page; else they are -1. `side`: of "
      "\"position\" and \"count\", kept in host memory, with `side_heads` "
      "numbers per slot (0: one). `seed` of hashes, 0: drawn. `check_owner`: "
      "calls of other threads than the owner are refused. Error: invalid "
      "argument.");
  pool.def("create", &create, "tokens"_a = nb::none(), nb::kw_only(),
           "count"_a = nb::none(), "keys"_a = nb::none(), "salt"_a = 0,
           "A new sequence that shares the longest cached prefix of a prompt: "
           "(sequence, tokens reused). `tokens`: integers, a tensor with one "
           "axis or a list; with by_key `count` tokens and `keys` of the pages "
           "they fill (u64 [n, 2] as low, high; or integers). The rest of the "
           "prompt is for append. An engine that needs the logits of the last "
           "token asks for one token less. Sequences of different `salt` share "
           "nothing.");
  pool.def("match", &match, "tokens"_a = nb::none(), nb::kw_only(),
           "count"_a = nb::none(), "keys"_a = nb::none(), "salt"_a = 0,
           "Tokens that create would reuse. Changes nothing.");
}

static void bindChanges(nb::class_<PagePool> &pool) {
  pool.def("append", &append, "sequence"_a, "tokens"_a = nb::none(),
           nb::kw_only(), "count"_a = nb::none(), "keys"_a = nb::none(),
           "Room for tokens in every group, all or nothing: (slots, copies). "
           "slots i64 [groups, n]: page * page_size + offset of each token. "
           "copies i32 [c, 4] of (group, source page, new page, tokens): K and "
           "V to be copied, in this order, before the tokens are written. "
           "`count` without tokens: unknown ones, which are not shared. Error "
           "(resource exhausted) where pages are short; nothing has changed "
           "then.");
  pool.def("fork", &forkSequence, "sequence"_a,
           "A second sequence with the same content; nothing is copied.");
  pool.def(
      "truncate",
      [](PagePool &self, uint64_t sequence, int64_t position) {
        check(attnrt_sequence_truncate(self.get(), sequence, position));
      },
      "sequence"_a, "position"_a,
      "Forgets the last tokens: `position` is the next one again.");
  pool.def(
      "discard",
      [](PagePool &self, uint64_t sequence, int64_t position) {
        check(attnrt_sequence_discard(self.get(), sequence, position));
      },
      "sequence"_a, "position"_a,
      "As truncate, for tokens that were never written (a step that failed): "
      "their pages leave the prefix index too.");
  pool.def(
      "trim",
      [](PagePool &self, uint64_t sequence, int64_t sink, int64_t window,
         int32_t group) {
        check(attnrt_sequence_trim(self.get(), sequence, group, sink, window));
      },
      "sequence"_a, "sink"_a, "window"_a, "group"_a = -1,
      "Gives up whole pages between the first `sink` and the last `window` "
      "ordinals of a group (-1: of all).");
  pool.def("compact", &compact, "sequence"_a, "keep"_a, nb::kw_only(),
           "heads"_a = 0, "group"_a = 0,
           "Keeps the ordinals `keep` (rising; with `heads` > 0 a list for "
           "each KV head, one behind the other, of the same length) and drops "
           "the others. Gives i64 [c, 4] of (source slot, new slot, count, "
           "head or -1): K and V to be copied, in this order.");
  pool.def(
      "release",
      [](PagePool &self, uint64_t sequence) {
        check(attnrt_sequence_release(self.get(), sequence));
      },
      "sequence"_a,
      "Gives all pages back. Those in the prefix index stay cached.");
  pool.def("pin", &pin, "sequence"_a, "tokens"_a,
           "Keeps the cached pages of the first `tokens` tokens from being "
           "evicted: (pin, tokens pinned), whole pages only.");
  pool.def(
      "unpin",
      [](PagePool &self, uint64_t pin) {
        check(attnrt_pin_release(self.get(), pin));
      },
      "pin"_a, "Releases a pin.");
}

void attn::python::bindPool(nb::module_ &m) {
  nb::class_<PagePool> pool(
      m, "PagePool",
      "Page tables for an engine that has none. Deals in numbers: K and V stay "
      "the engine's, what has to be copied is returned. Sequences and pins are "
      "numbers that are never used again. A pool belongs to one thread at a "
      "time. Error (not found) for a sequence that was released; what fails "
      "changes nothing.");
  bindCreation(pool);
  bindChanges(pool);
  pool.def("begin_step", &beginStep, "sequences"_a = nb::none(),
           "A step is about to be launched that reads what these sequences "
           "hold now (None: all): its number. Pages that they give up are not "
           "handed out before end_step.");
  pool.def(
      "end_step",
      [](PagePool &self, uint64_t step) {
        check(attnrt_page_pool_end_step(self.get(), step));
      },
      "step"_a, "All steps up to this one are done.");
  pool.def(
      "adopt",
      [](PagePool &self) { check(attnrt_page_pool_adopt(self.get())); },
      "The calling thread owns the pool from now on.");
  bindPoolLooks(pool);
  bindPageTable(m);
}
