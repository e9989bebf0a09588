//===- pool_bench.cpp - Time of the page pool's calls ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints what the calls of a step cost the host: pages of 16 tokens, one group,
// unless said. "aim" is what docs/pool.md promises to stay near. With
// --trace=FILE.jsonl the requests of a trace are replayed as well: lines with
// input_length and hash_ids, an id standing for 512 tokens. Asserts nothing.
//
//===----------------------------------------------------------------------===//
#include "../test/Trace.h"
#include "attnrt/pool.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

namespace {
using Clock = std::chrono::steady_clock;

void check(attnrt_status status) {
  if (status) {
    std::fprintf(stderr, "%s\n", attnrt_last_message());
    std::exit(1);
  }
}

template <class T> T sized() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

attnrt_content contentOf(const int32_t *tokens, int64_t count) {
  auto content = sized<attnrt_content>();
  content.tokens = tokens;
  content.num_tokens = count;
  return content;
}

struct Pool {
  Pool(int32_t pages, int32_t size, int32_t groups = 1, uint32_t side = 0) {
    auto params = sized<attnrt_page_pool_params>();
    params.num_pages = pages;
    params.page_size = size;
    params.num_groups = groups;
    params.side = side;
    check(attnrt_context_create(nullptr, &context));
    check(attnrt_page_pool_create(context, &params, &pool));
  }
  ~Pool() {
    attnrt_page_pool_release(pool);
    attnrt_context_release(context);
  }
  attnrt_sequence create(const int32_t *tokens, int64_t count,
                         int64_t *reused) {
    attnrt_sequence sequence = 0;
    attnrt_content prompt = contentOf(tokens, count);
    check(attnrt_sequence_create(pool, &prompt, 0, &sequence, reused));
    return sequence;
  }
  void append(attnrt_sequence sequence, const int32_t *tokens, int64_t count,
              int64_t *slots = nullptr) {
    attnrt_page_copy copies[64];
    int32_t numCopies = 0;
    attnrt_content content = contentOf(tokens, count);
    check(attnrt_sequence_append(pool, sequence, &content, slots, copies,
                                 &numCopies));
  }
  attnrt_context *context = nullptr;
  attnrt_page_pool *pool = nullptr;
};

/// Best and mean of some rounds, divided by `calls`, in nanoseconds.
template <class F>
void report(const char *name, const char *aim, int rounds, double calls,
            const char *unit, double scale, F f) {
  double best = 1e30, sum = 0;
  for (int round = 0; round < rounds; ++round) {
    const double ns = f() / calls;
    best = std::min(best, ns);
    sum += ns;
  }
  std::printf("%-44s %9.1f %9.1f %s  %s\n", name, best / scale,
              sum / rounds / scale, unit, aim);
}

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

std::vector<int32_t> randomTokens(int64_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<int32_t> tokens(size_t(count), 0);
  for (int32_t &token : tokens) {
    token = int32_t(rng() % 150000);
  }
  return tokens;
}
} // namespace

static void appends(int32_t sequences, int32_t length) {
  Pool pool(sequences * (length / 16 + 40), 16);
  std::vector<attnrt_sequence> all;
  for (int32_t i = 0; i < sequences; ++i) {
    const std::vector<int32_t> prompt = randomTokens(length, uint32_t(i));
    int64_t reused = 0;
    all.push_back(pool.create(prompt.data(), length, &reused));
    pool.append(all.back(), prompt.data() + reused, length - reused);
  }
  char name[64];
  std::snprintf(name, sizeof(name), "append 1 token, %d x %d", sequences,
                length);
  const std::vector<int32_t> tokens = randomTokens(sequences, 99);
  report(name, "(aim 100)", 10, 50.0 * sequences, "ns", 1, [&] {
    const auto start = Clock::now();
    for (int32_t step = 0; step < 50; ++step) {
      for (int32_t i = 0; i < sequences; ++i) {
        int64_t slot;
        pool.append(all[size_t(i)], &tokens[size_t(i)], 1, &slot);
      }
    }
    return since(start);
  });
}

static void prompts() {
  constexpr int64_t length = 2048;
  Pool pool(70000, 16);
  const std::vector<int32_t> prompt = randomTokens(length, 3);
  int64_t reused = 0;
  pool.append(pool.create(prompt.data(), 0, &reused), prompt.data(), length);
  // Others, so that the index is no toy.
  std::vector<attnrt_sequence> rest;
  for (uint32_t i = 0; i < 400; ++i) {
    const std::vector<int32_t> other = randomTokens(length, 100 + i);
    rest.push_back(pool.create(other.data(), 0, &reused));
    pool.append(rest.back(), other.data(), length);
  }
  report("prefix match of 2,048 tokens", "(aim 10)", 200, 1, "us", 1e3, [&] {
    attnrt_content content = contentOf(prompt.data(), length);
    const auto start = Clock::now();
    check(attnrt_page_pool_match(pool.pool, &content, 0, &reused));
    return since(start);
  });
  report("create from 2,048 cached tokens and release", "", 200, 1, "us", 1e3,
         [&] {
           const auto start = Clock::now();
           attnrt_sequence s = pool.create(prompt.data(), length, &reused);
           check(attnrt_sequence_release(pool.pool, s));
           return since(start);
         });
  uint32_t seed = 1000;
  std::vector<int64_t> slots(3 * length);
  auto fresh = [&](Pool &where) {
    const std::vector<int32_t> tokens = randomTokens(length, ++seed);
    const auto start = Clock::now();
    attnrt_sequence s = where.create(tokens.data(), length, &reused);
    where.append(s, tokens.data(), length, slots.data());
    const double ns = since(start);
    check(attnrt_sequence_release(where.pool, s));
    return ns;
  };
  report("create and publish 2,048 new tokens", "(aim 50)", 100, 1, "us", 1e3,
         [&] { return fresh(pool); });
  Pool small(1000, 16);
  report("the same, evicting as many", "", 100, 1, "us", 1e3,
         [&] { return fresh(small); });
  Pool hybrid(70000, 16, 3, ATTNRT_SIDE_POSITION | ATTNRT_SIDE_COUNT);
  report("the same, 3 groups and side pools", "", 100, 1, "us", 1e3,
         [&] { return fresh(hybrid); });
  report("fork of 2,048 tokens and release", "", 100, 1, "us", 1e3, [&] {
    const auto start = Clock::now();
    attnrt_sequence child = 0;
    check(attnrt_sequence_fork(pool.pool, rest[0], &child));
    check(attnrt_sequence_release(pool.pool, child));
    return since(start);
  });
}

/// 256 sequences: what the tables and the plan's problem of a step take.
static void steps() {
  Pool pool(300000, 16);
  const std::vector<int32_t> shared = randomTokens(8192, 1);
  std::vector<attnrt_sequence> all;
  for (uint32_t i = 0; i < 256; ++i) {
    int64_t reused = 0;
    attnrt_sequence s = pool.create(shared.data(), i % 2 ? 8192 : 0, &reused);
    const std::vector<int32_t> own = randomTokens(200 + 31 * i, i);
    if (i % 2) {
      pool.append(s, shared.data() + reused, 8192 - reused);
    }
    pool.append(s, own.data(), int64_t(own.size()));
    all.push_back(s);
  }
  auto shape = sized<attnrt_page_table_params>();
  shape.rows = 256;
  shape.columns = 2048;
  attnrt_page_table *table = nullptr;
  check(attnrt_page_table_create(pool.pool, &shape, &table));
  for (int32_t i = 0; i < 256; ++i) {
    check(attnrt_page_table_bind(table, i, all[size_t(i)]));
  }
  std::vector<attnrt_table_change> changes(size_t(256) * 2048);
  int64_t count = 0;
  check(attnrt_page_table_changes(table, changes.data(),
                                  int64_t(changes.size()), &count));
  const int32_t token = 5;
  report("changes of 256 rows after 1 token each", "", 100, 1, "us", 1e3, [&] {
    for (attnrt_sequence s : all) {
      pool.append(s, &token, 1);
    }
    const auto start = Clock::now();
    check(attnrt_page_table_changes(table, changes.data(),
                                    int64_t(changes.size()), &count));
    return since(start);
  });
  attnrt_page_forest *forest = nullptr;
  check(attnrt_page_forest_create(pool.pool, &forest));
  auto params = sized<attnrt_forest_params>();
  params.heads = 8;
  params.query_group = 4;
  params.num_sequences = 256;
  params.sequences = all.data();
  params.columns = 2048;
  auto problem = sized<attnrt_problem>();
  auto build = [&] {
    const auto start = Clock::now();
    check(attnrt_page_forest_build(forest, &params, &problem));
    return since(start);
  };
  report("problem of 256 sequences, 128 with a prefix", "", 100, 1, "us", 1e3,
         build);
  params.min_shared = INT64_MAX;
  report("the same, flat", "", 100, 1, "us", 1e3, build);
  uint64_t step = 0;
  report("begin and end of a step of 256", "", 100, 1, "us", 1e3, [&] {
    const auto start = Clock::now();
    check(attnrt_page_pool_begin_step(pool.pool, all.data(), 256, &step));
    check(attnrt_page_pool_end_step(pool.pool, step));
    return since(start);
  });
  report("audit of 300,000 pages", "", 5, 1, "ms", 1e6, [&] {
    const auto start = Clock::now();
    check(attnrt_page_pool_audit(pool.pool));
    return since(start);
  });
  attnrt_page_forest_release(forest);
  attnrt_page_table_release(table);
}

static bool replay(const char *path) {
  std::vector<attnrt_test::Request> requests;
  if (!attnrt_test::readTrace(path, requests)) {
    std::fprintf(stderr, "cannot read '%s'\n", path);
    return false;
  }
  for (int32_t size : {512, 16}) {
    int64_t pages = 1, tokens = 0, hits = 0;
    for (const auto &request : requests) {
      pages += (request.length + size - 1) / size;
      tokens += request.length;
    }
    Pool pool(int32_t(pages), size);
    std::vector<int32_t> prompt;
    double ns = 0;
    for (const auto &request : requests) {
      attnrt_test::writeTokens(request, prompt);
      int64_t reused = 0;
      const auto start = Clock::now();
      attnrt_sequence s = pool.create(prompt.data(), request.length, &reused);
      pool.append(s, prompt.data() + reused, request.length - reused);
      check(attnrt_sequence_release(pool.pool, s));
      ns += since(start);
      hits += reused;
    }
    auto stats = sized<attnrt_page_pool_stats>();
    check(attnrt_page_pool_describe(pool.pool, &stats));
    std::printf(
        "trace, page %d: %zu requests, %lld of %lld tokens hit, %.2f s, "
        "%.1f ns per token, %.0f requests/s, %.0f MB\n",
        size, requests.size(), (long long)hits, (long long)tokens, ns / 1e9,
        ns / double(tokens), double(requests.size()) / (ns / 1e9),
        double(stats.host_bytes) / 1e6);
  }
  return true;
}

int main(int argc, char **argv) {
  const char *trace = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--trace=", 8) == 0) {
      trace = argv[i] + 8;
    } else {
      std::fprintf(stderr, "usage: %s [--trace=FILE.jsonl]\n", argv[0]);
      return 2;
    }
  }
  std::printf("%-44s %9s %9s\n", "call", "best", "mean");
  appends(256, 1000);
  appends(2048, 500);
  prompts();
  steps();
  return trace && !replay(trace) ? 1 : 0;
}
