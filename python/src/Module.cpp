// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Error.h"
#include "Pool.h"
#include "Problem.h"
#include "Tensor.h"

NB_MODULE(_native, m) {
  m.doc() = "The C ABIs of the runtime and of the compiler.";
  attn::python::check(attnrt_check_abi(ATTNRT_ABI_VERSION));
  attn::python::bindTensor(m);
  attn::python::bindProblem(m);
  attn::python::bindRuntime(m);
  attn::python::bindPool(m);
  attn::python::bindCompiler(m);
}
