"""The sizes that are timed: which program, on what."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    program: str
    batch: int
    queries: int  # of a request
    keys: int

    @property
    def name(self):
        return f"{self.program} b{self.batch} k{self.keys}"


TOKENS = 16384  # of a batch in prefill


def prefill(programs, lengths=(1024, 2048, 4096, 8192, 16384)):
    for program in programs:
        if program.kind == "prefill":
            for length in lengths:
                yield Case(program.name, TOKENS // length, length, length)


def decode(programs, batches=(1, 4, 16, 64, 256), lengths=(1024, 8192, 65536, 131072)):
    for program in programs:
        if program.kind == "decode":
            for batch in batches:
                for length in lengths:
                    yield Case(program.name, batch, 1, length)


def tiny(programs):
    """For a dry run: sizes that the simulator gets through, edges included."""
    for program in programs:
        if program.by_hand:
            yield Case(program.name, 2, 150, 150)
        elif program.kind == "prefill":
            yield Case(program.name, 1, 80, 80)
        else:
            yield Case(program.name, 2, 1, 150)


def flops(program, case):
    """2 products of 2 per visible pair and channel; masked pairs are no work."""
    pairs = case.queries * case.keys
    if program.causal:
        pairs = case.queries * (case.keys + 1) / 2
    return 4.0 * case.batch * program.heads * program.group * program.channels * pairs


def kv_bytes(program, case):
    """Keys and values in bf16, each once."""
    return 2 * 2 * case.batch * case.keys * program.heads * program.channels
