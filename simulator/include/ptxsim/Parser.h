//===- Parser.h - Reads PTX text --------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_PARSER_H
#define PTXSIM_PARSER_H

#include "ptxsim/Ast.h"
#include "ptxsim/Result.h"
#include <string_view>

namespace ptxsim {

/// Reads a module of PTX text as LLVM and nvcc print it. Any bytes are safe to
/// give. The error is "line L, column C: expects .., but got ..". Instructions
/// are not checked beyond their syntax; names of registers, variables and
/// labels must be declared.
Result<Module> parseModule(std::string_view text);

} // namespace ptxsim

#endif // PTXSIM_PARSER_H
