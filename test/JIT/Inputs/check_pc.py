"""Compiles a program with what pkg-config files say, as pkg-config would.

    check_pc.py PREFIX COMPILER SOURCE OUT

attnjit.pc of PREFIX and what it requires. Fails if a library that they name has
no name of its own version (SONAME), or the engine would ask for one without.
"""

import pathlib
import re
import subprocess
import sys


def read(path):
    known = {"pcfiledir": str(path.parent)}
    fields = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = re.sub(r"\$\{(\w+)\}", lambda m: known[m[1]], line)
        if assignment := re.fullmatch(r"(\w+)=(.*)", line):
            known[assignment[1]] = assignment[2]
        elif field := re.fullmatch(r"(\w+): (.*)", line):
            fields[field[1]] = field[2]
    required = fields.get("Requires", "").split()
    return [fields, *(more for name in required for more in read(path.parent / f"{name}.pc"))]


def main():
    prefix, compiler, source, out = sys.argv[1:]
    paths = list(pathlib.Path(prefix).rglob("attnjit.pc"))
    if len(paths) != 1:
        sys.exit(f"expects one attnjit.pc in {prefix}, but got {len(paths)}")
    packages = read(paths[0])
    flags = [flag for package in packages for flag in package["Cflags"].split()]
    libraries = [flag for package in packages for flag in package["Libs"].split()]
    runpath = [f"-Wl,-rpath,{flag[2:]}" for flag in libraries if flag.startswith("-L")]
    subprocess.run([compiler, "-std=c++17", *flags, source, "-o", out, *libraries, *runpath], check=True)
    dynamic = subprocess.run(["readelf", "-d", out], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(libattn\S*)\]", dynamic))
    major = packages[0]["Version"].split(".")[0]
    if needed != {f"libattnjit.so.{major}", f"libattnrt.so.{major}"}:
        sys.exit(f"expects the libraries of version {major}, but got {sorted(needed)}")


main()
