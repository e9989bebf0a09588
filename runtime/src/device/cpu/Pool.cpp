//===- Pool.cpp - A persistent thread pool
//---------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Pool.h"

#include "../../Status.h"
#include "Memory.h"

#include <climits>
#include <linux/futex.h>
#include <new>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace attnrt;

static_assert(std::atomic<uint64_t>::is_always_lock_free &&
                  sizeof(std::atomic<uint32_t>) == 4,
              "a futex needs plain words");

static constexpr uint32_t closed = UINT32_MAX;

// About 5 us of pauses: longer, and a spinner takes the core of the caller
// where there are more threads than cores.
static constexpr int spins = 100;

static void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

static void futexWait(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

static void futexWake(std::atomic<uint32_t> &word, int32_t threads) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

bool Scratch::reserve(uint64_t bytes) {
  if (bytes <= size) {
    return true;
  }
  void *block = allocateForKernels(bytes, 64);
  if (!block) {
    return false;
  }
  memory.reset(block);
  size = bytes;
  return true;
}

// All of it is set, as rounding and traps of the caller would otherwise reach
// what runs on its own thread, and not what runs on others.
#if defined(__x86_64__)
KernelMode::KernelMode() : saved(_mm_getcsr()) {
  _mm_setcsr(0x9fc0u); // FTZ, DAZ, to nearest, all exceptions masked
}
KernelMode::~KernelMode() { _mm_setcsr(uint32_t(saved)); }
#elif defined(__aarch64__)
KernelMode::KernelMode() {
  asm volatile("mrs %0, fpcr" : "=r"(saved));
  // FZ; to nearest, no traps, NaNs as they come.
  asm volatile("msr fpcr, %0" ::"r"(1ull << 24));
}
KernelMode::~KernelMode() { asm volatile("msr fpcr, %0" ::"r"(saved)); }
#else
KernelMode::KernelMode() : saved(0) {}
KernelMode::~KernelMode() {}
#endif

/// Where this thread stands: inside a body of `team`, as thread `number`.
static thread_local struct {
  ThreadTeam *team;
  int32_t number;
} inside;

namespace {
struct Inside {
  Inside(ThreadTeam *team, int32_t number) : outer(inside) {
    inside = {team, number};
  }
  ~Inside() { inside = outer; }
  decltype(inside) outer;
};
} // namespace

bool ThreadTeam::startMembers(int32_t threads, bool pin, bool all) {
  std::vector<int32_t> cpus;
  cpu_set_t allowed;
  if (pin && sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    for (int32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) {
        cpus.push_back(cpu);
      }
    }
  }
  ticket.store(closed);
  members.reserve(threads);
  for (int32_t t = 0; t < threads; ++t) {
    auto member = std::make_unique<Member>();
    member->team = this;
    member->number = t;
    member->cpu = cpus.empty() ? -1 : cpus[t % cpus.size()];
    if (t > 0 && pthread_create(&member->handle, nullptr, threadMain,
                                member.get()) != 0) {
      return !all;
    }
    members.push_back(std::move(member));
  }
  return true;
}

ThreadTeam *ThreadTeam::start(int32_t threads, bool pin, bool all) {
  std::unique_ptr<ThreadTeam> team;
  try {
    team.reset(new ThreadTeam(getpid()));
    if (team->startMembers(threads, pin, all)) {
      return team.release();
    }
  } catch (const std::exception &) {
    // No memory: threads that did start are joined by the destructor.
  }
  return nullptr;
}

ThreadTeam::~ThreadTeam() {
  stop.store(true);
  job.fetch_add(1);
  futexWake(job, INT_MAX);
  for (size_t t = 1; t < members.size(); ++t) {
    pthread_join(members[t]->handle, nullptr);
  }
}

void *ThreadTeam::threadMain(void *argument) {
  Member &member = *static_cast<Member *>(argument);
  if (member.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(member.cpu, &set);
    // A refusal only costs locality.
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
  }
  member.team->serve(member.number);
  return nullptr;
}

uint32_t ThreadTeam::waitForJob(uint32_t seen) {
  for (int spin = 0; spin < spins; ++spin) {
    uint32_t now = job.load(std::memory_order_acquire);
    if (now != seen) {
      return now;
    }
    relax();
  }
  // Counted before the futex looks at the word; the caller writes the word
  // before it looks at the count: one of the two sees the other.
  sleepers.fetch_add(1);
  uint32_t now;
  while ((now = job.load()) == seen) {
    futexWait(job, seen);
  }
  sleepers.fetch_sub(1);
  return now;
}

void ThreadTeam::serve(int32_t thread) {
  uint32_t seen = 0;
  while (true) {
    seen = waitForJob(seen);
    if (stop.load()) {
      return;
    }
    KernelMode mode;
    Inside here(this, thread);
    claim(seen, thread);
  }
}

void ThreadTeam::claim(uint32_t number, int32_t thread) {
  uint64_t now = ticket.load(std::memory_order_acquire);
  while (uint32_t(now >> 32) == number) {
    uint32_t next = uint32_t(now);
    // `count` may be that of the job after: then the ticket was closed before,
    // and the exchange fails.
    if (next >= count.load(std::memory_order_acquire)) {
      return;
    }
    if (!ticket.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      continue;
    }
    body(ctx, next, thread);
    if (pending.fetch_sub(1) == 1 && callerSleeps.load()) {
      futexWake(pending, 1);
    }
    now = ticket.load(std::memory_order_acquire);
  }
}

void ThreadTeam::waitForEnd() {
  for (int spin = 0; spin < spins; ++spin) {
    if (pending.load(std::memory_order_acquire) == 0) {
      return;
    }
    relax();
  }
  callerSleeps.store(true);
  uint32_t left;
  while ((left = pending.load()) != 0) {
    futexWait(pending, left);
  }
  callerSleeps.store(false);
}

bool ThreadTeam::reserveInTurn(uint64_t scratchBytes) {
  if (scratchBytes <= reserved.load()) {
    return true;
  }
  for (auto &member : members) {
    if (!member->scratch.reserve(scratchBytes)) {
      return false;
    }
  }
  reserved.store(scratchBytes);
  return true;
}

bool ThreadTeam::reserve(uint64_t scratchBytes) {
  if (scratchBytes <= reserved.load()) {
    return true;
  }
  if (inside.team == this) {
    return true; // this thread's turn lasts: what it runs reserves its own
  }
  std::lock_guard<std::mutex> lock(turn);
  return reserveInTurn(scratchBytes);
}

bool ThreadTeam::run(int64_t n, attnrt_body_fn newBody, void *newCtx,
                     uint64_t scratchBytes) {
  if (inside.team == this) {
    if (!members[inside.number]->scratch.reserve(scratchBytes)) {
      return false;
    }
    for (int64_t i = 0; i < n; ++i) {
      newBody(newCtx, i, inside.number);
    }
    return true;
  }
  std::lock_guard<std::mutex> lock(turn);
  if (!reserveInTurn(scratchBytes)) {
    return false;
  }
  KernelMode mode;
  Inside here(this, 0);
  int32_t others = int32_t(std::min<int64_t>(n, members.size()) - 1);
  if (others < 1) {
    for (int64_t i = 0; i < n; ++i) {
      newBody(newCtx, i, 0);
    }
    return true;
  }
  uint32_t number = job.load(std::memory_order_relaxed) + 1;
  ticket.store(uint64_t(number - 1) << 32 | closed);
  body = newBody;
  ctx = newCtx;
  pending.store(uint32_t(n));
  count.store(uint32_t(n), std::memory_order_release);
  ticket.store(uint64_t(number) << 32);
  job.store(number);
  if (sleepers.load() > 0) {
    futexWake(job, others);
  }
  claim(number, 0);
  waitForEnd();
  return true;
}

ThreadTeam *attnrt_pool::current() {
  ThreadTeam *now = team.load();
  while (!now || now->process != getpid()) {
    // The threads of the parent do not exist here, and its locks may be held
    // by them for ever: nothing of the old team may be touched.
    ThreadTeam *fresh = ThreadTeam::start(threads, pin, /*all=*/false);
    if (!fresh) {
      return nullptr;
    }
    if (team.compare_exchange_strong(now, fresh)) {
      return fresh;
    }
    delete fresh; // another thread of the child was faster
  }
  return now;
}

attnrt_status attnrt_pool_create(const attnrt_pool_options *options,
                                 attnrt_pool **out) {
  attnrt_pool_options chosen = options ? *options : attnrt_pool_options{0, 0};
  if (!out) {
    return fail(ATTNRT_INVALID_ARGUMENT, "expects out, but got null");
  }
  if (chosen.threads < 0 || chosen.threads > 4096 || chosen.pin < 0 ||
      chosen.pin > 1) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects 0..4096 threads and pin 0 or 1, but got %d and %d",
                chosen.threads, chosen.pin);
  }
  if (chosen.threads == 0) {
    cpu_set_t allowed;
    int known = sched_getaffinity(0, sizeof(allowed), &allowed);
    chosen.threads = known == 0 ? CPU_COUNT(&allowed) : 1;
  }
  ThreadTeam *team =
      ThreadTeam::start(chosen.threads, chosen.pin == 1, /*all=*/true);
  if (!team) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "cannot start %d threads",
                chosen.threads - 1);
  }
  attnrt_pool *pool =
      new (std::nothrow) attnrt_pool{chosen.threads, chosen.pin == 1, {team}};
  if (!pool) {
    delete team;
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory for a pool");
  }
  *out = pool;
  return ATTNRT_OK;
}

void attnrt_pool_destroy(attnrt_pool *pool) {
  if (!pool) {
    return;
  }
  ThreadTeam *team = pool->team.load();
  if (team && team->process == getpid()) {
    delete team;
  }
  delete pool;
}

int32_t attnrt_pool_threads(const attnrt_pool *pool) {
  return pool ? pool->threads : 0;
}

attnrt_status attnrt_pool_parallel_for(attnrt_pool *pool, int64_t n,
                                       attnrt_body_fn body, void *ctx) {
  if (!pool || !body) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects a pool and a body, but got null");
  }
  if (n < 0 || n > INT32_MAX) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects 0 to 2^31 - 1 iterations, but got %lld",
                static_cast<long long>(n));
  }
  ThreadTeam *team = pool->current();
  if (!team || !team->run(n, body, ctx, 0)) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory or threads for a pool");
  }
  return ATTNRT_OK;
}
