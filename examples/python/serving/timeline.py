"""A picture of one step's plan: which worker computes what, one bar per work item.

SVG is written as text, so that it needs no library.
"""

LANE, GAP, LEFT, WIDTH = 26, 6, 80, 900


def costs(items):
    """Products of a query and a key per item: rows x query heads x keys."""
    return items[:, 4] * items[:, 5] * items[:, 7]


def draw(items, batch, path):
    """`items` of Schedule.items, `batch` (request, new tokens, keys) of its rows."""
    workers = int(items[:, 0].max()) + 1
    cost = costs(items)
    loads = [int(cost[items[:, 0] == w].sum()) for w in range(workers)]
    scale = WIDTH / max(*loads, 1)
    height = (LANE + GAP) * workers + 60
    balance = max(loads) / max(sum(loads) / workers, 1)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<text x="{LEFT}" y="16">{len(items)} work items of {len(batch)} requests; the fullest '
        f"worker has {balance:.2f} x the mean</text>",
    ]
    at = [0.0] * workers
    for item, products in zip(items.tolist(), cost.tolist()):
        worker, _, row, head, rows, _, first, keys = item
        request, new, length = batch[row]
        x, y, width = LEFT + at[worker], 28 + (LANE + GAP) * worker, products * scale
        at[worker] += width
        light = 45 if new > 1 else 75  # prefill is dark, decode light
        what = f"request {request}, KV head {head}: {rows} rows, keys {first} to {first + keys - 1} of {length}"
        out.append(
            f'<rect x="{x:.2f}" y="{y}" width="{max(width, 0.5):.2f}" height="{LANE}" '
            f'fill="hsl({request * 47 % 360},60%,{light}%)" stroke="white" stroke-width="0.5">'
            f"<title>{what}</title></rect>"
        )
        if width > 24:
            out.append(f'<text x="{x + 3:.2f}" y="{y + 17}">{request}</text>')
    for worker in range(workers):
        out.append(f'<text x="4" y="{45 + (LANE + GAP) * worker}">worker {worker}</text>')
    out.append(
        f'<text x="{LEFT}" y="{height - 8}">length of a bar: rows x query heads x keys; '
        "dark: prefill, light: decode; a colour per request, of shared keys: of one that reads them</text></svg>"
    )
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
    return balance
