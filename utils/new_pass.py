#!/usr/bin/env python3
"""Writes the skeleton of a new pass.

usage: new_pass.py FOLDER NAME [--root=ROOT]

FOLDER is the place below include/attn, such as Dialect/Attn/Transforms; NAME is
the stem in CamelCase, such as SplitSums. Writes lib/FOLDER/NAME.cpp and
test/FOLDER/name.mlir, puts the definition into include/attn/FOLDER/Passes.td,
and says what is left to do by hand. The test that it writes fails until the
pass does something. Refuses to touch what exists.
"""

import argparse
import pathlib
import re
import sys

TD = """
def {pass_name} : Pass<"{flag}", "::mlir::ModuleOp"> {{
  let summary = "expects a summary";
  let description = [{{
    Before:

    ```mlir
    ```

    After:

    ```mlir
    ```
  }}];
}}
"""

CPP = """//===- {name}.cpp - expects one line {fill}*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/{folder}/Passes.h"

namespace attn {{
#define GEN_PASS_DEF_{upper}
#include "attn/{folder}/Passes.h.inc"
}} // namespace attn

using namespace attn;

namespace {{
struct {name}Pass : public attn::impl::{pass_name}Base<{name}Pass> {{
  void runOnOperation() override {{
    getOperation().emitError("{flag} does nothing yet");
    signalPassFailure();
  }}
}};
}} // namespace
"""

TEST = """// RUN: attn-opt %s --{flag} | FileCheck %s
// expects a sentence: what is broken when this test fails.

// CHECK-LABEL: func.func @case
func.func @case() {{
  return
}}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("name")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parents[1])
    arguments = parser.parse_args()
    root, folder, name = arguments.root, arguments.folder.strip("/"), arguments.name
    if not re.fullmatch(r"([A-Z][a-z0-9]+)+", name):
        sys.exit(f"expects a stem in CamelCase, but got '{name}'")

    stem = re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower()
    # Conversions are named as upstream names them: convert-x-to-y.
    is_conversion = folder.startswith("Conversion")
    flag = stem if is_conversion else f"attn-{stem}"
    pass_name = f"{name}Pass" if is_conversion else f"Attn{name}Pass"
    table = root / "include/attn" / folder / "Passes.td"
    if not table.exists():
        sys.exit(f"expects {table.relative_to(root)} to exist")
    text = table.read_text(encoding="utf-8")
    files = {
        root / "lib" / folder / f"{name}.cpp": CPP,
        root / "test" / folder / f"{stem}.mlir": TEST,
    }
    taken = [path for path in files if path.exists()]
    if taken or f'"{flag}"' in text:
        sys.exit(f"{flag} exists already")

    values = {
        "name": name,
        "flag": flag,
        "folder": folder,
        "pass_name": pass_name,
        "upper": pass_name.upper(),
        "fill": "-" * max(1, 80 - len(f"//===- {name}.cpp - expects one line -*- C++ -*-===//")),
    }
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.format(**values), encoding="utf-8")
        print(f"wrote {path.relative_to(root)}")
    guard = text.rfind("\n#endif")
    end = guard if guard >= 0 else len(text)
    table.write_text(text[:end] + TD.format(**values) + text[end:], encoding="utf-8")
    print(f"changed {table.relative_to(root)}")
    print(f"to do: {name}.cpp into lib/{folder}/CMakeLists.txt; every line with 'expects'")


main()
