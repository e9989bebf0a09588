"""A contender in a process of its own: commands as lines of JSON, answers likewise.

    python -m versus.worker CONTENDER THREADS

Pools of threads of different libraries would wait actively beside each other in one
process. What libraries print goes to stderr. The parent has set the CPUs that this
process may use, and the variables by which libraries choose their threads.
"""

import importlib
import json
import os
import sys
import time
import traceback

import numpy as np

from . import amx, cases, check
from .contender import Missing

CONTENDERS = {
    "attn_mlir": ("ours", "Ours"),
    "SDPA": ("pytorch", "Sdpa"),
    "FlexAttention": ("pytorch", "Flex"),
    "FlexAttention 128": ("pytorch", "FlexPage128"),
    "ONNX Runtime": ("onnx_runtime", "OnnxRuntime"),
    "OpenVINO": ("openvino_runtime", "OpenVino"),
    "vLLM": ("vllm_cpu", "Vllm"),
}

# Names beside another one, for cases with pages alone.
FOR_PAGES = ("FlexAttention 128",)


class Worker:
    def __init__(self, name, threads):
        module, cls = CONTENDERS[name]
        self.contender = getattr(importlib.import_module(f".{module}", __package__), cls)(threads)

    def hello(self):
        return {"versions": self.contender.versions(), "cpus": sorted(os.sched_getaffinity(0))}

    def open(self, case, sets):
        """Prepares a case and calls it once."""
        case = cases.Case(**case)
        start = time.perf_counter()
        self.sets = sets
        self.contender.open(case, cases.Data(case, sets))
        self.call(0)
        facts = self.contender.facts() if hasattr(self.contender, "facts") else {}
        return {"open_s": time.perf_counter() - start, "note": self.contender.note,
                "element": self.contender.element or case.element, "facts": facts}

    def call(self, number):
        self.contender.call(number)
        self.last = number

    def rows(self, case, number, path):
        """The rows of set `number` that are looked at, to a file that the parent names."""
        if number != self.last:
            self.call(number)
        np.save(path, check.take(cases.Case(**case), self.contender.result()))
        return {}

    def run(self, first, calls, warm):
        """Seconds of `calls` calls; sets take turns."""
        for i in range(warm):
            self.contender.call((first - 1 - i) % self.sets)
        order = [(first + i) % self.sets for i in range(calls)]
        call = self.contender.call
        start = time.perf_counter()
        for number in order:
            call(number)
        return {"seconds": time.perf_counter() - start}

    def close(self):
        self.contender.close()
        return {"amx_permitted": amx.permitted()}


def describe(error):
    if isinstance(error, Missing):
        return str(error)
    text = " ".join(str(error).split())
    # A compiler's whole output may stand in it.
    found = text.find("error:")
    return f"{type(error).__name__}: {text[max(found, 0):][:200]}"


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**fields):
        print(json.dumps(fields), file=answers, flush=True)

    try:
        worker = Worker(sys.argv[1], int(sys.argv[2]))
        answer(**worker.hello())
    except Exception as error:  # pylint: disable=broad-except  # whatever a library raises
        answer(error=describe(error))
        return
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer(**getattr(worker, command.pop("do"))(**command))
        except Exception as error:  # pylint: disable=broad-except
            traceback.print_exc()
            answer(error=describe(error))


if __name__ == "__main__":
    main()
