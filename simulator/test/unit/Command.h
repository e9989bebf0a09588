//===- Command.h - Runs a program -------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_COMMAND_H
#define PTXSIM_TEST_COMMAND_H

#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace ptxsim::test {

struct Ended {
  int code = -1;    // also of what a signal has ended
  std::string text; // of both outputs
};

inline Ended runCommand(const std::string &command) {
  Ended ended;
  FILE *stream = popen((command + " 2>&1").c_str(), "r");
  if (!stream) {
    return ended;
  }
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, stream)) > 0;) {
    ended.text.append(buffer, got);
  }
  int status = pclose(stream);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ended;
}

} // namespace ptxsim::test

#endif // PTXSIM_TEST_COMMAND_H
