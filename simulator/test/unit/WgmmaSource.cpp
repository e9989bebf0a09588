//===- WgmmaSource.cpp - The text of a kernel that multiplies -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::test;

static std::string number(size_t i) { return std::to_string(i); }

std::string Product::opcode() const {
  return "wgmma.mma_async.sync.aligned.m64n" + number(n) + "k" +
         number(depth()) + saturates + "." + sums + "." + a + "." + b;
}

/// "{%c0, %c1}".
static std::string list(char stem, unsigned first, unsigned count) {
  std::string text = "{";
  for (unsigned i = first; i < first + count; ++i) {
    text += (i > first ? ", %" : "%") + std::string(1, stem) + number(i);
  }
  return text + "}";
}

static std::string instruction(const Product &p, unsigned step) {
  std::string s = number(step);
  std::string text = "  " + p.opcode() + " " + list('c', 0, p.numSums()) + ", ";
  text += p.aInRegisters ? list('a', 4 * step, 4) : "%descA" + s;
  text += ", %descB" + s + ", " + (step == 0 ? p.scale : "1");
  if (!p.isInteger()) {
    text += ", " + std::to_string(p.scaleA) + ", " + std::to_string(p.scaleB);
  }
  if (wgmmaBits(p.a) == 16) {
    // Warpgroups run the same text: their tiles lie the same way.
    auto transposes = [](const std::vector<Tile> &tiles) {
      return tiles.at(0).major == Major::MN ? ", 1" : ", 0";
    };
    text += (p.aInRegisters ? "" : transposes(p.tilesA)) +
            std::string(transposes(p.tilesB));
  }
  return text + "; // @mma" + s + "\n";
}

/// Loads or stores the registers of the thread in an array [thread][register].
static std::string move(bool loads, char stem, const std::string &parameter,
                        unsigned count, const std::string &name) {
  std::string text = "  ld.param.u64 %p, [" + parameter +
                     "];\n  mad.wide.u32 %p, %thread, " + number(4 * count) +
                     ", %p;\n";
  for (unsigned i = 0; i < count; ++i) {
    std::string reg = "%" + std::string(1, stem) + number(i);
    std::string at = "[%p+" + number(4 * i) + "]";
    text += loads ? "  ld.global.b32 " + reg + ", " + at
                  : "  st.global.b32 " + at + ", " + reg;
    text += "; // @" + name + number(i) + "\n";
  }
  return text;
}

/// Sixteen bytes at a time, the threads side by side; addresses of shared
/// memory have 32 bits here.
static const char *const kFill =
    "  mov.u32 %thread, %tid.x;\n  mov.u32 %step, %ntid.x;\n"
    "  shr.u32 %warp, %thread, 5;\n  and.b32 %lane, %thread, 31;\n"
    "  mov.u32 %smem, smem;\n"
    "  ld.param.u32 %bytes, [bytes];\n  shl.b32 %at, %thread, 4;\n"
    "  shl.b32 %pitch, %step, 4;\n  ld.param.u64 %p, [image];\n"
    "fill:\n"
    "  setp.ge.u32 %done, %at, %bytes;\n  @%done bra filled;\n"
    "  cvt.u64.u32 %q, %at;\n  add.u64 %q, %p, %q;\n"
    "  ld.global.v4.b32 {%x0, %x1, %x2, %x3}, [%q];\n"
    "  add.u32 %to, %smem, %at;\n"
    "  st.shared.v4.b32 [%to], {%x0, %x1, %x2, %x3}; // @fill\n"
    "  add.u32 %at, %at, %pitch;\n  bra fill;\n"
    "filled:\n"
    "  fence.proxy.async; // @proxy\n"
    "  bar.sync 0; // @ready\n";

/// The host's descriptors are relative to the begin of the array.
static std::string loadDescriptors(const Product &p) {
  std::string text = "  ld.param.u64 %p, [descriptors];\n"
                     "  mad.wide.u32 %p, %warp, " +
                     number(16 * p.steps) +
                     ", %p;\n"
                     "  cvt.u64.u32 %q, %smem;\n"
                     "  shr.u64 %q, %q, 4;\n";
  for (unsigned s = 0; s < p.steps; ++s) {
    for (unsigned i = 0; i < 2; ++i) {
      std::string reg = (i == 0 ? "%descA" : "%descB") + number(s);
      text += "  ld.global.b64 " + reg + ", [%p+" + number(16 * s + 8 * i) +
              "];\n  add.u64 " + reg + ", " + reg + ", %q;\n";
    }
  }
  return text;
}

std::string Product::text() const {
  const Product &p = *this;
  std::string text =
      ".version 8.4\n.target sm_90a\n.address_size 64\n"
      ".extern .shared .align 1024 .b8 smem[];\n"
      ".visible .entry k(.param .u64 image, .param .u64 descriptors,\n"
      "  .param .u64 a, .param .u64 c, .param .u64 d,\n"
      "  .param .u32 bytes, .param .u32 accumulate)\n{\n"
      "  .reg .b32 %thread, %step, %warp, %lane, %smem, %bytes, %at, %pitch, "
      "%to;\n"
      "  .reg .b32 %x<8>;\n  .reg .b64 %p, %q;\n"
      "  .reg .pred %done, %accumulate, %low;\n"
      "  .reg .b64 %descA<" +
      number(p.steps) + ">, %descB<" + number(p.steps) + ">;\n  .reg .b32 %c<" +
      number(p.numSums()) + ">, %a<" + number(4 * p.steps) + ">;\n";
  text += kFill + loadDescriptors(p);
  if (p.aInRegisters) {
    text += move(true, 'a', "a", 4 * p.steps, "loadA");
  }
  text += move(true, 'c', "c", p.numSums(), "load");
  text += "  ld.param.u32 %x0, [accumulate];\n"
          "  setp.ne.u32 %accumulate, %x0, 0;\n"
          "  wgmma.fence.sync.aligned; // @fence\n";
  for (unsigned s = 0; s < p.steps; ++s) {
    text += instruction(p, s);
  }
  text += "  wgmma.commit_group.sync.aligned; // @commit\n"
          "  wgmma.wait_group.sync.aligned 0; // @wait\n";
  text += move(false, 'c', "d", p.numSums(), "store");
  return text + "  ret; // @end\n}\n";
}

std::string ptxsim::test::multiplyText(const std::string &sums,
                                       const std::string &name,
                                       const std::string &a) {
  return "  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 " + sums +
         ", " + a + ", %descB0, 0, 1, 1" + (a[0] == '{' ? ", 0" : ", 0, 0") +
         "; // @" + name;
}

//===--- Source -----------------------------------------------------------===//

/// The begin of the line.
size_t Source::find(const std::string &name) const {
  size_t at = text.find("// @" + name + "\n");
  if (at == std::string::npos) {
    ADD_FAILURE() << "no line '" << name << "'";
    return 0;
  }
  size_t before = text.rfind('\n', at);
  return before == std::string::npos ? 0 : before + 1;
}

Source &Source::drop(const std::string &name) {
  size_t at = find(name);
  text.erase(at, text.find('\n', at) + 1 - at);
  return *this;
}

Source &Source::before(const std::string &name, const std::string &line) {
  text.insert(find(name), line + "\n");
  return *this;
}

Source &Source::after(const std::string &name, const std::string &line) {
  text.insert(text.find('\n', find(name)) + 1, line + "\n");
  return *this;
}

Source &Source::replace(const std::string &name, const std::string &line) {
  before(name, line + " // @new");
  drop(name);
  size_t at = text.find("// @new\n");
  text.replace(at, 7, "// @" + name);
  return *this;
}

Source &Source::swap(const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  if (at == std::string::npos ||
      text.find(from, at + from.size()) != std::string::npos) {
    ADD_FAILURE() << "expects '" << from << "' once";
    return *this;
  }
  text.replace(at, from.size(), to);
  return *this;
}

uint32_t Source::line(const std::string &name) const {
  auto end = text.begin() + ptrdiff_t(find(name));
  return uint32_t(1 + std::count(text.begin(), end, '\n'));
}
