//===- Wgmma.cpp - Products of matrices by a warpgroup ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.15] wgmma.mma_async: D = A * B + D with A 64xk, B kxN; wgmma.fence,
// commit_group, wait_group. Each of the four warps has 16 rows of A and D and
// needs no other warp for them. Fragments are those of mma.m16n8: A in
// registers is one of them, D is N / 8 side by side.
//
// A product reads shared memory and writes D at some point between its issue
// and the wait; A in registers is taken at the issue.
//
//===----------------------------------------------------------------------===//
#include "Descriptor.h"
#include "Families.h"
#include "ProductQueue.h"
#include "Products.h"
#include "check/Reporter.h"
#include "memory/Pieces.h"

#include <algorithm>
#include <optional>

using namespace ptxsim;

namespace {

struct WgmmaData : InstData {
  Elements a, b;
  Depth depth;
  Sums sums = Sums::F32;
  unsigned n = 0;
  bool isAInRegisters = false;
  bool isATransposed = false, isBTransposed = false;
  bool isNegated = false; // the signs of A and B differ
  bool isSaturating = false;
};

const WgmmaData &dataOf(const Inst &in) {
  return *static_cast<const WgmmaData *>(in.data);
}

constexpr unsigned kRows = 16; // of a warp
constexpr unsigned kRegistersOfA = 4;

/// f(mn, k) for the cells of `tiles` core matrices of 8 from `first` on, along
/// k 16 bytes times `blocks`.
template <class F>
void forEachCell(const Descriptor &matrix, unsigned first, unsigned tiles,
                 unsigned blocks, F f) {
  for (unsigned tile = first; tile < first + tiles; ++tile) {
    for (unsigned block = 0; block < blocks; ++block) {
      for (unsigned i = 0; i < 8; ++i) {
        f(matrix.isMnMajor ? matrix.cell(tile, block * 8 + i)
                           : matrix.cell(tile * 8 + i, block));
      }
    }
  }
}

//===--- Doing a product --------------------------------------------------===//

/// One register of a fragment: 8 of mn from 8 * `tile` on, and a block of k.
void loadWords(const Cta &cta, const Descriptor &matrix, unsigned tile,
               unsigned block, uint32_t *words) {
  const std::byte *shared = cta.shared.data();
  auto isInside = [&](uint32_t cell) { return cell + 16 <= cta.shared.size(); };
  if (!matrix.isMnMajor) {
    for (unsigned i = 0; i < 8; ++i) {
      uint32_t cell = matrix.cell(tile * 8 + i, block);
      if (isInside(cell)) {
        std::memcpy(words + 4 * i, shared + cell, 16);
      } else {
        std::fill_n(words + 4 * i, 4, 0);
      }
    }
    return;
  }
  // Cells along mn: elements of 16 bits change places.
  for (unsigned t = 0; t < 4; ++t) {
    uint16_t low[8] = {}, high[8] = {};
    uint32_t first = matrix.cell(tile, block * 8 + 2 * t),
             second = matrix.cell(tile, block * 8 + 2 * t + 1);
    if (isInside(first) && isInside(second)) {
      std::memcpy(low, shared + first, 16);
      std::memcpy(high, shared + second, 16);
    }
    for (unsigned i = 0; i < 8; ++i) {
      words[4 * i + t] = uint32_t(high[i]) << 16 | low[i];
    }
  }
}

/// A as numbers, by register.
void loadA(Warp &w, const WgmmaData &data, const ProductQueue::Product &product,
           float *a) {
  unsigned row = w.number % kWarpgroupWarps * 2; // in tiles of 8
  Descriptor matrix(product.a, data.isATransposed);
  for (unsigned r = 0; r < kRegistersOfA; ++r) {
    uint32_t words[kLanes];
    const uint32_t *from = product.registers[r].data();
    if (!data.isAInRegisters) {
      loadWords(w.cta, matrix, row + r % 2, r / 2, words);
      from = words;
    }
    data.a.load(from, a + r * data.depth.tile());
  }
  if (data.isNegated) {
    std::transform(a, a + kRegistersOfA * data.depth.tile(), a,
                   [](float x) { return -x; });
  }
}

void loadB(Warp &w, const WgmmaData &data, const Descriptor &matrix,
           unsigned tile, float *b) {
  for (unsigned block = 0; block < data.depth.blocks; ++block) {
    uint32_t words[kLanes];
    alignas(64) uint32_t turned[kLanes];
    loadWords(w.cta, matrix, tile, block, words);
    turn(words, turned);
    data.b.load(turned, b + block * data.depth.tile());
  }
}

/// Registers of D for 8 columns, as sums: even columns of the first 8 rows, odd
/// ones, then those of the other 8 rows.
using Sums4 = float[4][kLanes];

void startSums(Warp &w, const Inst &in, bool addsD, unsigned tile,
               Sums4 &sums) {
  const WgmmaData &data = dataOf(in);
  if (!addsD || data.sums == Sums::S32) {
    std::fill_n(&sums[0][0], 4 * kLanes, 0.0f);
    return;
  }
  if (data.sums == Sums::F32) {
    for (unsigned i = 0; i < 4; ++i) {
      std::copy_n(w.in<float>(in.d[tile * 4 + i]), kLanes, sums[i]);
    }
    return;
  }
  for (unsigned half = 0; half < 2; ++half) {
    const uint32_t *words = w.in<uint32_t>(in.d[tile * 2 + half]);
    for (unsigned l = 0; l < kLanes; ++l) {
      sums[half * 2][l] = F16::get(words[l], 0);
      sums[half * 2 + 1][l] = F16::get(words[l], 1);
    }
  }
}

void finishSums(Warp &w, const Inst &in, bool addsD, unsigned tile,
                const Sums4 &sums) {
  const WgmmaData &data = dataOf(in);
  if (data.sums == Sums::F16) {
    for (unsigned half = 0; half < 2; ++half) {
      uint32_t *d = w.out<uint32_t>(in.d[tile * 2 + half]);
      for (unsigned l = 0; l < kLanes; ++l) {
        d[l] = nearest<Half>(sums[half * 2][l]).bits |
               uint32_t(nearest<Half>(sums[half * 2 + 1][l]).bits) << 16;
      }
    }
    return;
  }
  for (unsigned i = 0; i < 4; ++i) {
    if (data.sums == Sums::F32) {
      float *d = w.out<float>(in.d[tile * 4 + i]);
      for (unsigned l = 0; l < kLanes; ++l) {
        d[l] = canonical(sums[i][l]);
      }
      continue;
    }
    int32_t *d = w.out<int32_t>(in.d[tile * 4 + i]);
    for (unsigned l = 0; l < kLanes; ++l) {
      int64_t sum = int64_t(sums[i][l]) + (addsD ? d[l] : 0);
      d[l] = data.isSaturating
                 ? int32_t(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX))
                 : int32_t(uint32_t(sum));
    }
  }
}

void multiply(Warp &w, const ProductQueue::Product &product) {
  const Inst &in = *product.inst;
  const WgmmaData &data = dataOf(in);
  static const Multiply multiplyTile = getMultiply();
  alignas(64) float a[kRows * kMostK], b[kMostK * kTile];
  loadA(w, data, product, a);
  Descriptor matrix(product.b, data.isBTransposed);
  for (unsigned tile = 0; tile < data.n / kTile; ++tile) {
    loadB(w, data, matrix, tile, b);
    alignas(64) Sums4 sums;
    startSums(w, in, product.addsD, tile, sums);
    multiplyTile(data.depth, a, b, sums[0], sums[1]);
    multiplyTile(data.depth, a + data.depth.tile(), b, sums[2], sums[3]);
    finishSums(w, in, product.addsD, tile, sums);
  }
}

//===--- Checks -----------------------------------------------------------===//

void report(Warp &w, const Inst &in, std::string message) {
  report(w, in, "async", w.exec, std::move(message));
}

/// D and A in registers.
void checkRegisters(Warp &w, const Inst &in) {
  const WgmmaData &data = dataOf(in);
  const ProductQueue &queue = *w.products;
  const std::vector<std::string> &names = w.program.registerNames;
  auto checkFence = [&](const Ref &ref) {
    if (w.writeFences[ref.reg] < w.numFences) {
      return true;
    }
    report(w, in,
           w.numFences == 0
               ? "expects wgmma.fence before the first wgmma.mma_async"
               : "uses register '" + names[ref.reg] +
                     "', which was written since the last wgmma.fence");
    return false;
  };
  bool isFenced = true;
  for (const Ref &ref : in.d) {
    const Inst *writer = queue.writerOf(ref.reg);
    switch (queue.useOf(ref.reg)) {
    case ProductQueue::kFree:
      isFenced = isFenced && checkFence(ref);
      break;
    case ProductQueue::kSum:
      // Products of one shape follow each other on the same sums.
      if (dataOf(*writer).n != data.n || dataOf(*writer).sums != data.sums) {
        report(w, in,
               "adds to register '" + names[ref.reg] +
                   "' while wgmma of another shape at line " +
                   std::to_string(writer->line()) + " may be writing to it");
        return;
      }
      break;
    case ProductQueue::kFragment:
      report(w, in,
             "writes to register '" + names[ref.reg] +
                 "', which another wgmma may still read as A");
      return;
    }
  }
  for (unsigned r = 0; data.isAInRegisters && r < kRegistersOfA; ++r) {
    const Ref &ref = in.s[r];
    isFenced = isFenced && checkFence(ref);
    if (queue.useOf(ref.reg) == ProductQueue::kSum) {
      report(w, in,
             "reads register '" + names[ref.reg] + "', which wgmma at line " +
                 std::to_string(queue.writerOf(ref.reg)->line()) +
                 " may still be writing to");
      return;
    }
  }
}

void checkDefined(Warp &w, const Inst &in) {
  for (const Ref &ref : in.d) {
    if (Mask missing = w.exec & ~w.defined[ref.reg]) {
      report(w, in, "uninitialised", missing,
             "adds to register '" + w.program.registerNames[ref.reg] +
                 "', which was not written");
      return;
    }
  }
}

/// The warps of a warpgroup must mean the same product.
void checkTogether(Warp &w, const Inst &in, uint64_t a, uint64_t b) {
  Warpgroup &group = w.cta.warpgroups[w.number / kWarpgroupWarps];
  const Warpgroup::Step &step =
      group.join(w.number % kWarpgroupWarps, in, {a, b});
  if (step.inst != &in) {
    report(w, in,
           "expects all warps of the warpgroup here, but another one is at "
           "line " +
               std::to_string(step.inst->line()));
  } else if (step.operands != std::array{a, b}) {
    report(w, in,
           "expects the descriptors of the other warps of the "
           "warpgroup");
  }
}

/// The accesses to one operand in shared memory.
void checkOperand(Warp &w, const Inst &in, const Descriptor &matrix,
                  unsigned first, unsigned tiles, const Actor *actor,
                  bool isCounted) {
  if (!matrix.isAligned()) {
    report(w, in,
           "expects a swizzled matrix that starts at a multiple of " +
               std::to_string(128u << matrix.logCells) +
               " bytes or says its base offset, but got shared+" +
               std::to_string(matrix.start));
  }
  Pieces pieces(w, in, unsigned(std::countr_zero(w.exec)), Space::Shared,
                Access::Kind::Read, 16, actor);
  pieces.setCounted(isCounted);
  forEachCell(matrix, first, tiles, dataOf(in).depth.blocks,
              [&](uint32_t cell) { pieces.add(cell, 16); });
}

/// A descriptor, the same in all lanes.
uint64_t readDescriptor(Warp &w, const Inst &in, const Ref &ref) {
  unsigned first = unsigned(std::countr_zero(w.exec));
  uint64_t value = w.lane(ref, first);
  for (Mask left = w.exec; left; left &= left - 1) {
    if (w.lane(ref, unsigned(std::countr_zero(left))) != value) {
      report(w, in, "expects one descriptor in all lanes");
      break;
    }
  }
  return value;
}

//===--- Instructions -----------------------------------------------------===//

ProductQueue &queueOf(Warp &w) {
  if (!w.products) {
    w.products = std::make_unique<ProductQueue>(w.program);
  }
  return *w.products;
}

/// Under Completion::Random, some products more are done.
void performSome(Warp &w, ProductQueue &queue) {
  Group &group = w.cta.group;
  if (group.launch.options.completion != Completion::Random) {
    return;
  }
  while (queue.numDone < queue.flying.size() && group.random() % 2) {
    queue.performOne(w);
  }
}

Step runProduct(Warp &w, const Inst &in) {
  const WgmmaData &data = dataOf(in);
  Group &group = w.cta.group;
  const Options &options = group.launch.options;
  ProductQueue &queue = queueOf(w);
  performSome(w, queue);
  if (w.number / kWarpgroupWarps * kWarpgroupWarps + kWarpgroupWarps >
      w.cta.warps.size()) {
    report(w, in, "expects a warpgroup of four whole warps");
    return Step::Next;
  }
  ProductQueue::Product product;
  product.inst = &in;
  unsigned next = data.isAInRegisters ? kRegistersOfA : 1;
  if (data.isAInRegisters) {
    for (unsigned r = 0; r < kRegistersOfA; ++r) {
      std::copy_n(w.in<uint32_t>(in.s[r]), kLanes,
                  product.registers[r].begin());
    }
  } else {
    product.a = readDescriptor(w, in, in.s[0]);
  }
  product.b = readDescriptor(w, in, in.s[next]);
  Mask adds = w.predicate(in.s[next + 1]) & w.exec;
  product.addsD = adds != 0;
  if (adds && adds != w.exec) {
    report(w, in, "expects one scale-d in all lanes");
  }
  if (options.checks.async) {
    checkRegisters(w, in);
    checkTogether(w, in, product.a, product.b);
  }
  if (product.addsD && !w.defined.empty()) {
    checkDefined(w, in);
  }
  Actor actor, *by = nullptr;
  if (RaceDetector *races = group.races.get()) {
    Agent agent = races->agent(AgentKind::Products, w.cta.rank, w.number);
    actor = races->start(agent, w.agent(), true, false);
    by = &actor;
    product.time = actor.time;
  }
  unsigned warp = w.number % kWarpgroupWarps;
  if (!data.isAInRegisters) {
    checkOperand(w, in, Descriptor(product.a, data.isATransposed), warp * 2, 2,
                 by, true);
  }
  // The four warps share B.
  checkOperand(w, in, Descriptor(product.b, data.isBTransposed), 0,
               data.n / kTile, by, warp == 0);
  queue.add(std::move(product));
  if (options.completion == Completion::Eager) {
    queue.performUpTo(w, queue.openGroup);
  }
  return Step::Next;
}

Step runFence(Warp &w, const Inst &) {
  ++w.numFences;
  return Step::Next;
}

Step runCommit(Warp &w, const Inst &) {
  ProductQueue &queue = queueOf(w);
  performSome(w, queue);
  ++queue.openGroup;
  return Step::Next;
}

Step runWait(Warp &w, const Inst &in) {
  ProductQueue &queue = queueOf(w);
  performSome(w, queue);
  uint64_t allowed = uint64_t(in.imm);
  if (queue.openGroup <= allowed) {
    return Step::Next;
  }
  // Groups are numbered from 0: all before this one are over.
  uint64_t last = queue.openGroup - allowed - 1;
  queue.performUpTo(w, last);
  uint32_t time = 0;
  for (const ProductQueue::Product &product : queue.flying) {
    time = product.group <= last ? product.time : time;
  }
  queue.retire(last);
  if (RaceDetector *races = w.cta.group.races.get(); races && time) {
    races->acquireFrom(w.agent(),
                       races->agent(AgentKind::Products, w.cta.rank, w.number),
                       time);
  }
  return Step::Next;
}

//===--- Decoding ---------------------------------------------------------===//

/// The N of "m64n128k16"; fails for a shape that there is none of.
unsigned takeShape(const Instruction &text, unsigned k, bool isInteger) {
  for (const std::string &word : text.modifiers) {
    if (!word.starts_with("m64n")) {
      continue;
    }
    unsigned n = 0;
    size_t i = 4;
    for (; i < word.size() && word[i] >= '0' && word[i] <= '9' && n < 1000;
         ++i) {
      n = n * 10 + unsigned(word[i] - '0');
    }
    bool isKnown = word.substr(i) == "k" + std::to_string(k) && n >= 8 &&
                   n <= 256 && n % 8 == 0;
    // Of integers: 8, 16, 24, 32, and then every 16.
    isKnown &= !isInteger || n <= 32 || n % 16 == 0;
    if (isKnown) {
      return n;
    }
    break;
  }
  Builder::fail("expects a shape m64n8k" + std::to_string(k) + " to m64n256k" +
                std::to_string(k) + " in '" + text.name() + "'");
}

/// 1 or -1, or 0 or 1.
int64_t takeImmediate(const Instruction &text, Builder &builder, size_t i,
                      int64_t other) {
  int64_t value = builder.immediate(text.operands[i]);
  if (value != 1 && value != other) {
    Builder::fail("expects " + std::to_string(other) + " or 1 in '" +
                  text.name() + "', but got " + std::to_string(value));
  }
  return value;
}

/// wgmma.mma_async.sync.aligned.shape.d.a.b {d}, A, b-desc, scale-d{,
/// imm-scale-a, imm-scale-b{, imm-trans-a}, imm-trans-b};
void decodeProduct(const Instruction &text, Builder &builder, Inst &inst,
                   Words &words) {
  auto &data = builder.makeData<WgmmaData>(inst);
  data.isSaturating = words.take("satfinite");
  Type d = words.takeType(), a = words.takeType(), b = words.takeType();
  data.a = getElements(text, a);
  data.b = getElements(text, b);
  data.sums = getSums(text, a, d);
  bool isInteger = isByteInteger(a), isHalf = data.a.perWord == 2;
  bool mayDiffer =
      (isInteger && isByteInteger(b)) || (isByteFloat(a) && isByteFloat(b));
  if ((a != b && !mayDiffer) || (data.isSaturating && !isInteger)) {
    failType(text);
  }
  data.depth = {2, data.a.perWord};
  data.n = takeShape(text, data.depth.k(), isInteger);
  for (const std::string &word : text.modifiers) {
    if (word.starts_with("m64n")) {
      words.take(word);
    }
  }
  words.done();

  size_t count = text.operands.size();
  if (count < 4) {
    Builder::expectOperands(text, 4, 8);
  }
  data.isAInRegisters = text.operands[1].kind == Operand::Kind::Vector;
  size_t transposes = isHalf ? (data.isAInRegisters ? 1 : 2) : 0;
  size_t expected = 4 + (isInteger ? 0 : 2) + transposes;
  Builder::expectOperands(text, expected, expected);
  if (!isInteger) {
    int64_t scaleA = takeImmediate(text, builder, 4, -1),
            scaleB = takeImmediate(text, builder, 5, -1);
    data.isNegated = scaleA != scaleB;
  }
  if (transposes == 2) {
    data.isATransposed = takeImmediate(text, builder, 6, 0);
  }
  if (transposes) {
    data.isBTransposed = takeImmediate(text, builder, expected - 1, 0);
  }

  std::vector<Ref> results, sources;
  std::span<const Operand> sums = builder.elements(text.operands[0]);
  size_t numSums = data.n / (data.sums == Sums::F16 ? 4 : 2);
  if (sums.size() != numSums) {
    Builder::fail("expects " + std::to_string(numSums) + " registers of '" +
                  text.name() + "', but got " + std::to_string(sums.size()));
  }
  for (const Operand &element : sums) {
    results.push_back(exactDst(builder, element, kB32));
  }
  std::span<const Operand> fragment = builder.elements(text.operands[1]);
  if (data.isAInRegisters) {
    if (fragment.size() != kRegistersOfA) {
      Builder::fail("expects 4 registers of A in '" + text.name() +
                    "', but got " + std::to_string(fragment.size()));
    }
    for (const Operand &element : fragment) {
      sources.push_back(exactSrc(builder, element, kB32));
    }
  } else {
    sources.push_back(builder.src(text.operands[1], kB64));
  }
  sources.push_back(builder.src(text.operands[2], kB64));
  sources.push_back(builder.predSrc(text.operands[3]));
  // What D held is read or not, as scale-d says.
  builder.setAlsoRead(inst, results);
  builder.setOperands(inst, std::move(results), std::move(sources));
  inst.run = runProduct;
  inst.isProduct = true;
  inst.kind = InstClass::Matrix;
  inst.macs = uint64_t(kRows) * data.n * data.depth.k();
  inst.macType = text.modifiers[text.modifiers.size() - 2];
}

bool decodeWgmma(const Instruction &text, Builder &builder, Inst &inst) {
  if (!text.has("sync") || !text.has("aligned")) {
    Builder::fail("expects .sync.aligned in '" + text.name() + "'");
  }
  Words words(text);
  words.take("sync");
  words.take("aligned");
  inst.needsAllLanes = true;
  inst.kind = InstClass::Barrier;
  if (words.take("mma_async")) {
    decodeProduct(text, builder, inst, words);
    return true;
  }
  std::string_view what = words.take({"fence", "commit_group", "wait_group"});
  if (what.empty()) {
    return false;
  }
  words.done();
  size_t count = what == "wait_group" ? 1 : 0;
  Builder::expectOperands(text, count, count);
  if (count) {
    inst.imm = builder.immediate(text.operands[0]);
    if (inst.imm < 0) {
      Builder::fail("expects a number of groups, but got " +
                    std::to_string(inst.imm));
    }
    inst.awaitsProducts = true;
  }
  builder.setOperands(inst, {}, {});
  inst.run = what == "fence" ? runFence : count ? runWait : runCommit;
  return true;
}

} // namespace

//===--- The queue --------------------------------------------------------===//

ProductQueue::ProductQueue(const Program &program)
    : sums(program.numRegisters), fragments(program.numRegisters),
      writers(program.numRegisters) {}

static size_t countFragments(const Inst &inst) {
  return dataOf(inst).isAInRegisters ? kRegistersOfA : 0;
}

void ProductQueue::add(Product product) {
  product.group = openGroup;
  for (const Ref &ref : product.inst->d) {
    ++sums[ref.reg];
    writers[ref.reg] = product.inst;
  }
  for (size_t r = 0; r < countFragments(*product.inst); ++r) {
    if (product.inst->s[r].reg != kNoRegister) {
      ++fragments[product.inst->s[r].reg];
    }
  }
  flying.push_back(std::move(product));
}

void ProductQueue::performOne(Warp &w) { multiply(w, flying[numDone++]); }

void ProductQueue::performUpTo(Warp &w, uint64_t group) {
  while (numDone < flying.size() && flying[numDone].group <= group) {
    performOne(w);
  }
}

void ProductQueue::retire(uint64_t group) {
  while (!flying.empty() && flying.front().group <= group) {
    const Product &product = flying.front();
    for (const Ref &ref : product.inst->d) {
      --sums[ref.reg];
    }
    for (size_t r = 0; r < countFragments(*product.inst); ++r) {
      if (product.inst->s[r].reg != kNoRegister) {
        --fragments[product.inst->s[r].reg];
      }
    }
    flying.pop_front();
    --numDone;
  }
}

void ptxsim::addWgmma(DecoderTable &table) {
  table["wgmma"].push_back(decodeWgmma);
}
