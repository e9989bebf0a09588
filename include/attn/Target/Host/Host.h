//===- Host.h - Machine code for this machine -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// func.func over upstream dialects -> LLVM -> object -> shared object -> loaded
// functions, in this process and without a file. The code depends on memcpy,
// memmove and memset only, and is chosen by CPU features, never by a CPU name.
//
// Everything here may be called from several threads (with different modules);
// linking is serialised inside.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGET_HOST_HOST_H
#define ATTN_TARGET_HOST_HOST_H

#include "attn/Support/LLVM.h"
#include "attn/TargetModel/VectorUnit.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include <memory>
#include <string>

namespace attn {

struct HostOptions {
  /// "native"; a level "x86-64-v2", "x86-64-v3", "x86-64-v4", with features
  /// behind it ("x86-64-v4,+avx512bf16"); or a list "+avx2,+fma,..." that says
  /// all.
  std::string features = "native";
  /// 0: the short pipeline for code that is in vector form already. 1, 2, 3:
  /// LLVM's own pipelines.
  int optLevel = 0;
};

/// Milliseconds.
struct HostTimes {
  double lower = 0, translate = 0, optimise = 0, codegen = 0, link = 0,
         load = 0;
};

/// What code generation for `options` can count on.
VectorUnit hostVectorUnit(const HostOptions &options);

/// Whether this CPU has a matrix unit that the system does not give to this
/// process (attnrt/cpu_tiles.h says when). "native" is without it then.
bool refusesMatrixUnit();

/// Whether this machine has all that HostOptions::features can say; for
/// "native" it has.
bool hostRuns(StringRef features);

/// The module, which keeps its form, as the bytes of a shared object. Functions
/// that do not refer to each other are compiled side by side on the context's
/// threads; `times` then holds what the slowest took. Errors are reported at
/// the module.
FailureOr<SmallVector<char, 0>> compileForHost(ModuleOp module,
                                               const HostOptions &options = {},
                                               HostTimes *times = nullptr);

/// A loaded shared object. Pointers it gave out die with it.
class HostLibrary {
public:
  /// compileForHost and load.
  static FailureOr<std::unique_ptr<HostLibrary>>
  create(ModuleOp module, const HostOptions &options = {},
         HostTimes *times = nullptr);
  /// Loads bytes that compileForHost made; `error` says why it failed. A
  /// damaged shared object can crash the loader: check where it comes from
  /// first.
  static std::unique_ptr<HostLibrary> load(ArrayRef<char> bytes,
                                           std::string &error);
  ~HostLibrary();
  HostLibrary(const HostLibrary &) = delete;
  HostLibrary &operator=(const HostLibrary &) = delete;

  /// The address of a function, null if there is none of that name.
  void *lookup(StringRef name) const;

private:
  HostLibrary(void *handle, int descriptor)
      : handle(handle), descriptor(descriptor) {}
  void *handle;
  int descriptor; // open until dlclose: its number names the library
};

} // namespace attn

#endif // ATTN_TARGET_HOST_HOST_H
