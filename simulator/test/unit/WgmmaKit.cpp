//===- WgmmaKit.cpp - Products of a warpgroup and what they are -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

using namespace ptxsim;
using namespace ptxsim::test;

/// Codes of numbers whose products and sums stay far from the largest.
uint32_t WgmmaJob::draw(const std::string &type, std::mt19937 &random) const {
  if (type[0] == 's' || type[0] == 'u') {
    return random() & (type == "s32" ? 0xFFFFFFFF : 0xFF);
  }
  if (product.smallIntegers) {
    bool isSum = type == product.sums && type != product.a;
    return wgmmaEncode(type, int(random() % 7) - 3 + (isSum ? 40 : 0));
  }
  uint32_t mask = wgmmaBits(type) == 32 ? ~0u : (1u << wgmmaBits(type)) - 1;
  while (true) {
    uint32_t bits = random() & mask;
    double size = std::abs(wgmmaDecode(type, bits));
    if (size == 0 || (size > 1e-3 && size < 16)) {
      return bits;
    }
  }
}

//===--- The job ----------------------------------------------------------===//

static Whole makeWhole(unsigned rows, unsigned columns) {
  return Whole(rows, std::vector<double>(columns, NAN));
}

void WgmmaJob::place(const Tile &tile, unsigned mn, unsigned k, uint32_t bits,
                     unsigned bytes, bool isNew) {
  unsigned at = tile.byteOf(mn, k, bytes);
  for (unsigned i = 0; i < bytes; ++i) {
    if (isNew && isTaken.at(at + i)) {
      ADD_FAILURE() << "two elements at byte " << at;
      return;
    }
    isTaken[at + i] = true;
    image.at(at + i) = uint8_t(bits >> 8 * i);
  }
}

WgmmaJob::WgmmaJob(const Product &given, uint32_t seed)
    : product(given), threads(128 * given.warpgroups) {
  Product &p = product;
  unsigned bytes = wgmmaBits(p.a) / 8, k = p.depth() * p.steps;
  unsigned allN = p.firstN + p.n;
  auto addTile = [&](std::vector<Tile> &tiles, unsigned mn) {
    tiles.push_back(
        Tile::packed(Major::K, Swizzle::None, sharedBytes, mn, bytes));
    sharedBytes += tiles.back().end(mn, k, bytes) - sharedBytes;
  };
  bool makesA = p.tilesA.empty() && !p.aInRegisters, makesB = p.tilesB.empty();
  for (unsigned w = 0; w < p.warpgroups; ++w) {
    if (makesA) {
      addTile(p.tilesA, 64);
    } else if (!p.aInRegisters) {
      sharedBytes = std::max(sharedBytes, p.tilesA.at(w).end(64, k, bytes));
    }
    if (!makesB) {
      sharedBytes = std::max(sharedBytes, p.tilesB.at(w).end(allN, k, bytes));
    }
  }
  for (unsigned w = 0; makesB && w < p.warpgroups; ++w) {
    addTile(p.tilesB, allN);
  }
  image.assign(sharedBytes, 0xFF);
  isTaken.assign(sharedBytes, false);
  filledBytes = sharedBytes;
  bitsA.resize(p.warpgroups);
  bitsC.resize(p.warpgroups);
  source.text = p.text();

  std::mt19937 random(seed);
  for (unsigned w = 0; w < p.warpgroups; ++w) {
    a.push_back(makeWhole(64, k));
    b.push_back(makeWhole(k, p.n));
    c.push_back(makeWhole(64, p.n));
    for (unsigned i = 0; i < 64; ++i) {
      for (unsigned j = 0; j < k; ++j) {
        bitsA[w].push_back(draw(p.a, random));
        a[w][i][j] = wgmmaDecode(p.a, bitsA[w].back());
        if (!p.aInRegisters) {
          place(p.tilesA.at(w), i, j, bitsA[w].back(), bytes, true);
        }
      }
    }
    for (unsigned i = 0; i < k; ++i) {
      for (unsigned j = 0; j < p.n; ++j) {
        uint32_t bits = draw(p.b, random);
        b[w][i][j] = wgmmaDecode(p.b, bits);
        place(p.tilesB.at(w), p.firstN + j, i, bits, bytes, true);
      }
    }
    for (unsigned i = 0; i < 64 * p.n; ++i) {
      bitsC[w].push_back(draw(p.sums, random));
      c[w][i / p.n][i % p.n] = wgmmaDecode(p.sums, bitsC[w].back());
    }
    for (unsigned warp = 0; warp < 4; ++warp) {
      for (unsigned s = 0; s < p.steps; ++s) {
        unsigned first = s * p.depth();
        descriptors.push_back(
            p.aInRegisters ? 0 : p.tilesA[w].descriptor(0, first, bytes));
        descriptors.push_back(p.tilesB[w].descriptor(p.firstN, first, bytes));
      }
    }
  }
}

void WgmmaJob::setA(unsigned warpgroup, unsigned m, unsigned k, uint32_t bits) {
  bitsA[warpgroup][m * a[warpgroup][0].size() + k] = bits;
  a[warpgroup][m][k] = wgmmaDecode(product.a, bits);
  if (!product.aInRegisters) {
    place(product.tilesA[warpgroup], m, k, bits, wgmmaBits(product.a) / 8,
          false);
  }
}

void WgmmaJob::setB(unsigned warpgroup, unsigned k, unsigned n, uint32_t bits) {
  b[warpgroup][k][n] = wgmmaDecode(product.b, bits);
  place(product.tilesB[warpgroup], product.firstN + n, k, bits,
        wgmmaBits(product.b) / 8, false);
}

void WgmmaJob::setC(unsigned warpgroup, unsigned m, unsigned n, uint32_t bits) {
  bitsC[warpgroup][m * product.n + n] = bits;
  c[warpgroup][m][n] = wgmmaDecode(product.sums, bits);
}

std::vector<uint32_t> WgmmaJob::registersOfA() const {
  unsigned bits = wgmmaBits(product.a), per = 32 / bits;
  unsigned k = product.depth() * product.steps;
  std::vector<uint32_t> words;
  for (unsigned thread = 0; thread < threads; ++thread) {
    for (unsigned i = 0; i < 4 * per * product.steps; ++i) {
      Place at = placeOfA(thread, i % (4 * per), bits);
      unsigned column = i / (4 * per) * product.depth() + at.column;
      uint32_t value = bitsA[thread / 128][at.row * k + column];
      i % per == 0 ? words.push_back(value)
                   : void(words.back() |= value << bits * (i % per));
    }
  }
  return words;
}

std::vector<uint32_t> WgmmaJob::registersOfC() const {
  unsigned bits = wgmmaBits(product.sums), per = 32 / bits;
  std::vector<uint32_t> words;
  for (unsigned thread = 0; thread < threads; ++thread) {
    for (unsigned i = 0; i < product.n / 2; ++i) {
      Place at = placeOfSum(thread, i);
      uint32_t value = bitsC[thread / 128][at.row * product.n + at.column];
      i % per == 0 ? words.push_back(value)
                   : void(words.back() |= value << bits * (i % per));
    }
  }
  return words;
}

//===--- Running ----------------------------------------------------------===//

Outcome WgmmaJob::run(const Options &options) const {
  Outcome outcome;
  std::unique_ptr<Device> device = Device::create(options);
  auto module = device->loadModule(source.text);
  if (!module) {
    outcome.error = module.message();
    return outcome;
  }
  auto kernel = (*module)->kernel("k");
  if (!kernel) {
    outcome.error = kernel.message();
    return outcome;
  }
  auto upload = [&](const void *data, size_t bytes, const char *name) {
    DevicePointer to = *device->allocate(std::max<size_t>(bytes, 4), name);
    (void)device->copyIn(to, data, bytes);
    return to;
  };
  size_t numSums = product.numSums();
  std::vector<uint32_t> registersA = registersOfA();
  std::vector<uint32_t> registersC = registersOfC();
  DevicePointer d = *device->allocate(threads * numSums * 4, "d");
  KernelArguments arguments;
  arguments.add(upload(image.data(), image.size(), "image"))
      .add(upload(descriptors.data(), descriptors.size() * 8, "descriptors"))
      .add(upload(registersA.data(), registersA.size() * 4, "a"))
      .add(upload(registersC.data(), registersC.size() * 4, "c"))
      .add(d)
      .add(filledBytes)
      .add(uint32_t(product.accumulates));
  LaunchConfig config;
  config.block.x = threads;
  config.dynamicSharedBytes = sharedBytes;
  auto launched = device->launch(**kernel, config, arguments);
  if (!launched) {
    outcome.error = launched.message();
    return outcome;
  }
  std::vector<uint32_t> words(threads * numSums);
  (void)device->copyOut(words.data(), d, words.size() * 4);
  for (size_t t = 0; t < threads; ++t) {
    auto first = words.begin() + ptrdiff_t(t * numSums);
    outcome.d.emplace_back(first, first + ptrdiff_t(numSums));
  }
  outcome.findings = device->findings();
  outcome.stats = device->stats();
  return outcome;
}

std::string WgmmaJob::difference(const Outcome &outcome) const {
  const Product &p = product;
  if (outcome.d.size() != threads) {
    return "nothing ran: " + outcome.error;
  }
  unsigned bits = wgmmaBits(p.sums), per = 32 / bits, k = p.depth();
  bool accumulates = p.scale == "%accumulate"    ? p.accumulates
                     : p.scale == "!%accumulate" ? !p.accumulates
                                                 : p.scale == "1";
  for (unsigned thread = 0; thread < threads; ++thread) {
    unsigned w = thread / 128;
    for (unsigned i = 0; i < p.n / 2; ++i) {
      Place at = placeOfSum(thread, i);
      double sum = accumulates ? c[w][at.row][at.column] : 0;
      double magnitude = std::abs(sum);
      for (unsigned s = 0; s < p.steps; ++s) {
        for (unsigned j = s * k; j < s * k + k; ++j) {
          double value =
              p.scaleA * a[w][at.row][j] * p.scaleB * b[w][j][at.column];
          sum += value;
          magnitude += std::abs(value);
        }
        if (p.isInteger()) {
          sum = p.saturates.empty() ? double(int32_t(uint32_t(int64_t(sum))))
                                    : std::clamp(sum, -0x1p31, 0x1p31 - 1);
        }
      }
      uint32_t word = outcome.d[thread][i / per];
      uint32_t code = bits == 16 ? word >> 16 * (i % 2) & 0xFFFF : word;
      double got = wgmmaDecode(p.sums, code);
      double tolerance = p.isInteger() || p.smallIntegers ? 0
                         : p.sums == "f16" ? magnitude * p.steps * 0x1p-11
                                           : magnitude * p.steps * k * 0x1p-24;
      if (!(std::abs(got - sum) <= tolerance)) {
        std::ostringstream message;
        message << "warpgroup " << w << " row " << at.row << " column "
                << at.column << " (thread " << thread << ", element " << i
                << "): expects " << sum << " +- " << tolerance << ", but got "
                << got;
        return message.str();
      }
    }
  }
  return {};
}

//===--- Under every completion
//---------------------------------------------===//

std::vector<Options> ptxsim::test::everyCompletion() {
  std::vector<Options> list(3);
  list[0].completion = Completion::Eager;
  list[1].completion = Completion::Lazy;
  list[2].completion = Completion::Random;
  list[2].schedule = Schedule::Random;
  list[2].seed = 5;
  return list;
}

std::string ptxsim::test::nameOf(Completion completion) {
  return completion == Completion::Eager  ? "eager"
         : completion == Completion::Lazy ? "lazy"
                                          : "random";
}

void ptxsim::test::expectProduct(const Product &product, uint32_t seed) {
  WgmmaJob job(product, seed);
  for (const Options &options : everyCompletion()) {
    Outcome outcome = job.run(options);
    std::string where = product.opcode() + ", " + nameOf(options.completion);
    ASSERT_EQ(outcome.error, "") << where;
    EXPECT_TRUE(outcome.findings.empty()) << where << outcome.describe();
    EXPECT_EQ(job.difference(outcome), "") << where;
    EXPECT_EQ(outcome.stats.matrixMacs.count(product.a), 1u) << where;
    if (outcome.stats.matrixMacs.count(product.a) != 0) {
      EXPECT_EQ(outcome.stats.matrixMacs.at(product.a),
                uint64_t(64) * product.n * product.depth() * product.steps *
                    product.warpgroups)
          << where;
    }
  }
}

void ptxsim::test::expectFinding(const WgmmaJob &job,
                                 const std::vector<std::string> &lines,
                                 const std::vector<std::string> &checks) {
  std::vector<uint32_t> numbers;
  for (const std::string &name : lines) {
    numbers.push_back(job.source.line(name));
  }
  for (const Options &options : everyCompletion()) {
    Outcome outcome = job.run(options);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(outcome.has(numbers, checks))
        << nameOf(options.completion) << ": expects a finding on '" << lines[0]
        << "' (line " << numbers[0] << "), but got" << outcome.describe();
  }
}

void ptxsim::test::expectNoFinding(const WgmmaJob &job) {
  for (const Options &options : everyCompletion()) {
    Outcome outcome = job.run(options);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(outcome.findings.empty())
        << nameOf(options.completion) << outcome.describe();
  }
}

void ptxsim::test::expectClean(const WgmmaJob &job) {
  expectNoFinding(job);
  for (const Options &options : everyCompletion()) {
    EXPECT_EQ(job.difference(job.run(options)), "");
  }
}
