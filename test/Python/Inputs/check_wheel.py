"""What an installed wheel holds: everything that its libraries need, and its stubs.

Run by the interpreter of an environment into which the wheel was installed. Libraries
may need each other, and what every Linux with Python has: the C and C++ libraries.
"""

import pathlib
import re
import subprocess

import attn_mlir
import numpy as np

SYSTEM = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s))\.so[.\d]*")
MOST_BYTES = 400 << 20  # python/README.md says what it is


def needed(file):
    text = subprocess.run(["readelf", "-d", file], check=True, capture_output=True, text=True).stdout
    assert not re.search(r"R(UN)?PATH.*\[(?!\$ORIGIN)", text), f"{file.name} looks elsewhere"
    return re.findall(r"NEEDED\).*\[(.*)\]", text)


def mapped():
    """Paths of the libraries that this process has."""
    lines = pathlib.Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return {pathlib.Path(line.split()[-1]) for line in lines if ".so" in line.split()[-1]}


def main():
    package = pathlib.Path(attn_mlir.__file__).parent
    files = {f.name: f for f in package.rglob("*.so*")}
    assert {"libattnrt.so", "libattnjit.so"} <= set(files), files
    for name, file in files.items():
        for other in needed(file):
            assert other in files or SYSTEM.fullmatch(other), f"{name} needs {other}"
    assert (package / "py.typed").exists() and (package / "_native.pyi").exists()
    size = sum(f.stat().st_size for f in package.rglob("*") if f.is_file())
    print(f"{len(files)} libraries, {size >> 20} MiB in all")
    assert size < MOST_BYTES
    # What the compiler loads is the wheel's own, whatever the machine has.
    before = mapped()
    x = np.ones((1, 1, 3, 16), np.float32)
    attention = attn_mlir.flex()
    assert np.allclose(attention(x, x, x), 1)
    for words in ("rank m: 3 passes", "run in one pass", "memory: compulsory"):
        assert words in str(attention), words
    opened = {f for f in mapped() - before if not SYSTEM.fullmatch(f.name)}
    foreign = {f for f in opened if package not in f.parents and "memfd" not in str(f)}
    assert "libLLVM" in str(opened) and not foreign, foreign


if __name__ == "__main__":
    main()
