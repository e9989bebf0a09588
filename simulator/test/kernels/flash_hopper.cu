// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Forward attention for sm_90a in one pass over the keys, after
// FlashAttention-3 (Shah et al., arXiv 2407.08608): a warpgroup that only
// copies, by TMA, feeds two that multiply, by wgmma. Each of those has 64 query
// rows. The scores of a tile are computed while the weights of the tile before
// meet their values.
//
// Launch:
//   grid     (rows / 128 rounded up, heads)
//   block    384: a producer and two consumers of 128 threads each
//   shared   98376 bytes, dynamic: 12 panels and 9 mbarriers
//   arguments in this order:
//     q, k, v  tensor maps of bf16: dims {128, length, heads}, strides {256,
//              256 * length} bytes, box {64, 64, 1}, SWIZZLE_128B, fill zero
//     o        tensor map of f32: dims {128, length, heads}, strides {512,
//              512 * length} bytes, box {32, 64, 1}, SWIZZLE_128B
//     length   s32, of queries and keys, at least 1
//     scale    f32, of the scores, above 0
//     isCausal s32: row i sees the keys 0 to i only
//
// Everything in shared memory is made of panels: 64 rows of 128 bytes, what one
// box of any of the maps holds. Chunk c (of 16 bytes) of row r lies at
// c ^ (r % 8). A tile of 64 rows of bf16 is two panels, of f32 four.
//
//   panel 0   1   2   3   4   5   6   7   8   9   10  11
//         Q of 0  Q of 1  K, 0    K, 1    V, 0    V, 1     (consumer, stage)
//                         O of 0          O of 1           (when all is done)

#include "softmax.cuh"

#include <math.h>
#include <stdint.h>

// What the driver calls CUtensorMap, without its header.
struct alignas(64) TensorMap {
  char bytes[128];
};

namespace {

constexpr int kRows = 64;      // of a panel: queries, or keys of a tile
constexpr int kChannels = 128; // of a head
constexpr int kStages = 2;     // of either ring
constexpr uint32_t kPanelBytes = kRows * 128;
constexpr uint32_t kTileBytes = 2 * kPanelBytes; // of bf16
constexpr int kGroupThreads = 128;
constexpr int kConsumers = 2;
constexpr int kThreads = (1 + kConsumers) * kGroupThreads;
constexpr int kConsumerWarps = kConsumers * kGroupThreads / 32;
constexpr float kLog2E = 1.44269504f;

// Of 168 registers per thread at the start: 128 * 40 + 256 * 232 = 384 * 168.
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;

//===----------------------------------------------------------------------===//
// Threads and barriers
//===----------------------------------------------------------------------===//

template <int count> __device__ void giveRegistersBack() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}

template <int count> __device__ void takeRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}

/// True in one lane of the warp.
__device__ bool isElected() {
  uint32_t is;
  asm volatile("{\n\t"
               ".reg .pred p;\n\t"
               "elect.sync _|p, 0xffffffff;\n\t"
               "selp.u32 %0, 1, 0, p;\n\t"
               "}"
               : "=r"(is));
  return is != 0;
}

/// Meets the threads that name the same barrier (1 to 15; 0 is of the CTA).
__device__ void meet(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

__device__ void initBarrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier),
               "r"(arrivals)
               : "memory");
}

/// Makes initialised barriers known to whoever completes their phases.
__device__ void fenceInit() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier)
               : "memory");
}

/// Arrives; the phase takes these bytes as well.
__device__ void arriveAndExpect(uint32_t barrier, uint32_t bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
      "r"(bytes)
      : "memory");
}

/// Whether the phase of this parity is complete, after some time at most.
__device__ bool tryWait(uint32_t barrier, uint32_t parity) {
  uint32_t is;
  asm volatile("{\n\t"
               ".reg .pred p;\n\t"
               "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n\t"
               "selp.u32 %0, 1, 0, p;\n\t"
               "}"
               : "=r"(is)
               : "r"(barrier), "r"(parity)
               : "memory");
  return is != 0;
}

__device__ void wait(uint32_t barrier, uint32_t parity) {
  while (!tryWait(barrier, parity)) {
  }
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// Fills a panel; rows behind the last one become zero, and count as bytes.
__device__ void loadPanel(uint32_t panel, const TensorMap &map, int channel,
                          int token, int head, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::"
      "complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(panel),
      "l"(&map), "r"(channel), "r"(token), "r"(head), "r"(barrier)
      : "memory");
}

/// Rows behind the last one are left out.
__device__ void storePanel(const TensorMap &map, int channel, int token,
                           int head, uint32_t panel) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group "
               "[%0, {%1, %2, %3}], [%4];" ::"l"(&map),
               "r"(channel), "r"(token), "r"(head), "r"(panel)
               : "memory");
}

/// Until the panels of the thread's stores have been read.
__device__ void finishStores() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
  asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

/// Lets copies see what the thread has stored in shared memory.
__device__ void fenceForCopies() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ void storePair(uint32_t at, float x, float y) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(at), "f"(x), "f"(y)
               : "memory");
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Where wgmma finds an operand in panels. Units of 16 bytes; 1 in the highest
/// two bits is the swizzle of 128 bytes.
__device__ uint64_t describe(uint32_t start, uint32_t leading,
                             uint32_t stride) {
  return uint64_t((start & 0x3ffff) >> 4) | uint64_t(leading >> 4) << 16 |
         uint64_t(stride >> 4) << 32 | uint64_t(1) << 62;
}

/// Step k (of 16 channels) of rows whose channels lie side by side. Eight rows
/// are 1024 bytes apart; the leading distance has no meaning here.
__device__ uint64_t describeRows(uint32_t tile, int k) {
  return describe(tile + k / 4 * kPanelBytes + k % 4 * 32, 16, 1024);
}

/// Step k (of 16 keys) of values, where the keys are what is summed over: 64
/// channels on is the next panel, eight keys on are 1024 bytes.
__device__ uint64_t describeValues(uint32_t tile, int k) {
  return describe(tile + k * 16 * 128, kPanelBytes, 1024);
}

/// Before products that take registers which were written since the last ones.
__device__ void fenceProducts() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ void commitProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/// Until at most so many groups are in flight.
template <int groups> __device__ void waitForProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(groups) : "memory");
}

/// Nothing that uses these registers moves over this place, where products have
/// just been waited for: the compiler does not know that they were in flight.
template <int count> __device__ void settle(float (&x)[count][4]) {
#pragma unroll
  for (int n = 0; n < count; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      asm volatile("" : "+f"(x[n][i])::"memory");
    }
  }
}

#define ACCUMULATORS(x) "+f"(x[0]), "+f"(x[1]), "+f"(x[2]), "+f"(x[3])

/// s = or += rows of Q times rows of K, 16 channels of both.
__device__ void multiplyScores(float (&s)[8][4], uint64_t q, uint64_t k,
                               bool isAdded) {
  asm volatile("{\n\t"
               ".reg .pred p;\n\t"
               "setp.ne.b32 p, %34, 0;\n\t"
               "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, "
               "%8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, "
               "%24, %25, %26, %27, %28, %29, %30, %31}, "
               "%32, %33, p, 1, 1, 0, 0;\n\t"
               "}"
               : ACCUMULATORS(s[0]), ACCUMULATORS(s[1]), ACCUMULATORS(s[2]),
                 ACCUMULATORS(s[3]), ACCUMULATORS(s[4]), ACCUMULATORS(s[5]),
                 ACCUMULATORS(s[6]), ACCUMULATORS(s[7])
               : "l"(q), "l"(k), "r"(int(isAdded)));
}

/// o += weights times V, 16 keys of both; V as it lies, keys in rows.
__device__ void multiplyValues(float (&o)[16][4], const uint32_t (&weights)[4],
                               uint64_t v) {
  asm volatile("{\n\t"
               ".reg .pred p;\n\t"
               "setp.ne.b32 p, %69, 0;\n\t"
               "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, "
               "%8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, "
               "%24, %25, %26, %27, %28, %29, %30, %31, "
               "%32, %33, %34, %35, %36, %37, %38, %39, "
               "%40, %41, %42, %43, %44, %45, %46, %47, "
               "%48, %49, %50, %51, %52, %53, %54, %55, "
               "%56, %57, %58, %59, %60, %61, %62, %63}, "
               "{%64, %65, %66, %67}, %68, p, 1, 1, 1;\n\t"
               "}"
               : ACCUMULATORS(o[0]), ACCUMULATORS(o[1]), ACCUMULATORS(o[2]),
                 ACCUMULATORS(o[3]), ACCUMULATORS(o[4]), ACCUMULATORS(o[5]),
                 ACCUMULATORS(o[6]), ACCUMULATORS(o[7]), ACCUMULATORS(o[8]),
                 ACCUMULATORS(o[9]), ACCUMULATORS(o[10]), ACCUMULATORS(o[11]),
                 ACCUMULATORS(o[12]), ACCUMULATORS(o[13]), ACCUMULATORS(o[14]),
                 ACCUMULATORS(o[15])
               : "r"(weights[0]), "r"(weights[1]), "r"(weights[2]),
                 "r"(weights[3]), "l"(v), "r"(1));
}

/// The scores of a tile, as a group of products in flight.
__device__ void startScores(float (&s)[8][4], uint32_t q, uint32_t k) {
#pragma unroll
  for (int step = 0; step < kChannels / 16; ++step) {
    multiplyScores(s, describeRows(q, step), describeRows(k, step), step != 0);
  }
  commitProducts();
}

/// What a tile adds to the output, as a group of products in flight.
__device__ void startOutput(float (&o)[16][4], const uint32_t (&weights)[4][4],
                            uint32_t v) {
#pragma unroll
  for (int step = 0; step < kRows / 16; ++step) {
    multiplyValues(o, weights[step], describeValues(v, step));
  }
  commitProducts();
}

//===----------------------------------------------------------------------===//
// Softmax
//
// A lane has two rows, eight apart: element i of an accumulator is of row i / 2
// and of channel (or key) lane % 4 * 2 + i % 2 of the eight.
//===----------------------------------------------------------------------===//

/// Which keys a lane's rows see.
struct Sight {
  int firstRow; // of the consumer
  int row;      // the first of the lane
  int length;
  int isCausal;

  /// Keys that a row must not see count for nothing.
  __device__ void hide(float (&s)[8][4], int firstKey) const {
    int lastKey = firstKey + kRows - 1;
    if (lastKey < length && (!isCausal || lastKey <= firstRow)) {
      return;
    }
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        int key = firstKey + n * 8 + threadIdx.x % 4 * 2 + i % 2;
        bool isIn = key < length && (!isCausal || key <= row + i / 2 * 8);
        s[n][i] = isIn ? s[n][i] : -INFINITY;
      }
    }
  }
};

struct Rows {
  float most[2] = {-INFINITY, -INFINITY}; // the largest score
  float sum[2] = {0, 0};                  // of the weights that the lane has
};

/// Turns scores into weights, relative to the largest score so far, and says
/// what to multiply with what was relative to the largest one before. Each row
/// has a key in the first tile: the largest score is finite.
__device__ void weigh(float (&s)[8][4], Rows &rows, float scale2,
                      float (&correction)[2]) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float most = rows.most[h];
#pragma unroll
    for (int n = 0; n < 8; ++n) {
      most = larger(most, larger(s[n][2 * h], s[n][2 * h + 1]));
    }
    most = largestOfRow(most);
    correction[h] = exp2Approx((rows.most[h] - most) * scale2);
    rows.most[h] = most;
    rows.sum[h] *= correction[h];
    float from = most * scale2;
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 2 * h; i < 2 * h + 2; ++i) {
        s[n][i] = exp2Approx(s[n][i] * scale2 - from);
        rows.sum[h] += s[n][i];
      }
    }
  }
}

/// Two accumulators side by side are an operand of 16 keys.
__device__ void packWeights(uint32_t (&weights)[4][4], const float (&s)[8][4]) {
#pragma unroll
  for (int step = 0; step < 4; ++step) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float (&from)[4] = s[2 * step + i / 2];
      weights[step][i] = pack(from[i % 2 * 2], from[i % 2 * 2 + 1]);
    }
  }
}

__device__ void multiplyRows(float (&o)[16][4], const float (&factor)[2]) {
#pragma unroll
  for (int n = 0; n < 16; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      o[n][i] *= factor[i / 2];
    }
  }
}

//===----------------------------------------------------------------------===//
// Roles
//===----------------------------------------------------------------------===//

/// Tiles on their way from the producer to the consumers. Tile j is in stage
/// j % kStages, in the (j / kStages)-th phase of that stage's barriers.
struct Ring {
  uint32_t tiles, barriers;

  __device__ uint32_t tile(int j) const {
    return tiles + j % kStages * kTileBytes;
  }
  __device__ uint32_t full(int j) const { return barriers + j % kStages * 8; }
  __device__ uint32_t empty(int j) const {
    return barriers + (kStages + j % kStages) * 8;
  }

  __device__ void init() const {
    for (int stage = 0; stage < kStages; ++stage) {
      initBarrier(full(stage), 1);
      initBarrier(empty(stage), kConsumerWarps);
    }
  }

  /// The phase before the first counts as complete: parity 1.
  __device__ void fill(int j, const TensorMap &map, int head) const {
    wait(empty(j), (j / kStages + 1) % 2);
    arriveAndExpect(full(j), kTileBytes);
    loadPanel(tile(j), map, 0, j * kRows, head, full(j));
    loadPanel(tile(j) + kPanelBytes, map, 64, j * kRows, head, full(j));
  }

  __device__ void waitFor(int j) const { wait(full(j), j / kStages % 2); }

  /// The caller's warp has read the tile: its products are waited for.
  __device__ void release(int j) const {
    if (threadIdx.x % 32 == 0) {
      arrive(empty(j));
    }
  }
};

/// Writes what the consumer has to its four panels, and from there to memory.
__device__ void storeOutput(const float (&o)[16][4], const TensorMap &map,
                            uint32_t panels, int consumer, int firstRow,
                            int head) {
  int warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < 16; ++n) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      // A panel has 32 channels, that is four times eight.
      int row = warp * 16 + lane / 4 + 8 * h;
      int chunk = n % 4 * 2 + lane % 4 / 2;
      uint32_t at = panels + n / 4 * kPanelBytes + row * 128 +
                    ((chunk ^ row % 8) << 4) + lane % 2 * 8;
      storePair(at, o[n][2 * h], o[n][2 * h + 1]);
    }
  }
  fenceForCopies();
  meet(2 + consumer, kGroupThreads);
  if (warp == 0 && isElected()) {
    for (int panel = 0; panel < 4; ++panel) {
      storePanel(map, panel * 32, firstRow, head, panels + panel * kPanelBytes);
    }
    finishStores();
  }
}

} // namespace

extern "C" __global__ void __launch_bounds__(kThreads, 1)
    flash_hopper(const __grid_constant__ TensorMap q,
                 const __grid_constant__ TensorMap k,
                 const __grid_constant__ TensorMap v,
                 const __grid_constant__ TensorMap o, int length, float scale,
                 int isCausal) {
  extern __shared__ __align__(1024) unsigned char memory[];
  uint32_t tileQ = uint32_t(__cvta_generic_to_shared(memory));
  uint32_t tileK = tileQ + kConsumers * kTileBytes;
  uint32_t tileV = tileK + kStages * kTileBytes;
  uint32_t fullQ = tileV + kStages * kTileBytes;
  Ring ringK = {tileK, fullQ + 8}, ringV = {tileV, fullQ + 8 + kStages * 16};

  int group = threadIdx.x / kGroupThreads, head = blockIdx.y;
  int firstRow = blockIdx.x * kConsumers * kRows;
  int numTiles = (length + kRows - 1) / kRows;
  int numTilesSeen = (blockIdx.x + 1) * kConsumers;
  if (isCausal && numTilesSeen < numTiles) {
    numTiles = numTilesSeen;
  }
  if (threadIdx.x == 0) {
    initBarrier(fullQ, 1);
    ringK.init();
    ringV.init();
    fenceInit();
  }
  __syncthreads();

  if (group == 0) {
    giveRegistersBack<kProducerRegisters>();
    if (threadIdx.x / 32 == 0 && isElected()) {
      arriveAndExpect(fullQ, kConsumers * kTileBytes);
      for (int panel = 0; panel < kConsumers * 2; ++panel) {
        loadPanel(tileQ + panel * kPanelBytes, q, panel % 2 * 64,
                  firstRow + panel / 2 * kRows, head, fullQ);
      }
      // In the order in which the consumers need them.
      ringK.fill(0, k, head);
      for (int j = 0; j < numTiles; ++j) {
        if (j + 1 < numTiles) {
          ringK.fill(j + 1, k, head);
        }
        ringV.fill(j, v, head);
      }
    }
    return;
  }

  takeRegisters<kConsumerRegisters>();
  int consumer = group - 1;
  firstRow += consumer * kRows;
  tileQ += consumer * kTileBytes;
  int row = firstRow + threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4;
  Sight sight = {firstRow, row, length, isCausal};

  Rows rows;
  float s[8][4] = {}, out[16][4] = {}, correction[2];
  uint32_t weights[4][4];
  float scale2 = scale * kLog2E;
  wait(fullQ, 0);
  ringK.waitFor(0);
  fenceProducts();
  startScores(s, tileQ, ringK.tile(0));
  waitForProducts<0>();
  settle(s);
  ringK.release(0);
  sight.hide(s, 0);
  weigh(s, rows, scale2, correction);
  packWeights(weights, s);
  for (int j = 1; j < numTiles; ++j) {
    // The scores of this tile, and what the one before adds to the output.
    ringK.waitFor(j);
    ringV.waitFor(j - 1);
    fenceProducts();
    startScores(s, tileQ, ringK.tile(j));
    startOutput(out, weights, ringV.tile(j - 1));
    waitForProducts<1>();
    settle(s);
    ringK.release(j);
    sight.hide(s, j * kRows);
    weigh(s, rows, scale2, correction);
    waitForProducts<0>();
    settle(out);
    ringV.release(j - 1);
    multiplyRows(out, correction);
    packWeights(weights, s);
  }
  ringV.waitFor(numTiles - 1);
  fenceProducts();
  startOutput(out, weights, ringV.tile(numTiles - 1));
  waitForProducts<0>();
  settle(out);

  float factor[2] = {1 / sumOfRow(rows.sum[0]), 1 / sumOfRow(rows.sum[1])};
  multiplyRows(out, factor);
  // The output goes where keys and values were: nobody must need them any more.
  meet(1, kConsumers * kGroupThreads);
  storeOutput(out, o, tileK + consumer * 2 * kTileBytes, consumer, firstRow,
              head);
}
