//===- TilesTest.cpp - What a caller configured of AMX --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestBundle.h"
#include "attnrt/cpu_tiles.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace attnrt_test;

TEST(Tiles, TheCallersConfigurationStays) {
#if defined(__x86_64__)
  if (!attnrt_has_bf16_tiles()) {
    GTEST_SKIP() << "this CPU has no tiles";
  }
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  // Behind bodies on this thread nothing is configured, as behind kernels that
  // compute with tiles.
  params.parallel_for = [](void *, int64_t n, void (*body)(void *, int64_t),
                           void *ctx) {
    for (int64_t i = 0; i < n; ++i) {
      body(ctx, i);
    }
    asm volatile("tilerelease");
  };
  attnrt::bundle::BundleT bundle = makeBundle();
  bundle.targets[0]->features = {"amx-bf16"};
  Bytes bytes = pack(std::move(bundle));
  attnrt_context *context = nullptr;
  attnrt_bundle *loaded = nullptr;
  attnrt_kernel *kernel = nullptr;
  attnrt_schedule *schedule = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &loaded));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_kernel_load(loaded, "sums", {kDLCPU, 0}, nullptr, &kernel))
      << attnrt_last_message();
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_create(kernel, nullptr, &schedule));
  Batch batch({9, 30}, 30);
  attnrt_step step = batch.step();
  auto all = batch.all();
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_update(schedule, &step, nullptr));
  // Palette 1; tile 1 has 8 rows of 32 bytes.
  for (unsigned char palette : {1, 0}) {
    alignas(64) unsigned char config[64] = {}, after[64];
    config[0] = palette;
    if (palette) {
      config[18] = 32;
      config[49] = 8;
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
    ASSERT_EQ(ATTNRT_OK, attnrt_run(schedule, all.data(), 5, nullptr));
    asm volatile("sttilecfg %0" : "=m"(after));
    EXPECT_EQ(0, std::memcmp(config, after, sizeof(config))) << int(palette);
    EXPECT_EQ(batch.expected(), batch.y);
  }
  asm volatile("tilerelease");
  attnrt_schedule_release(schedule);
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(loaded);
  attnrt_context_release(context);
#else
  GTEST_SKIP() << "only x86-64 has AMX";
#endif
}
