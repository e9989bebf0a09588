//===- Probe.cpp - What a probe's header says -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Probe.h"
#include "ptxsim/File.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

using namespace ptxsim;
using namespace ptxsim::golden;

using Element = TensorMapDesc::Element;
using Swizzle = TensorMapDesc::Swizzle;

namespace {

/// Reads the header lines of one probe.
class HeaderParser {
public:
  explicit HeaderParser(Probe &probe) : probe(probe) {}

  /// True if the line decides the result, so that the hash has it.
  Result<bool> line(const std::string &text);
  Result<bool> finish();

private:
  Result<bool> launch(const std::vector<std::string> &words);
  Result<bool> output(const std::vector<std::string> &words);
  Result<bool> tensorMap(const std::vector<std::string> &words);
  Result<bool> mapField(const std::string &key, const std::string &value,
                        MapOfProbe &map);
  Result<bool> compare(const std::vector<std::string> &words);

  Probe &probe;
  bool hasLaunch = false;
  unsigned mapRank = 0;
};

} // namespace

/// "key=value"; an empty key if it is none.
static std::pair<std::string, std::string> splitKey(const std::string &word) {
  size_t equals = word.find('=');
  if (equals == word.npos) {
    return {};
  }
  return {word.substr(0, equals), word.substr(equals + 1)};
}

static Error unknown(const std::string &what, const std::string &word) {
  return Error{"expects " + what + ", but got '" + word + "'"};
}

static Result<Chip> parseChip(std::string word) {
  Chip chip;
  if (word.ends_with("a")) {
    chip.isExact = true;
    word.pop_back();
  }
  Result<uint64_t> number = parseCount(word);
  if (!number) {
    return number.error();
  }
  chip.number = unsigned(*number);
  return chip;
}

Result<bool> HeaderParser::launch(const std::vector<std::string> &words) {
  hasLaunch = true;
  const std::map<std::string, uint32_t *> counts = {
      {"grid", &probe.grid},
      {"block", &probe.block},
      {"cluster", &probe.cluster},
      {"shared", &probe.sharedBytes}};
  for (const std::string &word : words) {
    auto [key, value] = splitKey(word);
    if (key == "sm") {
      Result<Chip> chip = parseChip(value);
      if (!chip) {
        return chip.error();
      }
      probe.chip = *chip;
    } else if (key == "fault" && value == "allowed") {
      probe.mayFault = true;
    } else if (key == "finding" && value == "expected") {
      probe.hasFinding = true;
    } else if (auto it = counts.find(key); it != counts.end()) {
      Result<uint64_t> count = parseCount(value);
      if (!count) {
        return count.error();
      }
      *it->second = uint32_t(*count);
    } else {
      return unknown("sm=, grid=, block=, cluster=, shared=, fault=allowed or "
                     "finding=expected",
                     word);
    }
  }
  return true;
}

Result<bool> HeaderParser::output(const std::vector<std::string> &words) {
  if (words.size() != 3) {
    return Error{"expects a type, a count and a name of the output, but got " +
                 std::to_string(words.size()) + " words"};
  }
  Result<NumberType> type = numberType(words[0]);
  Result<uint64_t> count = parseCount(words[1]);
  if (!type || !count) {
    return type ? count.error() : type.error();
  }
  for (const Section &other : probe.outputs) {
    if (other.name == words[2]) {
      return unknown("a name that no other output has", words[2]);
    }
  }
  probe.outputs.push_back({*type, *count, words[2], {}});
  return true;
}

static Result<std::vector<uint64_t>> parseList(const std::string &text) {
  std::vector<uint64_t> list;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    Result<uint64_t> value = parseCount(word);
    if (!value) {
      return value.error();
    }
    list.push_back(*value);
  }
  if (list.empty() || list.size() > 5) {
    return unknown("1 to 5 numbers", text);
  }
  return list;
}

Result<bool> HeaderParser::mapField(const std::string &key,
                                    const std::string &value, MapOfProbe &map) {
  static const std::pair<const char *, Element> kElements[] = {
      {"u8", Element::U8},     {"u16", Element::U16},  {"u32", Element::U32},
      {"s32", Element::S32},   {"u64", Element::U64},  {"s64", Element::S64},
      {"f16", Element::F16},   {"f32", Element::F32},  {"f64", Element::F64},
      {"bf16", Element::BF16}, {"tf32", Element::TF32}};
  static const std::pair<const char *, Swizzle> kSwizzles[] = {
      {"none", Swizzle::None},
      {"32", Swizzle::B32},
      {"64", Swizzle::B64},
      {"128", Swizzle::B128}};
  TensorMapDesc &desc = map.description;
  if (key == "base") {
    map.isOfOutput = value.starts_with("out+");
    size_t plus = value.find('+');
    if (plus == value.npos || !(map.isOfOutput || value.starts_with("in+"))) {
      return unknown("base=in+N or base=out+N", value);
    }
    Result<uint64_t> offset = parseCount(value.substr(plus + 1));
    if (!offset) {
      return offset.error();
    }
    map.offset = *offset;
    return true;
  }
  if (key == "element") {
    for (const auto &[name, element] : kElements) {
      if (value == name) {
        desc.element = element;
        return true;
      }
    }
    return unknown("a type of elements", value);
  }
  if (key == "swizzle") {
    for (const auto &[name, swizzle] : kSwizzles) {
      if (value == name) {
        desc.swizzle = swizzle;
        return true;
      }
    }
    return unknown("swizzle=none, 32, 64 or 128", value);
  }
  if (key == "fill" && (value == "zero" || value == "nan")) {
    desc.fill =
        value == "nan" ? TensorMapDesc::Fill::NaN : TensorMapDesc::Fill::Zero;
    return true;
  }
  Result<std::vector<uint64_t>> list = parseList(value);
  if (!list) {
    return list.error();
  }
  bool isStride = key == "stride";
  if (isStride ? list->size() > 4
               : key != "dim" && key != "box" && key != "elementstride") {
    return unknown("base=, element=, dim=, stride=, box=, elementstride=, "
                   "swizzle= or fill=",
                   key);
  }
  unsigned rank = unsigned(list->size()) + isStride;
  if (mapRank && mapRank != rank) {
    return unknown("lists for " + std::to_string(mapRank) + " dimensions",
                   value);
  }
  desc.rank = mapRank = rank;
  for (size_t d = 0; d < list->size(); ++d) {
    uint64_t number = (*list)[d];
    if (key == "dim") {
      desc.dim[d] = number;
    } else if (isStride) {
      desc.stride[d + 1] = number;
    } else {
      (key == "box" ? desc.box : desc.elementStride)[d] = uint32_t(number);
    }
  }
  return true;
}

Result<bool> HeaderParser::tensorMap(const std::vector<std::string> &words) {
  MapOfProbe map;
  mapRank = 0;
  bool hasBase = false;
  for (const std::string &word : words) {
    auto [key, value] = splitKey(word);
    hasBase |= key == "base";
    Result<bool> read = mapField(key, value, map);
    if (!read) {
      return read.error();
    }
  }
  if (!hasBase || !mapRank) {
    return Error{"expects base= and dim= of a map"};
  }
  probe.maps.push_back(map);
  return true;
}

Result<bool> HeaderParser::compare(const std::vector<std::string> &words) {
  auto it = std::find_if(probe.outputs.begin(), probe.outputs.end(),
                         [&](const Section &section) {
                           return !words.empty() && section.name == words[0];
                         });
  if (it == probe.outputs.end() || words.size() < 2) {
    return unknown("the name of an output above and a tolerance",
                   words.empty() ? "" : words[0]);
  }
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "recorded") {
      it->tolerance.isRecorded = true;
      continue;
    }
    auto [key, value] = splitKey(words[i]);
    Result<double> amount = parseNumber(value);
    if (!amount) {
      return amount.error();
    }
    if (key == "ulp") {
      it->tolerance.ulp = *amount;
    } else if (key == "abs") {
      it->tolerance.absolute = *amount;
    } else if (key == "rel") {
      it->tolerance.relative = *amount;
    } else {
      return unknown("ulp=, abs=, rel= or recorded", words[i]);
    }
  }
  return true;
}

Result<bool> HeaderParser::line(const std::string &text) {
  if (!text.starts_with("//")) {
    return true;
  }
  size_t colon = text.find(':');
  std::vector<std::string> key = splitWords(text.substr(2, colon - 2));
  if (colon == text.npos || key.size() != 1) {
    return false;
  }
  std::string rest = text.substr(colon + 1);
  std::vector<std::string> words = splitWords(rest);
  if (key[0] == "probe") {
    return launch(words);
  }
  if (key[0] == "in") {
    return appendInput(rest, probe.input);
  }
  if (key[0] == "out") {
    return output(words);
  }
  if (key[0] == "map") {
    return tensorMap(words);
  }
  if (key[0] == "compare") {
    Result<bool> read = compare(words);
    return read ? Result<bool>(false) : read;
  }
  return false;
}

Result<bool> HeaderParser::finish() {
  if (!hasLaunch || probe.outputs.empty()) {
    return Error{"expects a line '// probe:' and at least one '// out:'"};
  }
  return true;
}

/// FNV-1a, 64 bits.
static std::string hashOf(const std::string &text) {
  uint64_t hash = 0xCBF2'9CE4'8422'2325;
  for (char c : text) {
    hash = (hash ^ uint8_t(c)) * 0x100'0000'01B3;
  }
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) {
    digits += "0123456789abcdef"[hash >> shift & 15];
  }
  return digits;
}

uint64_t Probe::outputBytes() const {
  uint64_t bytes = 0;
  for (const Section &section : outputs) {
    bytes += section.bytes();
  }
  return bytes;
}

Result<Probe> ptxsim::golden::parseProbe(const std::string &name,
                                         const std::string &text) {
  Probe probe;
  probe.name = name;
  probe.text = text;
  HeaderParser parser(probe);
  std::string hashed;
  std::stringstream stream(text);
  unsigned number = 0;
  auto where = [&](const Error &error) {
    return Error{"probe " + name + ", line " + std::to_string(number) + ": " +
                 error.message};
  };
  for (std::string line; std::getline(stream, line);) {
    ++number;
    Result<bool> decides = parser.line(line);
    if (!decides) {
      return where(decides.error());
    }
    if (*decides) {
      hashed += line + "\n";
    }
  }
  Result<bool> finished = parser.finish();
  if (!finished) {
    return where(finished.error());
  }
  probe.hash = hashOf(hashed);
  return probe;
}

Result<std::vector<Probe>>
ptxsim::golden::readProbes(const std::string &folder) {
  namespace fs = std::filesystem;
  std::error_code failure;
  std::vector<fs::path> paths;
  for (fs::recursive_directory_iterator it(folder, failure), end;
       !failure && it != end; it.increment(failure)) {
    if (it->path().extension() == ".ptx") {
      paths.push_back(it->path());
    }
  }
  if (failure || paths.empty()) {
    return Error{"expects probes (*.ptx) under '" + folder + "'"};
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Probe> probes;
  for (const fs::path &path : paths) {
    Result<std::string> text = readFile(path.string());
    if (!text) {
      return text.error();
    }
    fs::path name = fs::relative(path, folder, failure).replace_extension();
    Result<Probe> probe = parseProbe(name.generic_string(), *text);
    if (!probe) {
      return probe.error();
    }
    probes.push_back(std::move(*probe));
  }
  return probes;
}
