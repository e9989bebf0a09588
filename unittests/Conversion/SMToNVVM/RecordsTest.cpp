//===- RecordsTest.cpp - Fields, rows and arguments of a launch -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "gtest/gtest.h"

static const char *kInts = "memref<?x?xi32, strided<[?, 1]>>";

/// Writes `values` (index) to the row of %out that `row` names.
static std::string writeOut(const std::vector<std::string> &values,
                            const std::string &row) {
  const std::string layout = "#sm.mover<1, 1>", size = "tensor<32x";
  std::string i64 = size + "i64, " + layout + ">";
  std::string i32 = size + "i32, " + layout + ">";
  std::string i1 = size + "i1, " + layout + ">";
  std::string text = "%ob = sm.address %out : " + std::string(kInts) +
                     "\n%os = sm.stride %out, 0 : " + kInts +
                     "\n%of = arith.constant 4 : index\n"
                     "%lane = sm.coord %zero : " +
                     i32 + "\n%wanted = arith.constant dense<7> : " + i32 +
                     "\n%live = arith.cmpi eq, %lane, %wanted : " + i32 + "\n";
  int number = 0;
  for (const std::string &value : values) {
    std::string n = "%w" + std::to_string(number);
    text += n + "c = arith.constant " + std::to_string(number++) +
            " : index\n" + n + "r = arith.muli " + row + ", %os : index\n" + n +
            "e = arith.addi " + n + "r, " + n + "c : index\n" + n +
            "b = arith.muli " + n + "e, %of : index\n" + n +
            "i = arith.index_cast " + n + "b : index to i64\n" + n +
            "a = arith.addi %ob, " + n + "i : i64\n" + n + "s = sm.splat " + n +
            "a : i64 -> " + i64 + "\n" + n + "v = arith.index_cast " + value +
            " : index to i32\n" + n + "x = sm.splat " + n + "v : i32 -> " +
            i32 + "\nsm.store " + n + "x to " + n + "s live %live : " + i32 +
            ", " + i64 + ", " + i1 + "\n";
  }
  return text;
}

static std::string fields(const std::vector<std::string> &names,
                          std::vector<std::string> &values) {
  std::string text;
  for (const std::string &name : names) {
    text += "%" + name + " = sm.field %item \"" + name + "\"\n";
    values.push_back("%" + name);
  }
  return text;
}

TEST(SMToNVVMRecords, ReadsItems) {
  std::vector<std::string> names{
      "row_begin", "row_count", "kv_begin",  "kv_count",  "slot",
      "carry",     "head",      "sub_begin", "sub_count", "param",
      "coord0",    "row_first", "row_last"};
  std::vector<std::string> values;
  std::string body = fields(names, values);
  body += "%axis = arith.constant 0 : index\n"
          "%dim = memref.dim %out, %axis : " +
          std::string(kInts) + "\n%n1 = arith.index_cast %n : i32 to index\n";
  body += "%page0 = memref.load %out[%kv_begin, %big] : " + std::string(kInts) +
          "\n%page = arith.index_cast %page0 : i32 to index\n";
  values.insert(values.end(), {"%dim", "%n1", "%big", "%page"});
  TestPlan plan = TestPlan::get(2, 5);
  plan.segments.push_back(plan.segments[0]);
  plan.segments[1].coord0 = -12;
  plan.segments[1].param = 34;
  plan.rows[7].coord = 90;
  plan.rows[8].coord = 91;
  attnrt_item item = plan.items[0];
  item.row_begin = 7;
  item.row_count = 2;
  item.seg = 1;
  item.kv_begin = 3;
  item.kv_count = 11;
  item.slot = 5;
  item.carry = -1;
  item.head = 40000;
  item.sub_begin = 2;
  item.sub_count = 3;
  plan.items[1] = item;
  plan.scalars = {uint64_t(uint32_t(-6)), 20};
  std::vector<TestTensor> tensors{TestTensor::get<int32_t>(8, 24, -1)};
  tensors[0].at<int32_t>(3, 20) = 77;
  // One row per item, told by kv_begin.
  runKernel(wrapKernel("",
                       std::string("%n: i32, %out: ") + kInts + ", %big: index",
                       1, body + writeOut(values, "%kv_begin")),
            plan, tensors);
  int32_t wanted[] = {7,  2,   3,  11, 5, -1, 40000, 2, 3,
                      34, -12, 90, 91, 8, -6, 20,    77};
  for (int i = 0; i < 17; ++i) {
    EXPECT_EQ(tensors[0].at<int32_t>(3, i), wanted[i]) << i;
  }
  EXPECT_EQ(tensors[0].at<int32_t>(0, 3), 1) << "of the first item";
}

TEST(SMToNVVMRecords, ReadsMerges) {
  std::vector<std::string> names{"row_begin", "row_count",  "slot",
                                 "head",      "sub_begin",  "sub_count",
                                 "sym_first", "part_count", "row_last"};
  std::vector<std::string> values;
  std::string body = fields(names, values);
  body += "%two = arith.constant 2 : index\n%part = sm.part %item, %two\n";
  values.push_back("%part");
  TestPlan plan = TestPlan::get(1, 9);
  plan.rows[4].sym = 55;
  plan.mergeSlots = {9, 8, 17, 16, 15};
  attnrt_merge merge = {};
  merge.first = 4;
  merge.n = 3;
  merge.begin = 1;
  merge.count = 4;
  merge.head = 6;
  merge.sub_begin = 1;
  merge.sub_count = 2;
  merge.seg = -1;
  merge.dst = 12;
  plan.merges = {merge};
  std::vector<TestTensor> tensors{TestTensor::get<int32_t>(2, 16, -2)};
  runKernel(wrapKernel("", std::string("%out: ") + kInts, 1,
                       body + writeOut(values, "%zero"), /*merges=*/true),
            plan, tensors);
  int32_t wanted[] = {4, 3, 12, 6, 1, 2, 55, 4, 6, 16, -2};
  for (int i = 0; i < 11; ++i) {
    EXPECT_EQ(tensors[0].at<int32_t>(0, i), wanted[i]) << i;
  }
}

TEST(SMToNVVMRecords, PacksRows) {
  const std::string layout = "#sm.mover<2, 2>", size = "tensor<64x";
  std::string i32 = size + "i32, " + layout + ">";
  std::string i64 = size + "i64, " + layout + ">";
  std::string body =
      "%first = arith.constant 4 : index\n"
      "%coord, %minor, %count, %sym = sm.rows %item, %first : " +
      i32 + "\n" + rowAddresses("o", "%out", kInts, 64, 4, layout) +
      "%four = arith.constant dense<4> : " + i64 +
      "\n%o1 = arith.addi %o, %four : " + i64 +
      "\n%o2 = arith.addi %o1, %four : " + i64 +
      "\n%o3 = arith.addi %o2, %four : " + i64 +
      "\n%c = arith.index_cast %count : index to i32\n%cs = sm.splat %c : i32 "
      "-> " +
      i32 + "\n";
  for (const char *pair :
       {"%coord to %o ", "%minor to %o1 ", "%cs to %o2 ", "%sym to %o3 "}) {
    body += std::string("sm.store ") + pair + "live %o_live : " + i32 + ", " +
            i64 + ", " + size + "i1, " + layout + ">\n";
  }
  TestPlan plan = TestPlan::get(1, 30);
  plan.items[0].row_begin = 3;
  plan.items[0].row_count = 13;
  plan.items[0].sub_begin = 5;
  plan.items[0].sub_count = 3;
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    plan.rows[i].coord = int32_t(100 + i * i);
    plan.rows[i].sym = int32_t(7 * i);
  }
  std::vector<TestTensor> tensors{TestTensor::get<int32_t>(64, 4, -1)};
  runKernel(wrapKernel("", std::string("%out: ") + kInts, 2, body), plan,
            tensors);
  for (int i = 0; i < 64; ++i) {
    int packed = std::min(4 + i, 13 * 3 - 1);
    EXPECT_EQ(tensors[0].at<int32_t>(i, 0), plan.rows[3 + packed / 3].coord);
    EXPECT_EQ(tensors[0].at<int32_t>(i, 1), 5 + packed % 3);
    EXPECT_EQ(tensors[0].at<int32_t>(i, 2), 13 * 3 - 4);
    EXPECT_EQ(tensors[0].at<int32_t>(i, 3), plan.rows[3 + packed / 3].sym);
  }
}
