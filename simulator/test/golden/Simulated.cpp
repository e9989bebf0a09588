//===- Simulated.cpp - A probe in the simulator --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Simulated.h"

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::golden;

namespace {

/// Memory of a launch; what is wrong is in `trouble`.
struct Run {
  Outcome outcome;

  /// True if there is a value; otherwise that is the trouble.
  template <class T> bool has(const Result<T> &result) {
    if (!result) {
      outcome.trouble = result.message();
    }
    return bool(result);
  }
};

} // namespace

Outcome ptxsim::golden::simulate(const Probe &probe, uint8_t fill,
                                 const Options &options) {
  Run run;
  std::unique_ptr<Device> device = Device::create(options);
  auto in = device->allocate(std::max<uint64_t>(probe.input.size(), 16), "in");
  auto out = device->allocate(probe.outputBytes(), "out");
  if (!run.has(in) || !run.has(out) ||
      !run.has(device->copyIn(*in, probe.input.data(), probe.input.size())) ||
      !run.has(device->fill(*out, fill, probe.outputBytes()))) {
    return run.outcome;
  }
  KernelArguments arguments;
  arguments.add(*out).add(*in);
  for (const MapOfProbe &map : probe.maps) {
    TensorMapDesc description = map.description;
    description.base = (map.isOfOutput ? *out : *in) + map.offset;
    Result<TensorMap> encoded = encodeTensorMap(description);
    if (!run.has(encoded)) {
      return run.outcome;
    }
    arguments.add(*encoded);
  }
  auto module = device->loadModule(probe.text);
  if (!run.has(module)) {
    return run.outcome;
  }
  auto kernel = (*module)->kernel("probe");
  if (!run.has(kernel)) {
    return run.outcome;
  }
  LaunchConfig config;
  config.grid.x = probe.grid;
  config.block.x = probe.block;
  config.cluster.x = probe.cluster;
  config.dynamicSharedBytes = probe.sharedBytes;
  if (!run.has(device->launch(**kernel, config, arguments))) {
    return run.outcome;
  }
  if (!device->findings().empty()) {
    run.outcome.finding = device->findings()[0].format(probe.name + ".ptx");
  }
  run.outcome.output.resize(probe.outputBytes());
  run.has(device->copyOut(run.outcome.output.data(), *out,
                          run.outcome.output.size()));
  return run.outcome;
}

std::vector<std::string>
ptxsim::golden::compareAll(const std::vector<Probe> &probes,
                           const GoldenFile &file) {
  std::vector<std::string> failures = compareNames(probes, file);
  for (const GoldenProbe &golden : file.probes) {
    for (const Probe &probe : probes) {
      if (probe.name == golden.name) {
        auto more = compareProbe(probe, golden, simulate(probe, 0xCD));
        failures.insert(failures.end(), more.begin(), more.end());
      }
    }
  }
  return failures;
}
