#!/usr/bin/env python3
"""Checks that the Markdown files of the project speak of what exists.

usage: check_docs.py ROOT

 1. a relative link leads to a file or folder, and its #anchor to a heading;
 2. a path in backticks that starts with a top folder of the project exists
    (build/ and names with a placeholder such as <Lib> are left out);
 3. the folder map of README.md (lines `name/  what it holds` in the block below
    the heading "Map") names exactly the top folders of the project.
Prints one line per mistake and fails when there is any.
"""

import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = {".git", ".cache", "dist", "__pycache__"}
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\s]+)`")
MAP_LINE = re.compile(r"^ {4}([\w.-]+)/ ")


def is_skipped(path):
    return any(part in SKIPPED or part.startswith("build") for part in path.parts)


def anchors(text):
    """The anchors that headings get: lower case, words joined by hyphens."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", text, re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


def check_links(root, file, text):
    for match in LINK.finditer(text):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (file.parent / name) if name else file
        if not path.exists():
            yield f"link to {target}, which does not exist"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path.read_text()):
            yield f"link to {target}, which has no such heading"


def check_paths(root, tops, text):
    for token in CODE.findall(text):
        path = token.rstrip("/")
        if path.split("/")[0] in tops and "/" in token and not re.search(r"[<>*{}$]", token):
            if not (root / path).exists():
                yield f"`{token}` does not exist"


def check_map(tops, text):
    section = re.search(r"^## Map$(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not section:
        yield 'expects a heading "## Map"'
        return
    named = {m[1] for m in map(MAP_LINE.match, section[1].splitlines()) if m}
    for name in sorted(named - tops):
        yield f"the map names {name}/, which does not exist"
    for name in sorted(tops - named):
        yield f"the map lacks {name}/"


def top_folders(root):
    """Top folders with tracked files; all of them where git cannot tell."""
    if (root / ".git").exists() and shutil.which("git"):
        command = ["git", "-C", str(root), "ls-files"]
        tracked = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {name.split("/")[0] for name in tracked.splitlines() if "/" in name}
    names = (path.name for path in root.iterdir() if path.is_dir())
    return {name for name in names if not is_skipped(pathlib.Path(name))}


def check(root):
    tops = top_folders(root)
    for file in sorted(root.rglob("*.md")):
        relative = file.relative_to(root)
        if is_skipped(relative):
            continue
        text = file.read_text(encoding="utf-8")
        mistakes = [*check_links(root, file, text), *check_paths(root, tops, text)]
        if relative.as_posix() == "README.md":
            mistakes += check_map(tops, text)
        for mistake in mistakes:
            yield f"{relative}: {mistake}"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    mistakes = list(check(pathlib.Path(sys.argv[1])))
    print("\n".join(mistakes), end="\n" if mistakes else "")
    return 1 if mistakes else 0


sys.exit(main())
