//===- SliceTest.cpp - Cascades too large to keep whole -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Program.h"

using namespace attn;

// The intermediate has B * P * M = 6M points, more than are kept at once, so b
// is run one coordinate at a time. Everything is a count, exact in f64.
static std::string program(StringRef readBack) {
  return (R"(
    func.func @f(%b: tensor<?xf32>, %p: tensor<?xf32>, %m: tensor<?xf32>, %list: tensor<?x1xi32>, %count: tensor<?xi32>)
        -> (tensor<?x?xf32>, tensor<?xf32>) {
      %o:2 = attn.cascade ranks(b, p, m) -> (tensor<?x?xf32>, tensor<?xf32>) {
        %own = attn.select listed %list[b], %count[b] -> [b]
            : (tensor<?x1xi32>, tensor<?xi32>) -> !attn.coords<1024, 1>
        %x = attn.einsum %b[b], %p[p], %m[m] -> [p, b, m] where (m <= p) at m in %own[b]
            : (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, !attn.coords<1024, 1>) -> tensor<?x?x?xf32>
        %y = attn.einsum %x[p, )" +
          readBack +
          R"(, m] -> [b, p] reduce add(m) : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
        %z = attn.einsum %b[b] -> [b] : (tensor<?xf32>) -> tensor<?xf32>
        attn.yield %y, %z : tensor<?x?xf32>, tensor<?xf32>
      }
      return %o#0, %o#1 : tensor<?x?xf32>, tensor<?xf32>
    })")
      .str();
}

static void check(StringRef readBack, int64_t shift) {
  const int64_t B = 3, P = 1024, M = 2048;
  auto ones = [](int64_t n) {
    HostArray array = HostArray::zeros(DType::F32, {n});
    for (int64_t i = 0; i < n; ++i) {
      array.setDouble(i, 1);
    }
    return array;
  };
  HostArray b = HostArray::fromDoubles(DType::F32, {B}, {1, 10, 100});
  // Request 1 has the second half of the keys, of which m <= p leaves none.
  HostArray list = HostArray::fromDoubles(DType::I32, {B, 1}, {0, 1, 0});
  HostArray count = HostArray::fromDoubles(DType::I32, {B}, {1, 1, 1});
  Program text(program(readBack));
  SmallVector<HostArray> results = text.run({b, ones(P), ones(M), list, count});
  ASSERT_EQ(results.size(), 2u);
  const double factors[] = {1, 0, 100};
  for (int64_t i = 0; i < B; ++i) {
    double factor = factors[(i + shift) % B];
    ASSERT_EQ(results[1].at({i}), b.at({i}));
    for (int64_t p = 0; p < P; ++p) {
      ASSERT_EQ(results[0].at({i, p}), factor * double(p + 1)) << i << " " << p;
    }
  }
}

TEST(Slice, SlicesJoinToTheWhole) { check("b", 0); }

// Read at another coordinate of b than it was computed at, so not to be sliced.
TEST(Slice, ReadsElsewhereAreSeen) { check("(b + 1) mod 3", 1); }
