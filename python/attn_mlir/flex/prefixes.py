# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Keys that requests share: (nodes, leaves) of a paged call.

`nodes` [n, 2] of (parent or -1, end in keys), parents first; `leaves` [B]: the node
behind which each request is alone, or -1.
"""

from .errors import bad
from .source import tensor_of


def parsed(prefixes):
    """Both as arrays of integers. Error: what they are not."""
    try:
        nodes, leaves = (tensor_of("prefixes", part).numpy() for part in prefixes)
    except (TypeError, ValueError) as error:
        raise bad(f"expects prefixes as (nodes, leaves), but got {prefixes!r}") from error
    if nodes.ndim != 2 or nodes.shape[1] != 2 or leaves.ndim != 1:
        raise bad(
            f"expects nodes [n, 2] and leaves [B] of prefixes, but got {list(nodes.shape)} and "
            f"{list(leaves.shape)}"
        )
    if nodes.dtype.kind not in "iu" or leaves.dtype.kind not in "iu":
        raise bad(
            "expects nodes and leaves of prefixes of integers, but got "
            f"{nodes.dtype} and {leaves.dtype}"
        )
    return nodes, leaves


def check_pages(prefixes, table, lengths, page):
    """That requests of a node have the pages of its keys in common.

    Nodes and leaves that are none are left to Schedule.update, which names them.
    """
    import numpy as np

    nodes, leaves = prefixes
    count = len(nodes)
    if len(leaves) != len(table) or not ((-1 <= leaves) & (leaves < count)).all():
        return
    if not ((-1 <= nodes[:, 0]) & (nodes[:, 0] < np.arange(count))).all():
        return
    for node, end in enumerate(nodes[:, 1].tolist()):
        if end > 0 and end % page:
            raise bad(
                f"expects prefixes of whole pages of {page} keys, but got node {node}, which ends at {end}"
            )
    of_node = leaves.astype(np.int64)
    for node in reversed(range(count)):  # children first
        members = np.flatnonzero(of_node == node)
        _check_node(node, int(nodes[node, 1]), members, table, lengths, page)
        of_node[members] = nodes[node, 0]


def _check_node(node, end, members, table, lengths, page):
    import numpy as np

    if len(members) < 2:
        return
    # The longest has all pages that others have in front of their lengths.
    first = members[np.argmax(lengths[members])]
    columns = min(end // page, table.shape[1])
    used = np.arange(columns) * page < lengths[members, None]
    wrong = np.argwhere(used & (table[members, :columns] != table[first, :columns]))
    if wrong.size:
        row, column = wrong[0].tolist()
        raise bad(
            f"expects the same pages of all requests of node {node} of prefixes in front of its "
            f"end at {end}, but got {table[members[row], column]} of request {members[row]} and "
            f"{table[first, column]} of request {first} for the keys from {column * page}"
        )


def of_heads(prefixes, heads):
    """(nodes, leaves) where each KV head of a request is a request of the launch.

    Each head has nodes of its own, as it has keys of its own: node n of head g is
    g * number of nodes + n, request b of head g is b * heads + g.
    """
    import numpy as np

    nodes, leaves = prefixes
    moved = (np.arange(heads) * len(nodes)).astype(np.int32)
    copies = np.tile(nodes.astype(np.int32), (heads, 1))
    copies[:, 0] += np.where(copies[:, 0] < 0, 0, np.repeat(moved, len(nodes)))
    own = np.where(leaves[:, None] < 0, leaves[:, None], leaves[:, None] + moved)
    return copies, np.ascontiguousarray(own.reshape(-1), np.int32)
