//===- File.h - Reads files -------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_FILE_H
#define PTXSIM_FILE_H

#include "ptxsim/Result.h"

#include <cstdio>
#include <memory>

namespace ptxsim {

/// All bytes of a file. An error if there is none, or if it is a folder: that
/// can be opened, so that streams throw only when they read.
inline Result<std::string> readFile(const std::string &path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(
      std::fopen(path.c_str(), "rb"), std::fclose);
  std::string content;
  char part[1 << 14];
  for (size_t size = 1; file && size;) {
    size = std::fread(part, 1, sizeof part, file.get());
    content.append(part, size);
  }
  if (!file || std::ferror(file.get())) {
    return Error{"expects a readable file, but got '" + path + "'"};
  }
  return content;
}

} // namespace ptxsim

#endif // PTXSIM_FILE_H
