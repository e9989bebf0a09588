//===- Library.h - Host code of a bundle, loaded ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_BUNDLE_LIBRARY_H
#define ATTNRT_SRC_BUNDLE_LIBRARY_H

#include <memory>
#include <string>

namespace attnrt {

/// A loaded shared object. Pointers it gave out die with it.
class Library {
public:
  /// `data` is an object whose digest was checked. Throws Failure: UNAVAILABLE
  /// if it can be loaded neither from an anonymous file nor from `folder`
  /// (null: TMPDIR).
  static std::unique_ptr<Library> load(const char *data, size_t size,
                                       bool mayUseMemory, const char *folder);
  ~Library();
  Library(const Library &) = delete;
  Library &operator=(const Library &) = delete;

  /// Whether no file was needed.
  bool isInMemory() const { return inMemory; }
  /// Null if there is no symbol of that name.
  void *find(const std::string &name) const;

private:
  Library() = default;
  bool open(const std::string &path);

  void *handle = nullptr;
  bool inMemory = false;
  /// Open until the object is closed: its number names the object to the
  /// dynamic linker, and the number of a closed one may come again.
  int descriptor = -1;
  std::string error;
};

} // namespace attnrt

#endif // ATTNRT_SRC_BUNDLE_LIBRARY_H
