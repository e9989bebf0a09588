//===- Result.h - A value or why there is none ------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_RESULT_H
#define PTXSIM_RESULT_H

#include <string>
#include <utility>
#include <variant>

namespace ptxsim {

/// One line, lower case: "line 12: expects ..., but got ...".
struct Error {
  std::string message;
};

template <class T> class [[nodiscard]] Result {
public:
  Result(T value) : content(std::move(value)) {}
  Result(Error error) : content(std::move(error)) {}

  explicit operator bool() const { return content.index() == 0; }
  T &operator*() { return std::get<0>(content); }
  const T &operator*() const { return std::get<0>(content); }
  T *operator->() { return &std::get<0>(content); }
  const T *operator->() const { return &std::get<0>(content); }
  const std::string &message() const { return std::get<1>(content).message; }
  Error error() const { return std::get<1>(content); }

private:
  std::variant<T, Error> content;
};

} // namespace ptxsim

#endif // PTXSIM_RESULT_H
