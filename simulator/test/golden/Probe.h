//===- Probe.h - What a probe's header says ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A probe is a file of PTX with the kernel
//
//     probe(.param .u64 out, .param .u64 in {, .param .align 64 .b8 map[128]})
//
// that a GPU and the simulator run in the same way. Lines at its top say how:
//
//     // probe: sm=80 grid=1 block=32 cluster=1 shared=0 fault=allowed
//     // in: random f32 32 seed=1
//     // out: u32 32 add.s32
//     // map: base=in+0 element=bf16 dim=64,64 stride=128 box=64,8 swizzle=128
//     // compare: add.s32 ulp=2
//
// `probe:` the chip that the text needs and the launch (x only; defaults above,
// but `fault` is none; text with a cluster also says .reqnctapercluster). `in:`
// appends to the input: see Numbers.h. `out:` appends a section to the output:
// type, count and a name that is the instruction in most cases. `map:` a tensor
// map for the next parameter; strides are in bytes and begin with dimension 1;
// also elementstride=, fill=zero|nan. `compare:` how far the simulator may be
// from the GPU in a section; it is bit for bit unless a line says so. Each
// section needs no more than one of the amounts to hold:
//
//     ulp=N  abs=X  rel=X  (X as 0.5 or 2^-11)  or `recorded`: not compared
//
// `fault=allowed` is a question: the GPU may refuse the access, and then the
// simulator must have a finding. `finding=expected`: the simulator has one, as
// the text breaks a rule, but computes what the GPU does.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_GOLDEN_PROBE_H
#define PTXSIM_TEST_GOLDEN_PROBE_H

#include "Numbers.h"
#include "ptxsim/TensorMap.h"

#include <optional>

namespace ptxsim::golden {

/// sm_80 or sm_90a. Text with the letter runs on that chip only.
struct Chip {
  unsigned number = 80;
  bool isExact = false;

  /// Of a GPU of compute capability major.minor.
  bool runsOn(unsigned major, unsigned minor) const {
    unsigned gpu = major * 10 + minor;
    return isExact ? gpu == number : gpu >= number;
  }
  std::string name() const {
    return "sm_" + std::to_string(number) + (isExact ? "a" : "");
  }
};

/// Holds if one of the amounts does. Under a tolerance, a NaN on either side is
/// a failure, and an infinity must meet the same one.
struct Tolerance {
  std::optional<double> ulp, absolute, relative;
  bool isRecorded = false;

  bool isExact() const { return !ulp && !absolute && !relative && !isRecorded; }
};

struct Section {
  NumberType type;
  uint64_t count = 0;
  std::string name;
  Tolerance tolerance;

  uint64_t bytes() const { return count * type.bits / 8; }
};

struct MapOfProbe {
  bool isOfOutput = false;
  /// From the start of the buffer; `description.base` is left to the launch.
  uint64_t offset = 0;
  TensorMapDesc description;
};

struct Probe {
  std::string name;
  std::string text;
  /// Of what decides the result: all lines but comments and tolerances.
  std::string hash;
  Chip chip;
  uint32_t grid = 1, block = 32, cluster = 1, sharedBytes = 0;
  bool mayFault = false, hasFinding = false;
  std::vector<uint8_t> input;
  std::vector<Section> outputs;
  std::vector<MapOfProbe> maps;

  uint64_t outputBytes() const;
};

/// Errors name the probe and the line.
Result<Probe> parseProbe(const std::string &name, const std::string &text);

/// The probes in all subfolders of `folder`, sorted; a probe of
/// folder/sm_80/add.ptx is named "sm_80/add".
Result<std::vector<Probe>> readProbes(const std::string &folder);

} // namespace ptxsim::golden

#endif // PTXSIM_TEST_GOLDEN_PROBE_H
