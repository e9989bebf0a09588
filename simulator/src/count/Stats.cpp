//===- Stats.cpp - What a launch did ------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Stats.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

using namespace ptxsim;

const char *ptxsim::toString(InstClass kind) {
  static const char *const names[] = {
      "integer",      "float",        "convert",      "special",
      "control",      "load_global",  "store_global", "load_shared",
      "store_shared", "other_memory", "atomic",       "async_copy",
      "matrix",       "matrix_move",  "lanes",        "barrier"};
  return names[size_t(kind)];
}

Counters &Counters::operator+=(const Counters &other) {
  warpInstructions += other.warpInstructions;
  threadInstructions += other.threadInstructions;
  globalRequests += other.globalRequests;
  globalSectors += other.globalSectors;
  globalReadBytes += other.globalReadBytes;
  globalWriteBytes += other.globalWriteBytes;
  sharedRequests += other.sharedRequests;
  sharedWavefronts += other.sharedWavefronts;
  sharedIdealWavefronts += other.sharedIdealWavefronts;
  ex2 += other.ex2;
  barrierWaits += other.barrierWaits;
  return *this;
}

double LaunchStats::balance() const {
  if (ctaInstructions.empty()) {
    return 1;
  }
  uint64_t most =
      *std::max_element(ctaInstructions.begin(), ctaInstructions.end());
  uint64_t sum = std::accumulate(ctaInstructions.begin(), ctaInstructions.end(),
                                 uint64_t(0));
  return sum ? double(most) * double(ctaInstructions.size()) / double(sum) : 1;
}

namespace {

struct Field {
  const char *name;
  uint64_t Counters::*member;
};

const Field kFields[] = {
    {"warp_instructions", &Counters::warpInstructions},
    {"thread_instructions", &Counters::threadInstructions},
    {"global_requests", &Counters::globalRequests},
    {"global_sectors", &Counters::globalSectors},
    {"global_read_bytes", &Counters::globalReadBytes},
    {"global_write_bytes", &Counters::globalWriteBytes},
    {"shared_requests", &Counters::sharedRequests},
    {"shared_wavefronts", &Counters::sharedWavefronts},
    {"shared_ideal_wavefronts", &Counters::sharedIdealWavefronts},
    {"ex2", &Counters::ex2},
    {"barrier_waits", &Counters::barrierWaits},
};

/// Names come from PTX: letters, digits, _ and $.
std::string quote(const std::string &text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    result += c;
  }
  return result + "\"";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

} // namespace

std::string LaunchStats::toText() const {
  std::string text = "kernel: " + kernel + "\n";
  auto line = [&](const std::string &name, const std::string &value) {
    text += name + ": " + value + "\n";
  };
  for (const Field &field : kFields) {
    line(field.name, std::to_string(total.*field.member));
  }
  line("unique_read_sectors", std::to_string(uniqueReadSectors));
  line("unique_write_sectors", std::to_string(uniqueWriteSectors));
  line("bank_conflict_ratio",
       number(total.sharedIdealWavefronts
                  ? double(total.sharedWavefronts) /
                        double(total.sharedIdealWavefronts)
                  : 1));
  for (size_t k = 0; k < warpInstructions.size(); ++k) {
    if (warpInstructions[k]) {
      line(std::string("instructions_") + toString(InstClass(k)),
           std::to_string(warpInstructions[k]));
    }
  }
  for (const auto &[type, macs] : matrixMacs) {
    line("macs_" + type, std::to_string(macs));
  }
  line("shared_bytes", std::to_string(sharedBytes));
  line("cta_balance", number(balance()));
  return text;
}

std::string LaunchStats::toJson() const {
  std::string text = "{\"kernel\": " + quote(kernel);
  auto add = [&](const std::string &name, const std::string &value) {
    text += ",\n \"" + name + "\": " + value;
  };
  for (const Field &field : kFields) {
    add(field.name, std::to_string(total.*field.member));
  }
  add("unique_read_sectors", std::to_string(uniqueReadSectors));
  add("unique_write_sectors", std::to_string(uniqueWriteSectors));
  std::string list;
  for (size_t k = 0; k < warpInstructions.size(); ++k) {
    list += std::string(k ? ", " : "") + "\"" + toString(InstClass(k)) +
            "\": " + std::to_string(warpInstructions[k]);
  }
  add("warp_instructions_by_class", "{" + list + "}");
  list.clear();
  for (const auto &[type, macs] : matrixMacs) {
    list +=
        (list.empty() ? "" : ", ") + quote(type) + ": " + std::to_string(macs);
  }
  add("matrix_macs", "{" + list + "}");
  list.clear();
  for (uint64_t count : ctaInstructions) {
    list += (list.empty() ? "" : ", ") + std::to_string(count);
  }
  add("cta_thread_instructions", "[" + list + "]");
  add("cta_balance", number(balance()));
  add("shared_bytes", std::to_string(sharedBytes));
  add("seconds", number(seconds));
  list.clear();
  for (const auto &[at, counters] : lines) {
    std::string entry;
    for (const Field &field : kFields) {
      if (counters.*field.member) {
        entry += std::string(entry.empty() ? "" : ", ") + "\"" + field.name +
                 "\": " + std::to_string(counters.*field.member);
      }
    }
    list += std::string(list.empty() ? "" : ",") + "\n  \"" +
            std::to_string(at) + "\": {" + entry + "}";
  }
  add("lines", "{" + list + "}");
  return text + "}\n";
}
