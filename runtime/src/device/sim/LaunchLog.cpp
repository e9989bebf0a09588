//===- LaunchLog.cpp - What the launches of a device did ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LaunchLog.h"

using namespace attnrt;
using ptxsim::Counters;

/// The word of a line that names its instruction: behind a guard, in front of
/// the operands. Names of PTX begin with a small letter.
static std::string opcodeOf(std::string_view line) {
  const char *blank = " \t";
  size_t begin = line.find_first_not_of(blank);
  if (begin != line.npos && line[begin] == '@') {
    begin = line.find_first_of(blank, begin);
    begin = line.find_first_not_of(blank, begin);
  }
  if (begin == line.npos || line[begin] < 'a' || line[begin] > 'z') {
    return {};
  }
  return std::string(
      line.substr(begin, line.find_first_of(" \t;", begin) - begin));
}

LaunchLog::LaunchLog(std::string_view ptx) : opcodes(1) {
  while (!ptx.empty()) {
    size_t end = ptx.find('\n');
    opcodes.push_back(opcodeOf(ptx.substr(0, end)));
    ptx.remove_prefix(end == ptx.npos ? ptx.size() : end + 1);
  }
}

static std::string toText(const Counters &counters) {
  const std::pair<const char *, uint64_t> fields[] = {
      {"warp_instructions", counters.warpInstructions},
      {"global_requests", counters.globalRequests},
      {"global_sectors", counters.globalSectors},
      {"global_read_bytes", counters.globalReadBytes},
      {"global_write_bytes", counters.globalWriteBytes},
      {"shared_requests", counters.sharedRequests},
      {"shared_wavefronts", counters.sharedWavefronts},
      {"shared_ideal_wavefronts", counters.sharedIdealWavefronts}};
  std::string text;
  for (auto [name, value] : fields) {
    text += std::string(text.empty() ? "{\"" : ", \"") + name +
            "\": " + std::to_string(value);
  }
  return text + "}";
}

void LaunchLog::add(const ptxsim::LaunchStats &stats) {
  std::map<std::string, Counters> byOpcode;
  for (const auto &[line, counters] : stats.lines) {
    if (line < opcodes.size() && !opcodes[line].empty()) {
      byOpcode[opcodes[line]] += counters;
    }
  }
  std::string counted;
  for (const auto &[opcode, counters] : byOpcode) {
    counted +=
        (counted.empty() ? "\"" : ", \"") + opcode + "\": " + toText(counters);
  }
  // The lines come last.
  std::string text = stats.toJson();
  text.resize(text.rfind(",\n \"lines\": "));
  list +=
      (list.empty() ? "" : ", ") + text + ", \"opcodes\": {" + counted + "}}";
}
