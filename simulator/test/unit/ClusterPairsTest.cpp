//===- ClusterPairsTest.cpp - Accesses in a cluster and their order -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each pair of accesses to the same bytes, by ld, st and red, by copies out of
// them and into them, is clean, and has a finding where the CTAs do not meet,
// or without the proxy fence, if the rules [8.9, 9.7.9.25.4] ask for it.
//
//===----------------------------------------------------------------------===//
#include "ClusterPairs.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

bool conflict(const ClusterAccess &a, const ClusterAccess &b) {
  return (a.writes() || b.writes()) &&
         !(a.kind == AccessKind::Add && b.kind == AccessKind::Add);
}

/// Whether the second comes behind the first though the CTAs do not meet: in
/// the same thread, whose copies are waited for, or in a CTA that waited for
/// the bytes to be there. Who sends bytes to others does not wait for them.
bool isOrderedAlone(const ClusterAccess &first, const ClusterAccess &second) {
  if (first.kind == AccessKind::Send) {
    return second.rank == 1;
  }
  return first.fills() ? second.rank == 0 : first.isSameThread(second);
}

/// By the generic proxy, and not seen by the other without a fence.
bool needsProxyFence(const ClusterAccess &first, const ClusterAccess &second) {
  return !first.isAsync() && first.writes() && second.isAsync();
}

/// Lazily, and one of five other ways in turn.
std::vector<Options> someOptions(unsigned turn) {
  Options options;
  options.threads = 1;
  options.maxInstructions = 1'000'000;
  Options other = options;
  switch (turn % 5) {
  case 0:
    other.completion = Completion::Eager;
    break;
  case 1:
    other.completion = Completion::Random;
    break;
  case 2:
    other.schedule = Schedule::Random;
    break;
  case 3:
    other.schedule = Schedule::Adversarial;
    break;
  case 4:
    other.schedule = Schedule::Random;
    other.completion = Completion::Random;
    break;
  }
  other.seed = 1 + turn;
  return {options, other};
}

void expectOutcome(const Source &source, bool isClean, unsigned turn) {
  for (const Options &options : someOptions(turn)) {
    Outcome outcome = runPair(source, options);
    ASSERT_EQ(outcome.error, "") << source.text;
    std::string way = nameOf(options.completion) + ", schedule " +
                      std::to_string(unsigned(options.schedule)) + ", seed " +
                      std::to_string(options.seed);
    if (isClean) {
      ASSERT_TRUE(outcome.findings.empty()) << way << outcome.describe() << "\n"
                                            << source.text;
      continue;
    }
    std::vector<uint32_t> lines = {source.line("access1"),
                                   source.line("access2")};
    ASSERT_TRUE(outcome.has(lines, {"races", "async"}))
        << way << ": expects a race, but got: " << outcome.describe() << "\n"
        << source.text;
  }
}

/// Changes the kernel of each pair; then what is expected of it.
template <class Change, class Clean>
void expectPairs(Change change, Clean isClean) {
  unsigned turn = 0;
  for (const ClusterAccess &first : everyAccess()) {
    for (const ClusterAccess &second : everyAccess()) {
      SCOPED_TRACE(first.name() + ", then " + second.name());
      Source source = kernelOf(first, second);
      change(source);
      expectOutcome(source, isClean(first, second), turn++);
      if (testing::Test::HasFailure()) {
        return;
      }
    }
  }
}

bool isOrderedOrFine(const ClusterAccess &first, const ClusterAccess &second) {
  return !conflict(first, second) || isOrderedAlone(first, second);
}

bool always(const ClusterAccess &, const ClusterAccess &) { return true; }

const char *const kMeetAtMbarrier =
    "  mov.u32 %met, met;\n  mapa.shared::cluster.u32 %met, %met, 0;\n"
    "  mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%met]; // @to0\n"
    "  mov.u32 %met, met;\n  mapa.shared::cluster.u32 %met, %met, 1;\n"
    "  mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%met]; // @to1\n"
    "meet:\n"
    "  mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %q, [met], 0; "
    "// @seen\n  @!%q bra meet;";

void meetAtMbarrier(Source &source) {
  source.drop("arrive").replace("wait", kMeetAtMbarrier);
}

void relaxArrivals(Source &source) {
  meetAtMbarrier(source);
  for (const char *to : {"0", "1"}) {
    std::string tail = ".cluster.shared::cluster.b64 _, [%met]; // @to";
    source.swap("arrive.release" + tail + to, "arrive.relaxed" + tail + to);
  }
}

void relaxWait(Source &source) {
  meetAtMbarrier(source);
  source.swap("parity.acquire.cluster", "parity.relaxed.cluster");
}

} // namespace

TEST(ClusterPairsTest, Ordered) {
  expectPairs([](Source &) {}, always);
}

TEST(ClusterPairsTest, NotMet) {
  expectPairs([](Source &source) { source.drop("arrive").drop("wait"); },
              isOrderedOrFine);
}

/// The second of them beside the cell: in the next line for tensors, which must
/// begin there.
TEST(ClusterPairsTest, NotMetAndNotTheSamePlace) {
  expectPairs(
      [](Source &source) {
        source.drop("arrive").drop("wait");
        size_t late = source.text.find("// @late"),
               access = source.text.find("// @access2");
        bool isTensor =
            source.text.substr(late, access - late).find("tensor") !=
            std::string::npos;
        std::string by = isTensor ? "128" : "16";
        source.replace("late", "  add.u32 %cell, %cell, " + by +
                                   ";\n  add.u64 %generic, %generic, " + by +
                                   ";");
        size_t begin = source.text.rfind('\n', source.text.find("// @access2"));
        size_t cell = source.text.find("[cell]", begin);
        if (cell < source.text.find("// @access2")) {
          source.text.replace(cell, 6, "[cell+" + by + "]");
        }
        source.swap("  st.shared.v4.u32 [cell], {1, 2, 3, 4};\n",
                    "  st.shared.v4.u32 [cell], {1, 2, 3, 4};\n"
                    "  st.shared.v4.u32 [cell+16], {1, 2, 3, 4};\n"
                    "  st.shared.v4.u32 [cell+128], {1, 2, 3, 4};\n");
      },
      always);
}

TEST(ClusterPairsTest, NoProxyFence) {
  expectPairs([](Source &source) { source.drop("proxy"); },
              [](const ClusterAccess &first, const ClusterAccess &second) {
                return !needsProxyFence(first, second);
              });
}

TEST(ClusterPairsTest, ProxyFenceOfOtherMemory) {
  expectPairs(
      [](Source &source) {
        source.replace("proxy", "  @%who1 fence.proxy.async.global;");
      },
      [](const ClusterAccess &first, const ClusterAccess &second) {
        return !needsProxyFence(first, second);
      });
}

TEST(ClusterPairsTest, ProxyFenceOfThisMemory) {
  expectPairs(
      [](Source &source) {
        source.replace("proxy", "  @%who1 fence.proxy.async.shared::cluster;");
      },
      always);
}

TEST(ClusterPairsTest, ProxyFenceByTheSecond) {
  expectPairs(
      [](Source &source) {
        source.drop("proxy").replace("late", "  fence.proxy.async;");
      },
      always);
}

TEST(ClusterPairsTest, RelaxedArrival) {
  expectPairs(
      [](Source &source) {
        source.replace("arrive", "  barrier.cluster.arrive.relaxed;");
      },
      isOrderedOrFine);
}

TEST(ClusterPairsTest, RelaxedArrivalBehindAFence) {
  expectPairs(
      [](Source &source) {
        source.replace("arrive", "  fence.acq_rel.cluster;\n"
                                 "  barrier.cluster.arrive.relaxed;");
      },
      always);
}

TEST(ClusterPairsTest, MeetAtMbarriers) { expectPairs(meetAtMbarrier, always); }

TEST(ClusterPairsTest, MeetAtMbarriersRelaxed) {
  expectPairs(relaxArrivals, isOrderedOrFine);
}

TEST(ClusterPairsTest, MeetAtMbarriersAcquireIsRelaxed) {
  expectPairs(relaxWait, isOrderedOrFine);
}

TEST(ClusterPairsTest, MeetAtMbarriersBetweenFences) {
  expectPairs(
      [](Source &source) {
        relaxArrivals(source);
        source.swap("parity.acquire.cluster", "parity.relaxed.cluster");
        source.after("proxy", "  fence.acq_rel.cluster;");
        source.replace("late", "  fence.acq_rel.cluster;");
      },
      always);
}

TEST(ClusterPairsTest, MeetAtMbarriersBehindAFence) {
  expectPairs(
      [](Source &source) {
        relaxArrivals(source);
        source.after("proxy", "  fence.acq_rel.cluster;");
      },
      always);
}

TEST(ClusterPairsTest, MeetAtMbarriersBeforeAFence) {
  expectPairs(
      [](Source &source) {
        relaxWait(source);
        source.replace("late", "  fence.acq_rel.cluster;");
      },
      always);
}
