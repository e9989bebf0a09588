//===- Peaks.cpp - What this CPU can do: f32 FMA and memory reads ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// usage: cpu-peaks THREADS MIB SAMPLES
// Prints JSON: GFLOP/s of f32 multiply-adds and, where there are such
// instructions, of pairs of bf16 and of AMX tiles in registers; GB/s of reading
// MIB of memory in order, and in blocks of 4 KiB at random places: on one
// thread and on THREADS, SAMPLES times each.
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#if defined(__AVX512BF16__) || defined(__AMX_BF16__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
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

#if defined(__AVX512BF16__)
static void multiplyPairs() {
  __m512 sum[kChains];
  __m512bh factor = (__m512bh)_mm512_set1_epi16(0x3f7f);
  for (__m512 &chain : sum) {
    chain = _mm512_set1_ps(1e-3f);
  }
  for (__m512 &chain : sum) {
    asm volatile("" : "+v"(chain)); // or equal chains would become one
  }
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kChains; ++chain) {
      sum[chain] = _mm512_dpbf16_ps(sum[chain], factor, factor);
    }
  }
  for (__m512 &chain : sum) {
    asm volatile("" : "+v"(chain));
  }
}
#endif

#if defined(__AMX_BF16__) && defined(__linux__)
#define HAS_TILES
static constexpr int64_t kTileSteps = 1 << 20;
/// Of one product: 16 x 16 sums of 32 pairs' products.
static constexpr double kTileFlops = 2.0 * 16 * 16 * 32;

/// Linux gives tiles to a process that asks for them.
static bool mayUseTiles() {
  constexpr int kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

static void multiplyTiles() {
  // Palette 1: eight tiles of 16 rows of 64 bytes.
  struct alignas(64) {
    uint8_t palette = 1, startRow = 0, reserved[14] = {};
    uint16_t bytes[16];
    uint8_t rows[16];
  } config;
  std::fill_n(config.bytes, 16, uint16_t(0));
  std::fill_n(config.rows, 16, uint8_t(0));
  std::fill_n(config.bytes, 8, uint16_t(64));
  std::fill_n(config.rows, 8, uint8_t(16));
  // GCC's intrinsic says that it reads eight bytes; all are to be written.
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t step = 0; step < kTileSteps; ++step) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}
#endif

/// Reads blocks of 4 KiB in the order of `blocks`; each line is fetched 16 KiB
/// ahead into the second level, as no hardware foresees a random order.
static constexpr int64_t kBlock = 4096, kAhead = 4;
static void readBlocks(const Vector *data, const uint32_t *blocks,
                       int64_t count) {
  constexpr int64_t vectors = kBlock / int64_t(sizeof(Vector));
  constexpr int64_t perLine = 64 / int64_t(sizeof(Vector));
  Vector sum[4] = {};
  for (int64_t i = 0; i < count; ++i) {
    const Vector *from = data + blocks[i] * vectors;
    const Vector *next =
        data + blocks[std::min(i + kAhead, count - 1)] * vectors;
    for (int64_t j = 0; j < vectors; j += 4) {
      for (int64_t k = 0; k < 4; k += perLine) {
        __builtin_prefetch(next + j + k, 0, 2);
      }
#pragma GCC unroll 4
      for (int stream = 0; stream < 4; ++stream) {
        sum[stream] += from[j + stream];
      }
    }
  }
  for (Vector &stream : sum) {
    keep(stream);
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
  // Whole large pages: advice for a part of one would be refused.
  constexpr size_t largePage = size_t(2) << 20;
  size_t whole =
      ((size_t(mebibytes) << 20) + largePage - 1) / largePage * largePage;
  void *memory = std::aligned_alloc(largePage, whole);
  if (!memory) {
    std::fprintf(stderr, "cpu-peaks: not enough memory for %ld MiB\n",
                 long(mebibytes));
    return 2;
  }
#if defined(__linux__)
  // Caches of this size lie in large pages where Linux gives them.
  madvise(memory, whole, MADV_HUGEPAGE);
#endif
  auto *data = static_cast<Vector *>(memory);
  // Untouched memory would be one page of zeros.
  for (int64_t i = 0; i < part * threads; ++i) {
    data[i] = Vector{} + float(i);
  }
  double flops = 2.0 * kLanes * kChains * kSteps;
  double bytes = double(part) * threads * sizeof(Vector);
  std::vector<double> fma[2], dots[2], tiles[2], bandwidth[2], pages[2];
  std::vector<uint32_t> blocks(part * threads * sizeof(Vector) / kBlock);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(1));
#ifdef HAS_TILES
  bool hasTiles = mayUseTiles(); // threads inherit it
#endif
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
      int64_t share = int64_t(blocks.size()) / used;
      seconds = secondsOf(used, [&](int thread) {
        readBlocks(data, blocks.data() + thread * share, share);
      });
      pages[all].push_back(double(share * used * kBlock) / seconds * 1e-9);
#if defined(__AVX512BF16__)
      seconds = secondsOf(used, [](int) { multiplyPairs(); });
      dots[all].push_back(2 * flops * used / seconds * 1e-9);
#endif
#ifdef HAS_TILES
      if (hasTiles) {
        seconds = secondsOf(used, [](int) { multiplyTiles(); });
        tiles[all].push_back(4 * kTileFlops * kTileSteps * used / seconds *
                             1e-9);
      }
#endif
    }
  }
  std::printf("{\n  \"threads\": %d,\n  \"read_mib\": %ld,\n  \"lanes\": %d,\n",
              threads, long(mebibytes), kLanes);
  print("fma_gflops_one", fma[0], ",");
  print("fma_gflops_all", fma[1], ",");
  if (!dots[0].empty()) {
    print("dot_bf16_gflops_one", dots[0], ",");
    print("dot_bf16_gflops_all", dots[1], ",");
  }
  if (!tiles[0].empty()) {
    print("amx_bf16_gflops_one", tiles[0], ",");
    print("amx_bf16_gflops_all", tiles[1], ",");
  }
  print("pages_gbs_one", pages[0], ",");
  print("pages_gbs_all", pages[1], ",");
  print("read_gbs_one", bandwidth[0], ",");
  print("read_gbs_all", bandwidth[1], "");
  std::printf("}\n");
  std::free(memory);
  return 0;
}
