//===- FileCache.cpp - What took long to make, kept for others ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file is a magic number, a digest of all behind it, the key, the content.
//
//===----------------------------------------------------------------------===//
#include "FileCache.h"

#include "Sha256.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>
#include <vector>

using namespace attnrt;

static constexpr char kMagic[8] = {'a', 't', 't', 'n', 'f', 'i', 'l', '1'};
static constexpr size_t kDigestAt = sizeof(kMagic), kKeyAt = kDigestAt + 32,
                        kKeyBytes = 64, kContentAt = kKeyAt + kKeyBytes;
static constexpr char kUnfinished[] = ".unfinished";
/// After so many seconds nobody is writing a file any more.
static constexpr std::time_t kAbandoned = 3600;

namespace {

/// A file that is closed.
struct File {
  explicit File(int fd) : fd(fd) {}
  ~File() {
    if (fd >= 0) {
      close(fd);
    }
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;
  int fd;
};

struct Entry {
  std::string name;
  timespec used;
  uint64_t bytes;
};

} // namespace

static bool readAll(int fd, char *to, size_t size) {
  while (size) {
    ssize_t n = ::read(fd, to, size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    to += n;
    size -= size_t(n);
  }
  return true;
}

static bool writeAll(int fd, const std::string &bytes) {
  for (size_t at = 0; at < bytes.size();) {
    ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return false;
    }
    at += size_t(n);
  }
  return true;
}

std::string FileCache::makeKey(const std::string &text) {
  std::string key;
  for (uint8_t byte : sha256(text.data(), text.size())) {
    for (int digit : {byte >> 4, byte & 15}) {
      key += "0123456789abcdef"[digit];
    }
  }
  return key;
}

FileCache::Found FileCache::read(const std::string &key,
                                 std::string &content) const {
  std::string path = folder + "/" + key + suffix;
  // A pipe of this name must not make us wait.
  File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.fd < 0) {
    return Found::Nothing;
  }
  struct stat about;
  if (fstat(file.fd, &about) || !S_ISREG(about.st_mode) ||
      size_t(about.st_size) < kContentAt) {
    return Found::Damaged;
  }
  std::string all(size_t(about.st_size), 0);
  if (!readAll(file.fd, all.data(), all.size()) ||
      std::memcmp(all.data(), kMagic, sizeof(kMagic)) != 0 ||
      all.compare(kKeyAt, kKeyBytes, key) != 0) {
    return Found::Damaged;
  }
  auto digest = sha256(all.data() + kKeyAt, all.size() - kKeyAt);
  if (std::memcmp(all.data() + kDigestAt, digest.data(), digest.size()) != 0) {
    return Found::Damaged;
  }
  // Used now; a folder for reading only has no turns.
  (void)futimens(file.fd, nullptr);
  content = all.substr(kContentAt);
  return Found::Content;
}

static bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// The files of ours; others are none of our business.
static std::vector<Entry> listFiles(const std::string &folder,
                                    const std::string &suffix) {
  std::vector<Entry> entries;
  DIR *list = opendir(folder.c_str());
  if (!list) {
    return entries;
  }
  std::time_t now = std::time(nullptr);
  while (dirent *item = readdir(list)) {
    std::string name = item->d_name;
    bool isUnfinished = endsWith(name, kUnfinished);
    struct stat about;
    if (name.size() < kKeyBytes ||
        !std::all_of(name.begin(), name.begin() + kKeyBytes,
                     [](unsigned char c) { return std::isxdigit(c); }) ||
        !(isUnfinished || name.substr(kKeyBytes) == suffix) ||
        fstatat(dirfd(list), item->d_name, &about, AT_SYMLINK_NOFOLLOW) ||
        !S_ISREG(about.st_mode)) {
      continue;
    }
    if (!isUnfinished) {
      entries.push_back({name, about.st_mtim, uint64_t(about.st_size)});
    } else if (now - about.st_mtime > kAbandoned) {
      unlinkat(dirfd(list), item->d_name, 0);
    }
  }
  closedir(list);
  return entries;
}

void FileCache::dropOldFiles() const {
  std::vector<Entry> entries = listFiles(folder, suffix);
  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
    return std::tie(a.used.tv_sec, a.used.tv_nsec, a.name) >
           std::tie(b.used.tv_sec, b.used.tv_nsec, b.name);
  });
  uint64_t sum = 0;
  for (const Entry &entry : entries) {
    sum += entry.bytes;
    if (sum > limit) {
      unlink((folder + "/" + entry.name).c_str());
    }
  }
}

bool FileCache::write(const std::string &key, const std::string &content,
                      std::string &error) const {
  auto fail = [&](const char *what) {
    error =
        std::string("cannot ") + what + " '" + folder + "': " + strerror(errno);
    return false;
  };
  // What lies there is run later: nobody else may write to it.
  if (mkdir(folder.c_str(), 0700) && errno != EEXIST) {
    return fail("make the cache folder");
  }
  std::string all(kMagic, sizeof(kMagic));
  std::string rest = key + content;
  for (uint8_t byte : sha256(rest.data(), rest.size())) {
    all += char(byte);
  }
  all += rest;
  static std::atomic<unsigned> number{0};
  std::string path = folder + "/" + key;
  std::string beside = path + "." + std::to_string(getpid()) + "." +
                       std::to_string(number++) + kUnfinished;
  bool isWritten = false;
  {
    File file(
        open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.fd < 0) {
      return fail("write to the cache folder");
    }
    isWritten = writeAll(file.fd, all);
  }
  if (!isWritten || rename(beside.c_str(), (path + suffix).c_str())) {
    fail("write to the cache folder");
    unlink(beside.c_str());
    return false;
  }
  dropOldFiles();
  return true;
}
