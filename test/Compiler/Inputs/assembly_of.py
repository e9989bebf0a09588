"""Prints the text inside the gpu.binary of a module."""

import pathlib
import re
import sys

module = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
text = re.search(r'assembly = "(.*)">\]', module, re.S)[1]
sys.stdout.write(re.sub(r"\\([0-9A-F]{2})", lambda escape: chr(int(escape[1], 16)), text))
