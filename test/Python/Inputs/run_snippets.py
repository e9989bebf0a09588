"""Runs the Python snippets of Markdown files, each file as one program.

    run_snippets.py FILE...

A snippet that the page shows as output (a text block behind it) is not compared.
"""

import pathlib
import re
import sys


def main():
    for name in sys.argv[1:]:
        text = pathlib.Path(name).read_text(encoding="utf-8")
        blocks = [
            (text.count("\n", 0, m.start(1)), m.group(1))
            for m in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)
        ]
        if not blocks:
            sys.exit(f"{name} has no snippet")
        scope = {"__name__": "__main__"}
        for line, block in blocks:
            # Lines count as in the page, so that an error names them.
            exec(compile("\n" * line + block, name, "exec"), scope)
        print(f"{name}: {len(blocks)} snippets ran")


if __name__ == "__main__":
    main()
