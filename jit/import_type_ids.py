#!/usr/bin/env python3
"""Makes libattnjit take MLIR's type IDs from libMLIR.

usage: import_type_ids.py NM LIBMLIR OUT.cpp

An ID is a variable of an inline function. Whoever includes MLIR's headers has
one, and MLIR counts on all of them being one variable, which the dynamic linker
sees to where they are exported. They must not be: whose variable wins would
depend on what else the process has loaded, and in which order. (The other way,
IDs by the names of types, needs the compiler that libMLIR was built with.)

So the copies in our objects are left out of the link. They lie in groups of
sections of which a linker keeps the first one of each name; OUT.cpp comes first and
has empty groups of these names. What refers to the variables then finds the ones
of libMLIR, and only those, in whatever order libraries are loaded.
"""

import re
import subprocess
import sys

# The variable, and the guard of its initialisation.
TYPE_ID = re.compile(r" [VBbDuW] (_ZG?V?ZN4mlir6detail14TypeIDResolver\w+)")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    nm, library, out = sys.argv[1:]
    table = subprocess.run([nm, "-D", "--defined-only", library],
                           check=True, capture_output=True, text=True).stdout
    names = sorted(set(TYPE_ID.findall(table)))
    if not names:
        sys.exit(f"{library} exports no type ID: import_type_ids.py looks for another name")
    with open(out, "w", encoding="utf-8") as file:
        for name in names:
            file.write(f'__asm__(".section .attnjit.type_id,\\"G\\",%progbits,{name},comdat");\n')
        file.write('__asm__(".text");\n')


main()
