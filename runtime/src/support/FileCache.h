//===- FileCache.h - What took long to make, kept for others ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A folder that processes share, with a file for each key: bundles of the
// compiler in the process, code that a GPU's driver made. What lies in it is
// run, so it is made for its owner alone. Files are written beside their place
// and renamed, so that a reader sees all of one or none; a digest finds what a
// disk or a stranger did to it.
//
// Throws nothing but std::bad_alloc. May be used by several threads.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_SUPPORT_FILECACHE_H
#define ATTNRT_SRC_SUPPORT_FILECACHE_H

#include <cstdint>
#include <string>

namespace attnrt {

class FileCache {
public:
  /// `suffix` (".attnjit") tells the kinds of files in a folder apart; those of
  /// one kind have at most `limit` bytes together.
  FileCache(std::string folder, std::string suffix, uint64_t limit)
      : folder(std::move(folder)), suffix(std::move(suffix)), limit(limit) {}

  /// A key from everything that the content depends on: 64 hexadecimal digits
  /// of a digest.
  static std::string makeKey(const std::string &text);

  enum class Found { Nothing, Damaged, Content };
  /// Reads the content of a key, which counts as used now.
  Found read(const std::string &key, std::string &content) const;

  /// Makes the folder if need be, writes the file, then drops those that were
  /// not used for longest until all are within the limit. False with `error` if
  /// the file cannot be written.
  bool write(const std::string &key, const std::string &content,
             std::string &error) const;

private:
  void dropOldFiles() const;

  std::string folder, suffix;
  uint64_t limit;
};

} // namespace attnrt

#endif // ATTNRT_SRC_SUPPORT_FILECACHE_H
