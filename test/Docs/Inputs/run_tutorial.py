"""Works through a tutorial: runs its fenced blocks, in order, in an empty folder.

usage: run_tutorial.py FILE FOLDER

    ```LANGUAGE file=NAME   is written to NAME, behind what earlier blocks wrote
    ```python               runs; all of them are one program
    ```sh                   runs in bash; has to succeed
    ```text                 lines that the last program printed, in this order;
                            others may stand between

The shell finds the tools by PATH, the tree as $ATTN and its build folder as $BUILD.
Blocks of other languages are refused: they would stand there unchecked.
"""

import contextlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys

BLOCK = re.compile(r"^```(\w*)(?: +file=([\w.-]+))?[^\n]*\n(.*?)^```$", re.M | re.S)


def run_python(name, line, block, scope):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # Lines count as in the page, so that an error names them.
        exec(compile("\n" * line + block, name, "exec"), scope)
    return printed.getvalue()


def run_shell(name, line, block):
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )
    if run.returncode:
        sys.exit(f"{name}:{line + 1}: ends with status {run.returncode}\n{run.stdout}")
    return run.stdout


def compare(name, line, block, printed):
    lines = iter(text.strip() for text in printed.splitlines())
    for expected in filter(None, (text.strip() for text in block.splitlines())):
        if expected not in lines:
            sys.exit(f"{name}:{line + 1}: expects the line '{expected}' (in this place), but got\n{printed}")


def main():
    page, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = page.read_text(encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    scope, printed, ran = {"__name__": "__main__"}, None, 0
    for match in BLOCK.finditer(text):
        language, file, block = match.groups()
        line = text.count("\n", 0, match.start(3))
        if file:
            with open(file, "a", encoding="utf-8") as out:
                out.write(block)
        elif language == "python":
            printed = run_python(page.name, line, block, scope)
        elif language == "sh":
            printed = run_shell(page.name, line, block)
        elif language == "text" and printed is not None:
            compare(page.name, line, block, printed)
        else:
            sys.exit(f"{page.name}:{line}: expects a block that runs, but got '{language}'")
        ran += 1
    if not ran:
        sys.exit(f"{page.name}: expects blocks, but got none")
    print(f"{page.name}: {ran} blocks")


if __name__ == "__main__":
    main()
