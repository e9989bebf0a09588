//===- Decode.cpp - From text to handlers -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Decode.h"
#include "ops/Families.h"

#include <algorithm>

using namespace ptxsim;

const DecoderTable &ptxsim::decoders() {
  static const DecoderTable table = [] {
    DecoderTable all;
    addControl(all);
    addIntegers(all);
    addFloats(all);
    addHalves(all);
    addFloatPairs(all);
    addConversions(all);
    addMoves(all);
    addMemory(all);
    addHints(all);
    addAtomics(all);
    addFences(all);
    addLanes(all);
    addBarriers(all);
    addClusters(all);
    addMbarriers(all);
    addCopies(all);
    addBulkCopies(all);
    addMatrix(all);
    addWgmma(all);
    addRegisterPool(all);
    return all;
  }();
  return table;
}

static uint64_t alignTo(uint64_t value, uint64_t align) {
  return align ? (value + align - 1) / align * align : value;
}

/// Static variables first, then the dynamic one (extern), which has no size.
static uint64_t place(const std::vector<const Variable *> &variables,
                      std::vector<Placed> &placed) {
  uint64_t offset = 0, dynamicAlign = 16;
  for (const Variable *variable : variables) {
    if (!variable->isExternal) {
      offset = alignTo(offset, variable->align);
      placed.push_back({variable, offset});
      offset += variable->bytes;
    } else {
      dynamicAlign = std::max<uint64_t>(dynamicAlign, variable->align);
    }
  }
  bool hasDynamic = false;
  for (const Variable *variable : variables) {
    if (variable->isExternal) {
      if (!hasDynamic) {
        offset = alignTo(offset, dynamicAlign);
        hasDynamic = true;
      }
      placed.push_back({variable, offset});
    }
  }
  return offset;
}

/// Bytes of the three spaces.
struct SpaceSizes {
  uint64_t shared = 0, local = 0, parameters = 0;
};

static SpaceSizes placeVariables(Program &program) {
  std::vector<const Variable *> shared, local;
  auto sort = [&](const Variable &variable) {
    if (variable.space == Space::Shared) {
      shared.push_back(&variable);
    } else if (variable.space == Space::Local) {
      local.push_back(&variable);
    }
  };
  for (const Variable &variable : program.module->variables) {
    sort(variable);
  }
  for (const Variable &variable : program.function->variables) {
    sort(variable);
  }
  SpaceSizes sizes;
  sizes.shared = place(shared, program.shared);
  sizes.local = alignTo(place(local, program.local), 16);
  uint64_t &offset = sizes.parameters;
  for (const Variable &parameter : program.function->parameters) {
    offset = alignTo(offset, parameter.align);
    program.parameters.push_back({&parameter, offset});
    offset += parameter.bytes;
  }
  return sizes;
}

/// The most that there is on any chip, but for shared memory, which is the
/// device's to limit.
static void setSizes(Program &program, const SpaceSizes &sizes) {
  auto limit = [](const char *what, uint64_t bytes, uint64_t most) {
    if (bytes > most) {
      Builder::fail("expects at most " + std::to_string(most) + " bytes of " +
                    what + ", but got " + std::to_string(bytes));
    }
    return uint32_t(bytes);
  };
  program.staticSharedBytes =
      limit("shared memory", sizes.shared, uint64_t(1) << 30);
  program.localBytes = limit("local memory", sizes.local, 512 * 1024);
  program.parameterBytes = limit("parameters", sizes.parameters, 32764);
}

uint32_t ptxsim::countStaticSharedBytes(const Module &module,
                                        const Function &function) {
  Program program;
  program.module = &module;
  program.function = &function;
  return uint32_t(
      std::min<uint64_t>(placeVariables(program).shared, ~uint32_t(0)));
}

/// Registers that products are still to fill keep their places until a wait.
static void keepProducts(Program &program, Builder &builder) {
  std::vector<Ref> sums;
  for (const Inst &inst : program.code) {
    if (inst.isProduct) {
      sums.insert(sums.end(), inst.d.begin(), inst.d.end());
    }
  }
  program.hasProducts = !sums.empty();
  std::sort(sums.begin(), sums.end(),
            [](const Ref &a, const Ref &b) { return a.reg < b.reg; });
  sums.erase(
      std::unique(sums.begin(), sums.end(),
                  [](const Ref &a, const Ref &b) { return a.reg == b.reg; }),
      sums.end());
  for (Inst &inst : program.code) {
    if (inst.awaitsProducts) {
      builder.setAlsoRead(inst, sums);
    }
  }
}

static void decodeOne(const Instruction &text, Builder &builder, Inst &inst) {
  inst.text = &text;
  if (!text.guard.empty()) {
    Operand guard;
    guard.kind = Operand::Kind::Register;
    guard.name = text.guard;
    guard.isNegated = text.guardIsNegated;
    inst.guard = builder.predSrc(guard);
  }
  auto family = decoders().find(text.opcode);
  if (family != decoders().end()) {
    for (Decoder decoder : family->second) {
      if (decoder(text, builder, inst)) {
        inst.needsWholeWarp =
            inst.needsAllLanes &&
            (inst.kind == InstClass::Matrix ||
             inst.kind == InstClass::MatrixMove || text.opcode == "wgmma" ||
             text.opcode == "setmaxnreg");
        inst.isCopy = text.opcode == "mov" && inst.s.size() == 1;
        return;
      }
    }
  }
  Builder::fail("does not know the instruction '" + text.name() + "'");
}

/// Names may be as long as the text.
static Error makeError(const Location &location, std::string message) {
  constexpr size_t most = 300;
  if (message.size() > most) {
    message.replace(most, std::string::npos, "...");
  }
  return Error{"line " + std::to_string(location.line) + ": " + message};
}

/// "vprintf"; empty if the call is through a register.
static std::string calledFunction(const Instruction &call) {
  for (const Operand &operand : call.operands) {
    if (operand.kind == Operand::Kind::Symbol) {
      return operand.name;
    }
  }
  return "";
}

Result<std::unique_ptr<Program>> ptxsim::decode(const Module &module,
                                                const Function &function,
                                                const SymbolTable &symbols) {
  auto program = std::make_unique<Program>();
  program->module = &module;
  program->function = &function;
  try {
    setSizes(*program, placeVariables(*program));
  } catch (const DecodeError &error) {
    return makeError(function.location, error.message);
  }
  // Before a call its parameters are set up, which nothing else knows: the
  // first error is to be about the call.
  for (const Instruction &text : function.body) {
    if (text.opcode == "call") {
      return makeError(text.location, "calls are unsupported, but got '" +
                                          text.name() + " " +
                                          calledFunction(text) + "'");
    }
  }
  Builder builder(*program, symbols);
  program->code.resize(function.body.size() + 1);
  for (size_t i = 0; i < function.body.size(); ++i) {
    try {
      decodeOne(function.body[i], builder, program->code[i]);
    } catch (const DecodeError &error) {
      return makeError(function.body[i].location, error.message);
    }
  }
  // A kernel that runs over its end returns.
  static const Instruction end = [] {
    Instruction ret;
    ret.opcode = "ret";
    return ret;
  }();
  decodeOne(end, builder, program->code.back());
  keepProducts(*program, builder);
  program->isWritten.resize(program->numRegisters);
  for (const Inst &inst : program->code) {
    for (const Ref &ref : inst.d) {
      if (ref.reg != kNoRegister) {
        program->isWritten[ref.reg] = true;
      }
    }
  }
  setMeetingPoints(*program);
  allocateSlots(*program);
  return program;
}
