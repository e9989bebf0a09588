"""Writes a .npy file by hand, broken where asked.

    npy.py FILE DESCR SHAPE [--fortran] [--header=TEXT] [--magic=TEXT]
           [--version=N] [--bytes=N] [--values=0,1,2]

SHAPE is 2x3; the values are 0, 1, 2 .. unless given. `--header` replaces the
dictionary, `--bytes` cuts or pads the data, `--length` lies about the header.
"""

import argparse
import struct

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("file")
parser.add_argument("descr")
parser.add_argument("shape")
parser.add_argument("--fortran", action="store_true")
parser.add_argument("--header")
parser.add_argument("--magic", default="\x93NUMPY")
parser.add_argument("--version", type=int, default=1)
parser.add_argument("--bytes", type=int)
parser.add_argument("--length", type=int)
parser.add_argument("--values")
options = parser.parse_args()

shape = [int(x) for x in options.shape.split("x") if x]
count = 1
for extent in shape:
    count *= extent
values = range(count)
if options.values:
    values = [float(x) for x in options.values.split(",")]
code = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h"}
code.update({"u2": "H", "i1": "b", "u1": "B", "b1": "?"})
letter = code.get(options.descr[1:], "B")
data = b"".join(
    struct.pack("<" + letter, v if letter in "dfe" else int(v)) for v in values
)
if options.bytes is not None:
    data = data[: options.bytes].ljust(options.bytes, b"\0")
text = options.header
if text is None:
    tuple_text = "(" + "".join(f"{x}, " for x in shape) + ")"
    text = (
        f"{{'descr': '{options.descr}', 'fortran_order': {options.fortran},"
        f" 'shape': {tuple_text}, }}"
    )
header = text.encode("latin1") + b"\n"
length = len(header) if options.length is None else options.length
size = struct.pack("<H" if options.version == 1 else "<I", length)
with open(options.file, "wb") as file:
    file.write(options.magic.encode("latin1"))
    file.write(bytes([options.version, 0]) + size + header + data)
