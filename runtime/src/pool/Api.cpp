//===- Api.cpp - The C interface of page pools ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

using namespace attnrt;

static void require(const void *out, const char *what) {
  if (!out) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a place for %s, but got null",
          what);
  }
}

//===----------------------------------------------------------------------===//
// Pools
//===----------------------------------------------------------------------===//

attnrt_status attnrt_page_pool_create(attnrt_context *context,
                                      const attnrt_page_pool_params *params,
                                      attnrt_page_pool **out) {
  return guard([&] {
    if (!context || !params || !out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects context, params and out, but got null");
    }
    auto handle = std::make_unique<attnrt_page_pool>();
    handle->impl = std::make_shared<PagePool>(
        context->impl, readParams(params, "attnrt_page_pool_params"));
    *out = handle.release();
  });
}

void attnrt_page_pool_release(attnrt_page_pool *pool) { delete pool; }

attnrt_status attnrt_page_pool_adopt(attnrt_page_pool *pool) {
  return guard([&] {
    require(pool, "a page pool");
    pool->impl->adopt();
  });
}

attnrt_status attnrt_page_pool_describe(const attnrt_page_pool *pool,
                                        attnrt_page_pool_stats *out) {
  return enter(pool, [&](PagePool &impl) {
    writeInfo(impl.stats(), out, "attnrt_page_pool_stats");
  });
}

attnrt_status attnrt_page_pool_when(const attnrt_page_pool *pool, int64_t pages,
                                    uint64_t *step) {
  return enter(pool, [&](PagePool &impl) {
    require(step, "the step");
    *step = impl.when(pages);
  });
}

attnrt_status attnrt_page_pool_audit(const attnrt_page_pool *pool) {
  return enter(pool, [&](PagePool &impl) { impl.audit(); });
}

attnrt_status attnrt_page_pool_side(const attnrt_page_pool *pool,
                                    uint32_t which, DLTensor *out) {
  return enter(pool,
               [&](PagePool &impl) { impl.sidePools().describe(which, out); });
}

attnrt_status attnrt_page_pool_begin_step(attnrt_page_pool *pool,
                                          const attnrt_sequence *sequences,
                                          int64_t count, uint64_t *step) {
  return enter(pool, [&](PagePool &impl) {
    require(step, "the step");
    *step = impl.beginStep(sequences, count);
  });
}

attnrt_status attnrt_page_pool_end_step(attnrt_page_pool *pool, uint64_t step) {
  return enter(pool, [&](PagePool &impl) { impl.endStep(step); });
}

attnrt_status attnrt_page_pool_match(const attnrt_page_pool *pool,
                                     const attnrt_content *prompt,
                                     uint64_t salt, int64_t *reused) {
  return enter(pool, [&](PagePool &impl) {
    require(reused, "the length");
    *reused = impl.match(prompt, salt);
  });
}

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

attnrt_status attnrt_sequence_create(attnrt_page_pool *pool,
                                     const attnrt_content *prompt,
                                     uint64_t salt, attnrt_sequence *out,
                                     int64_t *reused) {
  return enter(pool, [&](PagePool &impl) {
    require(out, "the sequence");
    *out = impl.create(prompt, salt, reused);
  });
}

attnrt_status attnrt_sequence_append(attnrt_page_pool *pool,
                                     attnrt_sequence sequence,
                                     const attnrt_content *content,
                                     int64_t *slots, attnrt_page_copy *copies,
                                     int32_t *num_copies) {
  return enter(pool, [&](PagePool &impl) {
    require(num_copies, "the number of copies");
    *num_copies = impl.append(sequence, content, slots, copies);
  });
}

attnrt_status attnrt_sequence_fork(attnrt_page_pool *pool,
                                   attnrt_sequence sequence,
                                   attnrt_sequence *out) {
  return enter(pool, [&](PagePool &impl) {
    require(out, "the sequence");
    *out = impl.fork(sequence);
  });
}

attnrt_status attnrt_sequence_truncate(attnrt_page_pool *pool,
                                       attnrt_sequence sequence,
                                       int64_t position) {
  return enter(pool,
               [&](PagePool &impl) { impl.truncate(sequence, position); });
}

attnrt_status attnrt_sequence_discard(attnrt_page_pool *pool,
                                      attnrt_sequence sequence,
                                      int64_t position) {
  return enter(pool, [&](PagePool &impl) { impl.discard(sequence, position); });
}

attnrt_status attnrt_sequence_trim(attnrt_page_pool *pool,
                                   attnrt_sequence sequence, int32_t group,
                                   int64_t sink, int64_t window) {
  return enter(
      pool, [&](PagePool &impl) { impl.trim(sequence, group, sink, window); });
}

attnrt_status attnrt_sequence_compact(attnrt_page_pool *pool,
                                      attnrt_sequence sequence,
                                      const attnrt_compaction *what,
                                      attnrt_slot_copy *copies,
                                      int64_t capacity, int64_t *num_copies) {
  return enter(pool, [&](PagePool &impl) {
    require(num_copies, "the number of copies");
    *num_copies = impl.compact(sequence, what, copies, capacity);
  });
}

attnrt_status attnrt_sequence_release(attnrt_page_pool *pool,
                                      attnrt_sequence sequence) {
  return enter(pool, [&](PagePool &impl) {
    impl.release(sequence, SequenceKind::Live);
  });
}

attnrt_status attnrt_sequence_describe(const attnrt_page_pool *pool,
                                       attnrt_sequence sequence,
                                       attnrt_sequence_info *out) {
  return enter(pool, [&](PagePool &impl) {
    writeInfo(impl.describe(sequence), out, "attnrt_sequence_info");
  });
}

attnrt_status attnrt_sequence_pages(const attnrt_page_pool *pool,
                                    attnrt_sequence sequence, int32_t group,
                                    attnrt_sequence_view *out) {
  return enter(pool, [&](PagePool &impl) {
    require(out, "the table");
    *out = impl.view(sequence, group);
  });
}

attnrt_status attnrt_sequence_positions(const attnrt_page_pool *pool,
                                        attnrt_sequence sequence, int32_t group,
                                        int32_t head, int64_t first,
                                        int64_t count, int32_t *out) {
  return enter(pool, [&](PagePool &impl) {
    impl.positions(sequence, group, head, first, count, out);
  });
}

attnrt_status attnrt_sequence_missing(const attnrt_page_pool *pool,
                                      attnrt_sequence sequence, int32_t group,
                                      int32_t head, int64_t begin, int64_t end,
                                      attnrt_range *ranges, int64_t capacity,
                                      int64_t *num_ranges) {
  return enter(pool, [&](PagePool &impl) {
    require(num_ranges, "the number of ranges");
    *num_ranges =
        impl.missing(sequence, group, head, begin, end, ranges, capacity);
  });
}

attnrt_status attnrt_sequence_pin(attnrt_page_pool *pool,
                                  attnrt_sequence sequence, int64_t tokens,
                                  attnrt_pin *out, int64_t *pinned) {
  return enter(pool, [&](PagePool &impl) {
    require(out, "the pin");
    *out = impl.pin(sequence, tokens, pinned);
  });
}

attnrt_status attnrt_pin_release(attnrt_page_pool *pool, attnrt_pin pin) {
  return enter(pool,
               [&](PagePool &impl) { impl.release(pin, SequenceKind::Pin); });
}
