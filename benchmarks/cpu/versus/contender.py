"""What every contender is: one way to compute attention, in a process of its own."""


class Missing(Exception):
    """Why a contender cannot run a case."""


class Contender:
    """Made once with a number of threads; then cases, one after another:

    open(case, data)   everything that a caller does once: layouts, plans, compiling
    call(number)       one attention on set `number`: this is timed
    result()           of the last call, f32 [B, N, Hq, D]
    close()            frees the case
    """

    element = None  # of the operands if it is not that of the case
    note = ""  # what differs from the case, for the report

    def __init__(self, threads):
        self.threads = threads

    def versions(self):
        return {}

    def open(self, case, data):
        raise NotImplementedError

    def call(self, number):
        raise NotImplementedError

    def result(self):
        raise NotImplementedError

    def close(self):
        for name in list(vars(self)):
            if name not in ("threads", "keep"):
                delattr(self, name)
