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
    if (it == labels.end() || from.size() != 1 || from[0] < it->second) {
      continue;
    }
    if (isClosed(it->second, from[0]) && onlyWaits(it->second, from[0])) {
      waitLoops.emplace_back(it->second, from[0]);
    }
  }
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
  for (size_t i = first; i <= last; ++i) {
    const Statement &statement = statements[i];
    if (statement.isInstruction()) {
      unit.reads.merge(statement.reads());
      unit.writes.merge(statement.writes());
    } else if (statement.name == ".reg" || statement.kind == Kind::Label) {
      own.merge(wordsOf(
          ptx.substr(statement.begin, statement.end - statement.begin)));
    }
  }
  for (const std::string &word : own) {
    unit.reads.erase(word);
    unit.writes.erase(word);
  }
  return unit;
}

Moves::Unit Moves::unitAround(size_t statement) const {
  size_t first = statement, last = statement;
  auto isAlone = [&](size_t from, size_t to) {
    for (size_t i = from; i <= to; ++i) {
      if (i != statement && statements[i].isInstruction() &&
          statements[i].touchesMemory()) {
        return false;
      }
    }
    return true;
  };
  for (bool grows = true; grows;) {
    grows = false;
    // The next brace outwards.
    size_t open = first, depth = 0;
    while (open-- > 1) {
      depth += statements[open].kind == Kind::Close;
      if (statements[open].kind == Kind::Open && depth-- == 0) {
        break;
      }
    }
    // Statement 0 is the brace of the kernel.
    if (open > 0 && open < first) {
      size_t close = statements[open].partner;
      if (isClosed(open, close) && isAlone(open, close)) {
        first = open, last = close, grows = true;
      }
    }
    for (auto [from, to] : waitLoops) {
      if (from <= first && last <= to && to - from > last - first &&
          isAlone(from, to)) {
        first = from, last = to, grows = true;
      }
    }
  }
  return makeUnit(first, last);
}

std::optional<Moves::Unit> Moves::unitAt(size_t i, bool isUp) const {
  const Statement &statement = statements[i];
  for (auto [from, to] : waitLoops) {
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
  for (size_t i = unit.first; i <= unit.last; ++i) {
    if (statements[i].isInstruction() && statements[i].touchesMemory()) {
      return true;
    }
  }
  // These order accesses of registers as well.
  return (moved.is("wgmma.fence") || moved.is("wgmma.wait_group")) &&
         (meet(unit.reads, productRegisters) ||
          meet(unit.writes, productRegisters));
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

std::optional<std::vector<Mutant::Edit>> Moves::make(size_t i,
                                                     bool isUp) const {
  std::vector<Unit> group = {unitAround(i)};
  Words reads = group[0].reads, writes = group[0].writes;
  size_t at = isUp ? group[0].first : group[0].last;
  while (isUp ? at > 1 : at + 2 < statements.size()) {
    std::optional<Unit> unit = unitAt(isUp ? at - 1 : at + 1, isUp);
    if (!unit) {
      return std::nullopt;
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
      return std::nullopt;
    }
    std::vector<Mutant::Edit> edits;
    std::string text;
    for (const Unit &part : group) {
      edits.push_back(
          {statements[part.first].begin, statements[part.last].end, ""});
      text += textOf(part);
    }
    size_t place = isUp ? statements[at].begin : statements[at].end;
    edits.insert(isUp ? edits.begin() : edits.end(),
                 {place, place, " " + text});
    return edits;
  }
  return std::nullopt;
}
