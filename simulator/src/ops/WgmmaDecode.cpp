//===- WgmmaDecode.cpp - The text of wgmma --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "AsyncGroups.h"
#include "Families.h"
#include "Operands.h"
#include "Wgmma.h"

using namespace ptxsim;
using namespace ptxsim::wgmma;

namespace {

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
  auto &data = builder.makeData<Data>(inst);
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
  if (words.take("fence")) {
    words.done();
    Builder::expectOperands(text, 0, 0);
    builder.setOperands(inst, {}, {});
    inst.run = runFence;
    return true;
  }
  if (!decodeGroups(text, builder, inst, words, runCommit, runWait)) {
    return false;
  }
  inst.awaitsProducts = inst.run == runWait;
  return true;
}

} // namespace

void ptxsim::addWgmma(DecoderTable &table) {
  table["wgmma"].push_back(decodeWgmma);
}
