//===- CubinCache.h - What the driver made of PTX, on disk ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The driver's linker compiles PTX and hands over the cubin, which later
// processes load as it is. A file is <key>.cubin; its key is a digest of the
// text, the driver and the chip, and the compiler is called without options. A
// cache is never a reason to fail: where it does not serve, the module is
// loaded from PTX as if there were none, and that says what is wrong.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_CUDA_CUBINCACHE_H
#define ATTNRT_SRC_DEVICE_CUDA_CUBINCACHE_H

#include "../../support/FileCache.h"
#include "Gpu.h"

namespace attnrt::cuda {

/// May be used by several threads. The GPU must outlive it.
class CubinCache {
public:
  /// Files have at most `limit` bytes together; 0: 1 GiB.
  CubinCache(const Gpu &gpu, const char *folder, uint64_t limit);

  /// Loads PTX (a zero stands behind it) from the folder, else from what the
  /// driver makes of it, which is kept then; null if neither can be done. The
  /// context must be current. Appends lines for the engine's log to `notes`.
  Module load(const char *ptx, std::string &notes) const;

private:
  /// False where the driver cannot.
  bool compile(const char *ptx, std::string &cubin) const;

  const Gpu &gpu;
  FileCache files;
  std::string compiler; ///< driver and chip
};

} // namespace attnrt::cuda

#endif // ATTNRT_SRC_DEVICE_CUDA_CUBINCACHE_H
