"""A plot of the rows of a result as SVG, with nothing but strings."""

from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, STEP = 860, 330, 380, 22
COLOURS = ("#4878a8", "#d07a3c", "#6a9a52", "#8a8a8a")


def panel(title, bars, limit, top):
    """Lines of one panel of (label, value, text, colour), and where it ends."""
    lines = [f'<text x="10" y="{top + 16}" font-weight="bold">{escape(title)}</text>']
    y = top + 28
    for label, value, text, colour in bars:
        size = BAR * min(value / limit, 1) if limit else 0
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{y + 2}" width="{size:.1f}" height="{STEP - 6}" '
            f'fill="{colour}"/>',
            f'<text x="{LABEL + size + 6:.1f}" y="{y + 13}">{escape(text)}</text>',
        ]
        y += STEP
    return lines, y + 10


def draw(result):
    """The SVG text of a result of run.py."""
    latency, speeds = [], []
    for row in result["rows"]:
        text = f"{row['median']:.4g} {row['unit']}"
        if row["unit"] == "ms":
            latency.append((row["name"], row["median"], text, COLOURS[0]))
        elif row["ratio"] is not None:
            colour = COLOURS[1 + ["GFLOP/s", "GB/s"].index(row["unit"])]
            if row["kind"] == "blas":
                colour = COLOURS[3]
            label = f"{row['name']}, {row['workers']} workers"
            speeds.append((label.replace(", 1 workers", ", 1 worker"), row["ratio"],
                           f"{row['ratio']:.0%} ({text})", colour))
    body = [f'<text x="10" y="20">{escape(result["hardware"]["cpu"])}, '
            f'{result["date"]}, commit {escape(result["commit"])}</text>']
    y = 34
    longest = max((value for _, value, _, _ in latency), default=0)
    for title, bars, limit in (
        ("Text to callable (median)", latency, longest),
        ("Share of the peak measured in the same run (median)", speeds, 1),
    ):
        if bars:
            lines, y = panel(title, bars, limit, y)
            body += lines
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
         'font-family="sans-serif" font-size="12">',
         '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>", ""]
    )
