# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles Triton kernels to PTX, without a GPU. Runs where Triton is installed.

    emit.py REQUESTS.json

holds a list of {file, kernel, signature, constants, divisible, options, arch,
output}
(see run.py). For each it writes OUTPUT.ptx, and OUTPUT.json with what a launch
has to know; of one that does not compile, OUTPUT.json has only {"error": ..}.
"""

import importlib.util
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

MODULES: dict[Path, ModuleType] = {}


def module_of(request: dict[str, Any]) -> ModuleType:
    """The module that holds the kernel of a request."""
    path = Path(request["file"])
    if path not in MODULES:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        MODULES[path] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(MODULES[path])
    return MODULES[path]


def constant(value: Any) -> Any:
    """A constant of a request; names of types of Triton are written "tl.x"."""
    if isinstance(value, str) and value.startswith("tl."):
        return getattr(triton.language, value[3:])
    return value


def compile_one(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The PTX of a request, and what its launch needs."""
    kernel = getattr(module_of(request), request["kernel"])
    while not isinstance(kernel, triton.JITFunction):
        kernel = kernel.fn  # of a decorator, as triton.autotune
    # Parameters that are left out keep their defaults; all must be in order.
    signature = {name: request["signature"].get(name, "constexpr") for name in kernel.arg_names}
    constants = {name: constant(value) for name, value in request["constants"].items()}
    attributes = {
        (kernel.arg_names.index(name),): [["tt.divisibility", 16]]
        for name in request["divisible"]
    }
    source = ASTSource(kernel, signature, constants, attributes)
    target = GPUTarget("cuda", request["arch"], 32)
    compiled = triton.compile(source, target=target, options=request["options"])
    facts = compiled.metadata
    names = ("name", "shared", "num_warps", "num_ctas", "global_scratch_size")
    launch = {name: getattr(facts, name) for name in names}
    launch["order"] = [name for name, kind in signature.items() if kind != "constexpr"]
    launch["descriptors"] = list(getattr(facts, "tensordesc_meta", None) or [])
    return compiled.asm["ptx"], launch


def main() -> int:
    for request in json.loads(Path(sys.argv[1]).read_text()):
        output = Path(request["output"])
        try:
            text, launch = compile_one(request)
        except Exception as error:  # each request has its own verdict
            traceback.print_exc()
            words = str(error).strip().splitlines() or [""]
            launch = {"error": f"{type(error).__name__}: {words[-1]}"}
        else:
            output.with_suffix(".ptx").write_text(text)
        output.with_suffix(".json").write_text(json.dumps(launch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
