//===- CppTest.cpp - The C++ header ---------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnrt/attnrt.hpp"

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
