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

/// One --arg: a scalar, or a buffer on the device whose address is passed, or a
/// buffer whose tensor map is passed.
struct Argument {
  std::string type; // "f32"; of a buffer's elements
  /// What is passed, for all but a plain buffer.
  std::vector<std::byte> value;
  size_t align = 0; // of value
  bool isBuffer = false;
  ptxsim::DevicePointer address = 0;
  uint64_t count = 0;
};

/// "f32:1.5", "u32:7", "buf:f32:4096:rand:7", "buf:u8:64:none",
/// "file:bf16:k.bin", "map:bf16:k.bin:128,512:64,32:128". Buffers are allocated
/// and filled.
ptxsim::Result<Argument> makeArgument(ptxsim::Device &device,
                                      const std::string &text, size_t number);

/// Bytes of an element; 0: no type.
unsigned elementBytes(const std::string &type);

/// Elements of a buffer, 8 in a line.
ptxsim::Result<std::string>
printBuffer(ptxsim::Device &device, const Argument &argument, uint64_t count);

#endif // PTXSIM_TOOLS_ARGUMENTS_H
