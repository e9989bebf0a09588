//===- Harness.cpp - Runs a few instructions over lanes -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::test;

/// Bytes of a value in memory; predicates take a word.
static unsigned bytesOf(unsigned bits) { return bits == 1 ? 4 : bits / 8; }

static uint64_t cut(uint64_t value, unsigned bits) {
  return bits == 64 ? value : value & ((uint64_t(1) << bits) - 1);
}

static std::string number(size_t i) { return std::to_string(i); }

/// "%rd4" -> the pointer to the thread's element of parameter i.
static std::string pointTo(size_t parameter, unsigned bytes) {
  return "  ld.param.u64 %h_p, [p" + number(parameter) +
         "];\n"
         "  mad.wide.u32 %h_p, %t, " +
         number(bytes) + ", %h_p;\n";
}

static std::string declare(char stem, const std::vector<unsigned> &bits) {
  std::string text;
  for (size_t i = 0; i < bits.size(); ++i) {
    text += "  .reg ." + (bits[i] == 1 ? "pred" : "b" + number(bits[i])) +
            " %" + stem + number(i) + ";\n";
  }
  return text;
}

static std::string makeText(const std::string &body,
                            const std::vector<unsigned> &inputs,
                            const std::vector<unsigned> &outputs) {
  std::string text = ".version 8.4\n.target sm_90a\n.address_size 64\n"
                     ".visible .entry k(\n";
  size_t n = inputs.size() + outputs.size();
  for (size_t i = 0; i < n; ++i) {
    text += "  .param .u64 p" + number(i) + ",\n";
  }
  text += "  .param .u32 count,\n  .param .u32 lanes\n)\n{\n"
          "  .reg .b32 %t, %lane, %h_r, %h_n;\n  .reg .b64 %smem, %h_p;\n"
          "  .reg .pred %h_q;\n"
          "  .shared .align 1024 .b8 h_shared[1024];\n" +
          declare('a', inputs) + declare('d', outputs) +
          "  mov.u64 %smem, h_shared;\n"
          "  mov.u32 %h_r, %ctaid.x;\n  mov.u32 %h_n, %ntid.x;\n"
          "  mov.u32 %t, %tid.x;\n  mad.lo.u32 %t, %h_r, %h_n, %t;\n"
          "  ld.param.u32 %h_n, [count];\n  setp.ge.u32 %h_q, %t, %h_n;\n"
          "  @%h_q bra h_end;\n"
          "  mov.u32 %lane, %laneid;\n  ld.param.u32 %h_n, [lanes];\n"
          "  shr.u32 %h_n, %h_n, %lane;\n  and.b32 %h_n, %h_n, 1;\n"
          "  setp.eq.u32 %h_q, %h_n, 0;\n";
  for (size_t i = 0; i < inputs.size(); ++i) {
    text += pointTo(i, bytesOf(inputs[i]));
    if (inputs[i] == 1) {
      text += "  ld.global.b32 %h_r, [%h_p];\n  setp.ne.b32 %a" + number(i) +
              ", %h_r, 0;\n";
    } else {
      text += "  ld.global.b" + number(inputs[i]) + " %a" + number(i) +
              ", [%h_p];\n";
    }
  }
  // What the text does must leave lanes alone that do not run it.
  text += "  @!%h_q bra h_start;\n";
  for (size_t i = 0; i < outputs.size(); ++i) {
    unsigned bits = std::max(outputs[i], 16u);
    text += outputs[i] == 1
                ? "  mov.pred %d" + number(i) + ", 0;\n"
                : "  mov.b" + number(bits) + " %d" + number(i) + ", " +
                      std::to_string(cut(kSkipped, bits)) + ";\n";
  }
  text += "h_start:\n  @%h_q bra h_join;\n// text under test\n" + body +
          "\n// until here\nh_join:\n";
  for (size_t i = 0; i < outputs.size(); ++i) {
    text += pointTo(inputs.size() + i, bytesOf(outputs[i]));
    if (outputs[i] == 1) {
      text += "  selp.b32 %h_r, 1, 0, %d" + number(i) +
              ";\n  st.global.b32 [%h_p], %h_r;\n";
    } else {
      text += "  st.global.b" + number(outputs[i]) + " [%h_p], %d" + number(i) +
              ";\n";
    }
  }
  return text + "h_end:\n  ret;\n}\n";
}

LaneProgram::LaneProgram(const std::string &body,
                         std::vector<unsigned> inputBits,
                         std::vector<unsigned> outputBits,
                         const Options &options)
    : inputBits(std::move(inputBits)), outputBits(std::move(outputBits)),
      device(Device::create(options)) {
  ptx = makeText(body, this->inputBits, this->outputBits);
  Result<std::unique_ptr<LoadedModule>> loaded = device->loadModule(ptx);
  if (!loaded) {
    message = loaded.message();
    return;
  }
  module = std::move(*loaded);
  // Decodes.
  Result<Kernel *> kernel = module->kernel("k");
  if (!kernel) {
    message = kernel.message();
    module.reset();
  }
}

/// EXPECT of a Result, which has no ==.
static bool succeeds(const Result<bool> &result) {
  if (!result) {
    ADD_FAILURE() << result.message();
  }
  return bool(result);
}

Values LaneProgram::run(const Values &inputs, uint32_t lanes, uint32_t threads,
                        size_t numThreads) {
  if (!module) {
    ADD_FAILURE() << message << "\n" << ptx;
    return {};
  }
  size_t count = inputs.empty() ? numThreads : inputs[0].size();
  device->clearFindings();
  KernelArguments arguments;
  std::vector<DevicePointer> pointers;
  for (size_t i = 0; i < inputBits.size() + outputBits.size(); ++i) {
    bool isInput = i < inputBits.size();
    unsigned bytes =
        bytesOf(isInput ? inputBits[i] : outputBits[i - inputBits.size()]);
    std::vector<uint8_t> data(count * bytes);
    for (size_t t = 0; t < count; ++t) {
      uint64_t value = kSkipped;
      if (isInput) {
        if (inputs.size() != inputBits.size() || inputs[i].size() != count) {
          ADD_FAILURE() << "inputs do not fit the program";
          return {};
        }
        value = inputs[i][t];
      }
      std::memcpy(data.data() + t * bytes, &value, bytes);
    }
    Result<DevicePointer> pointer = device->allocate(
        data.size(),
        (isInput ? "a" : "d") + number(isInput ? i : i - inputBits.size()));
    if (!pointer) {
      ADD_FAILURE() << pointer.message();
      return {};
    }
    if (!succeeds(device->copyIn(*pointer, data.data(), data.size()))) {
      return {};
    }
    pointers.push_back(*pointer);
    arguments.add(*pointer);
  }
  arguments.add(uint32_t(count)).add(lanes);
  Result<Kernel *> kernel = module->kernel("k");
  if (!kernel) {
    ADD_FAILURE() << kernel.message();
    return {};
  }
  LaunchConfig config;
  config.block.x = threads;
  config.grid.x = uint32_t((count + threads - 1) / threads);
  if (!succeeds(device->launch(**kernel, config, arguments))) {
    return {};
  }
  Values outputs;
  for (size_t i = 0; i < outputBits.size(); ++i) {
    unsigned bytes = bytesOf(outputBits[i]);
    std::vector<uint8_t> data(count * bytes);
    succeeds(device->copyOut(data.data(), pointers[inputBits.size() + i],
                             data.size()));
    std::vector<uint64_t> &values = outputs.emplace_back(count);
    for (size_t t = 0; t < count; ++t) {
      std::memcpy(&values[t], data.data() + t * bytes, bytes);
    }
  }
  for (DevicePointer pointer : pointers) {
    succeeds(device->free(pointer));
  }
  return outputs;
}

void ptxsim::test::expectRefused(const std::string &body,
                                 std::vector<unsigned> inputBits,
                                 std::vector<unsigned> outputBits,
                                 const std::string &reason) {
  LaneProgram program(body, std::move(inputBits), std::move(outputBits));
  std::string before = program.text().substr(0, program.text().find(body));
  auto line = 1 + std::count(before.begin(), before.end(), '\n');
  EXPECT_EQ(program.error(), "line " + number(size_t(line)) + ": " + reason)
      << body;
}

std::string ptxsim::test::loadError(const std::string &body,
                                    std::vector<unsigned> inputBits,
                                    std::vector<unsigned> outputBits) {
  return LaneProgram(body, std::move(inputBits), std::move(outputBits)).error();
}
