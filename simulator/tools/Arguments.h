//===- Arguments.h - Kernel arguments from the command line -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TOOLS_ARGUMENTS_H
#define PTXSIM_TOOLS_ARGUMENTS_H

#include "ptxsim/Device.h"

#include <string>
#include <vector>

/// One --arg: a scalar, or a buffer on the device whose address is passed.
struct Argument {
  std::string type; // "f32"; of a buffer's elements
  std::vector<std::byte> scalar;
  bool isBuffer = false;
  ptxsim::DevicePointer address = 0;
  uint64_t count = 0;
};

/// "f32:1.5", "u32:7", "buf:f32:4096:rand:7", "buf:u8:64:none",
/// "file:bf16:k.bin". Buffers are allocated and filled.
ptxsim::Result<Argument> makeArgument(ptxsim::Device &device,
                                      const std::string &text, size_t number);

/// Bytes of an element; 0: no type.
unsigned elementBytes(const std::string &type);

/// Elements of a buffer, 8 in a line.
ptxsim::Result<std::string>
printBuffer(ptxsim::Device &device, const Argument &argument, uint64_t count);

#endif // PTXSIM_TOOLS_ARGUMENTS_H
