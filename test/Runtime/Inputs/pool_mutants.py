"""Takes guards out of the page pool, one at a time, and expects its tests to fail.

usage: pool_mutants.py --cxx=COMPILER --runtime=FOLDER --library=libattnrt.a --work=FOLDER

A mutant is a text of one file of runtime/src/pool that stands there exactly once, and
what is put in its place. Its object is linked before the library, whose own is then
not taken. Prints a line per mutant and fails when one is not found out, or when the
tests fail without any.
"""

import argparse
import pathlib
import subprocess
import sys

TESTS = [
    "Allocations.cpp",
    "PagePoolAsyncTest.cpp",
    "PagePoolMoves.cpp",
    "PagePoolPlanTest.cpp",
    "PagePoolRewriteTest.cpp",
    "PagePoolStateTest.cpp",
    "PagePoolTest.cpp",
    "PagePoolWorld.cpp",
    "PlanModel.cpp",
    "PlanWorld.cpp",
    "PlanDense.cpp",
]

# name: file, text, replacement
MUTANTS = {
    # The classic: a page that was truncated is written while the index knows it.
    "truncated page stays in the index": ("Append.cpp", "    forget(entry);\n", ""),
    "shared page is written": ("Append.cpp", "return page.refs > 1 ||", "return false ||"),
    "slots that a step reads are written": (
        "Append.cpp",
        "slots.inFlight(std::max(page.lastUse, sequence.lastStep))",
        "false",
    ),
    "copies are not counted as pages": ("Append.cpp", "needed += offset && needsCopy(", "needed += 0 && needsCopy("),
    "side pools are not copied": ("Append.cpp", "offset, -1});", "0, -1});"),
    "tail keeps old tokens": ("Append.cpp", "const int64_t fresh = std::min(rest, count);", "const int64_t fresh = 0;"),
    "no limbo": ("Slots.cpp", "if (inFlight(page.lastUse)) {\n    page.state", "if (false) {\n    page.state"),
    "last step of one holder only": (
        "Slots.cpp",
        "page.lastUse = std::max(page.lastUse, step);",
        "page.lastUse = step;",
    ),
    "steps become undone": ("Slots.cpp", "done = std::max(done, step);", "done = step;"),
    "revived page stays in limbo": ("Slots.cpp", "unlink(revived ? limbo : cached, number);", "unlink(cached, number);"),
    "no page behind the last": ("FreeMap.cpp", "if (after < 0 ||", "if (true ||"),
    "content is not compared": ("Blocks.cpp", "std::memcmp(content(found), given, contentBytes) == 0", "true"),
    "parents are not compared": ("Blocks.cpp", "block.parent == parent &&", "true &&"),
    "salts are not compared": ("Blocks.cpp", "block.salt == salt &&", "true &&"),
    "blocks leak": ("PagePool.cpp", "    blocks.deref(last);\n", ""),
    "evicted page stays in the index": ("PagePool.cpp", "  slots.forgotten(page);\n  blocks.setPage", "  blocks.setPage"),
    "windows are not looked at": ("Match.cpp", "for (int32_t g = 0; windows &&", "for (int32_t g = 0; false &&"),
    "forks forget losses": ("Match.cpp", "to.lossy = from.lossy;", "to.lossy = false;"),
    "pins hold nothing": ("Match.cpp", "counters.pages_revived += slots.hold(page, true);", ";"),
    "trimming loses nothing": ("Rewrite.cpp", "sequence.lossy |=", "const bool unused ="),
    "tail is not restored": ("Rewrite.cpp", "if (rest && full < sequence.blocks.size()", "if (false"),
    "shallow pages go first": (
        "Rewrite.cpp",
        "for (size_t i = longest; i-- > 0;) {",
        "for (size_t i = 0; i < longest; ++i) {",
    ),
    "compacted tokens are truncated": ("Rewrite.cpp", "if (length < table.numKept()) {", "if (false) {"),
    "trimmed tail is written": ("Rewrite.cpp", "    require(length / size * size, length);", "    (void)0;"),
    "unwritten pages stay in the index": ("Rewrite.cpp", "        forget(page);\n", ""),
    "compaction loses nothing": ("Compact.cpp", "  sequence.lossy = true;\n", ""),
    "compaction moves no positions": ("Compact.cpp", "    side.copy(copies[i]);\n", ""),
    "positions of the last compaction": ("Compact.cpp", "ordinal < table.numKept()", "false"),
    "tables see no edits": ("Table.cpp", "row.edits == table->edits;", "true;"),
    "trimmed pages are read": ("Forest.cpp", "first.pages[last] != pool->nullPage()", "true"),
}


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.returncode, result.stdout


def must(command):
    status, text = run(command)
    if status:
        sys.exit(f"{' '.join(command)}\n{text}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("cxx", "runtime", "library", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only", help="part of a name")
    options = parser.parse_args()
    runtime = pathlib.Path(options.runtime)
    work = pathlib.Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    sources = runtime / "src/pool"
    flags = ["-std=c++17", "-O1", "-UNDEBUG", f"-I{runtime}/include", f"-I{runtime}/test", f"-I{sources}"]

    objects = []
    for name in TESTS:
        objects.append(str(work / f"{name}.o"))
        must([options.cxx, *flags, "-c", str(runtime / "test" / name), "-o", objects[-1]])

    def fails(changed):
        program = str(work / "tests")
        wrapped = ["-Wl,--wrap=aligned_alloc", "-Wl,--wrap=memfd_create"]
        libraries = [options.library, "-lgtest_main", "-lgtest", "-lpthread", "-ldl"]
        must([options.cxx, *objects, *changed, *libraries, *wrapped, "-o", program])
        # What a broken pool reads or loops over is anything.
        status, text = run(["timeout", "60", program, "--gtest_filter=PagePool*", "--gtest_fail_fast"])
        named = [line for line in text.splitlines() if line.startswith("[  FAILED  ] PagePool")]
        return status, named[0].split()[3] if named else f"ends with {status}"

    status, text = fails([])
    if status:
        sys.exit(f"the tests fail without a mutant: {text}")
    missed = 0
    for name, (file, text, replacement) in MUTANTS.items():
        if options.only and options.only not in name:
            continue
        source = (sources / file).read_text()
        if source.count(text) != 1:
            sys.exit(f"{name}: expects the text once in {file}, but got it {source.count(text)} times")
        mutant = work / file
        # Headers are found from the folder that the file stood in.
        changed = source.replace(text, replacement).replace('#include "../', f'#include "{sources}/../')
        mutant.write_text(changed)
        must([options.cxx, *flags, "-w", "-c", str(mutant), "-o", str(work / "mutant.o")])
        status, by = fails([str(work / "mutant.o")])
        print(f"{'found' if status else 'MISSED'}: {name}" + (f" ({by})" if status else ""), flush=True)
        missed += not status
    print(f"{len(MUTANTS)} mutants, {missed} missed")
    return missed > 0


if __name__ == "__main__":
    sys.exit(main())
