//===- GeneralTest.cpp - Values of any rank and size, from tile to numbers ===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include "gtest/gtest.h"

using namespace attn;
using namespace attn::test;

namespace {
/// Arguments in kernel order; each has a guard behind it.
struct Arguments {
  std::vector<std::vector<char>> storage;
  std::vector<attnrt_tensor> tensors;
  std::vector<attnrt_row> rows = std::vector<attnrt_row>(64);

  template <typename T> T *add(size_t n, std::vector<T> values = {}) {
    storage.emplace_back(n * sizeof(T) + 64, char(0x5a));
    T *data = reinterpret_cast<T *>(storage.back().data());
    std::copy(values.begin(), values.end(), data);
    tensors.push_back(describe(data, {int64_t(n)}));
    sizes.push_back(n * sizeof(T));
    return data;
  }
  void expectGuards() const {
    for (size_t i = 0; i < storage.size(); ++i) {
      for (size_t k = sizes[i]; k < storage[i].size(); ++k) {
        ASSERT_EQ(storage[i][k], 0x5a) << "argument " << i << " byte " << k;
      }
    }
  }
  attnrt_args block() {
    attnrt_args args = {};
    args.tensors = tensors.data();
    args.rows = rows.data();
    return args;
  }

private:
  std::vector<size_t> sizes;
};

std::vector<float> randomFloats(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> u(-1, 1);
  std::vector<float> x(n);
  for (float &v : x) {
    v = u(random);
  }
  return x;
}

void runStage(const std::string &text, Arguments &arguments,
              const char *features) {
  Compiled code;
  ASSERT_TRUE(code.compile(text, features)) << text;
  attnrt_args args = arguments.block();
  attnrt_item item = {};
  item.row_count = 1;
  item.sub_count = 1;
  item.slot = -1;
  code.function<ItemFn>("f")(&args, &item, code.scratch);
  arguments.expectGuards();
}

std::string num(int64_t n) { return std::to_string(n); }
std::string shape(std::vector<int64_t> s, const std::string &type = "f32") {
  std::string r;
  for (int64_t d : s) {
    r += num(d) + "x";
  }
  return r + type;
}

/// %name = a whole memref argument, through coordinates.
std::string loadAll(const std::string &name, const std::string &from,
                    std::vector<int64_t> s, const std::string &type = "f32") {
  std::string coords, axes, types;
  std::string text;
  for (size_t a = 0; a < s.size(); ++a) {
    std::string c = "%" + name + "_c" + num(a);
    text += c + " = tile.coord %c0 : vector<" + num(s[a]) + "xi32>\n";
    coords += (a ? ", " : "") + c;
    axes += (a ? ", " : "") + num(a);
    types += ", vector<" + num(s[a]) + "xi32>";
  }
  return text + "%" + name + " = tile.load " + from + "[" + coords +
         "] axes [" + axes + "] : (memref<" + shape(s, type) + ">" + types +
         ") -> vector<" + shape(s, type) + ">\n";
}

std::string storeAll(const std::string &value, const std::string &to,
                     std::vector<int64_t> s, const std::string &type = "f32") {
  std::string coords, axes, types, text, id = to.substr(1);
  for (size_t a = 0; a < s.size(); ++a) {
    std::string c = "%st_" + id + "_c" + num(a);
    text += c + " = tile.coord %c0 : vector<" + num(s[a]) + "xi32>\n";
    coords += (a ? ", " : "") + c;
    axes += (a ? ", " : "") + num(a);
    types += ", vector<" + num(s[a]) + "xi32>";
  }
  return text + "tile.store " + value + ", " + to + "[" + coords + "] axes [" +
         axes + "] : vector<" + shape(s, type) + ">, memref<" + shape(s, type) +
         ">" + types + "\n";
}

class General : public testing::TestWithParam<const char *> {};

TEST_P(General, DotsOfAnySize) {
  struct Case {
    int64_t m, k, n;
    bool ta, tb, acc;
  };
  for (Case c :
       {Case{5, 7, 3, false, false, false}, Case{1, 16, 24, false, true, false},
        Case{33, 24, 40, true, false, true}, Case{12, 5, 1, false, true, true},
        Case{3, 64, 145, true, true, false},
        Case{17, 48, 80, false, true, true}}) {
    std::vector<int64_t> as =
        c.ta ? std::vector<int64_t>{c.k, c.m} : std::vector<int64_t>{c.m, c.k};
    std::vector<int64_t> bs =
        c.tb ? std::vector<int64_t>{c.n, c.k} : std::vector<int64_t>{c.k, c.n};
    std::vector<int64_t> rs = {c.m, c.n};
    std::string attrs = std::string(c.ta ? "transposeA" : "") +
                        (c.ta && c.tb ? ", " : "") + (c.tb ? "transposeB" : "");
    std::string text =
        "tile.kernel stage @f(%a: memref<" + shape(as) + ">, %b: memref<" +
        shape(bs) + ">, %d: memref<" + shape(rs) + ">, %r: memref<" +
        shape(rs) + ">) program(4) {\n" + "%c0 = arith.constant 0 : index\n" +
        loadAll("x", "%a", as) + loadAll("y", "%b", bs) +
        loadAll("z", "%d", rs) + "%p = tile.dot %x, %y" +
        (c.acc ? " acc(%z)" : "") + (attrs.empty() ? "" : " {" + attrs + "}") +
        " : (vector<" + shape(as) + ">, vector<" + shape(bs) + ">" +
        (c.acc ? ", vector<" + shape(rs) + ">" : "") + ") -> vector<" +
        shape(rs) + ">\n" + storeAll("%p", "%r", rs) + "tile.return\n}\n";
    Arguments arguments;
    std::vector<float> a = randomFloats(c.m * c.k, 1),
                       b = randomFloats(c.k * c.n, 2),
                       d = randomFloats(c.m * c.n, 3);
    arguments.storage.reserve(8);
    arguments.add<float>(a.size(), a);
    arguments.add<float>(b.size(), b);
    arguments.add<float>(d.size(), d);
    float *r = arguments.add<float>(d.size());
    runStage(text, arguments, GetParam());
    for (int64_t i = 0; i < c.m; ++i) {
      for (int64_t j = 0; j < c.n; ++j) {
        double want = c.acc ? d[i * c.n + j] : 0.0;
        for (int64_t k = 0; k < c.k; ++k) {
          want += double(c.ta ? a[k * c.m + i] : a[i * c.k + k]) *
                  (c.tb ? b[j * c.k + k] : b[k * c.n + j]);
        }
        ASSERT_NEAR(r[i * c.n + j], want, 1e-5)
            << c.m << "x" << c.k << "x" << c.n;
      }
    }
  }
}

TEST_P(General, ReductionsOverAnyAxes) {
  const int64_t n0 = 3, n1 = 6, n2 = 20;
  struct Case {
    const char *kind;
    std::vector<int64_t> axes;
  };
  for (Case c : {Case{"add", {2}}, Case{"add", {0}}, Case{"maximumf", {1}},
                 Case{"minimumf", {0, 2}}, Case{"add", {0, 1}},
                 Case{"maximumf", {1, 2}}, Case{"mul", {1}}}) {
    std::vector<int64_t> sizes = {n0, n1, n2}, kept;
    std::string axes;
    for (int64_t a = 0; a < 3; ++a) {
      bool in = std::count(c.axes.begin(), c.axes.end(), a);
      if (in) {
        axes += (axes.empty() ? "" : ", ") + num(a);
      } else {
        kept.push_back(sizes[a]);
      }
    }
    std::string text =
        "tile.kernel stage @f(%a: memref<" + shape(sizes) + ">, %d: memref<" +
        shape(kept) + ">, %r: memref<" + shape(kept) + ">) program(3) {\n" +
        "%c0 = arith.constant 0 : index\n" + loadAll("x", "%a", sizes) +
        loadAll("z", "%d", kept) + "%p = vector.multi_reduction <" + c.kind +
        ">, %x, %z [" + axes + "] : vector<" + shape(sizes) + "> to vector<" +
        shape(kept) + ">\n" + storeAll("%p", "%r", kept) + "tile.return\n}\n";
    int64_t total = 1;
    for (int64_t d : kept) {
      total *= d;
    }
    Arguments arguments;
    arguments.storage.reserve(8);
    std::vector<float> a = randomFloats(n0 * n1 * n2, 4),
                       d = randomFloats(total, 5);
    arguments.add<float>(a.size(), a);
    arguments.add<float>(total, d);
    float *r = arguments.add<float>(total);
    runStage(text, arguments, GetParam());
    std::vector<double> want(d.begin(), d.end());
    for (int64_t i = 0; i < n0 * n1 * n2; ++i) {
      int64_t coordinate[3] = {i / (n1 * n2), i / n2 % n1, i % n2}, at = 0;
      for (int64_t k = 0; k < 3; ++k) {
        if (!std::count(c.axes.begin(), c.axes.end(), k)) {
          at = at * sizes[k] + coordinate[k];
        }
      }
      std::string kind = c.kind;
      want[at] = kind == "add"        ? want[at] + a[i]
                 : kind == "mul"      ? want[at] * a[i]
                 : kind == "maximumf" ? std::max<double>(want[at], a[i])
                                      : std::min<double>(want[at], a[i]);
    }
    for (int64_t i = 0; i < total; ++i) {
      ASSERT_NEAR(r[i], want[i], 1e-5) << c.kind << " [" << axes << "] " << i;
    }
  }
}

/// Transposition, spreading, bytes as i1, i8 and bf16 elements.
TEST_P(General, ElementTypesAndAxes) {
  const std::string text =
      R"(
tile.kernel stage @f(%a: memref<6x10xi8>, %m: memref<10x6xi1>, %h: memref<10xbf16>, %r: memref<10x6xf32>, %o: memref<10x6xi1>, %s: memref<10xbf16>) program(6) {
  %c0 = arith.constant 0 : index
)" + loadAll("x", "%a", {6, 10}, "i8") +
      loadAll("y", "%m", {10, 6}, "i1") + loadAll("z", "%h", {10}, "bf16") + R"(
  %xf = arith.sitofp %x : vector<6x10xi8> to vector<6x10xf32>
  %xt = tile.expand %xf [1, 0] : vector<6x10xf32> to vector<10x6xf32>
  %zf = arith.extf %z : vector<10xbf16> to vector<10xf32>
  %ze = tile.expand %zf [0] : vector<10xf32> to vector<10x6xf32>
  %p = arith.mulf %xt, %ze : vector<10x6xf32>
  %no = arith.constant dense<-1.0> : vector<10x6xf32>
  %q = arith.select %y, %p, %no : vector<10x6xi1>, vector<10x6xf32>
  %big = arith.cmpf ogt, %q, %no : vector<10x6xf32>
  %tw = arith.addf %zf, %zf : vector<10xf32>
  %tb = arith.truncf %tw : vector<10xf32> to vector<10xbf16>
)" + storeAll("%q", "%r", {10, 6}) +
      storeAll("%big", "%o", {10, 6}, "i1") +
      storeAll("%tb", "%s", {10}, "bf16") + "tile.return\n}\n";
  Arguments arguments;
  arguments.storage.reserve(8);
  std::vector<int8_t> a(60);
  std::vector<uint8_t> m(60);
  std::vector<uint16_t> h(10);
  for (int i = 0; i < 60; ++i) {
    a[i] = i * 7 % 51 - 25;
    m[i] = i % 3 != 0;
  }
  for (int i = 0; i < 10; ++i) {
    float f = 0.5f * (i + 1);
    uint32_t u;
    std::memcpy(&u, &f, 4);
    h[i] = u >> 16;
  }
  arguments.add<int8_t>(60, a);
  arguments.add<uint8_t>(60, m);
  arguments.add<uint16_t>(10, h);
  float *r = arguments.add<float>(60);
  uint8_t *o = arguments.add<uint8_t>(60);
  uint16_t *s = arguments.add<uint16_t>(10);
  runStage(text, arguments, GetParam());
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 6; ++j) {
      float want = m[i * 6 + j] ? a[j * 10 + i] * 0.5f * (i + 1) : -1.0f;
      EXPECT_EQ(r[i * 6 + j], want);
      EXPECT_EQ(o[i * 6 + j], want > -1.0f);
    }
    float twice = i + 1;
    uint32_t u;
    std::memcpy(&u, &twice, 4);
    EXPECT_EQ(s[i], u >> 16);
  }
}

/// Intervals are joined, tiles can be left out, a carried scalar counts.
TEST_P(General, FoldOverIntervals) {
  const std::string text = R"(
tile.kernel stage @f(%r: memref<8xf32>, %n: memref<1xi32>) program(2) {
  %c0 = arith.constant 0 : index
  %b0 = arith.constant 2 : index
  %e0 = arith.constant 6 : index
  %b1 = arith.constant 3 : index
  %e1 = arith.constant 5 : index
  %b2 = arith.constant 4 : index
  %e2 = arith.constant 9 : index
  %c7 = arith.constant 7 : index
  %zero = arith.constant dense<0.0> : vector<8xf32>
  %swap = arith.constant dense<100.0> : vector<8xf32>
  %i0 = arith.constant 0 : i32
  %i1 = arith.constant 1 : i32
  %s:3 = tile.fold from(%b0, %b1, %b2) to(%e0, %e1, %e2) state(%zero, %swap, %i0 : vector<8xf32>, vector<8xf32>, i32) class {
  ^bb0(%k: index):
    %v = arith.cmpi ne, %k, %c7 : index
    %f = arith.constant false
    tile.yield %v, %f : i1, i1
  } step {
  ^bb0(%k: index, %p: i1, %x: vector<8xf32>, %y: vector<8xf32>, %c: i32):
    %ki = arith.index_cast %k : index to i32
    %kf = arith.sitofp %ki : i32 to f32
    %kv = vector.broadcast %kf : f32 to vector<8xf32>
    %xn = arith.addf %y, %kv : vector<8xf32>
    %cn = arith.addi %c, %i1 : i32
    tile.yield %xn, %x, %cn : vector<8xf32>, vector<8xf32>, i32
  } -> vector<8xf32>, vector<8xf32>, i32
  %sum = arith.addf %s#0, %s#1 : vector<8xf32>
)" + storeAll("%sum", "%r", {8}) +
                           R"(
  tile.store %s#2, %n[%c0] axes [-1] : i32, memref<1xi32>, index
  tile.return
})";
  Arguments arguments;
  arguments.storage.reserve(4);
  float *r = arguments.add<float>(8);
  int32_t *n = arguments.add<int32_t>(1);
  runStage(text, arguments, GetParam());
  // 2 3 4 5, then 6 and 8 of [4, 9): the two states change places each time.
  float x = 0, y = 100;
  for (int k : {2, 3, 4, 5, 6, 8}) {
    float next = y + k;
    y = x;
    x = next;
  }
  EXPECT_EQ(*n, 6);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(r[i], x + y);
  }
}

/// A branch with work inside, and a loop that carries a vector.
TEST_P(General, BranchesAndLoops) {
  const std::string text = R"(
tile.kernel stage @f(%a: memref<4x12xf32>, %w: memref<1xi32>, %r: memref<4xf32>, %t: memref<1xf32>) program(4) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
)" + loadAll("x", "%a", {4, 12}) +
                           R"(
  %wi = memref.load %w[%c0] : memref<1xi32>
  %i0 = arith.constant 0 : i32
  %c = arith.cmpi sgt, %wi, %i0 : i32
  %zero = arith.constant dense<0.0> : vector<4xf32>
  %y, %u = scf.if %c -> (vector<4xf32>, f32) {
    %e = math.exp %x : vector<4x12xf32>
    %q = vector.multi_reduction <add>, %e, %zero [1] : vector<4x12xf32> to vector<4xf32>
    %f = arith.constant 1.0 : f32
    scf.yield %q, %f : vector<4xf32>, f32
  } else {
    %f = arith.constant 2.0 : f32
    scf.yield %zero, %f : vector<4xf32>, f32
  }
  %uv = vector.broadcast %u : f32 to vector<4xf32>
  %z = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %y) -> (vector<4xf32>) {
    %n = arith.addf %s, %uv : vector<4xf32>
    scf.yield %n : vector<4xf32>
  }
  %f0 = arith.constant 0.0 : f32
  %all = vector.multi_reduction <add>, %z, %f0 [0] : vector<4xf32> to f32
)" + storeAll("%z", "%r", {4}) +
                           R"(
  tile.store %all, %t[%c0] axes [-1] : f32, memref<1xf32>, index
  tile.return
})";
  for (int32_t w : {0, 1}) {
    Arguments arguments;
    arguments.storage.reserve(4);
    std::vector<float> a = randomFloats(48, 6);
    arguments.add<float>(48, a);
    arguments.add<int32_t>(1, {w});
    float *r = arguments.add<float>(4), *t = arguments.add<float>(1);
    runStage(text, arguments, GetParam());
    double all = 0;
    for (int i = 0; i < 4; ++i) {
      double want = w ? 5.0 : 10.0;
      for (int j = 0; j < 12 && w; ++j) {
        want += std::exp(a[i * 12 + j]);
      }
      all += want;
      EXPECT_NEAR(r[i], want, 1e-5 * want);
    }
    EXPECT_NEAR(*t, all, 1e-5 * all);
  }
}

/// States of several parts, rows in two tiles of four, to the results.
TEST_P(General, Merge) {
  const std::string text = R"(
func.func private @add(%a: vector<4xf32>, %b: vector<4x24xf32>, %c: vector<4xf32>, %d: vector<4x24xf32>) -> (vector<4xf32>, vector<4x24xf32>) {
  %x = arith.addf %a, %c : vector<4xf32>
  %y = arith.addf %b, %d : vector<4x24xf32>
  return %x, %y : vector<4xf32>, vector<4x24xf32>
}
tile.kernel merge @f(%l: memref<?xf32>, %s: memref<?x24xf32>, %r: memref<?x?x24xf32>) program(3) rows(4) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = tile.item row_count
  %g = tile.item sub_count
  %total = arith.muli %n, %g : index
  %parts = tile.item part_count
  %z1 = arith.constant dense<0.0> : vector<4xf32>
  %z2 = arith.constant dense<0.0> : vector<4x24xf32>
  %e = tile.coord %c0 : vector<24xi32>
  scf.for %first = %c0 to %total step %c4 {
    %p, %m, %count, %sym = tile.rows %first : vector<4xi32>
    %st:2 = tile.fold from(%c0) to(%parts) state(%z1, %z2 : vector<4xf32>, vector<4x24xf32>) class {
    ^bb0(%k: index):
      %t = arith.constant true
      %f = arith.constant false
      tile.yield %t, %f : i1, i1
    } step {
    ^bb0(%k: index, %q: i1, %x: vector<4xf32>, %y: vector<4x24xf32>):
      %o:2 = tile.load_state %k, %first of(%l, %s) : (index, index, memref<?xf32>, memref<?x24xf32>) -> (vector<4xf32>, vector<4x24xf32>)
      %a:2 = func.call @add(%x, %y, %o#0, %o#1) : (vector<4xf32>, vector<4x24xf32>, vector<4xf32>, vector<4x24xf32>) -> (vector<4xf32>, vector<4x24xf32>)
      tile.yield %a#0, %a#1 : vector<4xf32>, vector<4x24xf32>
    } -> vector<4xf32>, vector<4x24xf32>
    %le = tile.expand %st#0 [0] : vector<4xf32> to vector<4x24xf32>
    %d = arith.divf %st#1, %le : vector<4x24xf32>
    tile.store %d, %r[%p, %m, %e] axes [0, 0, 1] live(%c0 to %count) : vector<4x24xf32>, memref<?x?x24xf32>, vector<4xi32>, vector<4xi32>, vector<24xi32>, index, index
  }
  tile.return
})";
  Compiled code;
  ASSERT_TRUE(code.compile(text, GetParam()));
  const int64_t rows = 3, group = 2, slots = 40;
  Arguments arguments;
  arguments.storage.reserve(4);
  std::vector<float> l = randomFloats(slots, 7),
                     s = randomFloats(slots * 24, 8);
  for (float &x : l) {
    x += 2;
  }
  arguments.add<float>(slots, l);
  arguments.add<float>(slots * 24, s);
  float *r = arguments.add<float>((rows + 2) * 3 * 24);
  arguments.tensors[1] = describe(arguments.tensors[1].data, {slots, 24});
  arguments.tensors[2] = describe(r, {rows + 2, 3, 24});
  for (int i = 0; i < 10; ++i) {
    arguments.rows[i].coord = i - 3;
  }
  std::vector<int32_t> mergeSlots = {99, 4, 30, 17};
  attnrt_args args = arguments.block();
  args.merge_slots = mergeSlots.data();
  attnrt_merge merge = {};
  merge.first = 4; // coordinates 1, 2, 3
  merge.n = rows;
  merge.begin = 1;
  merge.count = 3;
  merge.sub_begin = 1;
  merge.sub_count = group;
  std::fill(r, r + (rows + 2) * 3 * 24, -7.0f);
  code.function<MergeFn>("f")(&args, &merge, code.scratch);
  arguments.expectGuards();
  for (int64_t p = 0; p < rows + 2; ++p) {
    for (int64_t m = 0; m < 3; ++m) {
      for (int64_t f = 0; f < 24; ++f) {
        float got = r[(p * 3 + m) * 24 + f];
        if (p < 1 || p > rows || m < 1) {
          ASSERT_EQ(got, -7.0f) << p << " " << m;
          continue;
        }
        double a = 0, b = 0;
        for (int part = 1; part <= 3; ++part) {
          int64_t slot = mergeSlots[part] + (p - 1) * group + m - 1;
          a += s[slot * 24 + f];
          b += l[slot];
        }
        ASSERT_NEAR(got, a / b, 1e-5) << p << " " << m << " " << f;
      }
    }
  }
}

/// Every half to f32 and back is itself; ties and the ends of the range.
TEST_P(General, Halves) {
  const std::string text = R"(
tile.kernel host @f(%x: memref<?xf16>, %y: memref<?xf32>, %z: memref<?xf16>, %n: index) program(0) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  scf.for %i = %c0 to %n step %c64 {
    %c = tile.coord %i : vector<64xi32>
    %v = tile.load %x[%c] axes [0] : (memref<?xf16>, vector<64xi32>) -> vector<64xf16>
    %w = arith.extf %v : vector<64xf16> to vector<64xf32>
    tile.store %w, %y[%c] axes [0] : vector<64xf32>, memref<?xf32>, vector<64xi32>
    %d = tile.load %y[%c] axes [0] : (memref<?xf32>, vector<64xi32>) -> vector<64xf32>
    %h = arith.truncf %d : vector<64xf32> to vector<64xf16>
    tile.store %h, %z[%c] axes [0] : vector<64xf16>, memref<?xf16>, vector<64xi32>
  }
  tile.return
})";
  Compiled code;
  ASSERT_TRUE(code.compile(text, GetParam()));
  using Fn =
      void(const attnrt_args *, const uint16_t *, float *, uint16_t *, int64_t);
  std::vector<uint16_t> x(65536), z(65536);
  std::vector<float> y(65536);
  for (int i = 0; i < 65536; ++i) {
    x[i] = i;
  }
  attnrt_args args = {};
  code.function<Fn>("f")(&args, x.data(), y.data(), z.data(), 65536);
  for (int i = 0; i < 65536; ++i) {
    bool nan = (i & 0x7c00) == 0x7c00 && i & 0x3ff;
    if (nan) {
      ASSERT_TRUE(std::isnan(y[i]) && (z[i] & 0x7c00) == 0x7c00 &&
                  z[i] & 0x3ff);
      continue;
    }
    double want = (i & 0x7fff) == 0x7c00 ? (i & 0x8000 ? -INFINITY : INFINITY)
                                         : fromHalf(i);
    ASSERT_EQ(y[i], want) << i;
    ASSERT_EQ(z[i], i);
  }
}

INSTANTIATE_TEST_SUITE_P(Features, General,
                         testing::Values("native", "x86-64-v3", "x86-64-v2"));
} // namespace
