//===- PoolTest.cpp - The thread pool and the executor --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Fork.h"
#include "attnrt/cpu.h"

#include <atomic>
#include <cfenv>
#include <cfloat>
#include <cmath>
#include <gtest/gtest.h>
#include <sched.h>
#include <set>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace {
struct PoolDeleter {
  void operator()(attnrt_pool *pool) const { attnrt_pool_destroy(pool); }
};
using PoolPtr = std::unique_ptr<attnrt_pool, PoolDeleter>;

PoolPtr makePool(int32_t threads, int32_t pin = 0) {
  attnrt_pool_options options{threads, pin};
  attnrt_pool *pool = nullptr;
  EXPECT_EQ(attnrt_pool_create(&options, &pool), ATTNRT_OK);
  return PoolPtr(pool);
}

/// parallel_for over a lambda (i, thread).
template <typename Body>
attnrt_status forEach(attnrt_pool *pool, int64_t n, Body &&body) {
  return attnrt_pool_parallel_for(
      pool, n,
      [](void *ctx, int64_t i, int32_t thread) {
        (*static_cast<std::remove_reference_t<Body> *>(ctx))(i, thread);
      },
      &body);
}

int32_t threadsOfProcess() {
  FILE *file = std::fopen("/proc/self/status", "r");
  char line[256];
  int32_t threads = -1;
  while (std::fgets(line, sizeof(line), file)) {
    std::sscanf(line, "Threads: %d", &threads);
  }
  std::fclose(file);
  return threads;
}
} // namespace

TEST(Pool, EachIndexOnce) {
  for (int32_t threads : {1, 2, 3, 8}) {
    PoolPtr pool = makePool(threads);
    EXPECT_EQ(attnrt_pool_threads(pool.get()), threads);
    for (int round = 0; round < 5000; ++round) {
      const int64_t n = round % 17;
      std::vector<int32_t> seen(n, 0); // plain: each is touched by one thread
      std::atomic<bool> badThread{false};
      ASSERT_EQ(forEach(pool.get(), n,
                        [&](int64_t i, int32_t thread) {
                          seen[i] += 1;
                          if (thread < 0 || thread >= threads) {
                            badThread = true;
                          }
                        }),
                ATTNRT_OK);
      ASSERT_EQ(seen, std::vector<int32_t>(n, 1)) << "round " << round;
      ASSERT_FALSE(badThread);
    }
  }
}

TEST(Pool, ThreadsWorkAndNeverMoreThanAsked) {
  int32_t before = threadsOfProcess();
  PoolPtr pool = makePool(3);
  EXPECT_EQ(threadsOfProcess(), before + 2);
  // All three threads are needed: each waits until the others have come. The
  // pool does not promise that; with idle threads it is what happens.
  std::atomic<int32_t> here{0};
  std::set<int32_t> threads;
  std::vector<int32_t> by(3);
  forEach(pool.get(), 3, [&](int64_t i, int32_t thread) {
    by[i] = thread;
    here.fetch_add(1);
    while (here.load() < 3) {
      sched_yield();
    }
  });
  threads.insert(by.begin(), by.end());
  EXPECT_EQ(threads, (std::set<int32_t>{0, 1, 2}));
  EXPECT_EQ(threadsOfProcess(), before + 2);
  pool.reset();
  // A thread that has been joined may be counted for a moment more.
  for (int32_t wait = 0; wait < 5000 && threadsOfProcess() > before; ++wait) {
    usleep(1000);
  }
  EXPECT_EQ(threadsOfProcess(), before);
}

TEST(Pool, CallersFromSeveralThreads) {
  PoolPtr pool = makePool(2);
  std::atomic<int32_t> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 3000; ++round) {
        std::vector<int32_t> seen(5, 0);
        forEach(pool.get(), 5, [&](int64_t i, int32_t) { seen[i] += 1; });
        if (seen != std::vector<int32_t>(5, 1)) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread &caller : callers) {
    caller.join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Pool, CallInsideABodyRunsOnThatThread) {
  PoolPtr pool = makePool(3);
  std::vector<int32_t> counts(6 * 4, 0);
  std::atomic<bool> moved{false};
  forEach(pool.get(), 6, [&](int64_t i, int32_t outer) {
    forEach(pool.get(), 4, [&](int64_t j, int32_t thread) {
      counts[i * 4 + j] += 1;
      if (thread != outer) {
        moved = true;
      }
    });
  });
  EXPECT_EQ(counts, std::vector<int32_t>(24, 1));
  EXPECT_FALSE(moved);
}

TEST(Pool, DenormalsAreZeroInsideOnly) {
  PoolPtr pool = makePool(2);
  volatile float tiny = FLT_MIN;
  std::vector<float> halves(2, 1);
  std::atomic<int32_t> here{0};
  forEach(pool.get(), 2, [&](int64_t, int32_t thread) {
    halves[thread] = tiny * 0.5f;
    here.fetch_add(1);
    while (here.load() < 2) {
      sched_yield(); // so that both threads take part
    }
  });
#if defined(__x86_64__) || defined(__aarch64__)
  EXPECT_EQ(halves, std::vector<float>(2, 0.0f));
#endif
  volatile float after = tiny * 0.5f;
  EXPECT_NE(after, 0.0f);
}

TEST(Pool, TheCallersModeStaysOutside) {
  for (int32_t threads : {1, 2}) {
    PoolPtr pool = makePool(threads);
    std::vector<float> thirds(2), infinities(2);
    volatile float one = 1, three = 3, zero = 0;
    std::vector<uint32_t> modes(2, 0x9fc0);
    std::atomic<int32_t> here{0};
    std::fenv_t before;
    ASSERT_EQ(0, std::fegetenv(&before));
    ASSERT_EQ(0, std::fesetround(FE_DOWNWARD));
    feenableexcept(FE_DIVBYZERO | FE_INVALID); // SIGFPE where they are seen
    const int32_t traps = fegetexcept();       // none on some machines
    forEach(pool.get(), threads, [&](int64_t, int32_t thread) {
#if defined(__x86_64__)
      modes[thread] = _mm_getcsr() & ~0x3fu; // without what has happened
#endif
      thirds[thread] = one / three + one;
      infinities[thread] = one / zero;
      here.fetch_add(1);
      while (here.load() < threads) {
        sched_yield(); // so that all threads take part
      }
    });
    const int32_t round = std::fegetround(), trapsAfter = fegetexcept();
#if defined(__x86_64__)
    const uint32_t modeAfter = _mm_getcsr();
#endif
    ASSERT_EQ(0, std::fesetenv(&before));
    EXPECT_EQ(FE_DOWNWARD, round);
    EXPECT_EQ(traps, trapsAfter);
#if defined(__x86_64__)
    EXPECT_EQ(0x2000u, modeAfter & 0xe040u); // downward, nothing flushed
    EXPECT_EQ(0u, modeAfter & 0x280u);       // the two are not masked
#endif
    EXPECT_EQ(std::vector<uint32_t>(2, 0x9fc0), modes);
    for (int32_t thread = 0; thread < threads; ++thread) {
      EXPECT_EQ(one / three + one, thirds[thread]);
      EXPECT_EQ(HUGE_VALF, infinities[thread]);
    }
  }
}

TEST(Pool, PinsOnlyWhenAsked) {
  auto cpusOfSecond = [](attnrt_pool *pool) {
    std::atomic<int32_t> here{0};
    int32_t cpus = 0;
    forEach(pool, 2, [&](int64_t, int32_t thread) {
      cpu_set_t set;
      sched_getaffinity(0, sizeof(set), &set);
      if (thread == 1) {
        cpus = CPU_COUNT(&set);
      }
      here.fetch_add(1);
      while (here.load() < 2) {
        sched_yield();
      }
    });
    return cpus;
  };
  cpu_set_t all;
  sched_getaffinity(0, sizeof(all), &all);
  EXPECT_EQ(cpusOfSecond(makePool(2, 1).get()), 1);
  EXPECT_EQ(cpusOfSecond(makePool(2, 0).get()), CPU_COUNT(&all));
}

#if defined(__SANITIZE_THREAD__)
/// ThreadSanitizer ends a child that starts threads unless it is told not to.
extern "C" const char *__tsan_default_options() { return "die_after_fork=0"; }
#endif

TEST(Pool, WorksInAForkedChild) {
  PoolPtr pool = makePool(3);
  forEach(pool.get(), 8, [](int64_t, int32_t) {});
  pid_t child = fork();
  if (child == 0) {
    alarm(20); // a hang ends as a signal
    attnrt_test::enterChild();
    std::atomic<int64_t> sum{0};
    for (int round = 0; round < 50; ++round) {
      forEach(pool.get(), 10, [&](int64_t i, int32_t) { sum += i; });
    }
    bool right = sum == 50 * 45 && threadsOfProcess() == 3;
    pool.reset();
    _exit(right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  std::atomic<int64_t> sum{0};
  forEach(pool.get(), 10, [&](int64_t i, int32_t) { sum += i; });
  EXPECT_EQ(sum, 45);
}

TEST(Pool, RefusesBadArguments) {
  attnrt_pool *pool = nullptr;
  attnrt_pool_options options{-1, 0};
  EXPECT_EQ(attnrt_pool_create(&options, &pool), ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(attnrt_last_message()),
            "expects 0..4096 threads and pin 0 or 1, but got -1 and 0");
  EXPECT_EQ(attnrt_pool_create(nullptr, nullptr), ATTNRT_INVALID_ARGUMENT);
  PoolPtr good = makePool(2);
  EXPECT_EQ(attnrt_pool_parallel_for(good.get(), 1, nullptr, nullptr),
            ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(forEach(good.get(), -1, [](int64_t, int32_t) {}),
            ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(forEach(good.get(), int64_t(1) << 31, [](int64_t, int32_t) {}),
            ATTNRT_INVALID_ARGUMENT);
  attnrt_pool_destroy(nullptr);
}

TEST(Pool, MessagesBelongToTheirThread) {
  attnrt_pool_create(nullptr, nullptr);
  std::string mine = attnrt_last_message(), others = "?";
  std::thread([&] { others = attnrt_last_message(); }).join();
  EXPECT_EQ(mine, "expects out, but got null");
  EXPECT_EQ(others, "");
  EXPECT_STREQ(attnrt_status_name(ATTNRT_RESOURCE_EXHAUSTED),
               "resource exhausted");
}
