"""A scheduler with continuous batching over a page pool."""

import collections
import dataclasses

import attn_mlir
import numpy as np

from .cache import Step
from .model import logits_of


@dataclasses.dataclass
class Request:
    number: int
    prompt: list
    new_tokens: int
    answers: int = 1  # 2: the prompt is forked, the second answer starts second best
    cancel_after: int = 0  # new tokens; 0: never


def pages_of(request, page):
    """Pages that a request needs where it runs alone: its last token is never cached."""
    return -(-(len(request.prompt) + request.new_tokens - 1) // page)


@dataclasses.dataclass(eq=False)
class Answer:
    """One text that grows. tokens[:cached] are in the cache."""

    request: Request
    branch: int
    tokens: list
    sequence: int = 0
    cached: int = 0
    drafts: list = dataclasses.field(default_factory=list)
    is_cancelled: bool = False

    @property
    def new_tokens(self):
        return len(self.tokens) - len(self.request.prompt)

    def is_done(self):
        return self.new_tokens >= self.request.new_tokens

    def guess(self, count):
        """Drafts by looking up what followed the last two tokens before."""
        count = min(count, self.request.new_tokens - self.new_tokens - 1)
        last = self.tokens[-2:]
        for at in range(len(self.tokens) - 3, 0, -1):
            if count > 0 and self.tokens[at - 1:at + 1] == last:
                return self.tokens[at + 1:at + 1 + count]
        return []


class Engine:
    def __init__(self, model, cache, pool, *, batch, chunk, step_tokens, drafts, share=0):
        self.model, self.cache, self.pool = model, cache, pool
        self.batch, self.chunk, self.step_tokens, self.most_drafts = batch, chunk, step_tokens, drafts
        self.least_shared = share
        # Each running request may fork once.
        self.table = attn_mlir.PageTable(pool, rows=2 * batch, columns=cache.k.shape[1])
        self.waiting, self.running, self.finished = collections.deque(), [], []
        self.counts = collections.Counter()
        self.last_batch = []  # (request, new tokens, keys) of each row of the last step

    def submit(self, request):
        needed, pages = pages_of(request, self.cache.page), self.pool.stats["pages_total"]
        if needed > pages:
            raise ValueError(
                f"expects requests that fit into {pages} pages, but got one of {needed}: "
                f"{len(request.prompt)} tokens and {request.new_tokens} new ones"
            )
        self.waiting.append(Answer(request, 0, list(request.prompt)))

    def admit(self):
        while self.waiting and len(self.running) < self.batch:
            answer = self.waiting[0]
            if self.running and not self.has_room(answer):
                return  # else it would take pages only to be preempted
            self.waiting.popleft()
            # One token less: its logits are needed.
            answer.sequence, answer.cached = self.pool.create(answer.tokens[:-1])
            self.counts["reused"] += answer.cached
            self.running.append(answer)

    def has_room(self, answer):
        """Pages for its prompt, beside those that running prompts still take."""
        page = self.cache.page
        spans = [(self.pool.match(answer.tokens[:-1]), len(answer.tokens))]
        spans += [(a.cached, len(a.tokens)) for a in self.running]
        needed = sum(-(-end // page) - -(-begin // page) for begin, end in spans)
        stats = self.pool.stats
        return needed <= stats["pages_free"] + stats["pages_cached"]

    def choose(self):
        """The answers of this step and their new tokens: decodes first."""
        chosen, left = [], self.step_tokens
        ready = sorted(self.running, key=lambda a: len(a.tokens) - a.cached > 1)
        for answer in ready:
            if answer not in self.running or left == 0:
                continue  # preempted meanwhile
            rest = len(answer.tokens) - answer.cached
            answer.drafts = answer.guess(min(self.most_drafts, left - 1)) if rest == 1 else []
            new = answer.tokens[answer.cached:][: min(self.chunk, left)] + answer.drafts
            room = self.make_room(answer, new, chosen)
            if room is not None:
                chosen.append((answer, new, room))
                left -= len(new)
        return chosen

    def shared(self, chosen):
        """The keys that requests of the step have in common: read once for them."""
        if not self.least_shared:
            return None
        sequences = [answer.sequence for answer, _, _ in chosen]
        nodes, leaves = self.pool.prefixes(sequences, min_shared=self.least_shared)
        self.counts["steps with shared keys"] += len(nodes) > 0
        return nodes, leaves

    def make_room(self, answer, new, chosen):
        """Slots for new tokens; others are preempted, the youngest first."""
        while True:
            try:
                slots, copies = self.pool.append(answer.sequence, new)
                self.cache.copy(copies)
                self.counts["copied pages"] += len(copies)
                return slots[0]
            except attn_mlir.Error as error:
                if error.status != "resource exhausted":
                    raise
            busy = [answer, *(c[0] for c in chosen)]
            others = [a for a in self.running if a not in busy]
            if not others:
                return None  # later, when this step's answers have moved on
            self.preempt(others[-1])

    def preempt(self, answer):
        self.running.remove(answer)
        self.pool.release(answer.sequence)
        self.waiting.appendleft(answer)
        self.counts["preempted"] += 1

    def step(self):
        """One forward pass. Returns the number of tokens in it."""
        self.admit()
        chosen = self.choose()
        if not chosen:
            raise RuntimeError("no request fits into the pool: give it more pages")
        for row, (answer, _, _) in enumerate(chosen):
            self.table.bind(row, answer.sequence)
        self.table.update()
        sizes = [len(new) for _, new, _ in chosen]
        ends = np.cumsum([0, *sizes], dtype=np.int32)
        lengths = np.int32([a.cached + n for (a, _, _), n in zip(chosen, sizes)])
        step = Step(
            np.concatenate([slots for _, _, slots in chosen]).astype(np.int32),
            self.table.array[: len(chosen)], lengths, ends, self.shared(chosen),
        )
        self.counts["keys"] += int(lengths.sum()) * self.cache.kv_heads
        tokens = [t for _, new, _ in chosen for t in new]
        positions = [p for (a, _, _), n in zip(chosen, sizes) for p in range(a.cached, a.cached + n)]
        rows = []  # whose logits are needed: the last token's, and those of drafts
        for (answer, new, _), end in zip(chosen, ends[1:]):
            if answer.cached + len(new) >= len(answer.tokens):
                rows += range(end - 1 - len(answer.drafts), end)
        self.last_batch = [(a.request.number, n, int(l)) for (a, _, _), n, l in zip(chosen, sizes, lengths)]
        number = self.pool.begin_step([a.sequence for a, _, _ in chosen])
        logits = logits_of(self.model, tokens, positions, rows or [0], self.cache, step)
        self.pool.end_step(number)
        self.counts["steps"] += 1
        self.counts["mixed steps"] += min(sizes) == 1 < max(sizes)
        for answer, new, _ in chosen:
            answer.cached += len(new)
            if answer.cached >= len(answer.tokens):
                used = len(answer.drafts) + 1
                self.accept(answer, logits[:used])
                logits = logits[used:]
        return len(tokens)

    def accept(self, answer, logits):
        """Greedy tokens; a draft stands as long as it is what is chosen."""
        if answer.new_tokens == 0 and answer.request.answers > 1:
            self.fork(answer, logits[-1])
        before = len(answer.tokens)
        for draft, row in zip([*answer.drafts, None], logits):
            answer.tokens.append(int(row.argmax()))
            if draft != answer.tokens[-1]:
                break
        accepted = len(answer.tokens) - before - 1
        self.counts["drafts"] += len(answer.drafts)
        self.counts["accepted drafts"] += accepted
        if answer.cached > len(answer.tokens) - 1:
            answer.cached = len(answer.tokens) - 1
            self.pool.truncate(answer.sequence, answer.cached)
        answer.drafts = []
        self.counts["new tokens"] += len(answer.tokens) - before
        limit = answer.request.cancel_after
        answer.is_cancelled = 0 < limit <= answer.new_tokens
        if answer.is_done() or answer.is_cancelled:
            self.retire(answer)

    def fork(self, answer, logits):
        """A second answer to the same prompt: its pages are shared until they differ."""
        request = dataclasses.replace(answer.request, answers=1)
        answer.request = request
        other = Answer(request, 1, [*answer.tokens, int(logits.topk(2).indices[1])])
        other.sequence, other.cached = self.pool.fork(answer.sequence), answer.cached
        self.counts["forks"] += 1
        self.counts["new tokens"] += 1
        self.running.append(other)

    def retire(self, answer):
        self.counts["cancelled"] += answer.is_cancelled
        self.pool.release(answer.sequence)
        self.running.remove(answer)
        self.finished.append(answer)
