"""Decoding: many drafts at once, a decision a step, with what the decoder said before kept in a cache.

In go a decoder and a `Wish`; out come graphs. Draws are those of the wish's seed alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from younger_hf.recipes.decisions import END, FIRST_OPERATOR, DecisionBatch
from younger_hf.recipes.models.sequence_decoder import Cache, Inputs, SequenceDecoder
from younger_hf.recipes.wish import Wish
from younger_hf.tasks.generation.draft import Draft
from younger_hf.tasks.generation.slotted import SlottedGraph


def decode(model: SequenceDecoder, wish: Wish) -> list[SlottedGraph]:
    """Sample graphs.

    Args:
        model: in evaluation mode, on its device.
        wish: how many, of which size and task, from which beginning.
    """
    size = min(wish.size or 0, model.max_nodes)
    drafts = [
        Draft(wish.book, model.max_nodes, size or None, masked=wish.masked, start=wish.start) for _ in range(wish.num)
    ]
    states = [_State(model, draft, size, wish.task) for draft in drafts]
    cache = Cache()
    generator = torch.Generator().manual_seed(wish.seed)
    device = next(model.parameters()).device
    keys = torch.zeros(wish.num, model.max_nodes, model.token.embedding_dim, device=device)
    with torch.inference_mode():
        h = _begin(model, wish, size, cache, keys, device)
        while True:
            allowed = torch.stack([state.allowed() for state in states]).to(device)
            node = torch.tensor([[state.draft.num_nodes - 1] for state in states], device=device)
            uses = torch.stack([state.uses() for state in states]).to(device)
            scores = model.scores(h, keys, node, uses[:, None])[:, 0].float()
            scores = scores.masked_fill(~allowed, -torch.inf)
            if wish.temperature != 1:
                scores[:, FIRST_OPERATOR : model.num_fixed] = _at(
                    wish.temperature, scores[:, FIRST_OPERATOR : model.num_fixed]
                )
            chosen = _draw(scores, generator)
            pointed = (chosen - model.num_fixed).clamp(min=0)
            operator = torch.tensor([state.operator_of(int(to)) for state, to in zip(states, pointed, strict=True)])
            key = keys[torch.arange(len(states), device=device), pointed.to(device)]
            which = model.output_scores(h[:, 0], key, operator.to(device)).float()
            may = torch.stack([state.outputs(int(choice)) for state, choice in zip(states, chosen, strict=True)])
            output = _draw(which.masked_fill(~may.to(device), -torch.inf), generator)
            for state, choice, at in zip(states, chosen.tolist(), output.tolist(), strict=True):
                state.take(choice, at)
            going_on = [row for row, state in enumerate(states) if not state.draft.done]
            if not going_on:
                return [draft.graph() for draft in drafts]
            if len(going_on) <= len(states) // 2:  # a long graph does not wait for those that have ended
                kept = torch.tensor(going_on, device=device)
                states, keys = [states[row] for row in going_on], keys[kept]
                cache.layers = [(k[kept], v[kept]) for k, v in cache.layers]
            h = model.encode(_stacked([state.inputs for state in states], device), cache)
            # A node is known by what is said after its last slot: until then each encoding replaces the one before.
            for row, state in enumerate(states):
                if not state.draft.done:
                    keys[row, state.draft.num_nodes - 1] = h[row, 0]


def _begin(model: SequenceDecoder, wish: Wish, size: int, cache: Cache, keys: Tensor, device: torch.device) -> Tensor:
    """Fill the cache with the beginning; gives the encoding [B, 1, C] before the first decision to be made."""
    if wish.start is None or not wish.start.num_nodes:
        begin = _State(model, Draft(wish.book, 1), size, wish.task).inputs
        return model.encode(_stacked([begin] * wish.num, device), cache)
    said = np.full(wish.num, size), np.full(wish.num, wish.task)
    batch = DecisionBatch.of([wish.start] * wish.num, model.num_fixed, *said).to(device)
    inputs, _ = model.inputs_of(batch)
    h = model.encode(inputs, cache)
    keys[:, : wish.start.num_nodes] = h.gather(1, batch.ends[..., None].expand(-1, -1, h.shape[-1]))
    return h[:, -1:]


def _at(temperature: float, operators: Tensor) -> Tensor:
    """Scores [B, V] of operators at a temperature; how likely it is that an operator comes at all stays as it is.

    What the decoder is too sure of is which operator comes next; what is in a slot, it knows.
    """
    together = torch.logsumexp(operators, dim=-1, keepdim=True)
    return torch.where(together.isfinite(), torch.log_softmax(operators / temperature, dim=-1) + together, operators)


def _draw(scores: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a column a row, int64 [B], on the CPU, so that the same draws are made on every device."""
    probabilities = torch.softmax(scores, dim=-1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def _stacked(rows: list[dict[str, int]], device: torch.device) -> Inputs:
    return Inputs(**{name: torch.tensor([[row[name]] for row in rows], device=device) for name in rows[0]})


class _State:
    """A draft, and what the decoder is told of it next."""

    def __init__(self, model: SequenceDecoder, draft: Draft, size: int, task: int) -> None:
        self._model, self.draft, self._size, self._task = model, draft, size, task
        self.inputs = self._inputs(model.begin, 0, 0, 0)

    def allowed(self) -> Tensor:
        """Which choices, bool [F + N], may be made."""
        may = torch.zeros(self._model.num_fixed + self._model.max_nodes, dtype=torch.bool)
        if self.draft.done:
            may[END] = True
            return may
        end, kinds, operators, nodes = self.draft.may()
        may[END] = end
        may[1:FIRST_OPERATOR] = torch.from_numpy(kinds)
        may[FIRST_OPERATOR : self._model.num_fixed] = torch.from_numpy(operators)
        may[self._model.num_fixed : self._model.num_fixed + len(nodes)] = torch.from_numpy(nodes)
        return may

    def uses(self) -> Tensor:
        """How many slots each node feeds, int64 [N]."""
        found = torch.zeros(self._model.max_nodes, dtype=torch.int64)
        found[: self.draft.num_nodes] = torch.tensor(self.draft.uses, dtype=torch.int64)
        return found

    def operator_of(self, node: int) -> int:
        """The operator of a node; 0 where there is none."""
        return self.draft.operator[node] if node < self.draft.num_nodes else 0

    def outputs(self, choice: int) -> Tensor:
        """Which outputs, bool [MOST_OUTPUTS], may be taken of what was chosen."""
        if choice < self._model.num_fixed:
            may = torch.zeros(self._model.which_output.out_features, dtype=torch.bool)
            may[0] = True
            return may
        return torch.from_numpy(self.draft.outputs_of(choice - self._model.num_fixed))

    def take(self, choice: int, output: int) -> None:
        """Make a decision."""
        draft = self.draft
        if draft.done:
            return
        if choice == END:
            draft.end()
            return
        if choice >= self._model.num_fixed:
            to = choice - self._model.num_fixed
            back, pointed = draft.num_nodes - 1 - to, draft.operator[to]
            draft.fill(to, output)
            self.inputs = self._inputs(self._model.pointer, pointed, output, back)
            return
        if choice < FIRST_OPERATOR:
            draft.fill(-choice)
        else:
            draft.place(choice - FIRST_OPERATOR)
        self.inputs = self._inputs(choice, 0, 0, 0)

    def _inputs(self, token: int, pointed: int, output: int, back: int) -> dict[str, int]:
        draft = self.draft
        return {
            "token": token,
            "pointed": pointed,
            "output": output,
            "back": back,
            "operator": draft.operator[-1] if draft.operator else 0,
            "node": draft.num_nodes,
            "slot": draft.num_slots,
            "left": max(self._size - draft.num_nodes, 0) + 1 if self._size else 0,
            "unused": draft.unused,
            "task": self._task,
        }
