//===- ClusterWalk.cpp - CTAs of a cluster move words at random -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ClusterWalk.h"

#include <algorithm>
#include <numeric>

using namespace ptxsim;
using namespace ptxsim::test;

static std::string str(uint64_t value) { return std::to_string(value); }

ClusterWalk::ClusterWalk(uint32_t seed, Dim3 shape)
    : shape(shape), random(seed), size(uint32_t(shape.count())) {
  words.assign(kClusters, std::vector<std::vector<uint32_t>>(size));
  out = words;
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t r = 0; r < size; ++r) {
      for (uint32_t i = 0; i < kWords; ++i) {
        words[c][r].push_back(c * 1'000'000 + r * 10'000 + i);
      }
    }
  }
  for (uint32_t i = 0; i < kInput; ++i) {
    input.push_back(uint32_t(random()));
  }
}

void ClusterWalk::look(const std::string &reg,
                       const std::vector<uint32_t> &ofRank) {
  body +=
      "  ld.global.u32 " + reg + ", [%row+" + str(4 * table.size()) + "];\n";
  table.insert(table.end(), ofRank.begin(), ofRank.end());
}

void ClusterWalk::mapTarget() {
  body += "  mov.u32 %v1, area;\n"
          "  mapa.shared::cluster.u32 %v1, %v1, %v0;\n"
          "  mapa.u64 %x1, %area, %v0;\n";
}

std::vector<uint32_t> ClusterWalk::permutation() {
  std::vector<uint32_t> list(size);
  std::iota(list.begin(), list.end(), 0);
  std::shuffle(list.begin(), list.end(), random);
  return list;
}

void ClusterWalk::store() {
  std::vector<uint32_t> to = permutation();
  uint32_t per = 1 << draw(0, 2), base = draw(0, (kWords - 64 * per) / 4) * 4;
  std::string type = per == 1 ? "u32" : per == 2 ? "v2.u32" : "v4.u32";
  bool isGeneric = draw(0, 1);
  look("%v0", to);
  mapTarget();
  body += "  mad.lo.u32 %v4, %cluster, 1000000, " + str(numSteps * 64) +
          ";\n  mad.lo.u32 %v4, %rank, 10000, %v4;\n"
          "  add.u32 %v4, %v4, %thread;\n  add.u32 %v5, %v4, 1;\n"
          "  add.u32 %v6, %v4, 2;\n  add.u32 %v7, %v4, 3;\n"
          "  mul.lo.u32 %v2, %thread, " +
          str(4 * per) +
          ";\n  add.u32 %v1, %v1, %v2;\n  cvt.u64.u32 %x2, %v2;\n"
          "  add.u64 %x1, %x1, %x2;\n";
  std::string values = per == 1   ? "%v4"
                       : per == 2 ? "{%v4, %v5}"
                                  : "{%v4, %v5, %v6, %v7}";
  body += (isGeneric ? "  st." + type + " [%x1+"
                     : "  st.shared::cluster." + type + " [%v1+") +
          str(4 * base) + "], " + values + ";\n";
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t r = 0; r < size; ++r) {
      for (uint32_t i = 0; i < kThreads * per; ++i) {
        words[c][to[r]][base + i] =
            c * 1'000'000 + r * 10'000 + numSteps * 64 + i / per + i % per;
      }
    }
  }
}

void ClusterWalk::load() {
  std::vector<uint32_t> from(size);
  for (uint32_t &rank : from) {
    rank = draw(0, size - 1);
  }
  uint32_t base = draw(0, kWords - 64);
  bool isGeneric = draw(0, 1);
  look("%v0", from);
  mapTarget();
  body += "  shl.b32 %v2, %thread, 2;\n  add.u32 %v1, %v1, %v2;\n"
          "  cvt.u64.u32 %x2, %v2;\n  add.u64 %x1, %x1, %x2;\n"
          "  add.u64 %x2, %out, %x2;\n";
  body += (isGeneric ? "  ld.u32 %v4, [%x1+"
                     : "  ld.shared::cluster.u32 %v4, [%v1+") +
          str(4 * base) + "];\n  st.global.u32 [%x2+" +
          str(4 * out[0][0].size()) + "], %v4;\n";
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t r = 0; r < size; ++r) {
      const std::vector<uint32_t> &source = words[c][from[r]];
      out[c][r].insert(out[c][r].end(), source.begin() + base,
                       source.begin() + base + 64);
    }
  }
}

void ClusterWalk::atomic() {
  std::vector<uint32_t> to(size);
  for (uint32_t &rank : to) {
    rank = draw(0, size - 1);
  }
  // Any number of threads meet at a word.
  uint32_t mask = (1u << draw(0, 6)) - 1, base = draw(0, kWords - 64);
  static const char *const operations[] = {"add.u32", "max.u32", "min.u32",
                                           "xor.b32", "or.b32",  "and.b32"};
  uint32_t operation = draw(0, 5), value = uint32_t(random());
  bool isGeneric = draw(0, 1), returns = draw(0, 1);
  look("%v0", to);
  mapTarget();
  body += "  and.b32 %v2, %thread, " + str(mask) +
          ";\n  shl.b32 %v2, %v2, 2;\n  add.u32 %v1, %v1, %v2;\n"
          "  cvt.u64.u32 %x2, %v2;\n  add.u64 %x1, %x1, %x2;\n"
          "  mad.lo.u32 %v4, %thread, 77777, " +
          str(value) + ";\n  mad.lo.u32 %v4, %rank, 3333333, %v4;\n";
  body += std::string(returns ? "  atom" : "  red") + ".relaxed.cluster" +
          (isGeneric ? "." : ".shared::cluster.") + operations[operation] +
          (returns ? " %v5," : "") + (isGeneric ? " [%x1+" : " [%v1+") +
          str(4 * base) + "], %v4;\n";
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t r = 0; r < size; ++r) {
      for (uint32_t t = 0; t < kThreads; ++t) {
        uint32_t b = t * 77777 + value + r * 3333333;
        uint32_t &a = words[c][to[r]][base + (t & mask)];
        const uint32_t results[] = {a + b, std::max(a, b), std::min(a, b),
                                    a ^ b, a | b,          a & b};
        a = results[operation];
      }
    }
  }
}

void ClusterWalk::expectBytes(const std::vector<uint32_t> &bytes) {
  look("%v3", bytes);
  body += "  @%first mbarrier.arrive.expect_tx.shared.b64 _, [filled], %v3;\n";
}

void ClusterWalk::awaitBytes() {
  std::string label = "fill" + str(labels++);
  body += label + ":\n  mbarrier.try_wait.parity.shared.b64 %q, [filled], " +
          str(numFills++ & 1) + ";\n  @!%q bra " + label + ";\n";
}

/// To another CTA: this copy has no other destinations.
void ClusterWalk::push() {
  if (size == 1) {
    return;
  }
  std::vector<uint32_t> to(size);
  std::iota(to.begin(), to.end(), draw(1, size - 1));
  for (uint32_t &rank : to) {
    rank %= size;
  }
  uint32_t count = 4 * draw(1, 32), from = 4 * draw(0, 32),
           at = 256 + 4 * draw(0, 32);
  if (draw(0, 1)) {
    std::swap(from, at);
  }
  expectBytes(std::vector<uint32_t>(size, 4 * count));
  look("%v0", to);
  mapTarget();
  body += "  mov.u32 %v4, filled;\n"
          "  mapa.shared::cluster.u32 %v4, %v4, %v0;\n"
          "  @%first cp.async.bulk.shared::cluster.shared::cta.mbarrier::"
          "complete_tx::bytes [%v1+" +
          str(4 * at) + "], [area+" + str(4 * from) + "], " + str(4 * count) +
          ", [%v4];\n";
  awaitBytes();
  for (auto &cluster : words) {
    std::vector<std::vector<uint32_t>> before = cluster;
    for (uint32_t r = 0; r < size; ++r) {
      for (uint32_t i = 0; i < count; ++i) {
        cluster[to[r]][at + i] = before[r][from + i];
      }
    }
  }
}

/// Each CTA to some, and to a part of their words that is its own.
void ClusterWalk::multicast() {
  bool isTensor = draw(0, 1);
  uint32_t count = isTensor ? 32 : 4 * draw(1, 8),
           at = 32 * draw(0, kWords / 32 - size);
  std::vector<uint32_t> masks, from, bytes(size);
  for (uint32_t r = 0; r < size; ++r) {
    masks.push_back(draw(1, (1u << size) - 1));
    from.push_back(4 * draw(0, (kInput - count) / 4));
    for (uint32_t to = 0; to < size; ++to) {
      bytes[to] += masks[r] >> to & 1 ? 4 * count : 0;
    }
  }
  expectBytes(bytes);
  look("%v4", masks);
  look("%v5", from);
  body += "  cvt.u16.u32 %mask, %v4;\n  mad.lo.u32 %v6, %rank, 128, %area32;\n"
          "  mad.wide.u32 %x2, %v5, 4, %in;\n  @%first cp.async.bulk" +
          std::string(isTensor ? ".tensor.1d" : "") +
          ".shared::cluster.global.mbarrier::complete_tx::bytes"
          ".multicast::cluster [%v6+" +
          str(4 * at) + "], " +
          (isTensor ? "[%map, {%v5}]" : "[%x2], " + str(4 * count)) +
          ", [filled], %mask;\n";
  awaitBytes();
  for (auto &cluster : words) {
    for (uint32_t r = 0; r < size; ++r) {
      for (uint32_t to = 0; to < size; ++to) {
        for (uint32_t i = 0; (masks[r] >> to & 1) && i < count; ++i) {
          cluster[to][at + 32 * r + i] = input[from[r] + i];
        }
      }
    }
  }
}

void ClusterWalk::drain() {
  uint32_t count = 4 * draw(1, 64), from = 4 * draw(0, (kWords - count) / 4);
  body += "  @%first cp.async.bulk.global.shared::cta.bulk_group [%out+" +
          str(4 * out[0][0].size()) + "], [area+" + str(4 * from) + "], " +
          str(4 * count) +
          ";\n  @%first cp.async.bulk.commit_group;\n"
          "  @%first cp.async.bulk.wait_group" +
          (draw(0, 1) ? ".read" : "") + " 0;\n";
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t r = 0; r < size; ++r) {
      const std::vector<uint32_t> &source = words[c][r];
      out[c][r].insert(out[c][r].end(), source.begin() + from,
                       source.begin() + from + count);
    }
  }
}

/// Behind it, all that was done by any proxy is known to all.
void ClusterWalk::meet() {
  body += "  fence.proxy.async;\n";
  std::string label = "meet" + str(labels++);
  // Of two in turn: who arrives early at the next meeting may find a CTA where
  // not all have arrived for this one.
  std::string met = "met" + str(numMeetings & 1);
  switch (draw(0, 4)) {
  case 0:
    body += "  barrier.cluster.arrive;\n  barrier.cluster.wait;\n";
    return;
  case 1:
    body += "  barrier.cluster.arrive.release.aligned;\n"
            "  barrier.cluster.wait.acquire.aligned;\n";
    return;
  case 2:
    body += "  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait;\n";
    return;
  case 3:
    for (uint32_t r = 0; r < size; ++r) {
      body += "  mov.u32 %v1, " + met +
              ";\n  mapa.shared::cluster.u32 %v1, %v1, " + str(r) +
              ";\n  mbarrier.arrive.release.cluster.shared::cluster.b64 _, "
              "[%v1];\n";
    }
    break;
  case 4:
    body += "  bar.sync 0;\n";
    for (uint32_t r = 0; r < size; ++r) {
      body += "  mov.u32 %v1, " + met +
              ";\n  mapa.shared::cluster.u32 %v1, %v1, " + str(r) +
              ";\n  @%first mbarrier.arrive.release.cluster.shared::cluster"
              ".b64 _, [%v1], " +
              str(kThreads) + ";\n";
    }
    break;
  }
  body += label +
          ":\n  mbarrier.try_wait.parity.acquire.cluster.shared::cta"
          ".b64 %q, [" +
          met + "], " + str(numMeetings++ >> 1 & 1) + ";\n  @!%q bra " + label +
          ";\n";
}

void ClusterWalk::step() {
  static void (ClusterWalk::*const steps[])() = {
      &ClusterWalk::store, &ClusterWalk::load,      &ClusterWalk::atomic,
      &ClusterWalk::push,  &ClusterWalk::multicast, &ClusterWalk::drain};
  ++numSteps;
  (this->*steps[draw(0, 5)])();
  meet();
}

std::string ClusterWalk::text() const {
  return ".version 8.6\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(.param .align 64 .b8 map[128], .param .u64 in, "
         ".param .u64 table, .param .u64 out)\n{\n"
         "  .shared .align 128 .b8 area[" +
         str(4 * kWords) +
         "];\n"
         "  .shared .align 8 .b64 filled;\n  .shared .align 8 .b64 met0;\n"
         "  .shared .align 8 .b64 met1;\n"
         "  .reg .b32 %v<8>, %thread, %rank, %cluster, %area32, %cta;\n"
         "  .reg .b64 %x<4>, %in, %row, %out, %map, %area;\n"
         "  .reg .b16 %mask;\n  .reg .pred %q, %first;\n"
         "  mov.b64 %map, map;\n  cvta.param.u64 %map, %map;\n"
         "  ld.param.u64 %in, [in];\n  ld.param.u64 %row, [table];\n"
         "  ld.param.u64 %out, [out];\n"
         "  mov.u32 %thread, %tid.x;\n  setp.eq.u32 %first, %thread, 0;\n"
         // The second cluster is behind the first along x.
         "  mov.u32 %rank, %cluster_ctarank;\n"
         "  mov.u32 %cluster, %clusterid.x;\n"
         "  mad.wide.u32 %row, %rank, 4, %row;\n"
         "  mad.lo.u32 %cta, %cluster, " +
         str(size) +
         ", %rank;\n"
         "  mad.wide.u32 %out, %cta, " +
         str(4 * wordsOut()) +
         ", %out;\n"
         "  mov.u32 %area32, area;\n  mov.u64 %area, area;\n"
         "  cvta.shared.u64 %area, %area;\n"
         "  @%first mbarrier.init.shared.b64 [filled], 1;\n"
         "  @%first mbarrier.init.shared.b64 [met0], " +
         str(kThreads * size) +
         ";\n  @%first mbarrier.init.shared.b64 [met1], " +
         str(kThreads * size) +
         ";\n  fence.mbarrier_init.release.cluster;\n"
         "  mad.lo.u32 %v0, %cluster, 1000000, %thread;\n"
         "  mad.lo.u32 %v0, %rank, 10000, %v0;\n"
         "  mad.lo.u32 %v1, %thread, 4, %area32;\n  mov.u32 %v2, 0;\n"
         "fill:\n  st.shared.u32 [%v1], %v0;\n"
         "  add.u32 %v0, %v0, " +
         str(kThreads) +
         ";\n"
         "  add.u32 %v1, %v1, " +
         str(4 * kThreads) +
         ";\n"
         "  add.u32 %v2, %v2, " +
         str(kThreads) +
         ";\n"
         "  setp.lt.u32 %q, %v2, " +
         str(kWords) +
         ";\n  @%q bra fill;\n"
         "  fence.proxy.async;\n"
         "  barrier.cluster.arrive;\n  barrier.cluster.wait;\n" +
         body +
         "  mad.lo.u32 %v1, %thread, 4, %area32;\n  mov.u32 %v2, 0;\n"
         "  mad.wide.u32 %out, %thread, 4, %out;\n"
         "dump:\n  ld.shared.u32 %v0, [%v1];\n"
         "  st.global.u32 [%out+" +
         str(4 * out[0][0].size()) +
         "], %v0;\n"
         "  add.u64 %out, %out, " +
         str(4 * kThreads) +
         ";\n"
         "  add.u32 %v1, %v1, " +
         str(4 * kThreads) +
         ";\n"
         "  add.u32 %v2, %v2, " +
         str(kThreads) +
         ";\n"
         "  setp.lt.u32 %q, %v2, " +
         str(kWords) +
         ";\n  @%q bra dump;\n"
         "  ret;\n}\n";
}

std::vector<uint32_t> ClusterWalk::expected() const {
  std::vector<uint32_t> all;
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t r = 0; r < size; ++r) {
      all.insert(all.end(), out[c][r].begin(), out[c][r].end());
      all.insert(all.end(), words[c][r].begin(), words[c][r].end());
    }
  }
  return all;
}
