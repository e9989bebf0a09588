//===- CppTest.cpp - The C++ header ---------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnrt/attnrt.hpp"
#include "attnrt/pool.hpp"

#include "TestBundle.h"

#include <gtest/gtest.h>

using namespace attnrt_test;

TEST(Cpp, FromBytesToRows) {
  namespace rt = attn::rt;
  Bytes bytes = pack(makeBundle());
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = 2;
  // Handles are released in the wrong order on purpose.
  auto context = std::make_unique<rt::Context>();
  auto bundle =
      std::make_unique<rt::Bundle>(*context, bytes.data(), bytes.size());
  EXPECT_EQ(std::vector<std::string>{"sums"}, bundle->entries());
  auto kernel =
      std::make_unique<rt::Kernel>(*bundle, "sums", DLDevice{kDLCPU, 0});
  EXPECT_EQ(3, kernel->info().num_arguments);
  EXPECT_EQ(uint32_t(ATTNRT_ARGUMENT_HOST_READ), kernel->argument(1).flags);
  rt::Schedule schedule(*kernel, &caps);
  context.reset();
  bundle.reset();
  kernel.reset();
  Batch batch({7, 0, 9}, 9);
  schedule.update(batch.arguments());
  schedule.verify();
  EXPECT_EQ((std::vector<int64_t>{3, 2}), schedule.resultSizes(1));
  EXPECT_EQ(16, schedule.stats().keys_read);
  schedule.run(batch.all());
  EXPECT_EQ(batch.expected(), batch.y);
}

TEST(Cpp, AStatusBecomesAnError) {
  namespace rt = attn::rt;
  rt::Context context;
  try {
    rt::Bundle bundle(context, "text", 4);
    FAIL() << "it was taken";
  } catch (const rt::Error &error) {
    EXPECT_EQ(ATTNRT_CORRUPT, error.status);
    EXPECT_STREQ("expects the bytes of a bundle, but got 4 bytes without its "
                 "mark",
                 error.what());
  }
}

TEST(Cpp, PagesOfASequence) {
  namespace rt = attn::rt;
  rt::Context context;
  auto shape = rt::params<attnrt_page_pool_params>();
  shape.num_pages = 20;
  shape.page_size = 4;
  shape.side = ATTNRT_SIDE_COUNT;
  rt::PagePool pool(context, shape);
  const std::vector<int32_t> prompt = {1, 2, 3, 4, 5, 6};
  auto [sequence, reused] = pool.create(prompt);
  EXPECT_EQ(0, reused);
  EXPECT_EQ(6u, pool.append(sequence, prompt).slots.size());
  EXPECT_EQ(4, pool.create(prompt).second);
  const attnrt_sequence fork = pool.fork(sequence);
  rt::PageTable table(pool, 2, 8);
  table.bind(1, fork);
  EXPECT_EQ(2u, table.changes().size());
  EXPECT_EQ(0u, table.changes().size());
  const uint64_t step = pool.beginStep({fork});
  EXPECT_EQ(1u, pool.append(fork, {7}).copies.size());
  EXPECT_EQ(1u, table.changes().size());
  EXPECT_EQ(pool.table(fork).pages[1], table.data()[9]);
  pool.truncate(sequence, 5);
  pool.trim(sequence, 0, 1);
  EXPECT_EQ(1u, pool.missing(sequence, 0, 5).size());
  EXPECT_FALSE(pool.info(sequence).exact);
  EXPECT_EQ(1u, pool.compact(fork, {5, 6}).size());
  rt::PageForest forest(pool);
  auto what = rt::params<attnrt_forest_params>();
  what.heads = what.query_group = 1;
  what.num_sequences = 1;
  what.sequences = &fork;
  EXPECT_EQ(1, forest.build(what).row_count);
  const attnrt_pin pin = pool.pin(sequence, 4);
  pool.beginStep({});
  pool.endStep(step);
  pool.unpin(pin);
  pool.release(fork);
  EXPECT_EQ(2, pool.side(ATTNRT_SIDE_COUNT).ndim);
  EXPECT_EQ(2, pool.stats().sequences);
  pool.audit();
  try {
    pool.release(fork);
    FAIL() << "it was taken";
  } catch (const rt::Error &error) {
    EXPECT_EQ(ATTNRT_NOT_FOUND, error.status);
  }
}
