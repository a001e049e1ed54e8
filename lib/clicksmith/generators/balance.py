"""Learning rates that follow the balance of generator and critic, against mode collapse.

The balance is the probability that the critic scores a real row above a generated one (the area under
its ROC curve): it has no scale, so that it means the same under every loss. It is smoothed over steps.
"""

from typing import Any

import torch
from torch import Tensor

from clicksmith.ranks import num_ranks, sum_over_ranks

SMOOTHING = 0.9
CRITIC_WINS = 0.75
GENERATOR_WINS = 0.5
LOWEST = 0.1
"""A network that is winning keeps at least this share of its rate: it must go on following the other."""


class RateBalance:
    """Two learning rates of which the winner's is lowered; two time-scales as in Heusel et al. (2017).

    Above `CRITIC_WINS` the critic's rate falls in proportion to the pairs that it still gets wrong; below
    `GENERATOR_WINS` the generator's falls in proportion to those that the critic gets right.
    """

    def __init__(self) -> None:
        self.advantage = (CRITIC_WINS + GENERATOR_WINS) / 2

    def update(self, advantage: Tensor) -> None:
        """Take a step's balance into account, the mean over all ranks: their weights must stay the same."""
        value = float(sum_over_ranks(advantage.detach().double().clone())) / num_ranks()
        self.advantage += (1 - SMOOTHING) * (value - self.advantage)

    def factors(self) -> tuple[float, float]:
        """Of the generator's rate and of the critic's."""
        generator = min(1.0, max(LOWEST, self.advantage / GENERATOR_WINS))
        critic = min(1.0, max(LOWEST, (1 - self.advantage) / (1 - CRITIC_WINS)))
        return generator, critic

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` reads."""
        return {"advantage": self.advantage}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.advantage = float(state["advantage"])


def critic_advantage(real: Tensor, fake: Tensor) -> Tensor:
    """P(score of real > score of fake) over all pairs, ties count half: shapes (R,) and (F,) to ()."""
    rising, score = fake.detach().sort().values, real.detach()
    # Of the generated scores those below, and those not above: their mean counts ties by half.
    below, not_above = (torch.searchsorted(rising, score, right=right) for right in (False, True))
    return (below + not_above).double().mean() / (2 * len(rising))
