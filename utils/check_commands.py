#!/usr/bin/env python3
"""Runs the commands that Markdown files show and checks what they print.

usage: check_commands.py ROOT FILE...

A command is an indented line `    $ COMMAND` (more lines while it ends in a
backslash); the indented lines below it, to the next blank line, must be in its
output, in this order; other lines may stand between. It runs in ROOT and must
succeed. Fails if a file shows no command.
"""

import pathlib
import subprocess
import sys

INDENT = "    "
PROMPT = INDENT + "$ "


def find_commands(text):
    """(command, expected lines) of each command."""
    lines = iter(text.splitlines() + [""])
    command, expected = None, []
    for line in lines:
        if command and not line.startswith(INDENT) or line.startswith(PROMPT):
            if command:
                yield command, expected
            command, expected = None, []
        if line.startswith(PROMPT):
            command = line[len(PROMPT) :]
            while command.endswith("\\"):
                command = command[:-1] + next(lines).strip()
        elif command:
            expected.append(line.strip())


def check(root, command, expected):
    """None, or what is wrong with the command."""
    run = subprocess.run(command, shell=True, cwd=root, capture_output=True, text=True)
    if run.returncode:
        return f"ends with status {run.returncode}: {run.stderr.strip()}"
    printed = iter(line.strip() for line in run.stdout.splitlines())
    for line in expected:
        if line not in printed:
            return f"does not print '{line}' (in this place), but\n{run.stdout}"
    return None


def main():
    root = pathlib.Path(sys.argv[1])
    status = 0
    for name in sys.argv[2:]:
        commands = list(find_commands(pathlib.Path(name).read_text(encoding="utf-8")))
        if not commands:
            sys.exit(f"{name}: expects a command, but got none")
        for command, expected in commands:
            mistake = check(root, command, expected)
            if mistake:
                print(f"{name}: {command}\n  {mistake}")
                status = 1
    return status


sys.exit(main())
