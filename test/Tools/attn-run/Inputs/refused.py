"""Runs attn-run on bad input: exit code 2, nothing on stdout, and one line on
stderr that holds the expected text.

    refused.py PROGRAM FOLDER
"""

import pathlib
import subprocess
import sys

program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
here = pathlib.Path(__file__).parent
good = ["--entry=entry", "--arg=zeros:2x3", "--arg=1"]
failures = 0


def refused(options, text, file=program):
    global failures
    command = ["attn-run", *([str(file)] if file else []), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    if done.returncode != 2 or len(lines) != 1 or text not in lines[0] or done.stdout:
        failures += 1
        print(f"{' '.join(command)}\nexpects 2 and '{text}'")
        print(f"got {done.returncode}: {done.stderr}{done.stdout}")


def npy(*options):
    path = folder / "a.npy"
    subprocess.run([sys.executable, here / "npy.py", path, *options], check=True)
    return f"--arg={path}"


def file_refused(text, *options):
    refused(["--entry=entry", npy(*options), "--arg=1"], text)


# Options.
refused(good, "expects a file and --entry", file=None)
refused(good[1:], "expects a file and --entry")
refused([*good, "--no-such-option"], "unknown option '--no-such-option'")
refused([*good, "--split=0"], "expects a number in range, but got '--split=0'")
refused([*good, "--rtol=x"], "expects a number in range, but got '--rtol=x'")
refused([*good, "--device=abacus"], "but got 'abacus'")
refused([*good, "--out=x.npy", "--out=y.npy"], "at most once per result")
refused([*good, "--expect=/no/such.npy"], "cannot read '/no/such.npy'")
refused([*good, "--out=/no/such/folder/x.npy"], "cannot write")
refused([*good, "--out-arg=2:x.npy"], "expects an argument below 2")

# Programs.
refused(good, "could not open input file", file=folder / "missing.mlir")
broken = folder / "broken.mlir"
broken.write_text("func.func @entry(\n")
refused(good, "broken.mlir:1:18: expected", file=broken)
broken.write_text("func.func @entry(%a: f32) -> f16 { return %a : f32 }\n")
refused(good, "type of return operand 0 ('f32') doesn't match", file=broken)
refused(["--entry=exit"], "(@entry, @other), but got 'exit'")

# Arguments.
refused(good[:2], "expects 2 arguments, but got 1")
refused([good[0], "--arg=zeros:3x3", "--arg=1"], "expects shape 2x?, but got 3x3")
refused([good[0], "--arg=zeros:2", "--arg=1"], "expects shape 2x?, but got 2")
refused([good[0], "--arg=zeros:2x-3", "--arg=1"], "expects a shape like 2x3x4")
refused([good[0], "--arg=zeros:2x9999999999999999", "--arg=1"], "more memory")
refused([good[0], "--arg=7", "--arg=1"], "expects a .npy file")
refused([good[0], "--arg=rand:2x3:x", "--arg=1"], "but got seed 'x'")
refused([*good[:2], "--arg=1.5"], "expects an integer, but got '1.5'")
refused([*good[:2], "--arg=9999999999"], "expects an integer of type i32")
refused([*good[:2], "--arg=rand::1"], "expects a floating-point type for rand")
refused([good[0], "--arg=/no/such.npy", "--arg=1"], "cannot read '/no/such.npy'")
file_refused("expects element type f16, but got f32", "<f4", "2x3")
file_refused("expects shape 2x?, but got 3x2", "<f2", "3x2")
refused(["--entry=other", npy("|i1", "3")], "expects element type i4, but got i8")

# Files.
file_refused("is not an npy file", "<f2", "2x3", "--magic=PK")
file_refused("expects npy format 1, 2 or 3, but got 9", "<f2", "2x3", "--version=9")
file_refused("ends inside of the header", "<f2", "2x3", "--length=9999")
file_refused("ends inside of the header", "<f2", "2x3", "--version=2", "--length=4294967295")
file_refused("expects 12 bytes of data, but got 14", "<f2", "2x3", "--bytes=14")
file_refused("expects data for shape 2x3 of <f2, but got 11 bytes", "<f2", "2x3", "--bytes=11")
file_refused("but got '>f2'", ">f2", "2x3")
file_refused("but got '<c8'", "<c8", "2x3")


def header_refused(text, header):
    file_refused(text, "<f2", "2x3", f"--header={header}")


shape = "'descr': '<f2', 'fortran_order': False, 'shape': "
header_refused("expects a dictionary", "")
header_refused("expects the keys", "{}")
header_refused("expects the keys", "{'descr': '<f2', 'descr': '<f2'}")
header_refused("but got 'data'", "{'data': 3}")
header_refused("a structured one", "{'descr': [('x', '<f2')], 'fortran_order': False}")
header_refused("expects True or False", "{'fortran_order': 1}")
header_refused("expects a closing quote", "{'descr")
header_refused("expects a tuple", "{" + shape + "3}")
header_refused("expects ',' or ')'", "{" + shape + "(2, 3")
header_refused("at most 63 bits", "{" + shape + "(-2, 3)}")
header_refused("at most 63 bits", "{" + shape + "(99999999999999999999,)}")
header_refused("at most 32 axes", "{" + shape + "(" + "1," * 40 + ")}")
header_refused("expects data for shape", "{" + shape + "(4611686018427387904, 4)}")
header_refused("expects data for shape", "{" + shape + "(2, 2305843009213693952)}")
(folder / "a.npy").write_bytes(b"\x93NUMPY\x01")
refused(["--entry=entry", f"--arg={folder}/a.npy", "--arg=1"], "ends inside of the header")
(folder / "a.npy").write_bytes(b"")
refused(["--entry=entry", f"--arg={folder}/a.npy", "--arg=1"], "is not an npy file")
sys.exit(failures != 0)
