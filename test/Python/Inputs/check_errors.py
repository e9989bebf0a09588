"""What cannot be traced is an error that names the line; so is a call that cannot be."""

import inspect
import math
import pathlib
import sys
import types
import warnings

import attn_mlir
import numpy as np

import brute

RNG = np.random.default_rng(1)
TABLE = RNG.standard_normal(8).astype(np.float32)
SQUARE = RNG.random((4, 4)) < 0.5
IDS = RNG.integers(0, 4, 200)
STRINGS = np.array(["a", "b"])
STATE = types.SimpleNamespace(count=0)


def uses_if(b, h, q, kv):
    if q > kv:  # error
        return True
    return False


def uses_and(b, h, q, kv):
    return q >= kv and kv > 2  # error


def uses_not(b, h, q, kv):
    return not q >= kv  # error


def chains(b, h, q, kv):
    return 0 <= q - kv < 4  # error


def loops(b, h, q, kv):
    return any(q == i for i in range(kv))  # error


def calls_math(s, b, h, q, kv):
    return s + math.exp(kv)  # error


def calls_unknown(s, b, h, q, kv):
    return np.sin(s)  # error


def unknown_method(s, b, h, q, kv):
    return s.erfinv()  # error


def slices(s, b, h, q, kv):
    return s + TABLE[kv:]  # error


def too_many(s, b, h, q, kv):
    return s + TABLE[h, kv]  # error


def not_indexed(s, b, h, q, kv):
    return s + TABLE  # error


def float_index(s, b, h, q, kv):
    return s + TABLE[kv * 0.5]  # error


def outside(s, b, h, q, kv):
    return s + TABLE[8]  # error


def mixes(b, h, q, kv):
    return (q >= kv) & kv  # error


def inverts(b, h, q, kv):
    return ~q  # error


def subtracts_bools(b, h, q, kv):
    return (q >= kv) - (kv > 2)  # error


def makes_tensors(b, h, q, kv):
    return (q >= kv) & q.new_ones((2, 3), dtype=bool)  # error


def wide_constant(b, h, q, kv):
    return (q >= kv) & (q - kv < 2**31)  # error


def divides_by_zero(b, h, q, kv):
    return q // 0 == kv  # error


def float_mask(b, h, q, kv):  # error
    return q * 0.5


def strings(b, h, q, kv):
    return STRINGS[q] == STRINGS[kv]  # error


def assigns(b, h, q, kv):
    STATE.count = 1  # error
    return q >= kv


def variable_power(s, b, h, q, kv):
    return s**kv  # error


def raises(b, h, q, kv):
    raise KeyError("mine")  # error


def reduces(s, b, h, q, kv):
    return np.sum(s)  # error


def half_where(s, b, h, q, kv):
    return np.where(kv > q)  # error


def gives_nothing(b, h, q, kv):  # error
    pass


def gives_two(s, b, h, q, kv):  # error
    return s, kv


def very_deep(s, b, h, q, kv):  # error
    for i in range(5000):
        s = s + 1e-9 * kv
    return s


def wrong_count(b, h, q):  # error
    return q >= h


def calls_inner(b, h, q, kv):
    return inner(q, kv)


def inner(q, kv):
    return bool(q >= kv)  # error


MASKS = [
    uses_if, uses_and, uses_not, chains, loops, makes_tensors, mixes, inverts, subtracts_bools,
    wide_constant,
    divides_by_zero, float_mask, strings, assigns, raises, wrong_count, calls_inner,
    gives_nothing,
]
SCORES = [
    calls_math, calls_unknown, unknown_method, slices, too_many, not_indexed, float_index,
    outside, variable_power, reduces, half_where, gives_two, very_deep,
]


def line_of(function):
    """The line that says `# error`, in the function or in what it calls."""
    lines, first = inspect.getsourcelines(inner if function is calls_inner else function)
    return first + next(i for i, line in enumerate(lines) if "# error" in line)


def check_trace():
    for function in MASKS + SCORES:
        options = {"mask_mod" if function in MASKS else "score_mod": function}
        try:
            attn_mlir.flex(**options)
        except attn_mlir.TraceError as error:
            place = (error.filename, error.lineno)
            assert place == (__file__, line_of(function)), (function.__name__, str(error))
            assert f"{__file__}:{error.lineno}: " in str(error), str(error)
            print(f"{function.__name__}: {error.what}")
        else:
            raise AssertionError(f"{function.__name__} was traced")
    assert STATE.count == 0


def refused(words, call, *args, **options):
    try:
        call(*args, **options)
    except attn_mlir.Error as error:
        assert all(w in str(error) for w in words), (words, str(error))
        print(str(error))
        return
    raise AssertionError(f"expects an Error with {words}, but nothing was raised")


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def check_calls():
    q, k, v = normal(1, 4, 9, 16), normal(1, 2, 11, 16), normal(1, 2, 11, 16)
    plain = attn_mlir.flex()
    refused(["q with 4 axes", "got 3"], plain, q[0], k, v)
    refused(["q: expects a tensor", "got NoneType"], plain, None, k, v)
    refused(["v: expects a tensor", "got list"], plain, q, k, [1.0])
    refused(["out: expects a tensor", "got str"], plain, q, k, v, out="out")
    refused(["text as str", "got None"], attn_mlir.describe, None)
    refused(["targets as str", "got 5"], attn_mlir.compile, "", 5)
    refused(["one type", "f64"], plain, q.astype(float), k, v)
    refused(["one type", "f16"], plain, q, k.astype(np.float16), v)
    refused(["k [B, Hkv, M, D]"], plain, q, k[..., :8], v)
    refused(["groups of 3"], plain, q, normal(1, 3, 11, 16), normal(1, 3, 11, 16))
    refused(["out of f32", "[1, 4, 9, 16]"], plain, q, k, v, out=normal(1, 4, 9, 8))
    frozen = normal(1, 4, 9, 16)
    frozen.flags.writeable = False
    refused(["read-only"], plain, q, k, v, out=frozen)
    square = normal(1, 4, 9, 16)
    for name, given in zip("qkv", ((square, k, v), (q, square, square + 1), (q, square + 1, square))):
        refused(["memory of its own", f"overlaps {name}"], plain, *given, out=square)
    for qk, values in ((0, 8), (8, 0), (0, 0)):
        none = normal(1, 4, 9, qk), normal(1, 2, 11, qk), normal(1, 2, 11, values)
        refused([f"with channels, but got heads of {qk} and values of {values}"], plain, *none)
    refused(["stride 1"], plain, q[..., ::2], k[..., ::2], v)
    for scale in (float("nan"), math.inf, "a", "1", [1], 1j, np.ones(2), 10**400):
        refused(["finite number as scale", repr(scale)], attn_mlir.flex, scale=scale)
    assert attn_mlir.flex(scale=np.float32(0.5)).scale == 0.5
    refused(["mask_mod as a function (b, h, q_idx, kv_idx)", "got 5"], attn_mlir.flex, mask_mod=5)
    refused(["score_mod as a function", "got 'x'"], attn_mlir.flex, "x")

    short = attn_mlir.flex(lambda s, b, h, i, j: s + TABLE[i - j])  # here
    refused([f"{__file__}:", "0 to 7", "-10 to 8"], short, q, k, v)
    lookup = attn_mlir.flex(mask_mod=lambda b, h, i, j: SQUARE[IDS[i], IDS[j] + 2])
    refused([f"{__file__}:", "0 to 3", "axis 1"], lookup, q, k, v)

    def by_distance(s, b, h, i, j):
        return s + TABLE[abs(i - j) % 8]

    # An index that varies with both positions is read point by point.
    assert np.isfinite(attn_mlir.flex(by_distance)(q, k, v)).all()

    class Lawless(attn_mlir.Flex):
        """Weights that no law leads from tile to tile."""

        def cascade(self, shape):
            made = super().cascade(shape)
            made.text = made.text.replace("math.exp %d", "math.sin %d")
            return made

    refused(["unavailable", "one pass", "b * g * p * m * 8 bytes"], Lawless(), q, k, v)
    # Expressions that stand in many places are looked at once, not 2**40 times.
    def doubled(s, b, h, i, j):
        for _ in range(40):
            s = (s + s) * 0.5
        return s

    def counted(b, h, i, j):
        return sum((j == n) for n in range(40)) > 0

    same = attn_mlir.flex(doubled, counted)(q, k, v)
    assert brute.worst_row(same, plain(q, k, v).astype(float)) <= 2e-5
    # Two indices, each of which varies along one side, are no trouble.
    nested = attn_mlir.flex(mask_mod=lambda b, h, i, j: SQUARE[IDS[i], IDS[j]])
    assert np.isfinite(nested(q, k, v)).all()


def check_integers():
    """Integers that leave 32 bits are an error, not another number."""
    q, k, v = normal(1, 2, 16, 16), normal(1, 2, 16, 16), normal(1, 2, 16, 16)
    window = np.array([4, np.iinfo(np.int64).max])
    far = np.array(10**10)
    stamps = 1_700_000_000_000 + 60_000 * np.arange(16)
    cells = np.arange(16, dtype=np.int32) * 2**27

    def of_tensor(b, h, i, j):
        return (i >= j) & (i - j < window[h])

    def of_ids(s, b, h, i, j):
        return s + np.where(stamps[i] == stamps[j] + 0 * h, 1.0, 0.0)

    limits = ["-2147483648 to 2147483647"]
    refused(
        [f"{__file__}:{line_in(of_tensor, 1)}", "tensor window [2] of int64",
         "got 9223372036854775807", *limits],
        attn_mlir.flex(mask_mod=of_tensor), q, k, v,
    )
    refused(["captured tensor stamps", "got 1700000900000"], attn_mlir.flex(of_ids), q, k, v)
    for mask in (
        lambda b, h, i, j: stamps[j] - stamps[i] <= 0,
        lambda b, h, i, j: j < far,
        lambda b, h, i, j: np.minimum(stamps[i], stamps[j]) == stamps[j],
        lambda b, h, i, j: stamps[i] <= stamps[0],  # of queries alone: a set
        lambda b, h, i, j: j + cells[j] + cells[15] > i,  # of 32 bits, but not its sum
        lambda b, h, i, j: j - i < 2**31 - 1,  # no node leaves, but the bound i + 2**31 - 1
        lambda b, h, i, j: i * 2**28 >= j * 2**28,
    ):
        refused([__file__, *limits], attn_mlir.flex(mask_mod=mask), q, k, v)
    # Only what is read counts, and values that fit work up to the last one.
    window[1] = 2**31 - 1
    same = attn_mlir.flex(mask_mod=lambda b, h, i, j: i >= j)(q, k, v)[:, 1]
    assert np.array_equal(attn_mlir.flex(mask_mod=of_tensor)(q, k, v)[:, 1], same)
    one = attn_mlir.flex(mask_mod=lambda b, h, i, j: (i >= j) & (i - j < window[0]))
    window[1] = 2**40
    assert np.isfinite(one(q, k, v)).all()
    # Two captured tensors are compared in all of their bits, but not in a set.
    for mask in (
        lambda b, h, i, j: stamps[j] <= stamps[i],
        lambda b, h, i, j: (stamps[i] == stamps[j]) | (j > 3),
        lambda b, h, i, j: (i >= j) & (stamps[abs(i - j)] != stamps[j]),
    ):
        error = brute.worst_row(attn_mlir.flex(mask_mod=mask)(q, k, v), brute.attention(q, k, v, mask))
        assert error <= 2e-5, error
    # As floats, and as a factor of a score, numbers may be large.
    for score in (
        lambda s, b, h, i, j: s + 10**12 * (1e-12 * j),
        lambda s, b, h, i, j: s + (i - j) * 1.0 * 2**33 / 2**33,
    ):
        error = brute.worst_row(attn_mlir.flex(score)(q, k, v), brute.attention(q, k, v, None, score))
        assert error <= 2e-5, error


def check_hashes():
    """What people compute with integers over 100,000 keys: the line, the range, the ways out."""
    q, k = normal(1, 1, 4, 16), normal(1, 1, 100_000, 16)
    for mask, step in (
        (lambda b, h, i, j: (i * 2654435761 + j) % 1000 < 500, "got 2654435761: 2654435761.0"),
        (lambda b, h, i, j: (i * 40503 + j * 65521) % 1000 < 500, "a * b can be 0 to 6552034479"),
        (lambda b, h, i, j: j * 65536 // 65536 == j, "a * b can be 0 to 6553534464"),
        (lambda b, h, i, j: (j << 16) + i > 0, "a * b can be 0 to 6553534464"),
        (lambda b, h, i, j: (i - j) ** 2 < 10**9, "a * b can be 0 to 9999800001"),
    ):
        place = f"{__file__}:{mask.__code__.co_firstlineno}: "
        refused(
            [place, step, "float", "a captured tensor, as hashes[kv_idx]"],
            lambda mask=mask: attn_mlir.flex(mask_mod=mask)(q, k, k),
        )
    # The way out that the message names.
    hashes = (np.arange(100_000) * 2654435761 % 1000).astype(np.int32)

    def hashed(b, h, i, j):
        return (hashes[i] + j) % 1000 < 500

    got = attn_mlir.flex(mask_mod=hashed)(q, k, k)
    assert brute.worst_row(got, brute.attention(q, k, k, hashed)) <= 2e-5


def check_divisors():
    """0 divides nothing: what would be computed is any number."""
    q, k, v = normal(2, 2, 9, 16), normal(2, 2, 12, 16), normal(2, 2, 12, 16)
    blocks, steps, zero = np.array([4, 0]), np.arange(12) - 5, np.array(0)

    def of_tensor(b, h, i, j):
        return i // blocks[b] == j // blocks[b]

    refused(
        [f"{__file__}:{line_in(of_tensor, 1)}", "other than 0 of //", "tensor blocks [2] of int64 holds 0"],
        attn_mlir.flex(mask_mod=of_tensor), q, k, v,
    )
    for mask in (
        lambda b, h, i, j: i % zero == 0,
        lambda b, h, i, j: j % i == 0,
        lambda b, h, i, j: i % (j - 5) == 0,
        lambda b, h, i, j: i % (2 * j - 6) == 0,
        lambda b, h, i, j: i // steps[j] > 0,
    ):
        refused([__file__, "other than 0", "kv 0 to 11"], attn_mlir.flex(mask_mod=mask), q, k, v)
    # What is not 0 where it is read is a divisor.
    for mask in (
        lambda b, h, i, j: i // blocks[0] == j // blocks[0],
        lambda b, h, i, j: i % (2 * j - 5) <= 2,
        lambda b, h, i, j: i % steps[j // 3] <= 0,
        lambda b, h, i, j: i % np.where(steps[j] == 0, 3, steps[j]) <= 1,
        lambda b, h, i, j: i % (np.maximum(steps[j], 0) + 1) <= 1,
    ):
        error = brute.worst_row(attn_mlir.flex(mask_mod=mask)(q, k, v), brute.attention(q, k, v, mask))
        assert error <= 2e-5, error


def line_in(function, after):
    return inspect.getsourcelines(function)[1] + after


def check_many_keys():
    """(i - j)**2 leaves 32 bits at 46342 keys, its float does not."""
    q, k, v = normal(1, 1, 2, 16), normal(1, 1, 46342, 16), normal(1, 1, 46342, 16)

    def squared(s, b, h, i, j):
        return s - ((i - j) ** 2) / 4e8

    def of_floats(s, b, h, i, j):
        return s - (((i - j) * 1.0) ** 2) / 4e8

    def product(b, h, i, j):
        return (i + 1) * j * j % 5 < 3

    refused(
        [f"{__file__}:{line_in(squared, 1)}", "a * b can be 0 to 2147488281", "kv 0 to 46341",
         "convert to float"],
        attn_mlir.flex(squared), q, k, v,
    )
    refused(["a * b can be 0 to 4294", "kv 0 to 46341"], attn_mlir.flex(mask_mod=product), q, k, v)
    want = brute.attention(q, k, v, None, of_floats)
    assert brute.worst_row(attn_mlir.flex(of_floats)(q, k, v), want) <= 2e-5
    fewer = k[:, :, :46341], v[:, :, :46341]
    want = brute.attention(q, *fewer, None, squared)
    assert brute.worst_row(attn_mlir.flex(squared)(q, *fewer), want) <= 2e-5


def check_warnings():
    """A program that holds all scores is compiled, and says so."""
    entropy = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = attn_mlir.compile(entropy, entry="entropy")
        attn_mlir.compile(entropy, entry="entropy_one_pass")
    texts = [str(w.message) for w in caught]
    assert len(texts) == 3 and all(w.category is attn_mlir.CompileWarning for w in caught), texts
    assert all("held in memory as a whole: p * m * 64 bytes" in t for t in texts), texts
    assert caught[0].filename == __file__ and "\n".join(texts) == made.diagnostics.strip()


def check_effects():
    """The user's objects are theirs, and values of captured tensors are those of a call."""
    end = np.array([3])
    attention = attn_mlir.flex(mask_mod=lambda b, h, i, j: j < end[0])
    q, k, v = normal(1, 1, 5, 8), normal(1, 1, 9, 8), normal(1, 1, 9, 8)
    three = attention(q, k, v).copy()
    end[0] = 9
    nine = attention(q, k, v)
    assert np.abs(three - nine).max() > 0.01
    assert np.allclose(nine, attn_mlir.flex()(q, k, v), atol=1e-6)
    # Empty batches, rows and keys.
    assert attention(q[:, :, :0], k, v).shape == (1, 1, 0, 8)
    assert not attention(q, k[:, :, :0], v[:, :, :0]).any()


if __name__ == "__main__":
    check_trace()
    check_calls()
    check_integers()
    check_hashes()
    check_divisors()
    check_many_keys()
    check_warnings()
    check_effects()
    print("all errors name their place")
