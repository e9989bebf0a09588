//===- Golden.cpp - What a GPU gave for the probes ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Golden.h"
#include "Json.h"

using namespace ptxsim;
using namespace ptxsim::golden;

bool GoldenFile::runs(const Chip &chip) const {
  size_t dot = computeCapability.find('.');
  if (dot == computeCapability.npos) {
    return false;
  }
  Result<uint64_t> major = parseCount(computeCapability.substr(0, dot));
  Result<uint64_t> minor = parseCount(computeCapability.substr(dot + 1));
  return major && minor && chip.runsOn(unsigned(*major), unsigned(*minor));
}

GoldenProbe ptxsim::golden::makeGolden(const Probe &probe,
                                       const std::vector<uint8_t> &output) {
  GoldenProbe golden{probe.name, probe.hash, "", {}};
  size_t at = 0;
  for (const Section &section : probe.outputs) {
    GoldenOutput &to = golden.outputs.emplace_back();
    to.name = section.name;
    to.type = section.type.name;
    unsigned bytes = section.type.bits / 8;
    for (uint64_t i = 0; i < section.count; ++i, at += bytes) {
      for (unsigned byte = bytes; byte-- > 0;) {
        uint8_t value = at + byte < output.size() ? output[at + byte] : 0;
        to.hex += "0123456789abcdef"[value >> 4];
        to.hex += "0123456789abcdef"[value & 15];
      }
    }
  }
  return golden;
}

GoldenProbe ptxsim::golden::makeFailure(const Probe &probe,
                                        const std::string &error) {
  return {probe.name, probe.hash, error.empty() ? "unknown" : error, {}};
}

std::string ptxsim::golden::writeGolden(const GoldenProbe &probe) {
  std::string text = "{\"name\": " + quoteJson(probe.name) +
                     ", \"hash\": " + quoteJson(probe.hash) +
                     ", \"error\": " + quoteJson(probe.error) +
                     ", \"outputs\": [";
  const char *separator = "";
  for (const GoldenOutput &output : probe.outputs) {
    text += separator + ("\n  {\"name\": " + quoteJson(output.name)) +
            ", \"type\": " + quoteJson(output.type) +
            ", \"hex\": " + quoteJson(output.hex) + "}";
    separator = ",";
  }
  return text + "]}";
}

std::string ptxsim::golden::writeGolden(const GoldenFile &file) {
  std::string text =
      "{\"gpu\": " + quoteJson(file.gpu) +
      ",\n\"compute_capability\": " + quoteJson(file.computeCapability) +
      ",\n\"driver\": " + quoteJson(file.driver) + ",\n\"probes\": [";
  const char *separator = "\n";
  for (const GoldenProbe &probe : file.probes) {
    text += separator + writeGolden(probe);
    separator = ",\n";
  }
  return text + "]}\n";
}

static Result<GoldenProbe> probeOf(const Json &json) {
  GoldenProbe probe;
  const Json *outputs = json.find("outputs");
  if (!json.takeString("name", probe.name) ||
      !json.takeString("hash", probe.hash) ||
      !json.takeString("error", probe.error) || !outputs ||
      outputs->kind != Json::Kind::Array) {
    return Error{"expects name, hash, error and outputs of a golden probe"};
  }
  for (const Json &item : outputs->items) {
    GoldenOutput &output = probe.outputs.emplace_back();
    if (!item.takeString("name", output.name) ||
        !item.takeString("type", output.type) ||
        !item.takeString("hex", output.hex)) {
      return Error{"expects name, type and hex of the outputs of " +
                   probe.name};
    }
  }
  return probe;
}

Result<GoldenProbe> ptxsim::golden::readGoldenProbe(const std::string &text) {
  Result<Json> json = parseJson(text);
  return json ? probeOf(*json) : Result<GoldenProbe>(json.error());
}

Result<GoldenFile> ptxsim::golden::readGolden(const std::string &text) {
  Result<Json> json = parseJson(text);
  if (!json) {
    return json.error();
  }
  GoldenFile file;
  const Json *probes = json->find("probes");
  if (!json->takeString("gpu", file.gpu) ||
      !json->takeString("compute_capability", file.computeCapability) ||
      !json->takeString("driver", file.driver) || !probes ||
      probes->kind != Json::Kind::Array) {
    return Error{"expects gpu, compute_capability, driver and probes"};
  }
  for (const Json &item : probes->items) {
    Result<GoldenProbe> probe = probeOf(item);
    if (!probe) {
      return probe.error();
    }
    file.probes.push_back(std::move(*probe));
  }
  return file;
}
