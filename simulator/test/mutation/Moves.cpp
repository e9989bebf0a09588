//===- Moves.cpp - Where an instruction can be moved to -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Moves.h"

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::mutation;

using Kind = Statement::Kind;

static bool meet(const Words &a, const Words &b) {
  return std::any_of(a.begin(), a.end(),
                     [&](const std::string &word) { return b.contains(word); });
}

Moves::Moves(std::string_view ptx, const std::vector<Statement> &statements)
    : ptx(ptx), statements(statements) {
  for (size_t i = 0; i < statements.size(); ++i) {
    const Statement &statement = statements[i];
    if (statement.kind == Kind::Label) {
      labels[statement.name] = i;
    } else if (statement.isInstruction() && statement.isBranch()) {
      for (const std::string &operand : statement.operands) {
        branches[operand].push_back(i);
      }
    } else if (statement.has("mma_async")) {
      for (const std::string &operand : statement.operands) {
        if (operand[0] == '{') {
          productRegisters.merge(wordsOf(operand));
        }
      }
    }
  }
  for (const auto &[label, from] : branches) {
    auto it = labels.find(label);
    if (it == labels.end() || from.size() != 1) {
      continue;
    }
    auto [first, last] = std::minmax(it->second, from[0]);
    bool isLoop = first == it->second;
    if (isClosed(first, last) && (isLoop ? onlyWaits(first, last)
                                         : !statements[first].guard.empty() &&
                                               countMemory(first, last) <= 1)) {
      regions.emplace_back(first, last);
    }
  }
}

size_t Moves::countMemory(size_t first, size_t last) const {
  return size_t(std::count_if(
      statements.begin() + ptrdiff_t(first),
      statements.begin() + ptrdiff_t(last) + 1, [](const Statement &statement) {
        return statement.isInstruction() && statement.touchesMemory();
      }));
}

bool Moves::isClosed(size_t first, size_t last) const {
  auto isIn = [&](size_t i) { return i >= first && i <= last; };
  int depth = 0;
  for (size_t i = first; i <= last; ++i) {
    const Statement &statement = statements[i];
    depth += statement.kind == Kind::Open;
    depth -= statement.kind == Kind::Close;
    if (depth < 0) {
      return false;
    }
    if (statement.isInstruction() && statement.isBranch()) {
      auto it = statement.operands.size() == 1
                    ? labels.find(statement.operands[0])
                    : labels.end();
      if (!statement.is("bra") || it == labels.end() || !isIn(it->second)) {
        return false;
      }
    }
    auto from = statement.kind == Kind::Label ? branches.find(statement.name)
                                              : branches.end();
    if (from != branches.end() &&
        !std::all_of(from->second.begin(), from->second.end(), isIn)) {
      return false;
    }
  }
  return depth == 0;
}

bool Moves::onlyWaits(size_t first, size_t last) const {
  bool hasWait = false;
  for (size_t i = first; i <= last; ++i) {
    bool isWait =
        statements[i].has("try_wait") || statements[i].has("test_wait");
    hasWait |= isWait;
    if (statements[i].isInstruction() && statements[i].touchesMemory() &&
        !isWait) {
      return false;
    }
  }
  return hasWait;
}

Moves::Unit Moves::makeUnit(size_t first, size_t last) const {
  Unit unit{first, last, {}, {}};
  Words own;
  bool hasBranch = false;
  for (size_t i = first; i <= last; ++i) {
    const Statement &statement = statements[i];
    if (statement.isInstruction()) {
      hasBranch |= statement.isBranch();
      unit.reads.merge(statement.reads());
      unit.writes.merge(statement.writes());
    } else if (statement.name == ".reg" || statement.kind == Kind::Label) {
      own.merge(wordsOf(
          ptx.substr(statement.begin, statement.end - statement.begin)));
    }
  }
  if (hasBranch) {
    // What is not written stays.
    unit.reads.insert(unit.writes.begin(), unit.writes.end());
  }
  for (const std::string &word : own) {
    unit.reads.erase(word);
    unit.writes.erase(word);
  }
  return unit;
}

std::optional<Moves::Unit> Moves::grow(const Unit &unit,
                                       size_t statement) const {
  auto holds = [&](size_t first, size_t last) {
    return first <= unit.first && unit.last <= last &&
           last - first > unit.last - unit.first;
  };
  std::optional<std::pair<size_t, size_t>> best;
  auto consider = [&](size_t first, size_t last) {
    if (holds(first, last) && isClosed(first, last) &&
        countMemory(first, last) == 1 &&
        (!best || last - first < best->second - best->first)) {
      best = {first, last};
    }
  };
  // Statement 0 is the brace of the kernel.
  for (size_t i = 1; i < statement; ++i) {
    if (statements[i].kind == Kind::Open) {
      consider(i, statements[i].partner);
    }
  }
  for (auto [first, last] : regions) {
    consider(first, last);
  }
  return best ? std::optional(makeUnit(best->first, best->second))
              : std::nullopt;
}

std::optional<Moves::Unit> Moves::unitAt(size_t i, bool isUp) const {
  const Statement &statement = statements[i];
  for (auto [from, to] : regions) {
    if (i == (isUp ? to : from)) {
      return makeUnit(from, to);
    }
  }
  switch (statement.kind) {
  case Kind::Directive:
    return makeUnit(i, i);
  case Kind::Label:
    return branches.contains(statement.name) ? std::nullopt
                                             : std::optional(makeUnit(i, i));
  case Kind::Instruction:
    return statement.isBranch() ? std::nullopt : std::optional(makeUnit(i, i));
  case Kind::Open:
  case Kind::Close:
    break;
  }
  size_t first = std::min(i, statement.partner);
  size_t last = std::max(i, statement.partner);
  bool isEntered = i == (isUp ? last : first);
  // With a loop inside, only if that waits.
  bool isSimple = std::none_of(
      statements.begin() + ptrdiff_t(first),
      statements.begin() + ptrdiff_t(last), [&](const Statement &inner) {
        return inner.isInstruction() && inner.isBranch();
      });
  return isEntered && isClosed(first, last) &&
                 (isSimple || onlyWaits(first, last))
             ? std::optional(makeUnit(first, last))
             : std::nullopt;
}

bool Moves::matters(const Unit &unit, const Statement &moved) const {
  // These order accesses of registers as well. Copies stand for nothing:
  // compilers put them on either side.
  bool ordersRegisters =
      moved.is("wgmma.fence") || moved.is("wgmma.wait_group");
  for (size_t i = unit.first; i <= unit.last; ++i) {
    const Statement &statement = statements[i];
    if (!statement.isInstruction()) {
      continue;
    }
    if (statement.touchesMemory() ||
        (ordersRegisters && !statement.is("mov") &&
         (meet(statement.reads(), productRegisters) ||
          meet(statement.writes(), productRegisters)))) {
      return true;
    }
  }
  return false;
}

std::string Moves::textOf(const Unit &unit) const {
  std::string text;
  for (size_t i = unit.first; i <= unit.last; ++i) {
    const Statement &statement = statements[i];
    if (statement.isInstruction()) {
      text += statement.text() + "; ";
    } else if (statement.name != ".loc") {
      text += ptx.substr(statement.begin, statement.end - statement.begin);
      text += " ";
    }
  }
  return text;
}

Moves::Outcome Moves::moveUnit(const Unit &moved, size_t i, bool isUp,
                               std::vector<Mutant::Edit> &edits) const {
  std::vector<Unit> group = {moved};
  Words reads = moved.reads, writes = moved.writes;
  size_t at = isUp ? moved.first : moved.last;
  while (isUp ? at > 1 : at + 2 < statements.size()) {
    std::optional<Unit> unit = unitAt(isUp ? at - 1 : at + 1, isUp);
    if (!unit) {
      break;
    }
    at = isUp ? unit->first : unit->last;
    bool isTied = meet(unit->writes, reads) || meet(unit->writes, writes) ||
                  meet(unit->reads, writes);
    if (!matters(*unit, statements[i])) {
      if (isTied) {
        reads.insert(unit->reads.begin(), unit->reads.end());
        writes.insert(unit->writes.begin(), unit->writes.end());
        group.insert(isUp ? group.begin() : group.end(), *unit);
      }
      continue;
    }
    if (isTied) {
      return Outcome::Tied;
    }
    std::string text;
    for (const Unit &part : group) {
      edits.push_back(
          {statements[part.first].begin, statements[part.last].end, ""});
      text += textOf(part);
    }
    size_t place = isUp ? statements[at].begin : statements[at].end;
    edits.insert(isUp ? edits.begin() : edits.end(),
                 {place, place, " " + text});
    return Outcome::Done;
  }
  return Outcome::BlockEnds;
}

std::optional<std::vector<Mutant::Edit>> Moves::make(size_t i,
                                                     bool isUp) const {
  std::vector<Mutant::Edit> edits;
  for (std::optional<Unit> unit = makeUnit(i, i); unit; unit = grow(*unit, i)) {
    switch (moveUnit(*unit, i, isUp, edits)) {
    case Outcome::Done:
      return edits;
    case Outcome::Tied:
      return std::nullopt;
    case Outcome::BlockEnds:
      break;
    }
  }
  return std::nullopt;
}
