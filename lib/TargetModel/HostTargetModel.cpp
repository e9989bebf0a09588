//===- HostTargetModel.cpp - The CPU this runs on -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/HostTargetModel.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Threading.h"
#include "llvm/TargetParser/Host.h"

using namespace attn;

static std::string readLine(const llvm::Twine &path) {
  // Files of sysfs have no size that can be asked for.
  auto file = llvm::MemoryBuffer::getFileAsStream(path);
  return file ? (*file)->getBuffer().trim().str() : "";
}

/// "48K", "2M" or "512"; 0 if it is none of these.
static int64_t parseSize(llvm::StringRef text) {
  int64_t unit = 1;
  if (text.consume_back("K")) {
    unit = 1024;
  } else if (text.consume_back("M")) {
    unit = 1024 * 1024;
  }
  int64_t number;
  if (text.getAsInteger(10, number) || number < 1 || number > (1 << 30)) {
    return 0;
  }
  return number * unit;
}

static void readCaches(llvm::StringRef folder, TargetModel &model) {
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (!llvm::sys::path::filename(it->path()).starts_with("index") ||
        readLine(it->path() + "/type") == "Instruction") {
      continue;
    }
    int64_t size = parseSize(readLine(it->path() + "/size"));
    std::string level = readLine(it->path() + "/level");
    if (size == 0) {
      continue;
    }
    if (level == "1") {
      model.l1Bytes = size;
    } else if (level == "2") {
      model.l2Bytes = size;
    } else if (level == "3") {
      model.l3Bytes = size;
    }
  }
}

TargetModel attn::makeHostModel(const llvm::StringMap<bool> &features,
                                llvm::StringRef cacheFolder,
                                unsigned numCores) {
  TargetModel model;
  if (features.lookup("avx512f")) {
    bool tiles = features.lookup("amx-bf16") && features.lookup("avx512bf16");
    model = *getTargetModel(tiles ? "amx" : "avx512");
  } else if (features.lookup("avx2") && features.lookup("fma")) {
    model = *getTargetModel("avx2");
  } else if (features.lookup("neon")) {
    model = *getTargetModel("neon");
  }
  model.name = "host";
  TargetModel plain = model;
  readCaches(cacheFolder, model);
  model.numCores = std::max(numCores, 1u);
  if (!model.validate().empty()) {
    // The system says something impossible, such as a second level smaller
    // than the first.
    plain.numCores = model.numCores;
    return plain;
  }
  return model;
}

const TargetModel &attn::getHostTargetModel() {
  static const TargetModel model = makeHostModel(
      llvm::sys::getHostCPUFeatures(), "/sys/devices/system/cpu/cpu0/cache",
      llvm::get_physical_cores() > 0 ? llvm::get_physical_cores() : 1);
  return model;
}
