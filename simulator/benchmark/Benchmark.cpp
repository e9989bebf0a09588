//===- Benchmark.cpp - How fast the simulator runs ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the attention kernels of test/kernels with more and more of the checks,
// on one core, and with all checks on more and more cores. Nothing is asserted:
// a time without its machine says little.
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"
#include "ptxsim/File.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace ptxsim;

namespace {

constexpr int kChannels = 128;

const char *const kHelp =
    R"(usage: ptxsim-bench [--smoke] [--repeats=N] [--only=TEXT] [--json=FILE]
Times attention (batch 2, 4 heads, 512 tokens, 128 channels, bf16, not causal)
on the simulator: the sm_80 kernel with cp.async, ldmatrix and mma.sync, and the
sm_90a kernel with TMA, mbarriers and wgmma.
  --smoke          one head of 128 tokens, once
  --repeats=N      launches of each setting, of which the median counts (5)
  --only=TEXT      rows whose kernel and setting contain it ("sm_80 plain")
  --json=FILE      write the table as JSON as well
  --kernels=FOLDER where flash_128.ptx and flash_hopper.ptx are
A tile is 128 queries by 128 keys of one head. cpu ms is what the threads used for
one: on a machine that does other work it says more than the time that passed.
)";

struct Settings {
  bool isSmoke = false;
  int repeats = 5;
  std::string only, json, kernels = PTXSIM_KERNELS;
  int heads() const { return isSmoke ? 1 : 8; }
  int length() const { return isSmoke ? 128 : 512; }
  double tiles() const { return heads() * std::pow(double(length()) / 128, 2); }
};

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "ptxsim-bench: %s\n", message.c_str());
  std::exit(2);
}

template <class T> T take(Result<T> result) {
  if (!result) {
    fail(result.message());
  }
  return std::move(*result);
}

/// A kernel on a device with its arguments.
class Bench {
public:
  Bench(const Settings &settings, bool isHopper)
      : settings(settings), device(Device::create()),
        module(take(device->loadModule(
            take(readFile(settings.kernels + (isHopper ? "/flash_hopper.ptx"
                                                       : "/flash_128.ptx")))))),
        kernel(take(module->kernel(isHopper ? "flash_hopper" : "flash"))) {
    int heads = settings.heads(), length = settings.length();
    size_t count = size_t(heads) * size_t(length) * kChannels;
    std::mt19937 random(1);
    DevicePointer in[3];
    std::vector<uint16_t> operands[3];
    for (int i = 0; i < 3; ++i) {
      DevicePointer &pointer = in[i];
      std::vector<uint16_t> &values = operands[i];
      values.resize(count);
      // From -2 to 2: exponents that a sum of weights can take.
      for (uint16_t &value : values) {
        value = uint16_t((random() & 0x8000) | (0x3F00 + random() % 0x100));
      }
      pointer = take(device->allocate(count * 2, "input"));
      take(device->copyIn(pointer, values.data(), count * 2));
    }
    out = take(device->allocate(count * 4, "o"));
    float scale = 1 / std::sqrt(float(kChannels));
    lastRow = attend(operands, scale);
    unsigned rows = isHopper ? 128 : 64;
    config.grid = {(unsigned(length) + rows - 1) / rows, unsigned(heads), 1};
    config.block.x = isHopper ? 384 : 128;
    config.dynamicSharedBytes = isHopper ? 98376 : 5 * 64 * kChannels * 2;
    if (isHopper) {
      for (DevicePointer pointer : in) {
        arguments.add(makeMap(pointer, TensorMapDesc::Element::BF16));
      }
      arguments.add(makeMap(out, TensorMapDesc::Element::F32));
    } else {
      for (DevicePointer pointer : in) {
        arguments.add(pointer);
      }
      arguments.add(out);
    }
    arguments.add(int32_t(length)).add(scale).add(int32_t(0));
  }

  struct Time {
    double seconds; // that passed
    double cpu;     // of all threads together
    bool operator<(const Time &other) const { return cpu < other.cpu; }
  };
  /// The median launch.
  Time time(const Checks &checks, bool counts, unsigned threads) {
    Options &options = device->options();
    options.checks = checks;
    options.countMemory = counts;
    options.threads = threads;
    std::vector<Time> times;
    // Only what the kernel writes can make the last row right.
    std::vector<float> nothing(
        size_t(settings.heads()) * size_t(settings.length()) * kChannels, NAN);
    take(device->copyIn(out, nothing.data(), nothing.size() * 4));
    for (int i = 0; i < settings.repeats; ++i) {
      std::clock_t start = std::clock();
      take(device->launch(*kernel, config, arguments));
      double cpu = double(std::clock() - start) / CLOCKS_PER_SEC;
      times.push_back({device->stats().seconds, cpu});
    }
    if (device->numFindings()) {
      fail(device->findings().front().format("kernel"));
    }
    checkLastRow();
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
  uint64_t instructions() const {
    return device->stats().total.warpInstructions;
  }

private:
  static double number(uint16_t bits) {
    return std::bit_cast<float>(uint32_t(bits) << 16);
  }

  /// The last query of the last head, by the definition.
  std::vector<double> attend(const std::vector<uint16_t> (&operands)[3],
                             double scale) const {
    const auto &[q, k, v] = operands;
    size_t length = size_t(settings.length());
    size_t head = q.size() - length * kChannels;
    const uint16_t *query = &q[q.size() - kChannels];
    std::vector<double> result(kChannels);
    double sum = 0;
    for (size_t m = 0; m < length; ++m) {
      double score = 0;
      for (size_t e = 0; e < kChannels; ++e) {
        score += number(query[e]) * number(k[head + m * kChannels + e]);
      }
      // Scores are far below what would overflow.
      double weight = std::exp(score * scale);
      sum += weight;
      for (size_t e = 0; e < kChannels; ++e) {
        result[e] += weight * number(v[head + m * kChannels + e]);
      }
    }
    for (double &value : result) {
      value /= sum;
    }
    return result;
  }

  void checkLastRow() {
    std::vector<float> row(kChannels);
    size_t rows = size_t(settings.heads()) * size_t(settings.length());
    take(device->copyOut(row.data(), out + (rows - 1) * kChannels * 4,
                         kChannels * 4));
    double largest = 0;
    for (double value : lastRow) {
      largest = std::max(largest, std::fabs(value));
    }
    for (size_t e = 0; e < kChannels; ++e) {
      double error = std::fabs(double(row[e]) - lastRow[e]);
      if (!(error <= 8e-3 * largest)) {
        fail("the last row is wrong by " + std::to_string(error) + " of " +
             std::to_string(largest));
      }
    }
  }

  TensorMap makeMap(DevicePointer base, TensorMapDesc::Element element) const {
    TensorMapDesc map;
    uint64_t bytes = elementBytes(element);
    uint64_t length = uint64_t(settings.length());
    map.element = element;
    map.rank = 3;
    map.base = base;
    map.dim[0] = kChannels;
    map.dim[1] = length;
    map.dim[2] = uint64_t(settings.heads());
    map.stride[1] = kChannels * bytes;
    map.stride[2] = kChannels * bytes * length;
    map.box[0] = uint32_t(128 / bytes);
    map.box[1] = 64;
    map.swizzle = TensorMapDesc::Swizzle::B128;
    return take(encodeTensorMap(map));
  }

  const Settings &settings;
  std::unique_ptr<Device> device;
  std::unique_ptr<LoadedModule> module;
  Kernel *kernel;
  LaunchConfig config;
  KernelArguments arguments;
  DevicePointer out = 0;
  std::vector<double> lastRow;
};

struct Row {
  std::string kernel, setting;
  unsigned threads;
  double seconds, perTile, cpuPerTile, perSecond;
};

std::string cpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(':') + 2);
    }
  }
  return "unknown CPU";
}

std::string today() {
  std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
  return text;
}

void writeJson(const Settings &settings, const std::vector<Row> &rows,
               const std::string &command) {
  std::ofstream file(settings.json);
  file << "{\n  \"cpu\": \"" << cpuName()
       << "\",\n  \"cores\": " << std::thread::hardware_concurrency()
       << ",\n  \"date\": \"" << today() << "\",\n  \"command\": \"" << command
       << "\",\n  \"rows\": [";
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row &row = rows[i];
    file << (i ? "," : "") << "\n    {\"kernel\": \"" << row.kernel
         << "\", \"setting\": \"" << row.setting
         << "\", \"threads\": " << row.threads
         << ", \"seconds\": " << row.seconds
         << ", \"ms_per_tile\": " << row.perTile
         << ", \"cpu_ms_per_tile\": " << row.cpuPerTile
         << ", \"warp_instructions_per_cpu_second\": " << row.perSecond << "}";
  }
  file << "\n  ]\n}\n";
  if (!file.flush()) {
    fail("cannot write '" + settings.json + "'");
  }
}

void measure(const Settings &settings, bool isHopper, std::vector<Row> &rows) {
  Bench bench(settings, isHopper);
  std::string name = isHopper ? "sm_90a" : "sm_80";
  auto add = [&](const std::string &setting, const Checks &checks, bool counts,
                 unsigned threads) {
    if ((name + " " + setting).find(settings.only) == std::string::npos) {
      return;
    }
    auto [seconds, cpu] = bench.time(checks, counts, threads);
    Row row{name,
            setting,
            threads,
            seconds,
            seconds * 1000 / settings.tiles(),
            cpu * 1000 / settings.tiles(),
            double(bench.instructions()) / cpu};
    // The plot: one # for 0.05 ms of a tile.
    int bar = std::min(60, int(row.perTile / 0.05 + 0.5));
    std::printf("%-7s %-16s %7u %9.3f %11.2f %11.2f %9.1f  %s\n", name.c_str(),
                setting.c_str(), threads, seconds, row.perTile, row.cpuPerTile,
                row.perSecond / 1e6, std::string(size_t(bar), '#').c_str());
    std::fflush(stdout);
    rows.push_back(std::move(row));
  };
  Checks none = Checks::none(), noRaces;
  noRaces.races = false;
  add("plain", none, false, 1);
  add("counters", none, true, 1);
  add("all but races", noRaces, true, 1);
  add("all checks", Checks(), true, 1);
  unsigned cores = std::max(std::thread::hardware_concurrency(), 1u);
  for (unsigned threads = 2; threads <= cores; threads *= 2) {
    add("all checks", Checks(), true, threads);
  }
}

} // namespace

int main(int argc, char **argv) {
  Settings settings;
  std::string command = "ptxsim-bench";
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    command += " " + word;
    auto value = [&](const char *name) {
      return word.substr(std::string(name).size());
    };
    if (word == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (word == "--smoke") {
      settings.isSmoke = true;
      settings.repeats = 1;
    } else if (word.starts_with("--repeats=")) {
      settings.repeats = std::atoi(value("--repeats=").c_str());
      if (settings.repeats < 1 || settings.repeats > 1000) {
        fail("expects from 1 to 1000 repeats, but got '" + word + "'");
      }
    } else if (word.starts_with("--only=")) {
      settings.only = value("--only=");
    } else if (word.starts_with("--json=")) {
      settings.json = value("--json=");
    } else if (word.starts_with("--kernels=")) {
      settings.kernels = value("--kernels=");
    } else {
      fail("does not know '" + word + "'; see --help");
    }
  }
  std::printf("%s, %s; attention of %d heads, %d tokens, %d channels\n\n",
              cpuName().c_str(), today().c_str(), settings.heads(),
              settings.length(), kChannels);
  std::printf("%-7s %-16s %7s %9s %11s %11s %9s\n", "kernel", "setting",
              "threads", "s", "ms per tile", "cpu ms", "M inst/s");
  std::vector<Row> rows;
  for (bool isHopper : {false, true}) {
    measure(settings, isHopper, rows);
  }
  if (!settings.json.empty()) {
    writeJson(settings, rows, command);
  }
  return 0;
}
