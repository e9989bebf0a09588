//===- MatrixMovesTest.cpp - ldmatrix, stmatrix, movmatrix --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Held to addresses of bytes: each element of 16 bits in the 1024 bytes of
// shared memory holds its own address, so that a register says where its halves
// came from.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

/// Thread t writes the 32 bytes at 32t: each element its own address.
std::string fillShared() {
  std::string text = ".reg .b32 %f_v, %f_a;\n.reg .b64 %f_p;\n"
                     "mad.wide.u32 %f_p, %lane, 32, %smem;\n"
                     "shl.b32 %f_a, %lane, 5;\n"
                     "mad.lo.u32 %f_a, %f_a, 0x10001, 0x20000;\n";
  for (unsigned i = 0; i < 8; ++i) {
    text += "st.shared.b32 [%f_p+" + std::to_string(4 * i) +
            "], %f_a;\nadd.u32 %f_a, %f_a, 0x40004;\n";
  }
  return text + "bar.warp.sync 0xffffffff;\n";
}

std::string list(char stem, unsigned count) {
  std::string text = "{";
  for (unsigned i = 0; i < count; ++i) {
    text += (i ? ", %" : "%") + std::string(1, stem) + std::to_string(i);
  }
  return text + "}";
}

std::string name(const std::string &opcode, unsigned count, bool isTransposed,
                 const std::string &space = ".shared") {
  return opcode + ".sync.aligned.m8n8.x" + std::to_string(count) +
         (isTransposed ? ".trans" : "") + space + ".b16 ";
}

std::vector<unsigned> words(unsigned count) {
  return std::vector<unsigned>(count, 32);
}

/// Offsets of rows, by lane: scattered, so that no order hides.
std::vector<uint64_t> scattered() {
  std::vector<uint64_t> offsets;
  for (unsigned l = 0; l < 32; ++l) {
    offsets.push_back((l * 13 + 5) % 64 * 16);
  }
  return offsets;
}

/// Of the line with the first `opcode`.
Counters countersOf(const LaneProgram &program, const std::string &opcode) {
  const std::string &text = program.text();
  auto place = text.begin() + long(text.find(opcode));
  uint32_t line = 1 + uint32_t(std::count(text.begin(), place, '\n'));
  return program.stats().lines.at(line);
}

} // namespace

TEST(MatrixMovesTest, LoadsRowsByAddress) {
  for (unsigned count : {1u, 2u, 4u}) {
    for (bool isTransposed : {false, true}) {
      LaneProgram program(fillShared() +
                              ".reg .b64 %p;\n"
                              "cvt.u64.u32 %p, %a0;\n"
                              "add.u64 %p, %p, %smem;\n" +
                              name("ldmatrix", count, isTransposed) +
                              list('d', count) + ", [%p];",
                          {32}, words(count));
      std::vector<uint64_t> rows = scattered();
      Values d = program.run({rows});
      EXPECT_TRUE(program.findings().empty());
      ASSERT_EQ(d.size(), count);
      for (unsigned q = 0; q < count; ++q) {
        for (unsigned l = 0; l < 32; ++l) {
          unsigned g = l / 4, t = l % 4;
          uint64_t low, high;
          if (isTransposed) {
            low = rows[8 * q + 2 * t] + 2 * g;
            high = rows[8 * q + 2 * t + 1] + 2 * g;
          } else {
            low = rows[8 * q + g] + 4 * t;
            high = rows[8 * q + g] + 4 * t + 2;
          }
          EXPECT_EQ(d[q][l], low | high << 16)
              << count << isTransposed << " tile " << q << " lane " << l;
        }
      }
    }
  }
}

TEST(MatrixMovesTest, AddressesHave32Or64BitsAndOffsets) {
  std::string start = ".reg .b32 %s;\n.reg .b64 %g;\n"
                      "cvt.u32.u64 %s, %smem;\n"
                      "cvta.shared.u64 %g, %smem;\n";
  LaneProgram program(
      fillShared() + start + name("ldmatrix", 1, false) + "{%d0}, [%s+64];\n" +
          name("ldmatrix", 1, false, ".shared::cta") + "%d1, [%smem+64];\n" +
          name("ldmatrix", 1, false, "") + "{%d2}, [%g+64];",
      {}, words(3));
  Values d = program.run({}, ~0u, 32, 32);
  EXPECT_TRUE(program.findings().empty());
  for (unsigned i = 0; i < 3; ++i) {
    // All rows are the one at 64.
    for (unsigned l = 0; l < 32; ++l) {
      uint64_t low = 64 + 4 * (l % 4);
      EXPECT_EQ(d[i][l], low | (low + 2) << 16);
    }
  }
}

TEST(MatrixMovesTest, StoresAreLoadsTurnedRound) {
  for (unsigned count : {1u, 2u, 4u}) {
    for (bool isTransposed : {false, true}) {
      // Row 8q + r goes to 16 * (the lane's number in another order).
      std::string text =
          ".reg .b64 %p;\ncvt.u64.u32 %p, %a0;\nadd.u64 %p, %p, %smem;\n" +
          name("stmatrix", count, isTransposed) + "[%p], {";
      for (unsigned q = 0; q < count; ++q) {
        text += (q ? ", %a" : "%a") + std::to_string(q + 1);
      }
      text += "};\nbar.warp.sync 0xffffffff;\n"
              "mad.wide.u32 %p, %lane, 16, %smem;\n"
              "setp.lt.u32 %h_q, %lane, " +
              std::to_string(8 * count) +
              ";\nmov.b32 %d0, 0;\nmov.b32 %d1, 0;\nmov.b32 %d2, 0;\n"
              "mov.b32 %d3, 0;\n"
              "@%h_q ld.shared.v4.b32 {%d0, %d1, %d2, %d3}, [%p];";
      LaneProgram program(text, words(count + 1), words(4));
      Values inputs(count + 1, std::vector<uint64_t>(32));
      auto slot = [&](unsigned row) { return (row * 5 + 3) % (8 * count); };
      for (unsigned l = 0; l < 32; ++l) {
        inputs[0][l] = l < 8 * count ? 16 * slot(l) : 0xDEAD;
        for (unsigned q = 0; q < count; ++q) {
          inputs[q + 1][l] = (q << 8 | l * 2) | (q << 8 | (l * 2 + 1)) << 16;
        }
      }
      Values d = program.run(inputs);
      EXPECT_TRUE(program.findings().empty());
      for (unsigned q = 0; q < count; ++q) {
        for (unsigned row = 0; row < 8; ++row) {
          for (unsigned column = 0; column < 8; ++column) {
            unsigned r = isTransposed ? column : row,
                     c = isTransposed ? row : column;
            // Lane 4r + c/2, its half c%2.
            uint64_t expected = q << 8 | ((4 * r + c / 2) * 2 + c % 2);
            uint64_t word = d[column / 2][slot(8 * q + row)];
            EXPECT_EQ(word >> 16 * (column % 2) & 0xFFFF, expected)
                << count << isTransposed << q << row << column;
          }
        }
      }
    }
  }
}

TEST(MatrixMovesTest, MovTransposes) {
  LaneProgram program("movmatrix.sync.aligned.m8n8.trans.b16 %d0, %a0;", {32},
                      {32});
  std::vector<uint64_t> a;
  for (uint64_t l = 0; l < 32; ++l) {
    a.push_back((2 * l) | (2 * l + 1) << 16);
  }
  Values d = program.run({a});
  EXPECT_TRUE(program.findings().empty());
  for (unsigned l = 0; l < 32; ++l) {
    uint64_t g = l / 4, t = l % 4;
    EXPECT_EQ(d[0][l], (8 * (2 * t) + g) | (8 * (2 * t + 1) + g) << 16);
  }
}

TEST(MatrixMovesTest, CountsWavefrontsByTile) {
  auto run = [](auto offsetOf) {
    LaneProgram program(fillShared() +
                            ".reg .b64 %p;\n"
                            "cvt.u64.u32 %p, %a0;\n"
                            "add.u64 %p, %p, %smem;\n" +
                            name("ldmatrix", 4, false) + list('d', 4) +
                            ", [%p];",
                        {32}, words(4));
    std::vector<uint64_t> rows;
    for (unsigned l = 0; l < 32; ++l) {
      rows.push_back(offsetOf(l));
    }
    program.run({rows});
    EXPECT_TRUE(program.findings().empty());
    Counters counters = countersOf(program, "ldmatrix");
    EXPECT_EQ(counters.sharedRequests, 1u);
    EXPECT_EQ(counters.sharedIdealWavefronts, 4u);
    return counters.sharedWavefronts;
  };
  // Rows one after the other; 64-byte rows with their chunks swizzled; rows of
  // 128 bytes in one column of banks.
  EXPECT_EQ(run([](unsigned l) { return l * 16; }), 4u);
  EXPECT_EQ(
      run([](unsigned l) { return l % 8 * 128 + ((l / 8) ^ (l % 8)) * 16; }),
      4u);
  EXPECT_EQ(run([](unsigned l) { return l % 8 * 128 + l / 8 * 16; }), 32u);
}

TEST(MatrixMovesTest, ReportsBadRows) {
  LaneProgram misaligned(fillShared() + name("ldmatrix", 1, false) +
                             "{%d0}, [%smem+8];",
                         {}, words(1));
  misaligned.run({}, ~0u, 32, 32);
  ASSERT_EQ(misaligned.findings().size(), 1u);
  EXPECT_EQ(misaligned.findings()[0].check, "alignment");

  LaneProgram outside(fillShared() + name("ldmatrix", 1, false) +
                          "{%d0}, [%smem+1024];",
                      {}, words(1));
  outside.run({}, ~0u, 32, 32);
  ASSERT_EQ(outside.findings().size(), 1u);
  EXPECT_EQ(outside.findings()[0].check, "bounds");

  LaneProgram unwritten(name("ldmatrix", 1, false) + "{%d0}, [%smem];", {},
                        words(1));
  unwritten.run({}, ~0u, 32, 32);
  ASSERT_EQ(unwritten.findings().size(), 1u);
  EXPECT_EQ(unwritten.findings()[0].check, "uninitialised");

  LaneProgram some(fillShared() + name("ldmatrix", 1, false) +
                       "{%d0}, [%smem];",
                   {}, words(1));
  some.run({}, 0xFF, 32, 32);
  ASSERT_FALSE(some.findings().empty());
  EXPECT_TRUE(std::any_of(
      some.findings().begin(), some.findings().end(),
      [](const Finding &finding) { return finding.check == "barriers"; }));
}

TEST(MatrixMovesTest, RefusesWhatThereIsNot) {
  for (std::string text :
       {"ldmatrix.sync.aligned.m8n8.x3.shared.b16 {%d0, %d1}, [%smem];",
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%d0, %d1}, [%smem];",
        "ldmatrix.sync.aligned.m8n8.x1.shared.b32 {%d0}, [%smem];",
        "ldmatrix.sync.aligned.m8n8.x1.global.b16 {%d0}, [%smem];",
        "ldmatrix.sync.m8n8.x1.shared.b16 {%d0}, [%smem];",
        "stmatrix.sync.aligned.m8n8.x2.shared.b16 [%smem], {%d0};",
        "movmatrix.sync.aligned.m8n8.b16 %d0, %d1;"}) {
    EXPECT_NE(loadError(text, {}, words(2)), "") << text;
  }
}
