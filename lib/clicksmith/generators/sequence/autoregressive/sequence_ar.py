"""Maximum likelihood for sequences: owners by the tabular autoregressive network, events by a recurrent one.

What beside the network matters is in EXPERIMENTS.md.
"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.generators.recipe import (
    Recipe,
    Shard,
    StepSettings,
    Wrap,
    dropout_factors,
    follow,
    one_cycle,
    step_generator,
)
from clicksmith.generators.sequence.autoregressive.reading import Reading
from clicksmith.generators.sequence.autoregressive.sampling import SequenceNetwork
from clicksmith.generators.sequence.rows import MemorySequences, Windows
from clicksmith.generators.tabular.autoregressive import draw_dropout, draw_order
from clicksmith.generators.tabular.autoregressive_network import EMBEDDING
from clicksmith.seeds import derive_seed

GRADIENT_NORM = 1.0
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 0.1
DROPOUT = 0.125
"""Of the embeddings; the same ones in all events of a sequence (Gal & Ghahramani 2016)."""
AVERAGED_STEPS, AVERAGED_SHARE = 50, 0.03
"""Steps over which weights are averaged, and the share of all steps where that is more."""
BACKWARD_SHARE = 0.25
"""Sequences that are read from the last event to the first."""
CUT_SHARE = 0.25
"""Sequences that are read from an event anywhere, as if nothing had been before it."""
ANY_ORDER_SHARE = 0.2
"""Steps in which some sub-columns of events come first, as those do that are required."""
CALIBRATION_SEQUENCES = 16_384


class SequenceAutoregressive(Recipe[EncodedSequences]):
    """AdamW with a one-cycle rate; what is kept is a moving average of the weights.

    Args:
        rows: training sequences.
        codec: their codec.
        settings: of the run.
    """

    sampler: SequenceNetwork

    def __init__(self, rows: MemorySequences, codec: SequenceCodec, settings: StepSettings) -> None:
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self.settings, self._rows = settings, rows
        self.network = SequenceNetwork(codec, settings.mixed_precision)
        self.network.set_frequencies(rows.data)
        self.sampler = copy.deepcopy(self.network).requires_grad_(False)
        # Nats of a sequence grow with its length; the limit on the gradient does not.
        self._scale = 1 / (1 + min(float(rows.data.lengths.mean()), rows.max_events))
        self._decay = 1 - 1 / max(AVERAGED_STEPS, AVERAGED_SHARE * settings.num_steps)

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self.parallel = wrap(self.network)
        self.sampler.to(self.network.device)
        self._optimizer = make_optimizer(self.network, self.settings.learning_rate)

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        settings = self.settings
        mine = shard.slice(settings.batch_size)
        windows = self._rows.batch(step, settings.batch_size, mine)
        num_owner_columns, num_event_columns = windows.owners.shape[1], windows.events.shape[2]
        stream = step_generator(settings.seed, step)
        reading = draw_reading(windows, settings.batch_size, stream, mine)
        owner_order = draw_order(num_owner_columns, stream)
        event_order = draw_order(num_event_columns, stream, ANY_ORDER_SHARE)
        owner_keep = draw_dropout(settings.batch_size, num_owner_columns, stream, mine)
        event_keep = dropout_factors(
            settings.batch_size, num_event_columns * EMBEDDING, DROPOUT, stream, mine
        )[:, None]
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(step, settings.num_steps, settings.learning_rate)
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        nats = self.parallel(reading, owner_order, owner_keep, event_order, event_keep)
        torch.autograd.backward(nats.sum() * self._scale)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self._optimizer.step()
        follow(self.sampler, self.network, self._decay, step)
        owner_nats, event_nats = nats.detach()
        return {"owner_nats": owner_nats, "event_nats": event_nats, "gradient_norm": norm}

    def finish(self, shard: Shard) -> None:
        """See `Recipe.finish`: heads are calibrated."""
        self.sampler.calibrate(lambda: self._some_windows(shard), self._rows.data)

    def _some_windows(self, shard: Shard) -> Iterator[Windows]:
        """This rank's part of each global batch of about an epoch, or of `CALIBRATION_SEQUENCES`."""
        size = self.settings.batch_size
        num_batches = -(-min(len(self._rows.data), CALIBRATION_SEQUENCES) // size)
        return (self._rows.batch(number, size, shard.slice(size)) for number in range(num_batches))

    @torch.inference_mode()
    def row_nats(self, rows: EncodedSequences) -> Tensor:
        """See `Recipe.row_nats`: read forwards."""
        self.sampler.eval()
        return self.sampler.row_nats(rows).cpu()

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {
            "network": self.network.state_dict(),
            "sampler": self.sampler.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        self.network.load_state_dict(state["network"])
        self.sampler.load_state_dict(state["sampler"])
        self._optimizer.load_state_dict(state["optimizer"])


def draw_reading(windows: Windows, batch_size: int, stream: torch.Generator, mine: slice) -> Reading:
    """Some sequences backwards, some from an event anywhere on; drawn for the global batch."""
    turn, cut, place = torch.rand(3, batch_size, generator=stream)[:, mine]
    last = (windows.sizes - 1).clamp(min=0)
    skipped = torch.where(cut < CUT_SHARE, (place * windows.sizes).long().clamp(max=last), 0)
    return Reading.of(windows, turn < BACKWARD_SHARE, skipped)


def make_optimizer(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW that shrinks what is learnt of dependence, not the biases, which hold the columns' shares."""
    named = list(network.named_parameters())
    biases = [weight for name, weight in named if "bias" in name]
    others = [weight for name, weight in named if "bias" not in name]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, weight_decay=WEIGHT_DECAY, fused=True)
