//===- CubinCacheTest.cpp - GPU code that the driver made, on disk --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FakeCuda.h"
#include "TestBundle.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace attnrt_test;
namespace fs = std::filesystem;

namespace {

class CubinCache : public testing::Test, protected FakeCuda {
protected:
  CubinCache() {
    std::string name = testing::TempDir() + "attnrt-cubins-XXXXXX";
    parent = mkdtemp(name.data());
    folder = parent / "made";
    path = folder.string();
    params.struct_size = sizeof(params);
    params.cuda_library = ATTNRT_FAKE_CUDA;
    params.cache_dir = path.c_str();
    params.log = [](void *self, int32_t severity, const char *message) {
      EXPECT_EQ(1, severity);
      // The engine's own context is current, whatever the runtime is doing.
      auto *test = static_cast<CubinCache *>(self);
      EXPECT_EQ(nullptr, test->current());
      test->said.push_back(message);
    };
    params.log_self = this;
  }
  ~CubinCache() override {
    EXPECT_EQ(liveBefore, live());
    EXPECT_EQ(misusesBefore, misuses());
    fs::remove_all(parent);
  }

  /// Loads the kernel in a context of its own, as a process would, and runs it.
  /// How many texts the driver compiled for that.
  int use(int device = 0) {
    int before = compiled();
    DLDevice where{kDLCUDA, device};
    Loaded loaded(&params, where);
    Batch batch({9, 30, 4}, 30);
    batch.moveTo(where);
    EXPECT_EQ("", loaded.run(batch));
    finish();
    EXPECT_EQ(batch.expected(), batch.y);
    return compiled() - before;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> list;
    if (fs::exists(folder)) {
      for (const auto &entry : fs::directory_iterator(folder)) {
        list.push_back(entry.path());
      }
    }
    std::sort(list.begin(), list.end());
    return list;
  }
  static std::string contentOf(const fs::path &file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const fs::path &file, const std::string &content) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
  }

  fs::path parent, folder;
  std::string path;
  attnrt_context_params params{};
  std::vector<std::string> said;
  int liveBefore = live(), misusesBefore = misuses();
};

} // namespace

TEST_F(CubinCache, TheSecondLoadCompilesNothing) {
  EXPECT_EQ(1, use());
  ASSERT_EQ(1u, files().size());
  EXPECT_EQ(".cubin", files()[0].extension());
  EXPECT_EQ(64u, files()[0].stem().string().size());
  // What lies there is run: for its owner alone.
  EXPECT_EQ(fs::perms::owner_all, fs::status(folder).permissions());
  EXPECT_EQ(fs::perms::owner_read | fs::perms::owner_write,
            fs::status(files()[0]).permissions());
  EXPECT_EQ(0, use());
  EXPECT_EQ(0, use());
  EXPECT_EQ(1u, files().size());
  EXPECT_TRUE(said.empty());
}

TEST_F(CubinCache, NothingIsKeptWithoutAFolder) {
  params.cache_dir = nullptr;
  EXPECT_EQ(1, use());
  EXPECT_EQ(1, use());
  EXPECT_TRUE(files().empty());
}

TEST_F(CubinCache, ChipsAndDriversHaveTheirOwn) {
  EXPECT_EQ(1, use(0));
  EXPECT_EQ(1, use(1)); // sm_80
  EXPECT_EQ(0, use(0));
  EXPECT_EQ(0, use(1));
  setVersion(12080);
  EXPECT_EQ(1, use(0));
  EXPECT_EQ(0, use(0));
  setVersion(12040);
  EXPECT_EQ(0, use(0));
  EXPECT_EQ(3u, files().size());
}

TEST_F(CubinCache, OtherTextsAreOthers) {
  for (const char *text : {".version 7.0", ".version 7.1", ".version 7.0\n"}) {
    for (int expected : {1, 0}) {
      attnrt::bundle::BundleT made = makeBundle(1, true);
      made.code[1]->text = text;
      Bytes bytes = pack(std::move(made));
      attnrt_context *context = nullptr;
      attnrt_bundle *bundle = nullptr;
      attnrt_kernel *kernel = nullptr;
      int before = compiled();
      ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
      ASSERT_EQ(ATTNRT_OK, attnrt_bundle_load(context, bytes.data(),
                                              bytes.size(), &bundle));
      EXPECT_EQ(ATTNRT_OK, attnrt_kernel_load(bundle, "sums", {kDLCUDA, 0},
                                              nullptr, &kernel));
      EXPECT_EQ(expected, compiled() - before) << text;
      attnrt_kernel_release(kernel);
      attnrt_bundle_release(bundle);
      attnrt_context_release(context);
    }
  }
  EXPECT_EQ(3u, files().size());
}

TEST_F(CubinCache, CubinsOfBundlesAreLoadedAsTheyAre) {
  attnrt::bundle::BundleT made = makeBundle(1, true);
  std::string cubin = "\x7f"
                      "ELF for sm_86.version 7.0";
  made.code[1]->kind = attnrt::bundle::CodeKind::Cubin;
  made.code[1]->text.clear();
  made.code[1]->bytes.assign(cubin.begin(), cubin.end());
  made.code[1]->bytes.resize(64); // at least a header of ELF
  Bytes bytes = pack(std::move(made));
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  int before = compiled();
  fail("cuLinkCreate_v2", 2); // nobody asks for it
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle))
      << attnrt_last_message();
  EXPECT_EQ(ATTNRT_OK,
            attnrt_kernel_load(bundle, "sums", {kDLCUDA, 0}, nullptr, &kernel))
      << attnrt_last_message();
  EXPECT_EQ(before, compiled());
  EXPECT_TRUE(forgive());
  EXPECT_TRUE(files().empty());
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
}

TEST_F(CubinCache, DamagedFilesAreMadeAnew) {
  ASSERT_EQ(1, use());
  fs::path file = files()[0];
  const std::string good = contentOf(file);
  auto expectNew = [&](const std::string &what) {
    said.clear();
    EXPECT_EQ(1, use()) << what;
    ASSERT_EQ(1u, said.size()) << what;
    EXPECT_EQ(
        "a file of the cache folder is damaged; the PTX is compiled again",
        said[0]);
    EXPECT_EQ(good, contentOf(file)) << what;
    EXPECT_EQ(0, use()) << what;
  };
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = char(bad[at] ^ 0x10);
    write(file, bad);
    expectNew("byte " + std::to_string(at));
    write(file, good.substr(0, at));
    expectNew("cut at " + std::to_string(at));
  }
  write(file, good + '\0');
  expectNew("more behind");
  EXPECT_EQ(1u, files().size());
}

TEST_F(CubinCache, AFileUnderAnothersNameIsNotTaken) {
  // Of another driver, so that this one would take it.
  ASSERT_EQ(1, use());
  fs::path first = files()[0];
  std::string good = contentOf(first);
  setVersion(12080);
  ASSERT_EQ(1, use());
  for (const fs::path &file : files()) {
    write(file, good);
  }
  EXPECT_EQ(1, use());
  EXPECT_EQ(0, use());
  setVersion(12040);
  EXPECT_EQ(0, use());
}

TEST_F(CubinCache, ACubinThatTheDriverRefusesIsMadeAnew) {
  ASSERT_EQ(1, use());
  for (int status : {200, 209, 700}) {
    said.clear();
    fail("cuModuleLoadDataEx", status);
    EXPECT_EQ(1, use());
    ASSERT_EQ(1u, said.size());
    EXPECT_EQ("the driver does not take what it made of PTX before; the PTX is "
              "compiled again",
              said[0]);
    EXPECT_EQ(0, use());
  }
}

TEST_F(CubinCache, WhatFailsIsAsWithoutACache) {
  // The driver's linker, at each place: the text is loaded.
  for (const char *function : {"cuLinkCreate_v2", "cuLinkAddData_v2",
                               "cuLinkComplete", "cuModuleLoadDataEx"}) {
    for (int status : {2, 209, 221, 801}) {
      fail(function, status);
      EXPECT_LE(1, use()) << function;
      EXPECT_FALSE(forgive()) << function;
      EXPECT_TRUE(files().empty()) << function;
    }
  }
  // A text that no way of the driver takes has its log.
  attnrt::bundle::BundleT made = makeBundle(1, true);
  made.code[1]->text = "no PTX";
  EXPECT_EQ(ATTNRT_INTERNAL, tryToLoad(std::move(made), params, {kDLCUDA, 0}));
  EXPECT_STREQ("the driver does not take the code: fake error 200",
               attnrt_last_message());
  EXPECT_TRUE(files().empty());
}

TEST_F(CubinCache, CubinsOfABundle) {
  // The stand-in's are the words below, the number of the chip, and the PTX.
  params.cache_dir = nullptr;
  auto withCubin = [&](const std::string &text) {
    attnrt::bundle::BundleT made = makeBundle(1, true);
    auto code = std::make_unique<attnrt::bundle::CodeT>();
    code->kind = attnrt::bundle::CodeKind::Cubin;
    code->bytes.assign(text.begin(), text.end());
    code->bytes.resize(128);
    made.code.push_back(std::move(code));
    for (auto &kernel : made.entries[0]->programs[1]->kernels) {
      kernel->cubin = 2;
    }
    return made;
  };
  /// Texts that the driver compiled for a device.
  auto load = [&](const std::string &cubin, int device) {
    int before = compiled();
    said.clear();
    EXPECT_EQ(ATTNRT_OK, tryToLoad(withCubin(cubin), params, {kDLCUDA, device}))
        << attnrt_last_message();
    return compiled() - before;
  };
  const std::string elf = "\x7f"
                          "ELF for sm_";
  EXPECT_EQ(0, load(elf + "80", 1)); // the GPU's own
  EXPECT_TRUE(said.empty());
  EXPECT_EQ(1, load(elf + "80", 0)); // an older chip's
  EXPECT_TRUE(said.empty());
  // One that the driver does not take.
  EXPECT_EQ(1, load(elf + "90", 1));
  ASSERT_EQ(1u, said.size());
  EXPECT_EQ("the driver does not take a cubin of the bundle, its PTX is used: "
            "fake error 209",
            said[0]);
  // No memory is no reason to try what needs more.
  fail("cuModuleLoadDataEx", 2);
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED,
            tryToLoad(withCubin(elf + "80"), params, {kDLCUDA, 1}));
  EXPECT_FALSE(forgive());

  // A number that is no cubin's.
  for (int32_t wrong : {0, 1, 3, -2}) {
    attnrt::bundle::BundleT made = withCubin(elf + "80");
    made.entries[0]->programs[1]->kernels[0]->cubin = wrong;
    Bytes bytes = pack(std::move(made));
    attnrt_context *context = nullptr;
    attnrt_bundle *bundle = nullptr;
    ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
    EXPECT_EQ(ATTNRT_CORRUPT,
              attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle));
    attnrt_context_release(context);
  }
}

TEST_F(CubinCache, FoldersThatCannotBeWrittenTo) {
  write(parent / "file", "not a folder");
  for (fs::path bad : {parent / "file" / "deep", parent / "none" / "deep"}) {
    said.clear();
    path = bad.string();
    params.cache_dir = path.c_str();
    EXPECT_EQ(1, use());
    EXPECT_EQ(1, use());
    ASSERT_EQ(2u, said.size());
    EXPECT_EQ(0u, said[0].find("cannot make the cache folder '" + path + "': "))
        << said[0];
  }
}

TEST_F(CubinCache, ThingsThatAreNoFiles) {
  ASSERT_EQ(1, use());
  fs::path file = files()[0];
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_EQ(1, use());
  EXPECT_EQ(1u, files().size()); // nothing unfinished stays
  fs::remove(file);
  fs::create_symlink("/dev/zero", file);
  EXPECT_EQ(1, use());
  EXPECT_EQ(0, use());
  EXPECT_FALSE(fs::is_symlink(file));
  // What a link leads to is not in the folder.
  fs::rename(file, parent / "elsewhere");
  fs::create_symlink(parent / "elsewhere", file);
  EXPECT_EQ(1, use());
  EXPECT_FALSE(fs::is_symlink(file));
}

TEST_F(CubinCache, TheFolderIsBounded) {
  ASSERT_EQ(1, use(0));
  uint64_t size = fs::file_size(files()[0]);
  params.cache_dir_bytes = size + size / 2;
  EXPECT_EQ(1, use(1));
  EXPECT_EQ(1u, files().size());
  EXPECT_EQ(0, use(1)); // the older one went
  EXPECT_EQ(1, use(0));
}

TEST_F(CubinCache, ManyAtTheSameTime) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 5; ++round) {
        Loaded loaded(&params, {kDLCUDA, (t + round) % 2});
      }
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(2u, files().size());
  EXPECT_EQ(0, use(0));
  EXPECT_EQ(0, use(1));
  EXPECT_TRUE(said.empty());
}
