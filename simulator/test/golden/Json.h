//===- Json.h - As much JSON as golden files need ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Objects, arrays and strings; no numbers, as all of them are digits in
// strings. Strings are ASCII.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_GOLDEN_JSON_H
#define PTXSIM_TEST_GOLDEN_JSON_H

#include "ptxsim/Result.h"

#include <string>
#include <vector>

namespace ptxsim::golden {

struct Json {
  enum class Kind { String, Array, Object };
  Kind kind = Kind::String;
  std::string string;
  std::vector<Json> items;
  struct Member;
  std::vector<Member> members;

  /// Of an object; null if there is none.
  const Json *find(const std::string &key) const;
  bool takeString(const std::string &key, std::string &to) const;
};

struct Json::Member {
  std::string name;
  Json value;
};

/// The whole text; an error names the line.
Result<Json> parseJson(const std::string &text);

/// With quotes; other bytes than printable ASCII become '?'.
std::string quoteJson(const std::string &text);

} // namespace ptxsim::golden

#endif // PTXSIM_TEST_GOLDEN_JSON_H
