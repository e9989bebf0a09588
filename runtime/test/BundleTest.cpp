//===- BundleTest.cpp - What a loader must refuse -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestBundle.h"

#include "../src/Guard.h"
#include "../src/bundle/Bundle.h"
#include "../src/support/Sha256.h"

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <random>

using namespace attnrt_test;
using namespace attnrt::bundle;

namespace {

/// What attnrt_bundle_load says of bytes.
struct Outcome {
  attnrt_status status;
  std::string message;
};

Outcome load(const Bytes &bytes) {
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  EXPECT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  attnrt_status status =
      attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle);
  EXPECT_EQ(status == ATTNRT_OK, bundle != nullptr);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
  return {status, status ? attnrt_last_message() : ""};
}

struct BadTable {
  const char *message;
  std::function<void(BundleT &)> change;
};

EntryT &entry(BundleT &b) { return *b.entries[0]; }
ProgramT &program(BundleT &b) { return *b.entries[0]->programs[0]; }
LaunchT &fold(BundleT &b) { return *program(b).launches[0]; }
BufferT &buffer(BundleT &b, int i) { return *program(b).buffers[size_t(i)]; }
ViewT &view(BundleT &b) { return *entry(b).views[0]; }

} // namespace

TEST(Bundle, DigestsAreThoseOfTheStandard) {
  // FIPS 180-4, and its examples of one and two blocks.
  auto hex = [](const std::string &text) {
    std::string out;
    for (uint8_t byte : attnrt::sha256(text.data(), text.size())) {
      char digits[3];
      snprintf(digits, sizeof(digits), "%02x", byte);
      out += digits;
    }
    return out;
  };
  EXPECT_EQ("e3b0c44298fc1c149afbf4c8996fb924"
            "27ae41e4649b934ca495991b7852b855",
            hex(""));
  EXPECT_EQ("ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad",
            hex("abc"));
  EXPECT_EQ("248d6a61d20638b8e5c026930c3e6039"
            "a33ce45964ff2167f6ecedd419db06c1",
            hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"));
}

TEST(Bundle, LoadsAtAnyAddress) {
  Bytes bytes = pack(makeBundle());
  EXPECT_EQ("", load(bytes).message);
  Bytes shifted(bytes.size() + 1);
  std::copy(bytes.begin(), bytes.end(), shifted.begin() + 1);
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  EXPECT_EQ(ATTNRT_OK, attnrt_bundle_load(context, shifted.data() + 1,
                                          bytes.size(), &bundle));
  EXPECT_EQ(1, attnrt_bundle_num_entries(bundle));
  EXPECT_STREQ("sums", attnrt_bundle_entry_name(bundle, 0));
  EXPECT_EQ(nullptr, attnrt_bundle_entry_name(bundle, 1));
  EXPECT_EQ(nullptr, attnrt_bundle_entry_name(bundle, -1));
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
}

TEST(Bundle, EveryTruncationIsRefused) {
  Bytes bytes = pack(makeBundle());
  size_t step = std::getenv("ATTN_TEST_LONG") ? 1 : 7;
  for (size_t size = 0; size < bytes.size();
       size += size < 4096 || size + 64 > bytes.size() ? 1 : step) {
    // A block of just this size: reads past it are seen by AddressSanitizer.
    Bytes cut(bytes.begin(), bytes.begin() + long(size));
    EXPECT_EQ(ATTNRT_CORRUPT, load(cut).status) << size;
  }
}

TEST(Bundle, EveryChangedByteIsRefused) {
  Bytes bytes = pack(makeBundle());
  std::mt19937 draw(std::getenv("ATTN_TEST_SEED")
                        ? unsigned(atoi(std::getenv("ATTN_TEST_SEED")))
                        : 1);
  size_t step = std::getenv("ATTN_TEST_LONG") ? 1 : 5;
  for (size_t i = draw() % step; i < bytes.size(); i += step) {
    uint8_t old = bytes[i];
    bytes[i] = uint8_t(old ^ (1 + draw() % 255));
    EXPECT_NE(ATTNRT_OK, load(bytes).status) << "byte " << i;
    bytes[i] = old;
  }
}

TEST(Bundle, ChangesThatNoDigestSeesAreSurvived) {
  // As if somebody had computed the digests anew: structure and meaning must
  // hold by themselves. What is read is walked by checkBundle.
  Bytes bytes = pack(makeBundle());
  std::mt19937 draw(std::getenv("ATTN_TEST_SEED")
                        ? unsigned(atoi(std::getenv("ATTN_TEST_SEED")))
                        : 1);
  int rounds = std::getenv("ATTN_TEST_LONG") ? 300000 : 6000, refused = 0;
  for (int round = 0; round < rounds; ++round) {
    Bytes changed = bytes;
    for (int n = 1 + int(draw() % 3); n > 0; --n) {
      // Most of the bytes are code, which nobody looks at here.
      size_t at = draw() % 2 ? draw() % std::min<size_t>(2048, bytes.size())
                             : bytes.size() - 1 - draw() % 2048;
      changed[at] = draw() % 4 ? uint8_t(draw()) : uint8_t(0xff);
    }
    try {
      attnrt::readBundle(changed.data(), changed.size(), false);
    } catch (const attnrt::Failure &) {
      ++refused;
    }
  }
  EXPECT_GT(refused, rounds / 10);
  EXPECT_LT(refused, rounds); // else nothing is known of what is taken
}

TEST(Bundle, TablesThatDoNotFitAreRefused) {
  const BadTable cases[] = {
      {"format 0 for readers from 1", [](BundleT &b) { b.format = 0; }},
      {"asks for a reader of format 9, but this one reads 3",
       [](BundleT &b) { b.format = b.min_reader = 9; }},
      {"plans of format 77", [](BundleT &b) { b.plan_format = 77; }},
      {"asks for 'columns', which this runtime does not know",
       [](BundleT &b) { b.required_features = {"columns"}; }},
      {"a target kind of 0..1, but got 5",
       [](BundleT &b) { b.targets[0]->kind = TargetKind(5); }},
      {"a code kind of 0..2, but got 3",
       [](BundleT &b) { b.code[0]->kind = CodeKind(3); }},
      {"PTX as text", [](BundleT &b) { b.code[0]->kind = CodeKind::Ptx; }},
      {"code, but got none", [](BundleT &b) { b.code[0]->bytes.clear(); }},
      {"0 bytes of arguments, but got 8",
       [](BundleT &b) {
         b.entries[0]->programs[0]->kernels[0]->argument_bytes = 8;
       }},
      {"binary code as ELF", [](BundleT &b) { b.code[0]->bytes[1] = 'e'; }},
      {"entries of different names, but got 'sums'",
       [](BundleT &b) {
         b.entries.push_back(
             std::unique_ptr<EntryT>(makeBundle().entries[0].release()));
       }},
      {"entries of different names, but got ''",
       [](BundleT &b) { entry(b).name = ""; }},
      {"names of up to 4096 bytes",
       [](BundleT &b) { entry(b).name = std::string(5000, 'a'); }},
      {"the number of an element type, but got number 99",
       [](BundleT &b) { entry(b).arguments[0]->dtype = 99; }},
      {"an argument kind of 0..1, but got 2",
       [](BundleT &b) { entry(b).arguments[0]->kind = ArgumentKind(2); }},
      {"tensors of at most 6 axes, but got rank 7",
       [](BundleT &b) { entry(b).arguments[0]->sizes.assign(7, 1); }},
      {"-1 for any, but got size -2",
       [](BundleT &b) { entry(b).arguments[0]->sizes[0] = -2; }},
      {"scalars without sizes",
       [](BundleT &b) { entry(b).arguments[2]->sizes = {1}; }},
      {"a number of arguments below 3, but got 3",
       [](BundleT &b) { view(b).argument = 3; }},
      {"2 coordinates of storage, but got 1",
       [](BundleT &b) { view(b).address.pop_back(); }},
      {"1 coordinates of a table, but got 0",
       [](BundleT &b) { view(b).symbols[0]->at.clear(); }},
      {"a number of axes below 2, but got 2",
       [](BundleT &b) {
         view(b).address[0]->steps = {Step(StepKind::Axis, 2)};
       }},
      {"a number of symbols below 0, but got 0",
       [](BundleT &b) {
         view(b).symbols[0]->at[0]->steps = {Step(StepKind::Symbol, 0)};
       }},
      {"an affine expression in postfix order",
       [](BundleT &b) { view(b).address[0]->steps.clear(); }},
      {"an affine expression in postfix order",
       [](BundleT &b) {
         view(b).address[0]->steps = {Step(StepKind::Add, 0)};
       }},
      {"an affine expression in postfix order",
       [](BundleT &b) {
         view(b).address[0]->steps.assign(100, Step(StepKind::Constant, 1));
       }},
      {"divisors that are positive constants",
       [](BundleT &b) {
         view(b).address[0]->steps = {Step(StepKind::Axis, 0),
                                      Step(StepKind::Constant, 0),
                                      Step(StepKind::Mod, 0)};
       }},
      {"a step of 0..6, but got 7",
       [](BundleT &b) { view(b).address[0]->steps = {Step(StepKind(7), 0)}; }},
      {"a number of targets below 1, but got 1",
       [](BundleT &b) { program(b).target = 1; }},
      {"a number of code below 1, but got 4",
       [](BundleT &b) { program(b).host_code = 4; }},
      {"a function of extents",
       [](BundleT &b) { program(b).extents_function = ""; }},
      {"a number of arguments below 3, but got 8",
       [](BundleT &b) { program(b).host_reads = {8}; }},
      {"a buffer kind of 0..5, but got 6",
       [](BundleT &b) { buffer(b, 0).kind = BufferKind(6); }},
      {"argument 2 as an array", [](BundleT &b) { buffer(b, 0).index = 2; }},
      {"argument 0 as a scalar", [](BundleT &b) { buffer(b, 2).index = 0; }},
      {"argument 0 with one type",
       [](BundleT &b) { buffer(b, 0).dtype = ATTNRT_F64; }},
      {"arrays as memory", [](BundleT &b) { buffer(b, 0).memory = false; }},
      {"a number of extents below 4, but got 9",
       [](BundleT &b) { buffer(b, 3).index = 9; }},
      {"a number of extents below 4, but got 9",
       [](BundleT &b) { buffer(b, 7).shape = {9}; }},
      {"1 extents as sizes, but got 2",
       [](BundleT &b) { buffer(b, 7).shape = {0, 0}; }},
      {"1 extents as sizes, but got 2",
       [](BundleT &b) { buffer(b, 9).shape = {0}; }},
      {"each argument and result in one buffer",
       [](BundleT &b) { buffer(b, 8) = buffer(b, 7); }},
      {"2 results, but got 1",
       [](BundleT &b) { buffer(b, 8).kind = BufferKind::Workspace; }},
      {"a number of kernels below 3, but got 3",
       [](BundleT &b) { fold(b).items = 3; }},
      {"a number of kernels below 3", [](BundleT &b) { fold(b).merge = -2; }},
      {"a fold with merge, range and extent",
       [](BundleT &b) { fold(b).merge = -1; }},
      {"a fold with merge, range and extent",
       [](BundleT &b) { fold(b).range = ""; }},
      {"a number of extents below 4, but got 4",
       [](BundleT &b) { fold(b).row = 4; }},
      {"a number of extents below 4, but got 5",
       [](BundleT &b) { fold(b).segments = {5}; }},
      {"a number of views below 1, but got 1",
       [](BundleT &b) {
         fold(b).keys.push_back(std::make_unique<KeyViewT>());
         fold(b).keys[0]->view = 1;
       }},
      {"what each of 2 axes of a view is, but got 1",
       [](BundleT &b) {
         fold(b).keys.push_back(std::make_unique<KeyViewT>());
         fold(b).keys[0]->axes = {0};
       }},
      {"axes of views to be ranks below 1, -1 or -2, but got 1",
       [](BundleT &b) {
         fold(b).keys.push_back(std::make_unique<KeyViewT>());
         fold(b).keys[0]->axes = {0, 1};
       }},
      {"axes of views to be ranks below 1, -1 or -2, but got -3",
       [](BundleT &b) {
         fold(b).keys.push_back(std::make_unique<KeyViewT>());
         fold(b).keys[0]->axes = {-3, -2};
       }},
      {"1..1048576 packed rows, but got 0",
       [](BundleT &b) { fold(b).rows = 0; }},
      {"1..1048576 columns of a tile, but got 0",
       [](BundleT &b) { fold(b).cols = 0; }},
      {"states of a fold, but buffer 0 is none",
       [](BundleT &b) { fold(b).states[0]->buffer = 0; }},
      {"a number of buffers below 11, but got 11",
       [](BundleT &b) { fold(b).states[0]->buffer = 11; }},
      {"kernels of their target, but '' is none",
       [](BundleT &b) { program(b).kernels[0]->symbol = ""; }},
      {"scratch of at most 4 GiB",
       [](BundleT &b) { program(b).kernels[0]->scratch_bytes = ~0ull; }},
      {"kernels of their target",
       [](BundleT &b) {
         auto gpu = std::make_unique<TargetT>();
         gpu->kind = TargetKind::Cuda;
         gpu->chip = "sm_80";
         b.targets.push_back(std::move(gpu));
         program(b).target = 1;
         program(b).host_target = 0;
       }},
      {"host functions in a shared object for a CPU",
       [](BundleT &b) { b.targets[0]->kind = TargetKind::Cuda; }},
  };
  for (const BadTable &bad : cases) {
    BundleT bundle = makeBundle();
    bad.change(bundle);
    Outcome outcome = load(pack(std::move(bundle)));
    EXPECT_NE(ATTNRT_OK, outcome.status) << bad.message;
    EXPECT_NE(std::string::npos, outcome.message.find(bad.message))
        << bad.message << "\n got: " << outcome.message;
  }
}

TEST(Bundle, LimitsOfGpusAreChecked) {
  auto make = [](uint32_t threads, uint32_t shared) {
    BundleT bundle = makeBundle();
    auto gpu = std::make_unique<TargetT>();
    gpu->kind = TargetKind::Cuda;
    gpu->chip = "sm_80";
    bundle.targets.push_back(std::move(gpu));
    auto code = std::make_unique<CodeT>();
    code->kind = CodeKind::Ptx;
    code->text = ".version 7.0";
    bundle.code.push_back(std::move(code));
    program(bundle).target = 1;
    for (auto &kernel : program(bundle).kernels) {
      kernel->code = 1;
      kernel->threads = threads;
      kernel->shared_bytes = shared;
    }
    return load(pack(std::move(bundle))).message;
  };
  EXPECT_EQ("", make(128, 232448));
  const char *limits = "1..1024 threads and up to 232448 bytes";
  EXPECT_NE(std::string::npos, make(0, 0).find(limits));
  EXPECT_NE(std::string::npos, make(1025, 0).find(limits));
  EXPECT_NE(std::string::npos, make(32, 232449).find(limits));
}

TEST(Bundle, LaterFormatsThatSaySoAreRead) {
  BundleT bundle = makeBundle();
  bundle.format = 3; // min_reader stays 1
  EXPECT_EQ("", load(pack(std::move(bundle))).message);
}

TEST(Bundle, NoPlaceAndNoBytes) {
  attnrt_context *context = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  attnrt_bundle *bundle = nullptr;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_bundle_load(context, nullptr, 5, &bundle));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_bundle_load(nullptr, "", 0, &bundle));
  EXPECT_EQ(ATTNRT_CORRUPT, attnrt_bundle_load(context, nullptr, 0, &bundle));
  EXPECT_EQ(ATTNRT_CORRUPT,
            attnrt_bundle_load(context, "", uint64_t(1) << 40, &bundle));
  attnrt_context_release(context);
}
