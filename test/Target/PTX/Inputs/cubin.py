"""Fails unless the file is an ELF object for NVIDIA's GPUs with a kernel in it."""

import struct
import sys

data = open(sys.argv[1], "rb").read()
assert data[:4] == b"\x7fELF", data[:4]
assert struct.unpack_from("<H", data, 18)[0] == 190, "machine"
assert b".text.tensor_cores" in data
