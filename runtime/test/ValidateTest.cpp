//===- ValidateTest.cpp - Tables that lead astray -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../src/Guard.h"
#include "../src/abi/ViewWalk.h"

#include <functional>
#include <gtest/gtest.h>

using namespace attnrt;

namespace {

Expression axis(int64_t i) { return {{{StepKind::Axis, i}}}; }
Expression symbol(int64_t i) { return {{{StepKind::Symbol, i}}}; }
Expression number(int64_t n) { return {{{StepKind::Constant, n}}}; }
Expression join(Expression a, const Expression &b, StepKind kind) {
  a.steps.insert(a.steps.end(), b.steps.begin(), b.steps.end());
  a.steps.push_back({kind, 0});
  return a;
}
Expression operator+(Expression a, const Expression &b) {
  return join(std::move(a), b, StepKind::Add);
}
Expression operator*(Expression a, int64_t b) {
  return join(std::move(a), number(b), StepKind::Mul);
}
Expression operator-(Expression a, const Expression &b) {
  return std::move(a) + b * -1;
}
Expression operator/(Expression a, int64_t b) {
  return join(std::move(a), number(b), StepKind::FloorDiv);
}
Expression operator%(Expression a, int64_t b) {
  return join(std::move(a), number(b), StepKind::Mod);
}

/// k[b, m, g] over pages of 4 tokens and 2 heads; argument 0 is the storage.
struct Cache {
  Cache() {
    view.axes = {"b", "m", "g"};
    view.sizes = {-1, -1, -1};
    add({8, 4, 2}, nullptr);
  }
  void add(std::vector<int64_t> sizes, std::vector<int32_t> *data) {
    HostValue value{};
    value.tensor.dtype = data ? ATTNRT_I32 : ATTNRT_F32;
    value.tensor.rank = uint32_t(sizes.size());
    value.tensor.data = data ? data->data() : nullptr;
    int64_t stride = 1;
    for (size_t k = sizes.size(); k-- > 0; stride *= sizes[k]) {
      value.tensor.shape[k] = sizes[k];
      value.tensor.stride[k] = stride;
    }
    values.push_back(value);
  }
  void where(Expression e) { view.domain.push_back({{std::move(e), false}}); }
  /// "" if no point leads astray.
  std::string check() {
    try {
      ViewWalk(view, values).run();
    } catch (const Failure &failure) {
      return failure.message;
    }
    return "";
  }
  View view{};
  std::vector<HostValue> values;
};

Expression b = axis(0), m = axis(1), g = axis(2);
const char *astray = "the view of argument 0 leads astray at ";

} // namespace

TEST(Validate, DenseTablesWithANullBlock) {
  // Rows of 3 pages; what is past the length is 0, or anything.
  std::vector<int32_t> table{5, 7, 0, 1, 0, 0, 2, 3, 4}, len{8, 3, 12};
  Cache cache;
  cache.add({3, 3}, &table);
  cache.add({3}, &len);
  cache.view.symbols = {{"pg", 1, {b, m / 4}}, {"len", 2, {b}}};
  cache.where(symbol(1) - m - number(1));
  cache.view.address = {symbol(0), m % 4, g};
  EXPECT_EQ("", cache.check());
  table[2] = 900; // behind the 8 tokens of request 0
  EXPECT_EQ("", cache.check());
  len[0] = 9; // now it is not
  EXPECT_EQ(std::string(astray) + "b = 0, m = 8: it goes to 900 on axis 0 of "
                                  "the argument, which has 8",
            cache.check());
  table[2] = -1;
  EXPECT_EQ(std::string(astray) +
                "b = 0, m = 8: it goes to -1 on axis 0 of the "
                "argument, which has 8",
            cache.check());
  table[2] = 0;
  len[2] = 13; // more than the table's row
  EXPECT_EQ(std::string(astray) +
                "b = 2, m = 12: it looks up entry 3 of axis 1 "
                "of argument 1, which has 3",
            cache.check());
  cache.values[1].tensor.data = nullptr;
  EXPECT_EQ("argument 1 is looked at when tables are checked: its values are "
            "expected in `host`",
            cache.check());
}

TEST(Validate, ListsOfPagesWithALastLength) {
  // CSR: pages indptr[b] .. indptr[b + 1], of which the last holds `last`.
  std::vector<int32_t> pages{6, 2, 7, 1}, indptr{0, 2, 2, 4}, last{3, 0, 4};
  Cache cache;
  cache.add({4}, &pages);
  cache.add({4}, &indptr);
  cache.add({3}, &last);
  cache.view.symbols = {{"from", 2, {b}},
                        {"to", 2, {b + number(1)}},
                        {"last", 3, {b}},
                        {"pg", 1, {symbol(0) + m / 4}}};
  // m < 4 * (to - from - 1) + last
  cache.where((symbol(1) - symbol(0) - number(1)) * 4 + symbol(2) - m -
              number(1));
  cache.view.address = {symbol(3), m % 4, g};
  EXPECT_EQ("", cache.check());
  pages[3] = 8;
  EXPECT_EQ(std::string(astray) + "b = 2, m = 4: it goes to 8 on axis 0 of the "
                                  "argument, which has 8",
            cache.check());
  pages[3] = 1;
  indptr[3] = 5;
  EXPECT_EQ(std::string(astray) + "b = 2, m = 8: it looks up entry 4 of axis 0 "
                                  "of argument 1, which has 4",
            cache.check());
}

TEST(Validate, TokenSlots) {
  std::vector<int32_t> slots{3, 31, 8, 0, 0, 9, 1, 2}, len{3, 4};
  Cache cache;
  cache.values[0].tensor.shape[0] = 32; // tokens, heads
  cache.values[0].tensor.shape[1] = 2;
  cache.values[0].tensor.rank = 2;
  cache.add({2, 4}, &slots);
  cache.add({2}, &len);
  cache.view.symbols = {{"slot", 1, {b, m}}, {"len", 2, {b}}};
  cache.where(symbol(1) - m - number(1));
  cache.view.address = {symbol(0), g};
  EXPECT_EQ("", cache.check());
  slots[5] = 32;
  EXPECT_EQ(std::string(astray) +
                "b = 1, m = 1: it goes to 32 on axis 0 of the "
                "argument, which has 32",
            cache.check());
}

TEST(Validate, ContiguousRuns) {
  std::vector<int32_t> ptr{0, 5, 5, 32};
  Cache cache;
  cache.values[0].tensor.shape[0] = 32;
  cache.values[0].tensor.shape[1] = 2;
  cache.values[0].tensor.rank = 2;
  cache.add({4}, &ptr);
  cache.view.symbols = {{"from", 1, {b}}, {"to", 1, {b + number(1)}}};
  cache.where(symbol(1) - symbol(0) - m - number(1));
  cache.view.address = {symbol(0) + m, g};
  EXPECT_EQ("", cache.check());
  ptr[3] = 33;
  EXPECT_EQ(std::string(astray) + "b = 2, m = 27: it goes to 32 on axis 0 of "
                                  "the argument, which has 32",
            cache.check());
  ptr[2] = 40; // runs that fall are empty
  EXPECT_NE("", cache.check());
}

TEST(Validate, DomainsOfSeveralSets) {
  // Sinks and a window: only what is in one of them is looked at.
  std::vector<int32_t> table(40, 99), len{33};
  Cache cache;
  cache.add({1, 40}, &table);
  cache.add({1}, &len);
  cache.view.symbols = {{"slot", 1, {b, m}}, {"len", 2, {b}}};
  cache.view.address = {symbol(0), number(0), g};
  cache.where(number(1) - m);
  cache.where(symbol(1) - m - number(1));
  cache.view.domain[1].push_back({m - symbol(1) + number(3), false});
  for (int i : {0, 1, 30, 31, 32}) {
    table[size_t(i)] = i % 8;
  }
  EXPECT_EQ("", cache.check());
  table[31] = 8;
  EXPECT_EQ(std::string(astray) +
                "b = 0, m = 31: it goes to 8 on axis 0 of the "
                "argument, which has 8",
            cache.check());
}

TEST(Validate, FlatPoolsWithSizesInTheType) {
  // Where a key's channels begin, in one axis for all.
  std::vector<int32_t> first{0, 32, 64}, len{3};
  Cache cache;
  cache.values[0].tensor.shape[0] = 96;
  cache.values[0].tensor.rank = 1;
  cache.add({1, 3}, &first);
  cache.add({1}, &len);
  cache.view.symbols = {{"first", 1, {b, m}}, {"len", 2, {b}}};
  cache.where(symbol(1) - m - number(1));
  cache.view.address = {symbol(0) + g * 16};
  EXPECT_NE("", cache.check());
  cache.view.sizes[2] = 2;
  EXPECT_EQ("", cache.check());
  first[1] = 80;
  EXPECT_EQ(std::string(astray) + "b = 0, m = 1, g = 1: it goes to 96 on axis "
                                  "0 of the argument, which has 96",
            cache.check());
}

TEST(Validate, ListsOfCoordinates) {
  // At most 3 of a list of 4.
  std::vector<int32_t> list{7, 0, 2, -9, 1, 900, 3, 3}, count{3, 2};
  Cache cache;
  cache.values.clear();
  cache.add({2, 4}, &list);
  cache.add({2}, &count);
  cache.view.axes = {"b", "place"};
  cache.view.sizes = {-1, -1};
  cache.view.symbols = {{"count", 1, {b}}};
  cache.where(symbol(0) - m - number(1));
  cache.view.address = {b, m};
  Selection selection{cache.view, 3};
  auto check = [&]() -> std::string {
    try {
      ViewWalk(selection, cache.values).run();
    } catch (const Failure &failure) {
      return failure.message;
    }
    return "";
  };
  // Behind the count there may be anything; past the rank's end is nothing.
  EXPECT_EQ("", check());
  list[6] = -1;
  EXPECT_EQ("", check());
  count[1] = 3;
  EXPECT_EQ("the list of argument 0 leads astray at b = 1, place = 2: it "
            "chooses coordinate -1, but expects 0 or more",
            check());
  for (int32_t wrong : {4, -1}) {
    count[1] = wrong;
    EXPECT_EQ("the list of argument 0 leads astray at b = 1, place = 0: "
              "expects 0..3 coordinates, but the count (argument 1) is " +
                  std::to_string(wrong),
              check());
  }
  selection.most = 8;
  count[0] = 5;
  list[3] = 0;
  EXPECT_EQ("the list of argument 0 leads astray at b = 0, place = 4: it goes "
            "to 4 on axis 1 of the argument, which has 4",
            check());
  cache.values[0].tensor.data = nullptr;
  EXPECT_EQ("argument 0 is looked at when tables are checked: its values are "
            "expected in `host`",
            check());
}

TEST(Validate, AxesWithoutAnEnd) {
  std::vector<int32_t> len{3};
  Cache cache;
  cache.add({1}, &len);
  cache.view.symbols = {{"len", 1, {b}}};
  cache.where(m - symbol(0)); // from len on, to nowhere
  cache.view.address = {b, m % 4, g};
  EXPECT_EQ("the view of argument 0 cannot be checked, as its axis 'm' has no "
            "end: expects a constraint 'm < ..' in each part of its domain, a "
            "table or storage with 'm' itself as a coordinate, or its size in "
            "the view's type",
            cache.check());
  cache.view.sizes = {1, 6, 2};
  EXPECT_EQ("", cache.check());
}
