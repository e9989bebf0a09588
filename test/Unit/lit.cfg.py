"""Runs the gtest programs of unittests/ through lit."""

import os
import sys

import lit.formats

if not hasattr(config, "attn_binary_root"):
    lit_config.fatal("run lit on the build tree: lit build/test/Unit")

sys.path.insert(0, os.path.join(config.attn_source_root, "test"))
import tiers

config.name = "attn-unit"
config.test_source_root = os.path.join(config.attn_binary_root, "unittests")
config.test_exec_root = config.test_source_root

# Exactly the programs that CMake knows: one that was not built is an error, and
# one that was left behind by an older tree is not run.
for name in config.attn_unittests:
    if not os.access(os.path.join(config.test_source_root, name), os.X_OK):
        lit_config.fatal(f"{name} was not built; build the target attn-test-depends first")
config.test_format = lit.formats.GoogleTest(".", "")
config.test_format.test_suffixes = tuple(config.attn_unittests) or ("/",)

choice = tiers.Choice(lit_config, None)
config.environment["ATTN_TEST_SEED"] = str(choice.seed)
if choice.every:
    config.environment["ATTN_TEST_LONG"] = "1"
if os.environ.get("ATTN_TRACE"):
    config.environment["ATTN_TRACE"] = os.environ["ATTN_TRACE"]
