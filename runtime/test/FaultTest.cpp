//===- FaultTest.cpp - Failures that leave nothing behind -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "Fork.h"
#include "TestBundle.h"
#include "attnrt/plan.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace attnrt_test;

//===----------------------------------------------------------------------===//
// Allocations that fail
//===----------------------------------------------------------------------===//

TEST(Fault, EveryAllocationOfLoading) {
  Bytes bytes = pack(makeBundle());
  attnrt_context *context = nullptr;
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.cache_dir = "a folder whose name is no short string";
  params.cpu_threads = 2;
  auto none = [] {};
  EXPECT_GT(
      failEach([&] { return attnrt_context_create(&params, &context); }, none),
      1);
  attnrt_bundle *bundle = nullptr;
  EXPECT_GT(failEach(
                [&] {
                  return attnrt_bundle_load(context, bytes.data(), bytes.size(),
                                            &bundle);
                },
                [&] { EXPECT_EQ(nullptr, bundle); }),
            50);
  attnrt_kernel *kernel = nullptr;
  EXPECT_GT(failEach(
                [&] {
                  return attnrt_kernel_load(bundle, "sums", {kDLCPU, 0},
                                            nullptr, &kernel);
                },
                [&] { EXPECT_EQ(nullptr, kernel); }),
            5);
  attnrt_schedule *schedule = nullptr;
  EXPECT_GT(
      failEach(
          [&] { return attnrt_schedule_create(kernel, nullptr, &schedule); },
          [&] { EXPECT_EQ(nullptr, schedule); }),
      1);
  attnrt_schedule_release(schedule);
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
}

TEST(Fault, EveryAllocationOfAStep) {
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.cpu_threads = 1;
  attnrt_schedule_caps caps{};
  caps.struct_size = sizeof(caps);
  caps.workers = 3;
  caps.split = 3;
  Loaded loaded(&params, {kDLCPU, 0}, 1, &caps);
  Batch small({7, 2}, 30), large({30, 0, 30, 11, 29}, 30);
  ASSERT_EQ("", loaded.run(small));
  attnrt_step step = large.step();
  const std::string text(1000, 'x');
  const attnrt_carried carried{text.data(), text.size()};
  step.carried = &carried;
  step.num_carried = 1;
  long needed = failEach(
      [&] { return attnrt_schedule_update(loaded.schedule, &step, nullptr); },
      [&] {
        // The step before is still there.
        small.y.assign(2, -1);
        small.ty.tensor.data = small.y.data();
        auto all = small.all();
        EXPECT_EQ(ATTNRT_OK,
                  attnrt_run(loaded.schedule, all.data(), 5, nullptr));
        EXPECT_EQ(small.expected(), small.y);
        EXPECT_EQ(ATTNRT_OK, attnrt_schedule_verify(loaded.schedule));
      });
  EXPECT_GT(needed, 5);
  auto all = large.all();
  EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  EXPECT_EQ(large.expected(), large.y);
  // A run of a step whose memory is there asks for none.
  allocationsLeft() = 0;
  attnrt_status status = attnrt_run(loaded.schedule, all.data(), 5, nullptr);
  allocationsLeft() = -1;
  EXPECT_EQ(ATTNRT_OK, status) << attnrt_last_message();
}

namespace {
/// An engine's allocator with a limit, which counts.
struct Arena {
  static attnrt_status allocate(void *self, DLDevice device, uint64_t bytes,
                                uint64_t alignment, void *stream, void **out) {
    Arena &arena = *static_cast<Arena *>(self);
    EXPECT_EQ(kDLCPU, int(device.device_type));
    EXPECT_EQ(&arena, stream);
    if (arena.held + bytes > arena.limit) {
      return ATTNRT_UNAVAILABLE;
    }
    arena.held += bytes;
    ++arena.blocks;
    *out = aligned_alloc(alignment,
                         (bytes + alignment - 1) / alignment * alignment);
    return ATTNRT_OK;
  }
  static void free(void *self, DLDevice, void *memory, uint64_t bytes, void *) {
    Arena &arena = *static_cast<Arena *>(self);
    arena.held -= bytes;
    --arena.blocks;
    std::free(memory);
    if (arena.throwsOnce) {
      arena.throwsOnce = false;
      throw std::runtime_error("the engine's own");
    }
  }
  uint64_t limit = 4096, held = 0;
  int blocks = 0;
  bool throwsOnce = false; ///< from free
};
} // namespace

TEST(Fault, EveryAllocationOfAProblem) {
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.cpu_threads = 1;
  Loaded loaded(&params);
  Batch small({7, 2}, 30), large({30, 12, 30}, 30);
  ASSERT_EQ("", loaded.run(small));
  // All rows read the keys of request 0, the last one stays a state.
  attnrt_segment segment{};
  segment.select = segment.len_ref = segment.head = -1;
  segment.count = 30;
  std::vector<attnrt_segment> segments(3, segment);
  const int32_t begin[] = {0, 1, 2, 3}, sym[] = {0, 1, 2}, coord[] = {0, 0, 0},
                limit[] = {30, 12, 30}, keep[] = {-1, -1, 0},
                extBegin[] = {0, 1, 1, 1}, ext[] = {0};
  attnrt_problem problem{};
  problem.struct_size = sizeof(problem);
  problem.heads = problem.group = 1;
  problem.segments = segments.data();
  problem.segment_count = problem.row_count = 3;
  problem.row_begin = begin;
  problem.coord = problem.lo = coord;
  problem.limit = limit;
  problem.sym = sym;
  problem.keep = keep;
  problem.ext_begin = extBegin;
  problem.ext = ext;
  problem.ext_count = problem.keep_count = 1;
  const attnrt_problem *problems[] = {&problem};
  attnrt_step step = large.step();
  step.problems = problems;
  step.num_problems = 1;
  long needed = failEach(
      [&] { return attnrt_schedule_update(loaded.schedule, &step, nullptr); },
      [&] {
        small.y.assign(2, -1);
        auto all = small.all();
        EXPECT_EQ(ATTNRT_OK,
                  attnrt_run(loaded.schedule, all.data(), 5, nullptr));
        EXPECT_EQ(small.expected(), small.y);
        EXPECT_EQ(ATTNRT_OK, attnrt_schedule_verify(loaded.schedule));
      });
  EXPECT_GT(needed, 10);
  EXPECT_EQ(ATTNRT_OK, attnrt_schedule_verify(loaded.schedule));
}

TEST(Fault, TheEnginesMemory) {
  Arena arena;
  attnrt_allocator allocator{sizeof(allocator), 0, &arena, Arena::allocate,
                             Arena::free};
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.allocator = &allocator;
  {
    Loaded loaded(&params);
    Batch small({5}, 9), large(std::vector<int32_t>(2000, 9), 9);
    attnrt_step step = small.step();
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_update(loaded.schedule, &step, &arena))
        << attnrt_last_message();
    EXPECT_EQ(1, arena.blocks);
    step = large.step();
    EXPECT_EQ(ATTNRT_UNAVAILABLE,
              attnrt_schedule_update(loaded.schedule, &step, &arena));
    EXPECT_EQ(1, arena.blocks);
    auto all = small.all();
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, &arena));
    EXPECT_EQ(small.expected(), small.y);
    arena.limit = 1 << 20;
    EXPECT_EQ(ATTNRT_OK,
              attnrt_schedule_update(loaded.schedule, &step, &arena));
    EXPECT_EQ(1, arena.blocks); // the old one went back
    // Each block goes back once, and none is lost, also if that throws.
    arena.limit = 1 << 24;
    arena.throwsOnce = true;
    Batch larger(std::vector<int32_t>(9000, 9), 9);
    step = larger.step();
    EXPECT_THROW((void)attnrt_schedule_update(loaded.schedule, &step, &arena),
                 std::runtime_error);
    EXPECT_FALSE(arena.throwsOnce);
    EXPECT_EQ(1, arena.blocks);
    EXPECT_EQ(ATTNRT_OK,
              attnrt_schedule_update(loaded.schedule, &step, &arena));
    EXPECT_EQ(1, arena.blocks);
  }
  EXPECT_EQ(0, arena.blocks);
  EXPECT_EQ(0u, arena.held);
}

//===----------------------------------------------------------------------===//
// Callbacks
//===----------------------------------------------------------------------===//

namespace {
struct EngineLoop {
  static void run(void *self, int64_t n, void (*body)(void *, int64_t),
                  void *ctx) {
    EngineLoop &loop = *static_cast<EngineLoop *>(self);
    ++loop.calls;
    if (loop.throws) {
      throw std::runtime_error("the engine's own");
    }
    if (loop.parallel) {
      std::thread other([&] {
        for (int64_t i = 0; i < n; i += 2) {
          body(ctx, i);
        }
      });
      for (int64_t i = 1; i < n; i += 2) {
        body(ctx, i);
      }
      other.join();
    } else {
      for (int64_t i = n - 1; i >= 0; --i) {
        body(ctx, i);
      }
    }
  }
  int calls = 0;
  bool throws = false, parallel = false;
};
} // namespace

TEST(Fault, TheEnginesLoop) {
  for (bool parallel : {false, true}) {
    EngineLoop loop;
    loop.parallel = parallel;
    attnrt_context_params params{};
    params.struct_size = sizeof(params);
    params.parallel_for = EngineLoop::run;
    params.parallel_self = &loop;
    params.cpu_threads = 4;
    Loaded loaded(&params);
    Batch batch({30, 17, 0, 8, 30, 30}, 30), wide({4000, 4000, 4000}, 4000);
    EXPECT_EQ("", loaded.run(batch));
    EXPECT_EQ(batch.expected(), batch.y);
    EXPECT_GT(loop.calls, 1);
    // Bodies that run at the same time have scratch of their own.
    for (int round = 0; round < 50; ++round) {
      ASSERT_EQ("", loaded.run(wide));
      ASSERT_EQ(wide.expected(), wide.y);
    }
    ASSERT_EQ("", loaded.run(batch));
    // What it throws comes out, and the schedule is as before.
    loop.throws = true;
    auto all = batch.all();
    EXPECT_THROW(attnrt_run(loaded.schedule, all.data(), 5, nullptr),
                 std::runtime_error);
    EXPECT_FALSE(std::uncaught_exceptions());
    loop.throws = false;
    batch.y.assign(6, -1);
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    EXPECT_EQ(batch.expected(), batch.y);
  }
}

static int openFiles() {
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  while (folder && readdir(folder)) {
    ++count;
  }
  if (folder) {
    closedir(folder);
  }
  return count;
}

namespace {
struct Log {
  static void take(void *self, int32_t severity, const char *message) {
    Log &log = *static_cast<Log *>(self);
    log.text = message;
    log.severity = severity;
    if (log.throws) {
      throw std::logic_error(message);
    }
  }
  std::string text;
  int severity = -1;
  bool throws = false;
};
} // namespace

TEST(Fault, TheEngineIsToldAndMayThrow) {
  Log log;
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.log = Log::take;
  params.log_self = &log;
  hasAnonymousFiles() = false;
  Loaded loaded(&params);
  EXPECT_EQ(1, log.severity);
  EXPECT_EQ("host code cannot be loaded from an anonymous file; a temporary "
            "file is used",
            log.text);
  Batch batch({3}, 9);
  EXPECT_EQ("", loaded.run(batch));
  EXPECT_EQ(batch.expected(), batch.y);
  int files = openFiles();
  log.throws = true;
  attnrt_kernel *kernel = nullptr;
  EXPECT_THROW((void)attnrt_kernel_load(loaded.bundle, "sums", {kDLCPU, 0},
                                        nullptr, &kernel),
               std::logic_error);
  hasAnonymousFiles() = true;
  EXPECT_EQ(nullptr, kernel);
  EXPECT_EQ(files, openFiles());
}

TEST(Fault, HostCodeFromAFolder) {
  // Where anonymous files cannot be executed: from a folder, which stays empty.
  std::string folder = testing::TempDir() + "attnrt-XXXXXX";
  ASSERT_NE(nullptr, mkdtemp(folder.data()));
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.flags = ATTNRT_CONTEXT_NO_MEMFD;
  params.cache_dir = folder.c_str();
  {
    Loaded loaded(&params);
    Batch batch({3}, 9);
    EXPECT_EQ("", loaded.run(batch));
    EXPECT_EQ(batch.expected(), batch.y);
  }
  EXPECT_EQ(0, rmdir(folder.c_str())) << "something was left";
  params.cache_dir = "none/such";
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  Bytes bytes = pack(makeBundle());
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle));
  EXPECT_EQ(ATTNRT_UNAVAILABLE,
            attnrt_kernel_load(bundle, "sums", {kDLCPU, 0}, nullptr, &kernel));
  EXPECT_EQ(nullptr, kernel);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
}

//===----------------------------------------------------------------------===//
// Processes and libraries
//===----------------------------------------------------------------------===//

TEST(Fault, RunsInAChildOfFork) {
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.cpu_threads = 3;
  Loaded loaded(&params);
  Batch batch({30, 17, 30}, 30);
  ASSERT_EQ("", loaded.run(batch)); // the parent has threads now
  pid_t child = fork();
  if (child == 0) {
    enterChild();
    alarm(20); // a run that hangs ends
    Batch mine({29, 5, 30, 30}, 30);
    bool good = loaded.run(mine).empty() && mine.y == mine.expected();
    _exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  batch.y.assign(3, -1);
  EXPECT_EQ("", loaded.run(batch));
  EXPECT_EQ(batch.expected(), batch.y);
}

namespace {
/// Runs `body` in a child of fork() and waits for it; 0 if it returned true
/// within 20 seconds.
template <class F> int inChild(F body) {
  pid_t child = fork();
  if (child == 0) {
    enterChild();
    alarm(20); // what hangs ends
    _exit(body() ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  return status;
}
} // namespace

TEST(Fault, RunsInAChildWhileAnotherThreadLoads) {
  // A driver that is a pipe without a writer: whoever opens it waits there,
  // with what it holds of the context.
  std::string pipe =
      testing::TempDir() + "attnrt-pipe-" + std::to_string(getpid());
  ASSERT_EQ(0, mkfifo(pipe.c_str(), 0600));
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.cpu_threads = 2;
  params.cuda_library = pipe.c_str();
  Loaded loaded(&params);
  Batch batch({30, 17, 30}, 30);
  ASSERT_EQ("", loaded.run(batch));
  std::thread loader([&] {
    attnrt_kernel *kernel = nullptr;
    EXPECT_EQ(ATTNRT_UNAVAILABLE,
              attnrt_kernel_load(loaded.bundle, "sums", {kDLCUDA, 0}, nullptr,
                                 &kernel));
  });
  // Opens as soon as there is a reader; the reader gets on when it is closed.
  int writer = -1;
  while ((writer = open(pipe.c_str(), O_WRONLY | O_NONBLOCK)) < 0) {
    ASSERT_EQ(ENXIO, errno);
    std::this_thread::yield();
  }
  Batch planned({30, 17, 30}, 30), larger(std::vector<int32_t>(3000, 9), 30);
  auto all = planned.all();
  EXPECT_EQ(0, inChild([&] {
              // The step that the parent planned, and one of its own.
              return attnrt_run(loaded.schedule, all.data(), 5, nullptr) ==
                         ATTNRT_OK &&
                     planned.y == planned.expected() &&
                     loaded.run(larger).empty() &&
                     larger.y == larger.expected();
            }));
  close(writer);
  loader.join();
  unlink(pipe.c_str());
}

TEST(Fault, RunsInChildrenWhileOtherThreadsRun) {
  // A lock that an update or a run of another thread holds at the moment of the
  // fork is held in the child for ever.
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.cpu_threads = 2;
  Loaded loaded(&params);
  Batch batch({30, 17, 30}, 30);
  ASSERT_EQ("", loaded.run(batch));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      attnrt_schedule *schedule = nullptr;
      EXPECT_EQ(ATTNRT_OK,
                attnrt_schedule_create(loaded.kernel, nullptr, &schedule));
      Batch own({3}, 9);
      attnrt_step step = own.step();
      auto all = own.all();
      while (!stop) {
        EXPECT_EQ(ATTNRT_OK, attnrt_schedule_update(schedule, &step, nullptr));
        EXPECT_EQ(ATTNRT_OK, attnrt_run(schedule, all.data(), 5, nullptr));
      }
      attnrt_schedule_release(schedule);
    });
  }
  auto all = batch.all();
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    EXPECT_EQ(0, inChild([&] {
                batch.y.assign(3, -1);
                return attnrt_run(loaded.schedule, all.data(), 5, nullptr) ==
                           ATTNRT_OK &&
                       batch.y == batch.expected() && loaded.run(batch).empty();
              }))
        << round;
  }
  stop = true;
  for (std::thread &thread : threads) {
    thread.join();
  }
}

TEST(Fault, BundlesInTurnNeverMix) {
  // Two objects with the same names, opened and closed so that numbers of
  // descriptors come again.
  int before = openFiles();
  for (int round = 0; round < 6; ++round) {
    int factor = 1 + round % 2;
    Loaded first(nullptr, {kDLCPU, 0}, factor);
    auto second =
        std::make_unique<Loaded>(nullptr, DLDevice{kDLCPU, 0}, 3 - factor);
    Batch batch({5, 9}, 9);
    EXPECT_EQ("", second->run(batch));
    EXPECT_EQ(batch.expected(float(3 - factor)), batch.y);
    second.reset();
    second = std::make_unique<Loaded>(nullptr, DLDevice{kDLCPU, 0}, factor);
    EXPECT_EQ("", second->run(batch));
    EXPECT_EQ(batch.expected(float(factor)), batch.y);
    EXPECT_EQ("", first.run(batch));
    EXPECT_EQ(batch.expected(float(factor)), batch.y);
  }
  EXPECT_EQ(before, openFiles());
}

TEST(Fault, HandlesInAnyOrder) {
  // The schedule keeps all that it needs.
  Loaded loaded;
  Batch batch({5, 9}, 9);
  attnrt_kernel_release(loaded.kernel);
  attnrt_context_release(loaded.context);
  attnrt_bundle_release(loaded.bundle);
  loaded.kernel = nullptr;
  loaded.context = nullptr;
  loaded.bundle = nullptr;
  EXPECT_EQ("", loaded.run(batch));
  EXPECT_EQ(batch.expected(), batch.y);
}

TEST(Fault, ThreadsWithSchedulesOfOneKernel) {
  Loaded loaded;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      attnrt_schedule *schedule = nullptr;
      EXPECT_EQ(ATTNRT_OK,
                attnrt_schedule_create(loaded.kernel, nullptr, &schedule));
      for (int round = 0; round < 20; ++round) {
        Batch batch({round, 9, t}, 30);
        attnrt_step step = batch.step();
        auto all = batch.all();
        EXPECT_EQ(ATTNRT_OK, attnrt_schedule_update(schedule, &step, nullptr));
        EXPECT_EQ(ATTNRT_OK, attnrt_run(schedule, all.data(), 5, nullptr));
        EXPECT_EQ(batch.expected(), batch.y);
        // A message belongs to its thread.
        EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
                  attnrt_run(schedule, all.data(), t, nullptr));
        EXPECT_EQ("expects 3 arguments and 2 results, but got " +
                      std::to_string(t) + " tensors",
                  attnrt_last_message());
      }
      attnrt_schedule_release(schedule);
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
}
