//===- Ceilings.cpp - What this CPU can do in bf16, and from random pages -===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// usage: cpu-ceilings THREADS MIB SAMPLES
// Prints JSON, on one thread and on THREADS, SAMPLES times each:
//   dot_bf16_gflops  AVX-512 dot products of pairs, in registers
//   amx_bf16_gflops  products of AMX tiles, in registers
//   random_pages_gbs reads of blocks of 4 KiB of MIB of memory in random order
// What the CPU has no instruction for is left out. The program is built for the
// machine it runs on, as cpu-peaks is.
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
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

/// Seconds that `work(0) .. work(threads - 1)` take side by side; threads wait
/// for each other before they start.
static double secondsOf(int threads, const std::function<void(int)> &work) {
  std::atomic<int> waiting{threads};
  std::atomic<bool> go{false};
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) {
    others.emplace_back([&, i] {
      --waiting;
      while (!go) {
        std::this_thread::yield();
      }
      work(i);
    });
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

#if defined(__AVX512BF16__)
static constexpr int64_t kDots = 2 << 20;
// Latency times throughput is 5 to 12; zeros cost what other numbers do.
static constexpr int kChains = 12;

static void multiplyPairs(int) {
  __m512 sum[kChains];
  __m512i bits = _mm512_setzero_si512();
  asm volatile("" : "+v"(bits));
  auto pairs = (__m512bh)bits;
  for (__m512 &chain : sum) {
    chain = _mm512_setzero_ps();
  }
  for (int64_t i = 0; i < kDots; ++i) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kChains; ++chain) {
      sum[chain] = _mm512_dpbf16_ps(sum[chain], pairs, pairs);
    }
    asm volatile("" : "+v"(bits)); // the loop stays
  }
  for (__m512 &chain : sum) {
    asm volatile("" : "+v"(chain));
  }
}
#endif

#if defined(__AMX_BF16__) && defined(__linux__)
#define HAS_TILES
static constexpr int64_t kTiles = 1 << 20;

/// Linux gives tiles to a process that asks for them.
static bool mayUseTiles() {
  constexpr int kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

static void multiplyTiles(int) {
  // Palette 1: eight tiles of 16 rows of 64 bytes.
  struct alignas(64) {
    uint8_t palette = 1, startRow = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t i = 0; i < kTiles; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}
#endif

static constexpr int64_t kBlock = 4096;

/// Sums `count` blocks in the order that `order` gives; the next one is asked
/// for while one is read.
static void readBlocks(const char *data, const uint32_t *order, int64_t count) {
  typedef int64_t Vector __attribute__((vector_size(64)));
  Vector sum[4] = {};
  for (int64_t i = 0; i < count; ++i) {
    const char *next = data + kBlock * order[i + 1 < count ? i + 1 : i];
    auto *block =
        reinterpret_cast<const Vector *>(data + kBlock * int64_t(order[i]));
    for (int64_t line = 0; line < kBlock / 64; line += 4) {
#pragma GCC unroll 4
      for (int stream = 0; stream < 4; ++stream) {
        __builtin_prefetch(next + 64 * (line + stream));
        sum[stream] += block[line + stream];
      }
    }
  }
  for (Vector &stream : sum) {
    asm volatile("" : "+m"(stream));
  }
}

static void print(const std::string &name, const std::vector<double> &values) {
  std::printf(",\n  \"%s\": [", name.c_str());
  for (size_t i = 0; i < values.size(); ++i) {
    std::printf("%s%.3f", i ? ", " : "", values[i]);
  }
  std::printf("]");
}

/// `amount` is the work of one thread, in 1e9 of what is counted.
static void measure(const std::string &name, int threads, int samples,
                    const std::function<double(int)> &amountOf,
                    const std::function<void(int, int)> &work) {
  std::vector<double> found[2];
  for (int sample = 0; sample < samples; ++sample) {
    for (bool all : {false, true}) {
      int used = all ? threads : 1;
      double seconds = secondsOf(used, [&](int i) { work(i, used); });
      found[all].push_back(amountOf(used) * used / seconds);
    }
  }
  print(name + "_one", found[0]);
  print(name + "_all", found[1]);
}

int main(int argc, char **argv) {
  int threads = argc == 4 ? std::atoi(argv[1]) : 0;
  int64_t mebibytes = argc == 4 ? std::atoll(argv[2]) : 0;
  int samples = argc == 4 ? std::atoi(argv[3]) : 0;
  if (threads < 1 || threads > 4096 || mebibytes < 1 || mebibytes > 65536 ||
      samples < 1 || samples > 1000) {
    std::fprintf(stderr, "cpu-ceilings: expects THREADS MIB SAMPLES\n");
    return 2;
  }
  int64_t blocks = (mebibytes << 20) / kBlock;
  void *memory = std::aligned_alloc(kBlock, blocks * kBlock);
  if (!memory) {
    std::fprintf(stderr, "cpu-ceilings: not enough memory for %ld MiB\n",
                 long(mebibytes));
    return 2;
  }
#if defined(__linux__)
  // Caches of this size lie in large pages where Linux gives them.
  madvise(memory, size_t(blocks * kBlock), MADV_HUGEPAGE);
#endif
  std::memset(memory, 1, blocks * kBlock); // untouched it is one page of zeros
  std::vector<uint32_t> order(blocks);
  for (int64_t i = 0; i < blocks; ++i) {
    order[i] = uint32_t(i);
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(1));

  std::printf("{\n  \"threads\": %d", threads);
#if defined(__AVX512BF16__)
  measure(
      "dot_bf16_gflops", threads, samples,
      [](int) { return 64.0 * kChains * kDots * 1e-9; },
      [](int i, int) { multiplyPairs(i); });
#endif
#ifdef HAS_TILES
  if (mayUseTiles()) {
    measure(
        "amx_bf16_gflops", threads, samples,
        [](int) { return 4.0 * 2 * 16 * 16 * 32 * kTiles * 1e-9; },
        [](int i, int) { multiplyTiles(i); });
  }
#endif
  measure(
      "random_pages_gbs", threads, samples,
      [&](int used) { return double(blocks / used * kBlock) * 1e-9; },
      [&](int i, int used) {
        int64_t part = blocks / used;
        readBlocks(static_cast<const char *>(memory), order.data() + part * i,
                   part);
      });
  std::printf("\n}\n");
  std::free(memory);
  return 0;
}
