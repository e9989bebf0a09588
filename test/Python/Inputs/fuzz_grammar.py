"""Random functions as people write them for FlexAttention, as text of Python.

Only what is exact in f32 is compared: every float that decides something is a multiple
of its `step`, with fewer than 23 bits. Integers stay far inside of 32 bits, indices
inside of their tensors, and no divisor is 0, so that every function is one that flex()
takes: what it refuses is a defect of it or of this grammar.
"""

import re

import numpy as np

FAR = 2**20  # most of an integer
EXACT = 2**22  # most steps of a float that is compared
# Axes by which tensors are captured.
AXES = ("", "b", "h", "q", "k", "bq", "bk", "hq", "hk", "bh", "qk", "hqk", "bqk", "bhk")
INTEGERS = (np.int8, np.int16, np.int32, np.int64)
FLOATS = (np.float16, np.float32, np.float64)


class Grammar:
    """Draws expressions of one function. `tensors`: what it captures, by name.

    An integer is (text, least, largest); a float (text, bound, step), where step is 0
    if it is not exact; a bool is text.
    """

    def __init__(self, rng, batch, heads, longest):
        self.rng = rng
        self.extent = {"b": batch, "h": heads, "q": longest, "k": longest}
        self.longest = longest
        self.tensors = {}

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def chance(self, of):
        return self.rng.random() < of

    # Captured tensors

    def _layout(self, array):
        """The same values with other strides."""
        way = self.rng.integers(5) if array.ndim else 0
        if way == 1:
            return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
        if way == 2:
            return np.stack([array, array], -1)[..., 0]
        if way == 3:
            return np.asfortranarray(array)
        return array

    def _capture(self, kind, make, sizes):
        name = f"{kind}{len(self.tensors)}"
        self.tensors[name] = self._layout(np.asarray(make(sizes)))
        return name

    def _indices(self, axes, depth):
        """(sizes, indices): mostly the coordinates, at times what is computed of them."""
        sizes, indices = [], []
        for axis in axes:
            way = self.rng.integers(12) if depth else 0
            size = self.extent[axis]
            if way == 1:  # a computed index
                size = int(self.rng.integers(1, 9))
                text, _, _ = self.integer(depth - 1)
                indices.append(self.pick(
                    f"{text} % {size}", f"abs({text}) % {size}", f"np.clip({text}, 0, {size - 1})"
                ))
            elif way == 2:  # a distance
                size = 2 * self.longest
                indices.append(self.pick("q - k", "k - q") + f" + {self.longest}")
            elif way == 3:
                indices.append(f"{axis} // {self.rng.integers(1, 5)}")
            elif way == 4:
                indices.append(self.pick("0", "-1", str(size - 1)))
            else:
                indices.append(axis)
            sizes.append(size)
        return sizes, indices

    def _read(self, kind, make, depth):
        sizes, indices = self._indices(self.pick(*AXES), depth)
        name = self._capture(kind, make, sizes)
        if not sizes:
            return name
        if len(sizes) > 1 and self.chance(0.1):  # in steps
            return name + "".join(f"[{i}]" for i in indices)
        return f"{name}[{', '.join(indices)}]"

    def captured_integer(self, depth, low=None, high=None):
        dtype = self.pick(*INTEGERS)
        if low is None:
            low, high = self.pick((0, 3), (0, self.longest), (-2, 5), (-self.longest, 9), (1, 6))
        low, high = max(low, int(np.iinfo(dtype).min)), min(high, int(np.iinfo(dtype).max))
        text = self._read("i", lambda sizes: self.rng.integers(low, high + 1, sizes).astype(dtype), depth)
        return text, low, high

    def converted_integer(self, depth):
        """A captured tensor whose elements its library converts, wrapping or truncating."""
        if self.chance(0.5):
            dtype, to, (low, high) = self.pick(*INTEGERS[1:]), "int8", (-128, 127)
            make = lambda sizes: self.rng.integers(-300, 301, sizes).astype(dtype)
        else:
            dtype, to, (low, high) = self.pick(*FLOATS), self.pick("int32", "int64"), (-10, 10)
            make = lambda sizes: (self.rng.integers(-40, 41, sizes) / 4).astype(dtype)
        return _converted(self._read("c", make, depth), to), low, high

    def converted_float(self, depth):
        dtype, to = self.pick(*INTEGERS[1:]), self.pick("float16", "float32", "float64")
        text = self._read("c", lambda sizes: self.rng.integers(-4000, 4001, sizes).astype(dtype), depth)
        return _converted(text, to), 4000.0, 1.0

    def captured_float(self, depth):
        dtype = self.pick(*FLOATS)
        text = self._read("f", lambda sizes: (self.rng.integers(-16, 17, sizes) / 4).astype(dtype), depth)
        return text, 4.0, 0.25

    def captured_bool(self, depth):
        share = self.pick(0.2, 0.5, 0.8)
        return self._read("t", lambda sizes: self.rng.random(sizes) < share, depth)

    # Integers

    def integer(self, depth):
        """(text, least, largest)."""
        if depth <= 0 or self.chance(0.25):
            far = self.longest
            return self.pick(
                ("q", 0, far), ("k", 0, far), ("q", 0, far), ("k", 0, far),
                ("b", 0, self.extent["b"]), ("h", 0, self.extent["h"]),
                *((str(n), n, n) for n in (int(self.rng.integers(1, far + 1)),)),
                self.captured_integer(0),
            )
        made = getattr(self, "_integer_" + self.pick(*INTEGER_WAYS))(depth - 1)
        return made if -FAR < made[1] <= made[2] < FAR else self.integer(depth - 1)

    def _integer_sum(self, depth):
        (a, p, r), (b, s, t) = self.integer(depth), self.integer(depth)
        return self.pick((f"({a} + {b})", p + s, r + t), (f"({a} - {b})", p - t, r - s))

    def _integer_product(self, depth):
        (a, p, r), (b, s, t) = self.integer(depth), self.integer(depth)
        ends = (p * s, p * t, r * s, r * t)
        return f"{a} * {b}", min(ends), max(ends)

    def _integer_scaled(self, depth):
        a, low, high = self.integer(depth)
        n = int(self.rng.integers(-4, 8))
        return self.pick(
            (f"{n} * {a}", *sorted((n * low, n * high))), (f"({a} << 1)", 2 * low, 2 * high),
            (f"({a} >> 1)", low >> 1, high >> 1), (f"(-{a})", -high, -low),
            (f"({a})**2", 0, max(low * low, high * high)),
        )

    def _integer_divided(self, depth):
        a, low, high = self.integer(depth)
        n = self.pick(-5, -3, -1, 1, 2, 3, 4, 7, 16)
        most = max(abs(low), abs(high)) + 1
        return self.pick((f"({a} // {n})", -most, most), (f"({a} % {n})", -abs(n), abs(n)))

    def _integer_divided_by_data(self, depth):
        a, low, high = self.integer(depth)
        most = max(abs(low), abs(high)) + 1
        by, _, largest = self.pick(
            self.captured_integer(0, 1, 6), (f"(np.maximum({self.integer(depth)[0]}, 0) + 1)", 1, FAR)
        )
        return self.pick((f"({a} // {by})", -most, most), (f"({a} % {by})", -1, max(largest, 1)))

    def _integer_least(self, depth):
        (a, p, r), (b, s, t) = self.integer(depth), self.integer(depth)
        return self.pick(
            (f"np.minimum({a}, {b})", min(p, s), min(r, t)),
            (f"np.maximum({a}, {b})", max(p, s), max(r, t)),
        )

    def _integer_abs(self, depth):
        a, low, high = self.integer(depth)
        return f"{self.pick('abs', 'np.abs')}({a})", 0, max(abs(low), abs(high))

    def _integer_clipped(self, depth):
        a, _, _ = self.integer(depth)
        low, high = sorted(int(n) for n in self.rng.integers(-5, self.longest, 2))
        return f"np.clip({a}, {low}, {high})", low, high

    def _integer_where(self, depth):
        (a, p, r), (b, s, t) = self.integer(depth), self.integer(depth)
        return f"np.where({self.boolean(depth)}, {a}, {b})", min(p, s), max(r, t)

    def _integer_of_bool(self, depth):
        cast = re.sub(r"^t\d+", r"\g<0>.astype(np.int64)", self.captured_bool(depth))
        return self.pick(cast, f"(({self.boolean(depth)}) * 1)", f"(1 - ({self.boolean(depth)}))"), 0, 1

    def _integer_captured(self, depth):
        return self.captured_integer(depth)

    def _integer_converted(self, depth):
        a, low, high = self.integer(depth)
        if not has_names(a) or self.chance(0.5):
            return self.converted_integer(depth)
        return self.pick(
            (f"np.clip({a}, -99, 99).astype(np.int8)", -99, 99), (f"({a}).astype(np.int32)", low, high)
        )

    def _integer_of_float(self, depth):
        a, bound, _ = self.exact(depth)
        if not has_names(a):
            return self.converted_integer(depth)
        return f"({a}).astype(np.{self.pick('int32', 'int64')})", -int(bound), int(bound)

    # Bools

    def boolean(self, depth):
        if depth <= 0 or self.chance(0.3):
            return self.pick(
                lambda: self._compared(depth), lambda: self._compared(depth),
                lambda: self._compared(depth), lambda: self.captured_bool(depth),
                lambda: self._equal_data(depth), lambda: f"(q {self.pick('>=', '>', '<', '<=')} k)",
            )()
        a, b = self.boolean(depth - 1), self.boolean(depth - 1)
        return self.pick(
            f"({a} & {b})", f"({a} & {b})", f"({a} | {b})", f"({a} | {b})", f"(~{a})", f"(~{a})",
            f"({a} ^ {b})", f"np.where({a}, {b}, {self.boolean(depth - 1)})",
            f"np.logical_or({a}, {b})", f"np.logical_not({a})", f"({a} == {b})", f"({a} != {b})",
            f"(({a} + {b}) == 1)", f"({a} * {b})",
        )

    def _compared(self, depth):
        sign = self.pick("<", "<=", ">", ">=", "==", "!=")
        if self.chance(0.25):
            a, b = self.exact(depth - 1), self.exact(depth - 1)
        else:
            a, b = self.integer(depth), self.integer(max(depth - 1, 0))
        if not has_names(a[0] + b[0]):
            return f"(q {sign} k)"  # ~ of Python's True is a number
        return f"({a[0]} {sign} {b[0]})"

    def _equal_data(self, depth):
        """Of one tensor at two places, as document ids are."""
        dtype, values = self.pick(*INTEGERS), int(self.rng.integers(2, 5))
        axes = self.pick("", "b", "h")
        sizes = [self.extent[a] for a in axes] + [self.longest]
        name = self._capture("d", lambda _: np.sort(self.rng.integers(0, values, sizes)).astype(dtype), sizes)
        head = "".join(f"{a}, " for a in axes)
        sign = self.pick("==", "==", "!=", "<=")
        return f"({name}[{head}q] {sign} {name}[{head}k])"

    # Floats

    def exact(self, depth):
        """A float that may be compared: (text, bound, step)."""
        if depth <= 0 or self.chance(0.3):
            n, low, high = self.integer(0)
            return self.pick(
                self.captured_float(0), (f"{n} * 0.5", max(abs(low), abs(high)) / 2, 0.5),
                (f"{self.rng.integers(-8, 9) / 4}", 2.0, 0.25),
            )
        made = getattr(self, "_exact_" + self.pick(*EXACT_WAYS))(depth - 1)
        return made if made[1] <= EXACT * made[2] else self.exact(depth - 1)

    def _exact_sum(self, depth):
        (a, p, s), (b, r, t) = self.exact(depth), self.exact(depth)
        return f"({a} {self.pick('+', '-')} {b})", p + r, min(s, t)

    def _exact_product(self, depth):
        (a, p, s), (b, r, t) = self.exact(depth), self.exact(depth)
        return f"({a}) * ({b})", p * r, s * t

    def _exact_least(self, depth):
        (a, p, s), (b, r, t) = self.exact(depth), self.exact(depth)
        return f"np.{self.pick('minimum', 'maximum')}({a}, {b})", max(p, r), min(s, t)

    def _exact_abs(self, depth):
        a, p, s = self.exact(depth)
        return f"abs({a})", p, s

    def _exact_floor(self, depth):
        a, p, s = self.exact(depth)
        n = self.pick(0.5, 2.0, 4.0)
        return self.pick(
            (f"(({a}) // {n})", p / n + 1, 1.0), (f"(({a}) % {n})", n, min(s, n)),
            (f"np.floor({a})", p + 1, 1.0),
        )

    def _exact_where(self, depth):
        (a, p, s), (b, r, t) = self.exact(depth), self.exact(depth)
        return f"np.where({self.boolean(depth)}, {a}, {b})", max(p, r), min(s, t)

    def _exact_of_integer(self, depth):
        a, low, high = self.integer(depth)
        most = max(abs(low), abs(high))
        if has_names(a) and self.chance(0.5):
            return f"({a}).astype(np.{self.pick('float32', 'float64')})", most, 1.0
        return f"({a} * 0.25)", most / 4, 0.25

    def _exact_converted(self, depth):
        return self.converted_float(depth)

    def real(self, depth):
        """A float for scores: (text, bound), at most 8."""
        if depth <= 0:
            text, bound, _ = self.exact(0)
        else:
            (a, p), (b, r) = self.real(depth - 1), self.real(depth - 1)
            text, bound = self.pick(
                (f"({a} + {b})", p + r), (f"({a} - {b})", p + r), (f"({a}) * ({b})", p * r),
                (f"np.exp(-abs({a}))", 1), (f"np.tanh({a})", 1), (f"np.sqrt(abs({a}))", p + 1),
                (f"np.log(1.0 + abs({a}))", p), (f"2.0 ** (-abs({a}))", 1),
                (f"np.where({self.boolean(depth - 1)}, {a}, {b})", max(p, r)),
                (f"({a}) / 3.0", p / 3), (f"({a}) / (1.0 + abs({b}))", p),
                self.exact(depth)[:2], self.captured_float(depth)[:2],
            )
        if bound > 8:
            scale = 2.0 ** -np.ceil(np.log2(bound / 8))
            return f"{scale} * ({text})", 8.0
        return text, bound

    def score(self, depth):
        """What contains the score `s`: (text, bound), at most 32."""
        if depth <= 0:
            return "s", 8.0
        a, p = self.score(depth - 1)
        b, r = self.real(depth - 1)
        text, bound = self.pick(
            (f"({a} + {b})", p + r), (f"({a} - {b})", p + r), (f"({b} - {a})", p + r),
            (f"({a}) * ({b})", p * r), (f"4.0 * np.tanh(({a}) / 4.0)", 4), (f"np.clip({a}, -3.0, 2.5)", 3),
            (f"np.maximum({a}, {b})", max(p, r)), (f"abs({a})", p), (f"0.1 * ({a})**2", p * p / 10),
            (f"np.where({self.boolean(depth - 1)}, {a}, {b})", max(p, r)),
            (f"np.where({self.boolean(depth - 1)}, {a}, {self.score(depth - 1)[0]})", 32),
            (f"({a}) / np.sqrt(1.0 + {self.integer(1)[0]} % 7)", p), (f"(-{a})", p),
        )
        if bound > 32:
            return f"np.clip({text}, -32.0, 32.0)", 32.0
        return text, bound

    def masked_score(self, depth):
        """Text of a score, some of it -inf."""
        text, _ = self.score(depth)
        hole = self.boolean(depth - 1)
        return self.pick(
            text, text, text, f"np.where({hole}, {text}, -np.inf)",
            f"np.where({hole}, -float('inf'), {text})",
            f"({text}) + np.where({hole}, -np.inf, {self.real(1)[0]})",
            f"2.0 * np.where({hole}, {text}, -np.inf) - 0.5", f"({text}) + {self._holes(depth)}",
        )

    def _holes(self, depth):
        def make(sizes):
            return np.where(self.rng.random(sizes) < 0.4, -np.inf, 0.25).astype(np.float32)

        return self._read("z", make, depth)


def has_names(text):
    """Whether it is an expression, and no number of Python's own."""
    return re.search(r"[bhqk]\b|[a-z]\d", text) is not None


def _converted(text, to):
    """Text that reads a tensor, with the tensor converted before."""
    return re.sub(r"^\w+", rf"\g<0>.astype(np.{to})", text)


INTEGER_WAYS = (
    "sum", "sum", "product", "scaled", "divided", "divided_by_data", "least", "abs", "clipped",
    "where", "of_bool", "captured", "converted", "of_float",
)
EXACT_WAYS = ("sum", "product", "least", "abs", "floor", "where", "of_integer", "converted")
