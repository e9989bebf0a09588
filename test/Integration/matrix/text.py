"""Pieces of the text of a function in the dialect `attn`."""


def type_of(sizes, element, kind="tensor"):
    return f"{kind}<{'x'.join(str(x) for x in [*sizes, element])}>"


def subscript(*names):
    """[b, p, g]; ranks that a point has not got are empty names."""
    return "[" + ", ".join(x for x in names if x) + "]"


class Function:
    """Collects arguments and lines."""

    def __init__(self):
        self.args = []
        self.lines = []

    def argument(self, name, type_):
        """Adds an argument; its name and type."""
        self.args.append(f"%{name}: {type_}")
        return type_

    def view(self, result, domain, symbols, source, access):
        """A view of `source`, a (name, type), of the keys below the length.
        `symbols`: by name, each a value with subscript and its type."""
        name, type_ = result
        types = ", ".join([source[1]] + [t for _, t in symbols.values()])
        bound = ", ".join(f"{s} = {v}" for s, (v, _) in symbols.items())
        self.lines += [
            f"  %{name} = attn.view ({', '.join(domain)})",
            f"      symbols({bound}) where (m < len)",
            f"      of %{source[0]}{access} : ({types}) -> {type_}",
        ]

    def einsum(self, result, operands, to, more="", extra=(), body=()):
        """`result`: (name, type); `operands`: (value with subscript, type), then
        in a body also (name, element type) for its parameter. `extra`: types of
        what `more` names."""
        name, type_ = result
        values = ", ".join(x[0] for x in operands)
        types = ", ".join([x[1] for x in operands] + list(extra))
        self.lines += [
            f"    %{name} = attn.einsum {values}",
            f"        -> {to} {more}".rstrip(),
            f"        : ({types}) -> {type_}{' {' if body else ''}",
        ]
        if body:
            parameters = ", ".join(f"%{x[2]}: {x[3]}" for x in operands)
            self.lines.append(f"    ^bb0({parameters}):")
            self.lines += [f"      {line}" for line in body] + ["    }"]

    def text(self, name, results, returned):
        head = f"func.func @{name}(\n    " + ",\n    ".join(self.args)
        body = "\n".join(self.lines)
        back = ", ".join(results)
        return f"{head})\n    -> ({back}) {{\n{body}\n  return {returned} : {back}\n}}\n"
