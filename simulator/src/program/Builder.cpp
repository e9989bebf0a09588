//===- Builder.cpp - Operands of decoded instructions -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Decode.h"
#include "memory/Memory.h"

#include <algorithm>

#include <cmath>
#include <cstring>

using namespace ptxsim;

static unsigned laneBytesFor(unsigned bits) {
  return bits <= 32 ? 4 : bits <= 64 ? 8 : 16;
}

static unsigned widthOf(RegisterWidth width) {
  switch (width) {
  case RegisterWidth::Pred:
    return 1;
  case RegisterWidth::B8:
    return 8;
  case RegisterWidth::B16:
    return 16;
  case RegisterWidth::B32:
    return 32;
  case RegisterWidth::B64:
    return 64;
  case RegisterWidth::B128:
    return 128;
  }
  return 32;
}

Builder::Builder(Program &program, const SymbolTable &symbols)
    : program(program), symbols(symbols) {}

void Builder::fail(std::string message) {
  throw DecodeError{std::move(message)};
}

void Builder::expectOperands(const Instruction &instruction, size_t least,
                             size_t most) {
  size_t n = instruction.operands.size();
  if (n < least || n > most) {
    fail("expects " + std::to_string(least) +
         (most > least ? " to " + std::to_string(most) : "") +
         " operands of '" + instruction.name() + "', but got " +
         std::to_string(n));
  }
}

Ref Builder::registerRef(const Operand &operand) {
  auto [it, isNew] = registers.try_emplace(operand.name);
  Ref &ref = it->second;
  if (isNew) {
    auto declared = program.function->registers.find(operand.name);
    if (declared == program.function->registers.end()) {
      fail("expects a declared register, but got '" + operand.name + "'");
    }
    ref.reg = program.numRegisters++;
    program.registerNames.push_back(operand.name);
    if (declared->second == RegisterWidth::Pred) {
      ref.file = Ref::File::Predicate;
      ref.offset = program.numPredicates++;
    } else {
      // The place comes later, from allocateSlots.
      ref.file = Ref::File::Lanes;
      ref.laneBytes = uint8_t(laneBytesFor(widthOf(declared->second)));
    }
  }
  Ref result = ref;
  result.isNegated = operand.isNegated;
  return result;
}

Ref Builder::dst(const Operand &operand, unsigned bits) {
  if (operand.kind == Operand::Kind::Sink) {
    // A register that nobody reads.
    Ref ref;
    ref.file = Ref::File::Lanes;
    ref.laneBytes = uint8_t(laneBytesFor(bits));
    ref.reg = program.numRegisters++;
    program.registerNames.push_back("_");
    return ref;
  }
  if (operand.kind != Operand::Kind::Register) {
    fail("expects a register as the destination");
  }
  Ref ref = registerRef(operand);
  if (ref.file != Ref::File::Lanes || ref.laneBytes * 8 < bits) {
    fail("expects a register of " + std::to_string(bits) + " bits, but got '" +
         operand.name + "'");
  }
  return ref;
}

Ref Builder::constant(uint64_t value, unsigned laneBytes) {
  auto [it, isNew] = constants.try_emplace({value, laneBytes});
  Ref &ref = it->second;
  if (isNew) {
    ref.file = Ref::File::Constant;
    ref.laneBytes = uint8_t(laneBytes);
    ref.offset = uint32_t(program.constants.size());
    program.constants.resize(ref.offset + kLanes * laneBytes);
    for (unsigned l = 0; l < kLanes; ++l) {
      // 16-byte lanes hold small immediates only.
      std::memcpy(program.constants.data() + ref.offset + l * laneBytes, &value,
                  std::min(laneBytes, 8u));
    }
  }
  return ref;
}

uint64_t Builder::symbolAddress(const Operand &operand) {
  for (const auto *list :
       {&program.shared, &program.local, &program.parameters}) {
    for (const Placed &placed : *list) {
      if (placed.variable->name == operand.name) {
        return placed.offset + uint64_t(operand.offset);
      }
    }
  }
  if (std::optional<uint64_t> address = symbols.address(operand.name)) {
    return *address + uint64_t(operand.offset);
  }
  fail("expects a variable, but got '" + operand.name + "'");
}

Ref Builder::special(const Operand &operand) {
  static const std::pair<std::string_view, unsigned> known[] = {
      {"%tid.x", 4},
      {"%tid.y", 4},
      {"%tid.z", 4},
      {"%ntid.x", 4},
      {"%ntid.y", 4},
      {"%ntid.z", 4},
      {"%ctaid.x", 4},
      {"%ctaid.y", 4},
      {"%ctaid.z", 4},
      {"%nctaid.x", 4},
      {"%nctaid.y", 4},
      {"%nctaid.z", 4},
      {"%laneid", 4},
      {"%warpid", 4},
      {"%nwarpid", 4},
      {"%smid", 4},
      {"%nsmid", 4},
      {"%gridid", 8},
      {"%lanemask_eq", 4},
      {"%lanemask_lt", 4},
      {"%lanemask_le", 4},
      {"%lanemask_gt", 4},
      {"%lanemask_ge", 4},
      {"%clock", 4},
      {"%clock64", 8},
      {"%globaltimer", 8},
      {"%clusterid.x", 4},
      {"%clusterid.y", 4},
      {"%clusterid.z", 4},
      {"%nclusterid.x", 4},
      {"%nclusterid.y", 4},
      {"%nclusterid.z", 4},
      {"%cluster_ctaid.x", 4},
      {"%cluster_ctaid.y", 4},
      {"%cluster_ctaid.z", 4},
      {"%cluster_nctaid.x", 4},
      {"%cluster_nctaid.y", 4},
      {"%cluster_nctaid.z", 4},
      {"%cluster_ctarank", 4},
      {"%cluster_nctarank", 4},
      {"%dynamic_smem_size", 4},
      {"%total_smem_size", 4}};
  if (operand.name == "WARP_SZ") {
    return constant(kLanes, 4);
  }
  // An inner scope may declare a register of this name.
  auto [it, isNew] = registers.try_emplace("special " + operand.name);
  if (isNew) {
    const auto *entry =
        std::find_if(std::begin(known), std::end(known), [&](const auto &pair) {
          return pair.first == operand.name;
        });
    if (entry == std::end(known)) {
      fail("does not know the special register '" + operand.name + "'");
    }
    Ref &ref = it->second;
    ref.file = Ref::File::Lanes;
    ref.laneBytes = uint8_t(entry->second);
    ref.reg = program.numRegisters++;
    program.registerNames.push_back(operand.name);
    program.specials.push_back({operand.name, ref});
  }
  return it->second;
}

/// The bits of a float immediate in the type's own format.
static uint64_t floatBits(const Operand &operand, const Type &type) {
  double value;
  if (operand.isSingle) {
    uint32_t bits = uint32_t(operand.bits);
    if (type.bits == 32) {
      return bits;
    }
    float single;
    std::memcpy(&single, &bits, 4);
    value = single;
  } else {
    std::memcpy(&value, &operand.bits, 8);
  }
  if (type.bits == 64) {
    uint64_t bits;
    std::memcpy(&bits, &value, 8);
    return bits;
  }
  float single = float(value);
  uint32_t bits;
  std::memcpy(&bits, &single, 4);
  return bits;
}

Ref Builder::src(const Operand &operand, const Type &type) {
  unsigned laneBytes = laneBytesFor(type.totalBits());
  switch (operand.kind) {
  case Operand::Kind::Register: {
    Ref ref = registerRef(operand);
    if (ref.file != Ref::File::Lanes || ref.laneBytes < laneBytes) {
      fail("expects a register of " + std::to_string(type.totalBits()) +
           " bits, but got '" + operand.name + "'");
    }
    return ref;
  }
  case Operand::Kind::Special: {
    Ref ref = special(operand);
    if (ref.laneBytes < laneBytes) {
      fail("expects a register of " + std::to_string(type.totalBits()) +
           " bits, but got '" + operand.name + "'");
    }
    return ref;
  }
  case Operand::Kind::Integer: {
    uint64_t value = operand.bits;
    unsigned bits = type.totalBits();
    if (bits < 64) {
      value &= (uint64_t(1) << bits) - 1;
    }
    return constant(value, laneBytes);
  }
  case Operand::Kind::Float:
    return constant(floatBits(operand, type), laneBytes);
  case Operand::Kind::Symbol:
    return constant(symbolAddress(operand), std::max(laneBytes, 4u));
  default:
    fail("expects a register or an immediate as a source");
  }
}

Ref Builder::predDst(const Operand &operand) {
  if (operand.kind == Operand::Kind::Sink) {
    Ref ref;
    ref.file = Ref::File::Predicate;
    ref.offset = program.numPredicates++;
    ref.reg = program.numRegisters++;
    program.registerNames.push_back("_");
    return ref;
  }
  if (operand.kind == Operand::Kind::Register) {
    Ref ref = registerRef(operand);
    if (ref.file == Ref::File::Predicate && !ref.isNegated) {
      return ref;
    }
  }
  fail("expects a predicate as the destination");
}

Ref Builder::predSrc(const Operand &operand) {
  if (operand.kind == Operand::Kind::Integer) {
    Ref ref;
    ref.file = Ref::File::True;
    ref.isNegated = (operand.bits == 0) != operand.isNegated;
    return ref;
  }
  if (operand.kind == Operand::Kind::Register) {
    Ref ref = registerRef(operand);
    if (ref.file == Ref::File::Predicate) {
      return ref;
    }
  }
  // The only special register that is one.
  if (operand.name == "%is_explicit_cluster") {
    auto [it, isNew] = registers.try_emplace(operand.name);
    if (isNew) {
      it->second.file = Ref::File::Predicate;
      it->second.offset = program.numPredicates++;
      it->second.reg = program.numRegisters++;
      program.registerNames.push_back(operand.name);
      program.specials.push_back({operand.name, it->second});
    }
    Ref ref = it->second;
    ref.isNegated = operand.isNegated;
    return ref;
  }
  fail("expects a predicate as a source");
}

std::span<const Operand> Builder::elements(const Operand &operand) {
  if (operand.kind == Operand::Kind::Vector) {
    return operand.elements;
  }
  return {&operand, 1};
}

Ref Builder::address(const Operand &operand, int64_t &offset) {
  if (operand.kind != Operand::Kind::Address || operand.elements.empty()) {
    fail("expects an address in brackets");
  }
  const Operand &base = operand.elements[0];
  offset = operand.offset;
  switch (base.kind) {
  case Operand::Kind::Register:
    return src(base, Type{Type::Kind::Bits, 32, 1});
  case Operand::Kind::Integer:
    return constant(base.bits, 8);
  case Operand::Kind::Symbol:
    return constant(symbolAddress(base), 8);
  default:
    fail("expects a register, a variable or a number in an address");
  }
}

int64_t Builder::immediate(const Operand &operand) {
  if (operand.kind != Operand::Kind::Integer) {
    fail("expects an immediate integer");
  }
  return int64_t(operand.bits);
}

uint32_t Builder::label(const Operand &operand) {
  auto it = program.function->labels.find(operand.name);
  if (operand.kind != Operand::Kind::Symbol ||
      it == program.function->labels.end()) {
    fail("expects a label, but got '" + operand.name + "'");
  }
  return it->second;
}

void Builder::setOperands(Inst &inst, std::vector<Ref> d, std::vector<Ref> s) {
  inst.d = program.refs.emplace_back(std::move(d));
  inst.s = program.refs.emplace_back(std::move(s));
}

void Builder::setAlsoRead(Inst &inst, std::vector<Ref> refs) {
  inst.alsoRead = program.refs.emplace_back(std::move(refs));
}
