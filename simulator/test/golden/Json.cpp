//===- Json.cpp - As much JSON as golden files need -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Json.h"

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::golden;

namespace {

class JsonParser {
public:
  explicit JsonParser(const std::string &text) : text(text) {}

  Result<Json> document() {
    Result<Json> json = value(0);
    if (json && (skip(), at != text.size())) {
      return fail("the end");
    }
    return json;
  }

private:
  static constexpr unsigned kMaxDepth = 16;

  void skip() {
    while (at < text.size() &&
           std::string(" \t\r\n").find(text[at]) != std::string::npos) {
      ++at;
    }
  }
  bool take(char c) {
    skip();
    bool is = at < text.size() && text[at] == c;
    at += is;
    return is;
  }
  Error fail(const std::string &what) const {
    auto line = 1 + std::count(text.begin(), text.begin() + long(at), '\n');
    return Error{"line " + std::to_string(line) + ": expects " + what +
                 (at < text.size() ? std::string(", but got '") + text[at] + "'"
                                   : ", but got the end")};
  }

  Result<std::string> string() {
    if (!take('"')) {
      return fail("a string");
    }
    std::string result;
    while (at < text.size() && text[at] != '"') {
      if (text[at] == '\\') {
        ++at;
        if (at == text.size() || (text[at] != '"' && text[at] != '\\')) {
          return fail("\\\" or \\\\");
        }
      }
      result += text[at++];
    }
    if (!take('"')) {
      return fail("the end of a string");
    }
    return result;
  }

  Result<Json> value(unsigned depth) {
    Json json;
    if (depth > kMaxDepth) {
      return fail("fewer nested brackets");
    }
    if (take('{')) {
      json.kind = Json::Kind::Object;
      for (bool isFirst = true; !take('}'); isFirst = false) {
        if (!isFirst && !take(',')) {
          return fail("',' or '}'");
        }
        Result<std::string> key = string();
        if (!key || !take(':')) {
          return key ? fail("':'") : key.error();
        }
        Result<Json> member = value(depth + 1);
        if (!member) {
          return member;
        }
        json.members.push_back({std::move(*key), std::move(*member)});
      }
      return json;
    }
    if (take('[')) {
      json.kind = Json::Kind::Array;
      for (bool isFirst = true; !take(']'); isFirst = false) {
        if (!isFirst && !take(',')) {
          return fail("',' or ']'");
        }
        Result<Json> item = value(depth + 1);
        if (!item) {
          return item;
        }
        json.items.push_back(std::move(*item));
      }
      return json;
    }
    Result<std::string> content = string();
    if (!content) {
      return content.error();
    }
    json.string = std::move(*content);
    return json;
  }

  const std::string &text;
  size_t at = 0;
};

} // namespace

const Json *Json::find(const std::string &key) const {
  for (const auto &[name, member] : members) {
    if (name == key) {
      return &member;
    }
  }
  return nullptr;
}

bool Json::takeString(const std::string &key, std::string &to) const {
  const Json *member = find(key);
  if (!member || member->kind != Kind::String) {
    return false;
  }
  to = member->string;
  return true;
}

Result<Json> ptxsim::golden::parseJson(const std::string &text) {
  return JsonParser(text).document();
}

std::string ptxsim::golden::quoteJson(const std::string &text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c >= ' ' && c <= '~' ? c : '?';
  }
  return quoted + "\"";
}
