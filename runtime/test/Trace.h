//===- Trace.h - Requests of a recorded trace -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The format of Mooncake's traces: one JSON object per line with input_length
// and hash_ids, where an id stands for a block of 512 tokens (the last one may
// be partial). Traces hold no tokens: token i of block b is made of b and i.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_TRACE_H
#define ATTNRT_TEST_TRACE_H

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace attnrt_test {

constexpr int64_t kTraceBlock = 512;

struct Request {
  int64_t length;
  std::vector<int32_t> blocks;
};

/// False if the file cannot be read or a line is none of a trace.
inline bool readTrace(const std::string &path, std::vector<Request> &requests) {
  requests.clear();
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t length = line.find("\"input_length\":");
    const size_t ids = line.find("\"hash_ids\":");
    if (length == std::string::npos || ids == std::string::npos) {
      return false;
    }
    Request request{std::strtoll(line.c_str() + length + 15, nullptr, 10), {}};
    const char *at = line.c_str() + line.find('[', ids) + 1;
    while (*at && *at != ']') {
      char *end = nullptr;
      request.blocks.push_back(int32_t(std::strtol(at, &end, 10)));
      at = end + (*end == ',');
    }
    if (request.length > int64_t(request.blocks.size()) * kTraceBlock) {
      return false;
    }
    requests.push_back(request);
  }
  return !requests.empty();
}

inline void writeTokens(const Request &request, std::vector<int32_t> &tokens) {
  tokens.resize(size_t(request.length));
  for (int64_t i = 0; i < request.length; ++i) {
    const uint32_t block = uint32_t(request.blocks[size_t(i / kTraceBlock)]);
    tokens[size_t(i)] = int32_t(
        (block * 2654435761u + uint32_t(i % kTraceBlock) * 40503u) >> 1);
  }
}

} // namespace attnrt_test

#endif // ATTNRT_TEST_TRACE_H
