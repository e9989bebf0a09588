//===- CubinCache.cpp - What the driver made of PTX, on disk --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CubinCache.h"

#include <cstring>

using namespace attnrt;
using namespace attnrt::cuda;

CubinCache::CubinCache(const Gpu &gpu, const char *folder, uint64_t limit)
    : gpu(gpu), files(folder, ".cubin", limit ? limit : uint64_t(1) << 30),
      compiler("cubin of PTX, no options\n" + gpu.driver.build() + "\nsm_" +
               std::to_string(gpu.ask(kMajor)) +
               std::to_string(gpu.ask(kMinor)) + "\n") {}

bool CubinCache::compile(const char *ptx, std::string &cubin) const {
  const Driver &driver = gpu.driver;
  Linking linking = nullptr;
  if (driver.linkCreate(0, nullptr, nullptr, &linking)) {
    return false;
  }
  void *image = nullptr;
  size_t bytes = 0;
  bool isDone =
      !driver.linkAdd(linking, kPtxInput, const_cast<char *>(ptx),
                      std::strlen(ptx) + 1, "kernels", 0, nullptr, nullptr) &&
      !driver.linkComplete(linking, &image, &bytes) && image && bytes;
  if (isDone) {
    cubin.assign(static_cast<char *>(image), bytes); // it goes with `linking`
  }
  (void)driver.linkDestroy(linking);
  return isDone;
}

Module CubinCache::load(const char *ptx, std::string &notes) const {
  std::string key = FileCache::makeKey(compiler + ptx), cubin, error;
  Module module = nullptr;
  auto take = [&] {
    return !gpu.driver.moduleLoad(&module, cubin.data(), 0, nullptr, nullptr);
  };
  switch (files.read(key, cubin)) {
  case FileCache::Found::Content:
    if (take()) {
      return module;
    }
    notes += "the driver does not take what it made of PTX before; the PTX is "
             "compiled again\n";
    break;
  case FileCache::Found::Damaged:
    notes += "a file of the cache folder is damaged; the PTX is compiled "
             "again\n";
    break;
  case FileCache::Found::Nothing:
    break;
  }
  if (!compile(ptx, cubin) || !take()) {
    return nullptr;
  }
  if (!files.write(key, cubin, error)) {
    notes += error + '\n';
  }
  return module;
}
