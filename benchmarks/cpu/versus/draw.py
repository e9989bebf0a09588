"""Plots as SVG with nothing but strings: roofline, speed over length, decode over batch."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT = 420, 260, 56, 30, 8
COLOURS = {"attn_mlir": "#d03c3c", "SDPA": "#4878a8", "FlexAttention": "#6a9a52", "FlexAttention 128": "#a8c890",
           "ONNX Runtime": "#8a6fb0", "OpenVINO": "#d09a3c", "vLLM": "#50a8a8"}


def short(value):
    if value >= 1024 and value % 1024 == 0:
        return f"{value // 1024}k"
    return f"{value:g}"


class Panel:
    """Axes with logarithmic x, and linear or logarithmic y."""

    def __init__(self, title, x_name, y_name, xs, ys, at, log_y=False):
        self.x0, self.x1 = min(xs), max(max(xs), min(xs) * 1.01)
        self.log_y = log_y
        self.y0, self.y1 = (min(ys) / 1.5 if log_y else 0.0), max(ys) * (1.5 if log_y else 1.08)
        self.left, self.top = at[0] + LEFT, at[1] + TOP
        self.lines = [f'<text x="{self.left}" y="{self.top - 10}" font-weight="bold">{escape(title)}</text>',
                      f'<text x="{self.left + WIDTH / 2}" y="{self.top + HEIGHT + 34}" text-anchor="middle">'
                      f"{escape(x_name)}</text>",
                      f'<text transform="translate({self.left - 42},{self.top + HEIGHT / 2}) rotate(-90)" '
                      f'text-anchor="middle">{escape(y_name)}</text>',
                      f'<rect x="{self.left}" y="{self.top}" width="{WIDTH}" height="{HEIGHT}" fill="none" '
                      'stroke="#999"/>']

    def place(self, x, y):
        across = math.log(x / self.x0) / math.log(self.x1 / self.x0)
        if self.log_y:
            up = math.log(max(y, self.y0) / self.y0) / math.log(self.y1 / self.y0)
        else:
            up = y / self.y1
        return self.left + across * WIDTH, self.top + (1 - up) * HEIGHT

    def ticks(self, xs, ys):
        for x in xs:
            at = self.place(x, self.y1)[0]
            self.lines.append(f'<text x="{at:.1f}" y="{self.top + HEIGHT + 15}" text-anchor="middle">{short(x)}</text>')
        for y in ys:
            if self.y0 <= y <= self.y1:
                at = self.place(self.x0, y)[1]
                self.lines.append(f'<text x="{self.left - 5}" y="{at + 4:.1f}" text-anchor="end">{short(y)}</text>'
                                  f'<line x1="{self.left}" x2="{self.left + WIDTH}" y1="{at:.1f}" y2="{at:.1f}" '
                                  'stroke="#eee"/>')

    def line(self, points, colour, dash=""):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.place(*p) for p in sorted(points)))
        more = f' stroke-dasharray="{dash}"' if dash else ""
        self.lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{more}/>')

    def dots(self, points, colour, title=""):
        for x, y in points:
            px, py = self.place(x, y)
            self.lines.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.2" fill="{colour}"><title>'
                              f"{escape(title)}</title></circle>")


def steps(top, log=False):
    """Round values of an axis."""
    if log:
        return [f * 10.0**e for e in range(-3, 7) for f in (1, 2, 5)]
    size = 10.0 ** math.floor(math.log10(max(top, 1e-9)))
    size = next(size * f for f in (0.2, 0.5, 1, 2) if top / (size * f) <= 6)
    return [round(size * i, 6) for i in range(1, 9)]


def page(result, panels, columns):
    """Panels side by side, with a legend below the head."""
    step_x, step_y = WIDTH + LEFT + RIGHT + 16, HEIGHT + TOP + 52
    rows = -(-len(panels) // columns)
    width, height = columns * step_x + 8, 54 + rows * step_y
    names = [name for name in result["contenders"] if any(name in row["entries"] for row in result["rows"])]
    width = max(width, 122 * len(names) + 16)
    body = [f'<text x="10" y="18">{escape(result["hardware"]["cpu"])}, {result["threads"]} threads, '
            f'{result["date"]}, commit {escape(result["commit"])}</text>']
    for number, name in enumerate(names):
        x = 10 + number * 122
        body.append(f'<circle cx="{x + 4}" cy="36" r="4" fill="{COLOURS[name]}"/>'
                    f'<text x="{x + 12}" y="40">{escape(name)}</text>')
    for number, make in enumerate(panels):
        body += make((4 + number % columns * step_x, 50 + number // columns * step_y)).lines
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                      'font-family="sans-serif" font-size="11">',
                      '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>", ""])


def curves(title, x_name, unit, rows, key):
    """A panel of rates over `key` of a row, a line per contender, and the ceiling."""
    series = {}
    for row in rows:
        for name, entry in row["entries"].items():
            series.setdefault(name, []).append((row[key], entry["rate"]))
    xs = sorted({row[key] for row in rows})
    ceiling = max(row["ceiling"] for row in rows)
    values = [y for points in series.values() for _, y in points]

    def make(at):
        panel = Panel(title, x_name, unit, xs, [*values, ceiling or 1], at)
        panel.ticks(xs, steps(panel.y1))
        panel.line([(panel.x0, ceiling), (panel.x1, ceiling)], "#555", "5 4")
        for name, points in series.items():
            panel.line(points, COLOURS[name])
            panel.dots(points, COLOURS[name], name)
        return panel

    return make


def lengths(result):
    groups = {}
    for row in result["rows"]:
        if row["kind"] == "prefill" and row["entries"]:
            mask = "window" if row["window"] else "causal" if row["causal"] else "full"
            groups.setdefault((row["element"], row["channels"], mask), []).append(row)
    return [curves(f"{mask}, {element}, head size {channels}", "keys", "GFLOP/s", rows, "keys")
            for (element, channels, mask), rows in sorted(groups.items()) if len(rows) > 1]


def batches(result):
    groups = {}
    for row in result["rows"]:
        if row["kind"] == "decode" and row["entries"]:
            groups.setdefault(row["keys"], []).append(row)
    return [curves(f"decode, bf16, pages of {rows[0]['page']}, {keys} keys", "requests", "GB/s", rows, "batch")
            for keys, rows in sorted(groups.items()) if len(rows) > 1]


def roofline(result):
    """GFLOP/s over flops per byte that must be moved."""
    panels = []
    for element in ("bf16", "f32"):
        rows = [row for row in result["rows"] if row["element"] == element and row["entries"]]
        top, read = result["ceilings"][element], result["ceilings"]["read"]
        if not rows or not top or not read:
            continue
        intensity = {row["case"]: row["flops"] / row["all_bytes"] for row in rows}
        xs = [min(*intensity.values(), top / read) / 2, max(*intensity.values(), top / read) * 2]
        ys = [entry["gflops"] for row in rows for entry in row["entries"].values()]

        def make(at, rows=rows, xs=xs, ys=ys, top=top, read=read, intensity=intensity, element=element):
            panel = Panel(f"roofline, {element}", "flops per byte", "GFLOP/s", xs, [*ys, top, xs[0] * read], at, True)
            panel.ticks([10.0**e for e in range(-1, 6) if xs[0] <= 10.0**e <= xs[1]], steps(0, True))
            panel.line([(xs[0], xs[0] * read), (top / read, top), (xs[1], top)], "#555", "5 4")
            for row in rows:
                for name, entry in row["entries"].items():
                    panel.dots([(intensity[row["case"]], entry["gflops"])], COLOURS[name], f"{name}: {row['case']}")
            return panel

        panels.append(make)
    return panels


def all_plots(result):
    """{kind: text of an SVG}; kinds without a point are left out."""
    plots = {"roofline": (roofline(result), 2), "length": (lengths(result), 2), "batch": (batches(result), 2)}
    return {kind: page(result, panels, min(columns, len(panels)))
            for kind, (panels, columns) in plots.items() if panels}
