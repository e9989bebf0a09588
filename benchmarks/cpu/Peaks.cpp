//===- Peaks.cpp - What this CPU can do: f32 FMA and memory reads ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// usage: cpu-peaks THREADS MIB SAMPLES
// Prints JSON: GFLOP/s of f32 multiply-adds in registers and GB/s of reading
// MIB of memory, on one thread and on THREADS, SAMPLES times each.
//
//===----------------------------------------------------------------------===//
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
static constexpr int kLanes = 16;
#elif defined(__AVX__)
static constexpr int kLanes = 8;
#else
static constexpr int kLanes = 4;
#endif
typedef float Vector __attribute__((vector_size(4 * kLanes)));

// Latency times throughput of an FMA is 8 to 10 vectors in flight.
static constexpr int kChains = 12;
static constexpr int64_t kSteps = 4 << 20;

/// Seconds that `work(0) .. work(threads - 1)` take side by side; threads wait
/// for each other before they start.
static double secondsOf(int threads, const std::function<void(int)> &work) {
  std::atomic<int> waiting{threads};
  std::atomic<bool> go{false};
  auto body = [&](int thread) {
    --waiting;
    while (!go) {
      std::this_thread::yield();
    }
    work(thread);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) {
    others.emplace_back(body, i);
  }
  --waiting;
  while (waiting) {
    std::this_thread::yield();
  }
  auto start = std::chrono::steady_clock::now();
  go = true;
  work(0);
  for (std::thread &other : others) {
    other.join();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

/// Without this the compiler may drop what computed `value`.
template <typename T> static void keep(T &value) {
  asm volatile("" : "+x"(value));
}

static void multiplyAdd() {
  Vector sum[kChains], factor, term;
  for (int lane = 0; lane < kLanes; ++lane) {
    factor[lane] = 0.999f;
    term[lane] = 1e-3f;
  }
  for (Vector &chain : sum) {
    chain = term;
  }
  keep(factor);
  keep(term);
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kChains; ++chain) {
      sum[chain] = sum[chain] * factor + term;
    }
  }
  for (Vector &chain : sum) {
    keep(chain);
  }
}

/// Reads all of `count` vectors; four streams keep more misses in flight.
static void read(const Vector *data, int64_t count) {
  Vector sum[4] = {};
  int64_t quarter = count / 4;
  for (int64_t i = 0; i < quarter; ++i) {
#pragma GCC unroll 4
    for (int stream = 0; stream < 4; ++stream) {
      sum[stream] += data[stream * quarter + i];
    }
  }
  for (Vector &stream : sum) {
    keep(stream);
  }
}

static void print(const char *name, const std::vector<double> &values,
                  const char *end) {
  std::printf("  \"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) {
    std::printf("%s%.3f", i ? ", " : "", values[i]);
  }
  std::printf("]%s\n", end);
}

int main(int argc, char **argv) {
  int threads = argc == 4 ? std::atoi(argv[1]) : 0;
  int64_t mebibytes = argc == 4 ? std::atoll(argv[2]) : 0;
  int samples = argc == 4 ? std::atoi(argv[3]) : 0;
  if (threads < 1 || threads > 4096 || mebibytes < 1 || mebibytes > 65536 ||
      samples < 1 || samples > 1000) {
    std::fprintf(stderr, "cpu-peaks: expects THREADS MIB SAMPLES\n");
    return 2;
  }
  // A thread's own part, in whole groups of four vectors.
  int64_t part = (mebibytes << 20) / int64_t(sizeof(Vector)) / threads;
  part -= part % 4;
  void *memory = std::aligned_alloc(64, mebibytes << 20);
  if (!memory) {
    std::fprintf(stderr, "cpu-peaks: not enough memory for %ld MiB\n",
                 long(mebibytes));
    return 2;
  }
  auto *data = static_cast<Vector *>(memory);
  // Untouched memory would be one page of zeros.
  for (int64_t i = 0; i < part * threads; ++i) {
    data[i] = Vector{} + float(i);
  }
  double flops = 2.0 * kLanes * kChains * kSteps;
  double bytes = double(part) * threads * sizeof(Vector);
  std::vector<double> fma[2], bandwidth[2];
  for (int sample = 0; sample < samples; ++sample) {
    for (bool all : {false, true}) {
      int used = all ? threads : 1;
      double seconds = secondsOf(used, [](int) { multiplyAdd(); });
      fma[all].push_back(flops * used / seconds * 1e-9);
      seconds = secondsOf(used, [&](int thread) {
        int64_t count = part * threads / used;
        read(data + thread * count, count);
      });
      bandwidth[all].push_back(bytes / seconds * 1e-9);
    }
  }
  std::printf("{\n  \"threads\": %d,\n  \"read_mib\": %ld,\n  \"lanes\": %d,\n",
              threads, long(mebibytes), kLanes);
  print("fma_gflops_one", fma[0], ",");
  print("fma_gflops_all", fma[1], ",");
  print("read_gbs_one", bandwidth[0], ",");
  print("read_gbs_all", bandwidth[1], "");
  std::printf("}\n");
  std::free(memory);
  return 0;
}
