"""The parent's side of a worker: start it on some CPUs, ask, give up in time."""

import json
import os
import pathlib
import resource
import select
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 900  # for one answer: a long case, or a compiler


class Gone(Exception):
    """The process ended, or said nothing for too long."""


class Failed(Exception):
    """What a contender said instead of a result."""


def environment(threads, python_path, log):
    """Every library by which threads may come gets the same number of them."""
    env = dict(os.environ)
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        env[f"{name}_NUM_THREADS"] = str(threads)
    # An active wait of GNU's OpenMP costs it milliseconds whenever another process has
    # one of the CPUs for a moment; asleep it wakes up in microseconds.
    env.setdefault("OMP_WAIT_POLICY", "passive")
    env |= {"PYTHONPATH": os.pathsep.join([str(HERE.parent), *python_path]), "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "OPENVINO_TELEMETRY_OPTOUT": "1"}
    if log:
        env |= {"ONEDNN_VERBOSE": "1", "DNNL_VERBOSE": "1", "MKL_VERBOSE": "1", "DNNL_VERBOSE_TIMESTAMP": "0"}
    return env


def before_start(cpus, most_bytes):
    """In the child: its CPUs, and an end to its memory. A contender that holds all
    scores of a long case gets an error, and nobody else on the machine is stopped."""
    def limit():
        os.sched_setaffinity(0, cpus)
        if most_bytes:
            resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
        try:
            pathlib.Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")
        except OSError:
            pass

    return limit


class Remote:
    def __init__(self, name, python, threads, cpus, python_path=(), log=False, most_bytes=0):
        self.name = name
        # A file and not a pipe: nobody reads it while the worker writes.
        self.log = tempfile.TemporaryFile("w+")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [python, "-m", "versus.worker", name, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, text=True, env=environment(threads, python_path, log),
            preexec_fn=before_start(cpus, most_bytes))
        self.hello = self.read()

    def read(self):
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
        line = self.process.stdout.readline() if ready else None
        if not line:
            how = f"no answer in {LIMIT_S} s" if line is None else f"the process ended with {self.process.wait()}"
            self.stop()
            raise Gone(f"{how}: {self.tail()}"[:300])
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def ask(self, do, **fields):
        if self.process.poll() is not None:
            raise Gone(f"the process ended with {self.process.returncode}: {self.tail()}"[:300])
        try:
            self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # read() says how it ended
        return self.read()

    def output(self):
        """All that the worker and its libraries printed."""
        self.log.seek(0)
        return self.log.read()

    def tail(self):
        lines = [line for line in self.output().splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def interpreter(path):
    return str(path) if path else sys.executable
