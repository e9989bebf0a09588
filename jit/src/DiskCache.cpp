//===- DiskCache.cpp - Bundles of several processes ---------------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "DiskCache.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace attnjit;
using llvm::StringRef;

namespace {
struct Header {
  char magic[8];
  uint8_t digest[32];           // of all behind it, and of the key
  uint64_t diagnostics, bundle; // bytes
};
constexpr char kMagic[8] = {'a', 't', 't', 'n', 'j', 'i', 't', '1'};
constexpr llvm::StringLiteral kSuffix = ".attnjit";
constexpr llvm::StringLiteral kUnfinished = ".unfinished";
/// After so many seconds nobody is writing a file any more.
constexpr std::time_t kAbandoned = 3600;

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

static std::array<uint8_t, 32> digestOf(StringRef key, StringRef diagnostics,
                                        StringRef bundle) {
  llvm::SHA256 hash;
  uint64_t sizes[2] = {diagnostics.size(), bundle.size()};
  hash.update(key);
  hash.update(StringRef(reinterpret_cast<char *>(sizes), sizeof(sizes)));
  hash.update(diagnostics);
  hash.update(bundle);
  return hash.final();
}

static bool readAll(int fd, void *to, size_t size) {
  for (char *at = static_cast<char *>(to); size;) {
    ssize_t n = read(fd, at, size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    at += n;
    size -= size_t(n);
  }
  return true;
}

static bool writeAll(int fd, StringRef bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return false;
    }
    bytes = bytes.drop_front(size_t(n));
  }
  return true;
}

CompiledPtr attnjit::readFromDisk(const std::string &folder,
                                  const std::string &key, bool &isDamaged) {
  isDamaged = false;
  std::string path = folder + "/" + key + kSuffix.str();
  // A pipe of this name must not make us wait.
  File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.fd < 0) {
    return nullptr;
  }
  isDamaged = true;
  struct stat about;
  Header header;
  if (fstat(file.fd, &about) || !S_ISREG(about.st_mode) ||
      size_t(about.st_size) < sizeof(header) ||
      !readAll(file.fd, &header, sizeof(header)) ||
      std::memcmp(header.magic, kMagic, sizeof(kMagic))) {
    return nullptr;
  }
  uint64_t rest = uint64_t(about.st_size) - sizeof(header);
  if (header.diagnostics > rest || header.bundle != rest - header.diagnostics ||
      !header.bundle) {
    return nullptr;
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->diagnostics.resize(header.diagnostics);
  compiled->bundle.resize_for_overwrite(header.bundle);
  if (!readAll(file.fd, compiled->diagnostics.data(), header.diagnostics) ||
      !readAll(file.fd, compiled->bundle.data(), header.bundle)) {
    return nullptr;
  }
  StringRef bundle(compiled->bundle.data(), compiled->bundle.size());
  auto digest = digestOf(key, compiled->diagnostics, bundle);
  if (std::memcmp(header.digest, digest.data(), digest.size())) {
    return nullptr;
  }
  isDamaged = false;
  futimens(file.fd,
           nullptr); // used now; a folder for reading only has no turns
  return compiled;
}

/// The files of ours; others are none of our business.
static std::vector<Entry> listFiles(const std::string &folder) {
  std::vector<Entry> entries;
  DIR *list = opendir(folder.c_str());
  if (!list) {
    return entries;
  }
  std::time_t now = std::time(nullptr);
  while (dirent *item = readdir(list)) {
    StringRef name = item->d_name;
    bool isUnfinished = name.ends_with(kUnfinished);
    StringRef key = name.take_front(64);
    struct stat about;
    if (key.size() < 64 || !llvm::all_of(key, llvm::isHexDigit) ||
        !(isUnfinished || name.drop_front(64) == kSuffix) ||
        fstatat(dirfd(list), item->d_name, &about, AT_SYMLINK_NOFOLLOW) ||
        !S_ISREG(about.st_mode)) {
      continue;
    }
    if (!isUnfinished) {
      entries.push_back({name.str(), about.st_mtim, uint64_t(about.st_size)});
    } else if (now - about.st_mtime > kAbandoned) {
      unlinkat(dirfd(list), item->d_name, 0);
    }
  }
  closedir(list);
  return entries;
}

static void dropOldFiles(const std::string &folder, uint64_t limit) {
  std::vector<Entry> entries = listFiles(folder);
  llvm::sort(entries, [](const Entry &a, const Entry &b) {
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

bool attnjit::writeToDisk(const std::string &folder, const std::string &key,
                          const Compiled &compiled, uint64_t limit,
                          std::string &error) {
  auto fail = [&](StringRef what) {
    error =
        ("cannot " + what + " '" + folder + "': " + std::strerror(errno)).str();
    return false;
  };
  // What lies there is run later: nobody else may write to it.
  if (mkdir(folder.c_str(), 0700) && errno != EEXIST) {
    return fail("make the cache folder");
  }
  static std::atomic<unsigned> number{0};
  std::string path = folder + "/" + key;
  std::string beside = path + "." + std::to_string(getpid()) + "." +
                       std::to_string(number++) + kUnfinished.str();
  {
    File file(
        open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.fd < 0) {
      return fail("write to the cache folder");
    }
    StringRef bundle(compiled.bundle.data(), compiled.bundle.size());
    Header header;
    std::memcpy(header.magic, kMagic, sizeof(kMagic));
    auto digest = digestOf(key, compiled.diagnostics, bundle);
    std::memcpy(header.digest, digest.data(), digest.size());
    header.diagnostics = compiled.diagnostics.size();
    header.bundle = bundle.size();
    StringRef head(reinterpret_cast<char *>(&header), sizeof(header));
    if (!writeAll(file.fd, head) || !writeAll(file.fd, compiled.diagnostics) ||
        !writeAll(file.fd, bundle)) {
      fail("write to the cache folder");
      unlink(beside.c_str());
      return false;
    }
  }
  if (rename(beside.c_str(), (path + kSuffix.str()).c_str())) {
    fail("write to the cache folder");
    unlink(beside.c_str());
    return false;
  }
  dropOldFiles(folder, limit);
  return true;
}
