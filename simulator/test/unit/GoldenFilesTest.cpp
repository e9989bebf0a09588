//===- GoldenFilesTest.cpp - Golden files and probes' headers ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Simulated.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::golden;

namespace {

//===----------------------------------------------------------------------===//
// The comparison
//===----------------------------------------------------------------------===//

/// Copies its input, so that a golden is whatever the input says.
const char kCopy[] = R"(// probe: sm=80 block=4
// in: values u32 1 2 3 4
// out: u32 4 exact
.version 7.1
.target sm_80
.address_size 64
.visible .entry probe(.param .u64 out, .param .u64 in)
{
  .reg .b32 %t, %v;
  .reg .b64 %out, %in;
  ld.param.u64 %out, [out];
  ld.param.u64 %in, [in];
  mov.u32 %t, %tid.x;
  mad.wide.u32 %in, %t, 4, %in;
  mad.wide.u32 %out, %t, 4, %out;
  ld.global.u32 %v, [%in];
  st.global.u32 [%out], %v;
  ret;
}
)";

/// The probe with other lines in its header.
Probe copyOf(const std::string &values, const std::string &out) {
  std::string text = kCopy;
  auto replace = [&](const std::string &from, const std::string &to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("values u32 1 2 3 4", values);
  replace("// out: u32 4 exact", out);
  Result<Probe> probe = parseProbe("sm_80/copy", text);
  EXPECT_TRUE(probe) << probe.message();
  return *probe;
}

GoldenFile goldenOf(const std::vector<Probe> &probes) {
  GoldenFile file{"NVIDIA A100", "8.0", "12.8", {}};
  for (const Probe &probe : probes) {
    Outcome outcome = simulate(probe, 0);
    EXPECT_EQ(outcome.trouble + outcome.finding, "");
    file.probes.push_back(makeGolden(probe, outcome.output));
  }
  return file;
}

/// Through the text of a file, as from a GPU.
std::vector<std::string> failuresOf(const std::vector<Probe> &probes,
                                    const GoldenFile &file) {
  Result<GoldenFile> read = readGolden(writeGolden(file));
  EXPECT_TRUE(read) << read.message();
  return compareAll(probes, *read);
}

using Lines = std::vector<std::string>;

TEST(GoldenFilesTest, EqualOutputsPassAndOneBitFails) {
  Probe probe = copyOf("values u32 1 2 3 4", "// out: u32 4 exact");
  GoldenFile file = goldenOf({probe});
  EXPECT_EQ(file.probes[0].outputs[0].hex, "00000001000000020000000300000004");
  EXPECT_EQ(failuresOf({probe}, file), Lines());
  std::string &hex = file.probes[0].outputs[0].hex;
  for (size_t digit = 0; digit < hex.size(); ++digit) {
    char old = hex[digit];
    hex[digit] = old == '0' ? '1' : '0';
    EXPECT_EQ(failuresOf({probe}, file).size(), 1u) << digit;
    hex[digit] = old;
  }
  hex[23] = 'b';
  EXPECT_EQ(failuresOf({probe}, file),
            Lines({"sm_80/copy: exact: [2] expects 0xb as the GPU, but got "
                   "0x3; 1 of 4 differ"}));
  hex[23] = 'B';
  EXPECT_EQ(failuresOf({probe}, file),
            Lines({"sm_80/copy: exact: expects digits of the GPU, but got "
                   "'0000000B'"}));
}

TEST(GoldenFilesTest, AnotherHashFails) {
  Probe probe = copyOf("values u32 1 2 3 4", "// out: u32 4 exact");
  GoldenFile file = goldenOf({probe});
  file.probes[0].hash = "0123456789abcdef";
  EXPECT_EQ(
      failuresOf({probe}, file),
      Lines({"sm_80/copy: expects the result of the probe with hash " +
             probe.hash +
             ", but got that of 0123456789abcdef: run the probes again"}));
  // Other inputs, another launch and other text are other probes; comments and
  // tolerances are not.
  auto hash = [](std::string from, const std::string &to) {
    std::string text = kCopy;
    text.replace(text.find(from), from.size(), to);
    Result<Probe> changed = parseProbe("sm_80/copy", text);
    EXPECT_TRUE(changed) << changed.message();
    return changed->hash;
  };
  EXPECT_EQ(hash("// out: u32 4 exact\n",
                 "// out: u32 4 exact\n// A note.\n// compare: exact ulp=1\n"),
            probe.hash);
  EXPECT_NE(hash("values u32 1 2", "values u32 1 3"), probe.hash);
  EXPECT_NE(hash("block=4", "block=4 grid=1"), probe.hash);
  EXPECT_NE(hash("st.global.u32", "st.global.b32"), probe.hash);
}

TEST(GoldenFilesTest, MissingAndUnknownProbesFail) {
  Probe probe = copyOf("values u32 1 2 3 4", "// out: u32 4 exact");
  GoldenFile file = goldenOf({probe});
  file.probes[0].name = "sm_80/other";
  EXPECT_EQ(failuresOf({probe}, file),
            Lines({"sm_80/other: expects a probe of this name",
                   "sm_80/copy: expects a result of the GPU (NVIDIA A100): run "
                   "the probes again"}));
  file.probes.clear();
  EXPECT_EQ(failuresOf({probe}, file).size(), 1u);
  // A probe of another chip is not asked for.
  for (auto [number, isExact, capability, isAsked] :
       {std::tuple(90u, false, "8.0", false),
        {80u, false, "9.0", true},
        {90u, true, "9.0", true},
        {90u, true, "10.0", false},
        {90u, false, "10.0", true},
        {89u, false, "8.9", true}}) {
    probe.chip = {number, isExact};
    file.computeCapability = capability;
    EXPECT_EQ(failuresOf({probe}, file).size(), size_t(isAsked))
        << number << " on " << capability;
  }
}

TEST(GoldenFilesTest, OutputsOfAnotherSizeFail) {
  Probe probe = copyOf("values u32 1 2 3 4", "// out: u32 4 exact");
  GoldenFile good = goldenOf({probe}), file = good;
  file.probes[0].outputs[0].hex.resize(24);
  EXPECT_EQ(failuresOf({probe}, file).size(), 1u);
  file = good;
  file.probes[0].outputs[0].type = "s32";
  EXPECT_EQ(failuresOf({probe}, file).size(), 1u);
  file = good;
  file.probes[0].outputs.clear();
  EXPECT_EQ(failuresOf({probe}, file).size(), 1u);
  file = good;
  file.probes.push_back(file.probes[0]);
  EXPECT_EQ(failuresOf({probe}, file).size(), 1u);
}

/// Whether an f32 `got` is accepted where the GPU has `want`.
bool accepts(const std::string &tolerance, const std::string &want,
             const std::string &got) {
  std::string out = "// out: f32 4 x";
  if (!tolerance.empty()) {
    out += "\n// compare: x " + tolerance;
  }
  Probe gpu = copyOf("values f32 1 1 1 " + want, out);
  Probe probe = copyOf("values f32 1 1 1 " + got, out);
  GoldenFile file = goldenOf({gpu});
  file.probes[0].hash = probe.hash;
  return failuresOf({probe}, file).empty();
}

TEST(GoldenFilesTest, Tolerances) {
  EXPECT_TRUE(accepts("", "0x7fffffff", "0x7fffffff"));
  EXPECT_FALSE(accepts("", "0x7fffffff", "0x7fc00000"));
  EXPECT_FALSE(accepts("", "0", "-0"));
  EXPECT_TRUE(accepts("ulp=1", "0", "-0"));
  EXPECT_TRUE(accepts("ulp=2", "1", "0x3f800002"));
  EXPECT_FALSE(accepts("ulp=2", "1", "0x3f800003"));
  EXPECT_TRUE(accepts("ulp=2", "0x80000001", "0x00000001"));
  EXPECT_FALSE(accepts("ulp=2", "-1", "1"));
  EXPECT_TRUE(accepts("abs=0.5", "100", "100.5"));
  EXPECT_FALSE(accepts("abs=0.5", "100", "100.625"));
  EXPECT_TRUE(accepts("rel=2^-7", "128", "129"));
  EXPECT_FALSE(accepts("rel=2^-7", "128", "129.5"));
  EXPECT_TRUE(accepts("abs=0.5 ulp=2", "1e10", "1e10"));
  EXPECT_FALSE(accepts("abs=0.5 ulp=2", "1e10", "1.1e10"));
  EXPECT_TRUE(accepts("recorded", "1", "2"));
}

TEST(GoldenFilesTest, NanAndInfinityMeetNoTolerance) {
  for (const char *tolerance : {"ulp=1e9", "abs=1e30", "rel=10"}) {
    EXPECT_FALSE(accepts(tolerance, "0x7fffffff", "1")) << tolerance;
    EXPECT_FALSE(accepts(tolerance, "1", "0x7fffffff")) << tolerance;
    EXPECT_FALSE(accepts(tolerance, "0x7fffffff", "0x7fffffff")) << tolerance;
    EXPECT_FALSE(accepts(tolerance, "0x7f800000", "0x7f7fffff")) << tolerance;
    EXPECT_FALSE(accepts(tolerance, "0x7f800000", "0xff800000")) << tolerance;
    EXPECT_TRUE(accepts(tolerance, "0x7f800000", "0x7f800000")) << tolerance;
  }
}

TEST(GoldenFilesTest, FaultsMustMeetFindings) {
  Probe probe = copyOf("values u32 1 2 3 4", "// out: u32 4 exact");
  GoldenFile file = goldenOf({probe});
  file.probes[0] = makeFailure(probe, "the kernel: CUDA_ERROR_ILLEGAL_ADDRESS");
  Lines failures = failuresOf({probe}, file);
  EXPECT_EQ(failures, Lines({"sm_80/copy: expects a result of the GPU, but got "
                             "the kernel: CUDA_ERROR_ILLEGAL_ADDRESS"}));
  probe.mayFault = true;
  failures = failuresOf({probe}, file);
  EXPECT_EQ(failures, Lines({"sm_80/copy: expects a finding, as the GPU says "
                             "the kernel: CUDA_ERROR_ILLEGAL_ADDRESS"}));
  // Reads behind its input.
  Probe outside = copyOf("values u32 1 2 3 4", "// out: u32 4 exact");
  EXPECT_EQ(simulate(outside, 0).finding, "");
  std::string text = outside.text;
  text.replace(text.find("[%in]"), 5, "[%in+64]");
  outside = *parseProbe("sm_80/copy", text);
  EXPECT_NE(simulate(outside, 0).finding, "");
  file.probes[0] = makeFailure(outside, "the kernel: fault");
  outside.mayFault = true;
  EXPECT_EQ(failuresOf({outside}, file), Lines());
  file.probes[0] = makeGolden(outside, simulate(outside, 0).output);
  EXPECT_EQ(failuresOf({outside}, file).size(), 1u);
  // Expected: then the output counts.
  outside.mayFault = false;
  outside.hasFinding = true;
  EXPECT_EQ(failuresOf({outside}, file), Lines());
  file.probes[0].outputs[0].hex[0] ^= 1;
  EXPECT_EQ(failuresOf({outside}, file).size(), 1u);
  file = goldenOf({probe});
  probe.mayFault = false;
  probe.hasFinding = true;
  EXPECT_EQ(failuresOf({probe}, file),
            Lines({"sm_80/copy: expects a finding"}));
  probe.text = "nothing";
  EXPECT_EQ(failuresOf({probe}, file).size(), 1u);
}

//===----------------------------------------------------------------------===//
// Headers, inputs, files
//===----------------------------------------------------------------------===//

std::string refusal(const std::string &header) {
  Result<Probe> probe = parseProbe("p", header);
  return probe ? "" : probe.message();
}

TEST(GoldenFilesTest, HeadersAreRefusedByTheirLine) {
  EXPECT_EQ(refusal(""),
            "probe p, line 0: expects a line '// probe:' and at least one '// "
            "out:'");
  EXPECT_EQ(refusal("// probe: sm=80 blok=3"),
            "probe p, line 1: expects sm=, grid=, block=, cluster=, shared=, "
            "fault=allowed or finding=expected, but got 'blok=3'");
  EXPECT_EQ(refusal("// probe: sm=80\n// in: rampe u32 4"),
            "probe p, line 2: expects values, ramp, random, whole, spread or "
            "corners, but got 'rampe'");
  EXPECT_EQ(refusal("// in: ramp u33 4"),
            "probe p, line 1: expects a type (u8 .. u64, s8 .. s64, f16, bf16, "
            "f32, f64), but got 'u33'");
  EXPECT_EQ(refusal("// in: ramp u32 4 seed=1"),
            "probe p, line 1: expects no 'seed' for ramp");
  EXPECT_EQ(refusal("// in: spread u32 4 from=1"),
            "probe p, line 1: expects from= and to= for spread");
  EXPECT_EQ(refusal("// out: u32 4 a\n// out: f32 4 a"),
            "probe p, line 2: expects a name that no other output has, but got "
            "'a'");
  EXPECT_EQ(refusal("// out: u32 4 a\n// compare: b ulp=1"),
            "probe p, line 2: expects the name of an output above and a "
            "tolerance, but got 'b'");
  EXPECT_EQ(refusal("// out: u32 4 a\n// compare: a eps=1"),
            "probe p, line 2: expects ulp=, abs=, rel= or recorded, but got "
            "'eps=1'");
  EXPECT_EQ(refusal("// map: base=in+0 dim=4,4 box=4"),
            "probe p, line 1: expects lists for 2 dimensions, but got '4'");
}

TEST(GoldenFilesTest, Maps) {
  Result<Probe> probe = parseProbe(
      "p", "// probe: sm=90a\n// out: u8 1 a\n"
           "// map: base=out+256 element=tf32 dim=7,8,9 stride=32,320 "
           "box=4,5,6 elementstride=1,2,3 swizzle=64 fill=nan\n");
  ASSERT_TRUE(probe) << probe.message();
  ASSERT_EQ(probe->maps.size(), 1u);
  const MapOfProbe &map = probe->maps[0];
  const TensorMapDesc &desc = map.description;
  EXPECT_TRUE(map.isOfOutput);
  EXPECT_EQ(map.offset, 256u);
  EXPECT_EQ(desc.element, TensorMapDesc::Element::TF32);
  EXPECT_EQ(desc.rank, 3u);
  EXPECT_EQ(desc.swizzle, TensorMapDesc::Swizzle::B64);
  EXPECT_EQ(desc.fill, TensorMapDesc::Fill::NaN);
  for (unsigned d = 0; d < 3; ++d) {
    EXPECT_EQ(desc.dim[d], 7u + d);
    EXPECT_EQ(desc.box[d], 4u + d);
    EXPECT_EQ(desc.elementStride[d], 1u + d);
  }
  EXPECT_EQ(desc.stride[1], 32u);
  EXPECT_EQ(desc.stride[2], 320u);
  EXPECT_TRUE(probe->chip.isExact);
}

template <class T> std::vector<T> inputOf(const std::string &line) {
  std::vector<uint8_t> bytes;
  Result<bool> made = appendInput(line, bytes);
  EXPECT_TRUE(made) << made.message();
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

TEST(GoldenFilesTest, Inputs) {
  EXPECT_EQ(inputOf<uint8_t>("ramp u8 4 start=250 step=3"),
            (std::vector<uint8_t>{250, 253, 0, 3}));
  EXPECT_EQ(inputOf<float>("spread f32 3 from=-1 to=2"),
            (std::vector<float>{-1, 0.5f, 2}));
  EXPECT_EQ(
      inputOf<uint16_t>("values f16 1 -2 65504 65520 0x7c01 6e-8 3e-8"),
      (std::vector<uint16_t>{0x3C00, 0xC000, 0x7BFF, 0x7C00, 0x7C01, 1, 1}));
  EXPECT_EQ(inputOf<uint16_t>("values bf16 1 1.00390625 1.01171875 1e-40"),
            (std::vector<uint16_t>{0x3F80, 0x3F80, 0x3F82, 1}));
  std::vector<uint32_t> random = inputOf<uint32_t>("random u32 100 seed=1");
  EXPECT_EQ(random, inputOf<uint32_t>("random u32 100 seed=1"));
  EXPECT_NE(random, inputOf<uint32_t>("random u32 100 seed=2"));
  for (float value : inputOf<float>("whole f32 1000 from=-3 to=3")) {
    EXPECT_TRUE(value >= -3 && value <= 3 && value == std::floor(value));
  }
  std::vector<uint32_t> fast = inputOf<uint32_t>("corners f32 256"),
                        slow = inputOf<uint32_t>("corners f32 256 slow=1");
  for (unsigned i = 0; i < 256; ++i) {
    EXPECT_EQ(fast[i], fast[i % 16]);
    EXPECT_EQ(slow[i], fast[i / 16]);
  }
  EXPECT_EQ(fast[1], 0x8000'0000u);
  EXPECT_EQ(fast[2], 0x3F80'0000u);
  EXPECT_EQ(fast[9], 0x807F'FFFFu);
  EXPECT_EQ(fast[11], 0x7F7F'FFFFu);
  EXPECT_EQ(fast[15], 0x7F80'0001u);
}

TEST(GoldenFilesTest, FilesAreReadAsTheyWereWritten) {
  GoldenFile file{"NVIDIA \"H200\"\\", "9.0", "12.8", {}};
  file.probes.push_back({"a", "h", "no \"luck\"", {}});
  file.probes.push_back({"b", "i", "", {{"x", "u8", "00ff"}, {"y", "s8", ""}}});
  Result<GoldenFile> read = readGolden(writeGolden(file));
  ASSERT_TRUE(read) << read.message();
  EXPECT_EQ(read->gpu, file.gpu);
  EXPECT_EQ(read->probes[0].error, "no \"luck\"");
  ASSERT_EQ(read->probes[1].outputs.size(), 2u);
  EXPECT_EQ(read->probes[1].outputs[0].hex, "00ff");
  EXPECT_EQ(writeGolden(*read), writeGolden(file));
  auto error = [](const std::string &text) {
    Result<GoldenFile> bad = readGolden(text);
    return bad ? "" : bad.message();
  };
  EXPECT_EQ(error("{\"gpu\": \"a\"}"),
            "expects gpu, compute_capability, driver and probes");
  EXPECT_EQ(error("{\"gpu\"\n 3}"), "line 2: expects ':', but got '3'");
  EXPECT_EQ(error("{\"gpu\": \"a"),
            "line 1: expects the end of a string, but got the end");
  EXPECT_EQ(error(std::string(1000, '[')),
            "line 1: expects fewer nested brackets, but got '['");
  EXPECT_EQ(error("{} x"), "line 1: expects the end, but got 'x'");
}

} // namespace
