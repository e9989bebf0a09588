//===- Check.cpp - Compiled rows against the reference --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Check.h"

#include "attn/Reference/Interpreter.h"
#include <atomic>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>

using namespace attn;

/// Elements [first, first + count) of axis 1 of request b, with a batch of 1.
static FailureOr<HostArray> slice(const HostArray &array, int64_t b,
                                  int64_t first, int64_t count) {
  SmallVector<int64_t> shape(array.shape());
  int64_t inner = 1;
  for (int64_t extent : ArrayRef<int64_t>(shape).drop_front(2)) {
    inner *= extent;
  }
  int64_t start = (b * shape[1] + first) * inner;
  shape[0] = 1;
  shape[1] = count;
  std::optional<HostArray> part = HostArray::create(array.dtype(), shape);
  if (!part) {
    return failure();
  }
  int64_t bytes = storageBits(array.dtype()) / 8;
  if (count > 0 && inner > 0) {
    std::memcpy(part->data(),
                static_cast<const char *>(array.data()) + start * bytes,
                count * inner * bytes);
  }
  return *part;
}

static HostArray element(const HostArray &array, int64_t b, int64_t added) {
  HostArray one = HostArray::zeros(array.dtype(), {1});
  one.setInt(0, array.getInt(b) + added);
  return one;
}

/// The first query of each request that is checked.
static SmallVector<int64_t> drawWindows(const Batch &batch, int64_t window,
                                        uint64_t seed) {
  std::mt19937_64 random(seed);
  int64_t queries = batch.q.dim(1);
  int64_t longest = llvm::max_element(batch.lengths) - batch.lengths.begin();
  SmallVector<int64_t> first;
  for (auto [b, count] : llvm::enumerate(batch.numQueries)) {
    int64_t last = std::max<int64_t>(count - window, 0);
    int64_t at = int64_t(b) == longest ? last : int64_t(random() % (last + 1));
    if (count < queries) {
      // The last queries and the empty rows behind them.
      at = std::min(std::max<int64_t>(count - window / 2, 0), queries - window);
    }
    first.push_back(at);
  }
  return first;
}

FailureOr<CheckReport> attn::checkBatch(mlir::func::FuncOp entry,
                                        const Batch &batch,
                                        const HostArray &result, int64_t window,
                                        double rtol, uint64_t seed,
                                        function_ref<void(int64_t)> progress,
                                        std::string &error) {
  int64_t n = batch.lengths.size(), queries = batch.q.dim(1);
  window = std::min(window, queries);
  SmallVector<int64_t> first = drawWindows(batch, window, seed);
  CheckReport report;
  int64_t heads = batch.q.dim(2) * batch.q.dim(3);
  report.rows = n * window * heads;
  report.allRows = n * queries * heads;
  std::mutex mutex;
  std::atomic<int64_t> next = 0;
  int64_t done = 0;
  bool hasFailed = false;
  auto work = [&] {
    for (int64_t b; (b = next++) < n;) {
      std::string why = "no memory for the rows of a request";
      auto q = slice(batch.q, b, first[b], window);
      auto table = slice(batch.table, b, 0, batch.table.dim(1));
      auto got = slice(result, b, first[b], window);
      FailureOr<SmallVector<HostArray>> expected = failure();
      if (succeeded(q) && succeeded(table) && succeeded(got)) {
        expected =
            interpret(entry,
                      {*q, batch.k, batch.v, *table, element(batch.len, b, 0),
                       element(batch.off, b, first[b]), batch.scale},
                      {}, why);
      }
      std::lock_guard<std::mutex> lock(mutex);
      if (failed(expected)) {
        error = why;
        hasFailed = true;
        next = n;
        return;
      }
      RowComparison compared = compareRows(*got, (*expected)[0], rtol);
      report.maxRowError = std::max(report.maxRowError, compared.maxRowError);
      report.badRows += compared.badRows;
      if (!compared.ok && report.message.empty()) {
        report.message = "request " + std::to_string(b) + " (" +
                         std::to_string(batch.lengths[b]) +
                         " tokens), from query " + std::to_string(first[b]) +
                         ": " + compared.message;
      }
      progress(++done);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 1; t < std::thread::hardware_concurrency(); ++t) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread &thread : threads) {
    thread.join();
  }
  if (hasFailed) {
    return failure();
  }
  return report;
}
