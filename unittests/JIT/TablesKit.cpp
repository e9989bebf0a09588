//===- TablesKit.cpp - Decode over an engine's tables ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TablesKit.h"
#include "TestProgram.h"

#include "attnrt/sim.h"

#include <algorithm>
#include <cmath>
#include <random>

using namespace attn;
using namespace attn::test;

const char *const attn::test::kSoftmax =
    R"mlir(    %gm = attn.einsum %qk[b, g, m] -> [b, g] reduce max(m)
        : (tensor<?x2x?xf32>) -> tensor<?x2xf32>
    %sn = attn.einsum %qk[b, g, m], %gm[b, g] -> [b, g, m]
        : (tensor<?x2x?xf32>, tensor<?x2xf32>) -> tensor<?x2x?xf32> {
    ^bb0(%s: f32, %x: f32):
      %d = arith.subf %s, %x : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, g, m] -> [b, g] reduce add(m)
        : (tensor<?x2x?xf32>) -> tensor<?x2xf32>
    %a = attn.einsum %sn[b, g, m], %sd[b, g] -> [b, g, m]
        : (tensor<?x2x?xf32>, tensor<?x2xf32>) -> tensor<?x2x?xf32> {
    ^bb0(%n: f32, %d: f32):
      %y = arith.divf %n, %d : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %a[b, g, m], %v[b, m, g, f] -> [b, g, f] reduce add(m)
        : (tensor<?x2x?xf32>, tensor<?x?x2x16xf32>) -> tensor<?x2x16xf32>
)mlir";

std::string
attn::test::program(const std::string &storage, const std::string &symbols,
                    const std::string &domain, const std::string &address,
                    const std::string &types, const std::string &parameters) {
  std::string views;
  for (auto [name, axis] : {std::pair("k", "e"), {"v", "f"}}) {
    views += std::string("  %") + name + " = attn.view (b, m, g, " + axis +
             ") symbols(" + symbols + ") where (" + domain + ") of %" + name +
             "p[" + address + axis + "]\n    : (" + storage + ", " + types +
             ") -> tensor<?x?x2x16xf32>\n";
  }
  return "func.func @decode(%q: tensor<?x2x16xf32>, %kp: " + storage +
         ", %vp: " + storage + ", " + parameters +
         ", %scale: f32) -> tensor<?x2x16xf32> {\n" + views + R"mlir(
  %o = attn.cascade ranks(b, g, m, e, f) -> tensor<?x2x16xf32> {
    %qk = attn.einsum %q[b, g, e], %k[b, m, g, e], %scale -> [b, g, m]
        reduce add(e)
        : (tensor<?x2x16xf32>, tensor<?x?x2x16xf32>, f32) -> tensor<?x2x?xf32>
)mlir" + kSoftmax +
         R"mlir(    attn.yield %av : tensor<?x2x16xf32>
  }
  return %o : tensor<?x2x16xf32>
}
)mlir";
}

int64_t attn::test::pageOf(int64_t b, int64_t page) {
  return 1 + (b * 11 + page * 7) % (kPages - 1);
}

std::string attn::test::paged() {
  return program("memref<?x4x2x16xf32>",
                 "pg = %table[b, m floordiv 4], len = %len[b]", "m < len",
                 "pg, m mod 4, g, ", "tensor<?x?xi32>, tensor<?xi32>",
                 "%table: tensor<?x?xi32>, %len: tensor<?xi32>");
}

INSTANTIATE_TEST_SUITE_P(
    Devices, TablesTest,
    ::testing::Values(DeviceCase{"cpu", {kDLCPU, 0}},
                      DeviceCase{"sim", {kDLExtDev, ATTNRT_DEVICE_SIM}}),
    [](const auto &info) { return std::string(info.param.name); });

TablesTest::TablesTest() : q(kRequests * kHeads * kWidth) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  for (float &x : q) {
    x = normal(random);
  }
  for (auto &logical : {&k, &v}) {
    logical->resize(kRequests * kMost * kHeads * kWidth);
    for (float &x : *logical) {
      x = normal(random);
    }
  }
}

std::vector<float>
TablesTest::fill(std::vector<float> &from, size_t elements,
                 const std::function<int64_t(int64_t, int64_t, int64_t)> &at) {
  std::vector<float> pool(elements, NAN);
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t m = 0; m < kLengths[b]; ++m) {
      for (int64_t g = 0; g < kHeads; ++g) {
        for (int64_t e = 0; e < kWidth; ++e) {
          pool[at(b, m, g) + e] = logical(from, b, m, g, e);
        }
      }
    }
  }
  return pool;
}

rt::Kernel TablesTest::load(const std::string &text, const char *entry) {
  return rt::Kernel(loadProgram(context, text, {.withPtx = true}), entry,
                    GetParam().device);
}

void TablesTest::forget(int64_t b, int64_t m) {
  for (auto *from : {&k, &v}) {
    std::fill_n(&logical(*from, b, m, 0, 0), kHeads * kWidth, 0.0f);
  }
}

void TablesTest::check(const std::string &text, std::vector<Tensor> cache,
                       std::vector<Tensor> tables, Astray astray) {
  rt::Kernel kernel = load(text, "decode");
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = 3;
  caps.split = 2;
  rt::Schedule schedule(kernel, &caps);
  std::vector<float> out(q.size(), -1);
  Tensor tq(q.data(), {kRequests, kHeads, kWidth}, kF32);
  Tensor ts(&scale, {}, kF32), to(out.data(), tq.sizes, kF32);
  std::vector<const DLTensor *> arguments{tq.get()};
  for (auto *list : {&cache, &tables}) {
    for (Tensor &tensor : *list) {
      arguments.push_back(tensor.get());
    }
  }
  arguments.push_back(ts.get());
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(arguments.size());
  step.arguments = arguments.data();
  EXPECT_EQ(attnrt_schedule_validate(schedule.get(), &step), astray.validated)
      << attnrt_last_message();
  // A program in stages has no plan that could be of the wrong size.
  auto info = rt::params<attnrt_kernel_info>();
  rt::throwIfFailed(attnrt_kernel_describe(kernel.get(), &info));
  if (!astray.updated.empty() && info.num_launches == 1) {
    EXPECT_EQ(attnrt_schedule_update(schedule.get(), &step, nullptr),
              ATTNRT_INVALID_ARGUMENT);
    EXPECT_EQ(astray.updated, attnrt_last_message());
  }
  std::vector<const DLTensor *> host(arguments.size());
  for (size_t i = 0; i < astray.planned.size(); ++i) {
    host[1 + cache.size() + i] = astray.planned[i].get();
  }
  step.host = host.data();
  schedule.update(step);
  schedule.verify();
  arguments.push_back(to.get());
  schedule.run(arguments);
  expectRows(out, astray.beyond);
}

void TablesTest::expectRows(const std::vector<float> &out,
                            const std::vector<int64_t> &beyond) {
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t g = 0; g < kHeads; ++g) {
      if (std::count(beyond.begin(), beyond.end(), b)) {
        for (int64_t f = 0; f < kWidth; ++f) {
          EXPECT_TRUE(std::isfinite(out[(b * kHeads + g) * kWidth + f]));
        }
        continue;
      }
      std::vector<double> weights;
      double sum = 0;
      for (int64_t m = 0; m < kLengths[b]; ++m) {
        double score = 0;
        for (int64_t e = 0; e < kWidth; ++e) {
          score += double(q[(b * kHeads + g) * kWidth + e]) *
                   logical(k, b, m, g, e) * scale;
        }
        sum += weights.emplace_back(std::exp(score));
      }
      for (int64_t f = 0; f < kWidth; ++f) {
        double want = 0;
        for (int64_t m = 0; m < kLengths[b]; ++m) {
          want += weights[m] * logical(v, b, m, g, f) / sum;
        }
        EXPECT_NEAR(want, out[(b * kHeads + g) * kWidth + f], 1e-5)
            << "request " << b << " head " << g << " channel " << f;
      }
    }
  }
}
