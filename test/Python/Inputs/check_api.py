"""The binding: what is in place, what is refused, and in which words."""

import pathlib
import pickle
import sys
import threading
import time

import attn_mlir
import numpy as np

TEXT = """
func.func @scaled(%x: tensor<?x?xf32>, %y: tensor<?xf32>, %by: f32) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(i, j) -> tensor<?x?xf32> {
    %z = attn.einsum %x[i, j], %y[j], %by -> [i, j]
        : (tensor<?x?xf32>, tensor<?xf32>, f32) -> tensor<?x?xf32>
    attn.yield %z : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}
"""


def refused(status, words, call, *args, **options):
    """The call must raise Error with this status and these words."""
    try:
        call(*args, **options)
    except attn_mlir.Error as error:
        assert error.status == status, error
        assert all(w in error.message for w in words), (words, error.message)
        assert str(error) == f"{error.status}: {error.message}"
        return
    raise AssertionError(f"expects an Error with {words}, but nothing was raised")


class OnlyDLPack:
    """A tensor of a framework that nobody knows."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def check_tensors():
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    t = attn_mlir.Tensor(base.transpose(1, 0, 2)[::2])
    assert t.shape == [2, 2, 4] and t.strides == [8, 12, 1] and t.dtype == "f32"
    assert t.device == (1, 0) and not t.read_only
    assert np.shares_memory(t.numpy(), base)
    assert attn_mlir.Tensor(OnlyDLPack(base)).shape == [2, 3, 4]
    assert np.shares_memory(attn_mlir.Tensor(OnlyDLPack(base)).numpy(), base)
    split = attn_mlir.Tensor(base).split(2, 2)
    assert split.shape == [2, 3, 2, 2] and split.strides == [12, 4, 2, 1]
    assert attn_mlir.Tensor(base).narrow(1, 2).numpy().tolist() == base[:, :2].tolist()
    diagonal = attn_mlir.Tensor(base).restride(23, [3], [-1]).numpy()
    assert diagonal.tolist() == [23.0, 22.0, 21.0]
    for dtype, name in (("f2", "f16"), ("f8", "f64"), ("i8", "i64"), ("u1", "u8"), ("?", "bool")):
        assert attn_mlir.Tensor(np.zeros(2, dtype)).dtype == name
    frozen = base.copy()
    frozen.flags.writeable = False
    assert attn_mlir.Tensor(frozen).read_only
    # The memory lives as long as somebody names it.
    kept = attn_mlir.Tensor(np.full(1000, 7.0)).restride(10, [5], [1]).numpy()
    assert kept.tolist() == [7.0] * 5
    bad = "invalid argument"
    refused(bad, ["expects a tensor", "got str"], attn_mlir.Tensor, "no tensor")
    refused(bad, ["axis from 0 to 2", "got 3"], attn_mlir.Tensor(base).narrow, 3, 1)
    refused(bad, ["from 0 to 3", "got 4"], attn_mlir.Tensor(base).narrow, 1, 4)
    refused(bad, ["divisor of 4", "got 3"], attn_mlir.Tensor(base).split, 2, 3)
    for wrong in ((0, [25], [1]), (-1, [1], [1]), (0, [2], [-1]), (0, [3, 2], [1]), (0, [-1], [1])):
        refused(bad, ["lead outside"], attn_mlir.Tensor(base).restride, *wrong)


def check_calls():
    compiled = attn_mlir.compile(TEXT)
    assert compiled.diagnostics == "" and compiled.origin == "compiled"
    assert attn_mlir.compile(TEXT).origin == "memory"
    context = attn_mlir.Context(threads=2)
    bundle = context.load(compiled.bundle)
    assert bundle.entries == ["scaled"]
    kernel = bundle.kernel("scaled")
    assert kernel.target == "cpu" or kernel.target.startswith("x86-64"), kernel.target
    got = [(a.dtype, a.sizes, a.scalar, a.written) for a in kernel.arguments]
    assert got == [
        ("f32", [-1, -1], False, False), ("f32", [-1], False, False),
        ("f32", [], True, False), ("f32", [-1, -1], False, True),
    ], got
    del context, bundle  # a kernel keeps what it needs
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([1, 2, 3])
    for by in (2.0, 2, np.array(2, np.float32)):
        schedule = kernel.schedule()
        schedule.update([x, y, by])
        out = np.zeros((2, 5), np.float32)
        schedule.run([OnlyDLPack(x), y, by, out[:, :3]])
        assert np.array_equal(out[:, :3], x * y * 2) and not out[:, 3:].any()
    assert schedule.result_shape(0) == [2, 3]
    assert set(schedule.stats) >= {"items", "keys_read", "workspace_bytes"}
    assert [launch["fold"] for launch in schedule.launches] == [False]
    check_refusals(kernel, schedule, x, y, compiled.bundle)


def check_refusals(kernel, schedule, x, y, bundle):
    bad, context = "invalid argument", attn_mlir.Context(threads=1)
    out = np.zeros((2, 3), np.float32)
    refused("not found", ["other"], context.load(bundle).kernel, "other")
    refused(bad, ['"cuda:N"', "tpu"], context.load(bundle).kernel, "scaled", "tpu")
    refused("corrupt", [], context.load, bundle[:-7])
    refused("corrupt", [], context.load, b"no bundle")
    refused(bad, ["4:10: error: 'attn.einsum'"], attn_mlir.compile, TEXT.replace("%y[j]", "%y[j, j]"))
    refused(bad, ["sm_80"], attn_mlir.compile, TEXT, "sm_1")
    refused(bad, ["f32", "f64"], schedule.update, [x.astype(np.float64), y, 2.0])
    refused(bad, [], schedule.update, [x, y])
    refused(bad, ["read-only"], schedule.run, [x, y, 2.0, np.broadcast_to(out[:1], (2, 3))])
    refused(bad, [], schedule.run, [x, y, 2.0, np.zeros((2, 4), np.float32)])
    refused(bad, ["host", "got 1"], schedule.update, [x, y, 2.0], host=[None])
    fresh = kernel.schedule()
    refused(bad, [], fresh.result_shape, 0)
    # What was refused left the step before.
    schedule.run([x, y, 2.0, out])
    assert np.array_equal(out, x * y * 2)
    copy = pickle.loads(pickle.dumps(attn_mlir.Error("corrupt", "text")))
    assert (copy.status, copy.message) == ("corrupt", "text")


ATTENTION = """
!x = tensor<?x?x16xELEMENT>
!s = tensor<?x?x?xf32>
!r = tensor<?x?xf32>
!o = tensor<?x?x16xf32>
func.func @attend(%q: !o, %k: !x, %v: !x) -> !o {
  %o = attn.cascade ranks(b, p, m, e, f) -> !o {
    %qk = attn.einsum %q[b, p, e], %k[b, m, e] -> [b, p, m] reduce add(e) : (!o, !x) -> !s
    %gm = attn.einsum %qk[b, p, m] -> [b, p] reduce max(m) : (!s) -> !r
    %sn = attn.einsum %qk[b, p, m], %gm[b, p] -> [b, p, m] : (!s, !r) -> !s {
    ^bb0(%a: f32, %c: f32):
      %d = arith.subf %a, %c : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, p, m] -> [b, p] reduce add(m) : (!s) -> !r
    %w = attn.einsum %sn[b, p, m], %sd[b, p] -> [b, p, m] : (!s, !r) -> !s {
    ^bb0(%a: f32, %c: f32):
      %y = arith.divf %a, %c : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %w[b, p, m], %v[b, m, f] -> [b, p, f] reduce add(m) : (!s, !x) -> !o
    attn.yield %av : !o
  }
  return %o : !o
}
"""


def attend(q, parts):
    """One row over [keys, 16] runs of keys and values."""
    k, v = (np.concatenate(x).astype(np.float64) for x in zip(*parts))
    weights = np.exp(k @ q)
    return weights @ v / weights.sum()


def check_problems():
    """Rows that read anybody's keys; states that stay, and come from elsewhere."""
    context, rng = attn_mlir.Context(threads=2), np.random.default_rng(1)
    bundle = context.load(attn_mlir.compile(ATTENTION.replace("ELEMENT", "f32")).bundle)
    kernel = bundle.kernel("attend")
    q = rng.standard_normal((2, 3, 16), np.float32) / 4
    k, v = rng.standard_normal((2, 2, 1100, 16), np.float32)
    first, second = kernel.schedule(), kernel.schedule()
    first.update([q, k, v])
    tile = first.launches[0]["cols"]
    assert tile <= 1024, tile
    # Row 0 reads keys of both requests and is kept; row 1 sees nothing.
    first.update([q, k, v], problems=[attn_mlir.Problem(
        1, 1, [[0, 0, 0, 1100], [1, 2, 0, 1100]],
        [[1, 0, tile, -1, 0], [0, tile, 1100 - tile, -1, 0]], [[0], [0]],
        keep=[0, -1])])
    first.verify()
    out = np.full((2, 3, 16), 7, np.float32)
    first.run([q, k, v, out])
    assert np.all(out[0] == 7), "a kept row has an output"
    assert np.all(out[1, 2] == 0) and np.all(out[1, :2] == 7)
    states = [first.state(0, c) for c in range(3)]
    assert [s.shape for s in states] == [(1,), (1,), (1, 16)]
    # It goes on elsewhere with what is left.
    second.update([q, k, v], problems=[attn_mlir.Problem(
        1, 1, np.int32([[0, 0, 0, 1100]]), np.int32([[1, tile, 1100 - tile, -1, 0]]), [np.int32([0])], ext=[[0]])])
    for c, state in enumerate(states):
        second.set_state(0, c, state)
    second.run([q, k, v, out])
    want = attend(q[0, 0], [(k[1], v[1]), (k[0, tile:], v[0, tile:])])
    assert np.abs(out[0, 0] - want).max() < 1e-5
    bad = "invalid argument"
    refused(bad, ["component below 3, but got 3"], second.state, 0, 3)
    refused(bad, ["states of the sizes", "1 16"], second.set_state, 0, 2, states[0])
    refused(bad, ["Problem or None", "7"], second.update, [q, k, v], problems=[7])
    refused(bad, ["rows [n, 4]", "row of 2"], attn_mlir.Problem, 1, 1, [[0, 0]], [], [])
    refused(bad, ["1 lists of readers", "got 0"], attn_mlir.Problem, 1, 1, [], [[0, 0, 1, -1, 0]], [])
    empty = attn_mlir.Problem(1, 1, [], [], [])
    second.update([q, k, v], problems=[empty])
    refused(bad, ["KV heads"], second.update, [q, k, v], problems=[attn_mlir.Problem(2, 1, [], [], [])])


def check_joined():
    """Keys in two formats, one launch."""
    context, rng = attn_mlir.Context(threads=2), np.random.default_rng(2)
    kernels = [context.load(attn_mlir.compile(ATTENTION.replace("ELEMENT", element)).bundle).kernel("attend")
               for element in ("f16", "f32")]
    joined = attn_mlir.Kernel.join(kernels)
    assert [a.dtype for a in joined.arguments] == ["f32", "f16", "f16", "f32", "f32", "f32", "f32"]
    q = rng.standard_normal((2, 3, 16), np.float32) / 4
    old = rng.standard_normal((2, 2, 90, 16), np.float32).astype(np.float16)
    new = rng.standard_normal((2, 2, 41, 16), np.float32)
    out = np.zeros((2, 3, 16), np.float32)
    schedule = joined.schedule(split=2)
    schedule.update([q, *old, q, *new])
    schedule.verify()
    schedule.run([q, *old, q, *new, out])
    for b in range(2):
        for p in range(3):
            want = attend(q[b, p], [(old[0, b], old[1, b]), (new[0, b], new[1, b])])
            assert np.abs(out[b, p] - want).max() < 1e-4
    refused("invalid argument", ["1..64 kernels", "got 0"], attn_mlir.Kernel.join, [])


def check_threads():
    """While a run computes, other threads of Python go on; one schedule is refused."""
    big = np.ones((6, 8, 1024, 64), np.float32)
    attention = attn_mlir.flex()
    attention(big, big, big)
    schedule = attention.last.schedule
    steps, done, refusals = 0, threading.Event(), []

    def compute():
        for _ in range(2):
            attention(big, big, big)
        done.set()

    worker = threading.Thread(target=compute)
    worker.start()
    while not done.is_set():
        steps += 1
        try:
            schedule.verify()
        except attn_mlir.Error as error:
            refusals.append(error.message)
        time.sleep(0.001)
    worker.join()
    assert steps > 3, f"only {steps} steps beside a run: is the lock of Python held?"
    assert refusals and all("one thread at a time" in r for r in refusals), refusals[:1]


def check_words():
    """Everything that is public says what it is, and the stubs name it."""
    stub = pathlib.Path(attn_mlir.__file__).with_name("_native.pyi").read_text(encoding="utf-8")
    for name in attn_mlir.__all__:
        thing = getattr(attn_mlir, name)
        assert thing.__doc__, f"{name} has no docstring"
        if thing.__module__ == "attn_mlir._native":
            assert f"class {name}" in stub, f"{name} is not in the stubs"
            for method in vars(thing):
                assert method.startswith("_") or f" {method}(" in stub, f"{name}.{method}"


if __name__ == "__main__":
    for check in (check_tensors, check_calls, check_problems, check_joined, check_threads, check_words):
        check()
        print(check.__name__, "done")
    sys.exit(0)
