"""SeqGAN's oracle (Yu et al. 2017): what generators make of 10,000 sequences of a known language model.

NLL_oracle, the oracle's own nats a token of what a generator draws, says nothing alone: the most frequent
token repeated has 8.94. So beside it stand the generator's nats a token of unseen sequences of the oracle
(NLL_test), the distinct bigrams of what it draws, and controls: the same likelihood model with logits times
1.27, a game whose reward is constant, and the oracle itself. Published: MLE 9.04, SeqGAN 8.74.
"""

import argparse
import copy
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from benchmarks.lines import print_line
from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.generators.recipe import Recipe, Shard, StepSettings
from clicksmith.generators.sequence.games import token_likelihood
from clicksmith.generators.sequence.games.relgan import RelGan, RelGanOptions
from clicksmith.generators.sequence.games.sampling import TokenSampler
from clicksmith.generators.sequence.games.seqgan import SeqGan, SeqGanOptions
from clicksmith.generators.sequence.games.token_likelihood import TokenLikelihood
from clicksmith.generators.sequence.rows import MemorySequences
from clicksmith.tables import Column

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "seqgan_oracle" / "oracle.npz"
LENGTH = 20
BATCH_SIZE = 64
SHARPNESS = 1.27
"""Of the tempered control, as in the public tables."""
PUBLISHED = {"likelihood": 9.038, "seqgan": 8.736, "relgan": 6.680}


def codec_of(num_tokens: int) -> tuple[SequenceCodec, EncodedSequences]:
    """The codec of tokens as strings, and what it is fitted to: sequences that hold each token once.

    So token k has code k + 1, also where training has not seen it. Code 0 is of nothing.
    """
    offsets = np.arange(0, num_tokens + 1, LENGTH)
    owners = pa.table({"owner": np.arange(len(offsets) - 1)})
    tokens = pa.table({"token": [f"{token:05d}" for token in range(num_tokens)]})
    every = Sequences(owners, tokens, offsets)
    kinds = Options(kinds={"token": "category"})
    codec = SequenceCodec.fit(every, [], [Column("token", pa.string())], kinds)
    found = codec.encode(every)
    assert (found.events[:, 0] == np.arange(1, num_tokens + 1)).all()
    return codec, found


def load_oracle(path: Path) -> TokenSampler:
    """The frozen language model as a sampler of ours: gates come in another order, its token 0 starts."""
    arrays = {name: torch.from_numpy(value) for name, value in np.load(path).items()}
    num_tokens, embedding = arrays["embedding"].shape
    codec, every = codec_of(num_tokens)
    sampler = TokenSampler(codec, embedding, len(arrays["U_i"]))
    sampler.fit(every)
    gates = {kind: [arrays[f"{kind}_{gate}"] for gate in "ifco"] for kind in "WUb"}
    nothing = torch.zeros(1, embedding)
    state = {
        "embedding.weight": torch.cat([nothing, arrays["embedding"], arrays["embedding"][:1]]),
        "lstm.weight_ih_l0": torch.cat(gates["W"], 1).T,
        "lstm.weight_hh_l0": torch.cat(gates["U"], 1).T,
        "lstm.bias_ih_l0": torch.cat(gates["b"]),
        "lstm.bias_hh_l0": torch.zeros(4 * len(arrays["U_i"])),
        "head.weight": torch.cat([nothing.new_zeros(1, len(arrays["U_i"])), arrays["W_out"].T]),
        "head.bias": torch.cat([torch.tensor([-torch.inf]), arrays["b_out"]]),
    }
    sampler.network.load_state_dict(state, strict=False)
    return sampler.eval().requires_grad_(False)


def nats_a_token(sampler: TokenSampler, data: EncodedSequences) -> float:
    """Mean nats of a token."""
    tokens = sampler.network.vocabulary.tokens(torch.from_numpy(data.events).long().view(-1, LENGTH, 1))
    owners = torch.from_numpy(data.owners).long()
    with torch.inference_mode():
        parts = zip(tokens.split(256), owners.split(256), strict=True)
        return float(torch.cat([sampler.network.nats(*part) for part in parts]).double().mean())


def distinct_bigrams(data: EncodedSequences) -> float:
    """Share of pairs of neighbours that are the only ones of their kind, as sets count them."""
    events = data.events.reshape(-1, LENGTH).astype(np.int64)
    pairs = events[:, :-1] * 100_000 + events[:, 1:]
    return len(np.unique(pairs)) / pairs.size


def tempered(sampler: TokenSampler, sharpness: float) -> TokenSampler:
    """The same with its logits multiplied."""
    other = copy.deepcopy(sampler)
    with torch.no_grad():
        other.network.head.weight.mul_(sharpness)
        other.network.head.bias.mul_(sharpness)
    return other


class Bench:
    """The oracle, its sequences and what is measured on them."""

    def __init__(self, path: Path, num_sequences: int) -> None:
        self.oracle, self.num_sequences = load_oracle(path), num_sequences
        self.train = self.oracle.sample(1, np.arange(num_sequences))
        self.test = self.oracle.sample(2, np.arange(num_sequences))

    def print_figures(self, name: str, sampler: TokenSampler) -> None:
        """One line a figure."""
        drawn = sampler.sample(3, np.arange(self.num_sequences))
        published = PUBLISHED.get(name)
        oracle = nats_a_token(self.oracle, drawn)
        peer = None if published is None else "published"
        print_line("sequences", f"seqgan_oracle.{name}.nll_oracle", oracle, "nats/token", peer, published)
        test = nats_a_token(sampler, self.test)
        print_line("sequences", f"seqgan_oracle.{name}.nll_test", test, "nats/token")
        bigrams = distinct_bigrams(drawn)
        print_line("sequences", f"seqgan_oracle.{name}.distinct_bigrams", bigrams, "1")
        whole = len(np.unique(drawn.events.reshape(-1, LENGTH), axis=0)) / len(drawn)
        print_line("sequences", f"seqgan_oracle.{name}.distinct_sequences", whole, "1")


def trained(recipe: Recipe[Any], steps: range, name: str) -> TokenSampler:
    """Take steps; what each costs goes to stderr."""
    started = time.perf_counter()
    for step in steps:
        figures: dict[str, Tensor] = recipe.step(step, Shard())
        if step == steps[-1] or (step + 1) % 500 == 0:
            shown = ", ".join(f"{key} {float(value):.3f}" for key, value in figures.items())
            sys.stderr.write(f"{name}: step {step + 1}, {time.perf_counter() - started:.0f} s: {shown}\n")
    assert isinstance(recipe.sampler, TokenSampler)
    return recipe.sampler


def run(arguments: argparse.Namespace) -> None:
    """Likelihood once; every game goes on from its weights."""
    bench = Bench(arguments.data, arguments.sequences)
    codec = bench.oracle.owners.codec
    steps, games = arguments.epochs * -(-arguments.sequences // BATCH_SIZE), arguments.game_steps
    settings = StepSettings(1, steps, BATCH_SIZE, token_likelihood.LEARNING_RATE)
    bench.print_figures("oracle", bench.oracle)
    likelihood = TokenLikelihood(MemorySequences(bench.train, 1), codec, settings)
    likelihood.prepare(lambda module: module)
    sampler = trained(likelihood, range(steps), "likelihood")
    bench.print_figures("likelihood", sampler)
    bench.print_figures(f"likelihood_x{SHARPNESS}", tempered(sampler, SHARPNESS))
    for name, game in _games(bench.train, codec, replace(settings, num_steps=steps + games), arguments):
        game.prepare(lambda module: module)
        state = {**game.state_dict(), **likelihood.state_dict()}
        game.load_state_dict(copy.deepcopy(state))
        bench.print_figures(name, trained(game, range(steps, steps + games), name))


def _games(
    train: EncodedSequences, codec: SequenceCodec, settings: StepSettings, arguments: argparse.Namespace
) -> Iterator[tuple[str, Recipe[EncodedSequences]]]:
    """Recipes that begin with the game."""
    share = (settings.num_steps - arguments.game_steps) / settings.num_steps
    options = SeqGanOptions(
        likelihood_share=share,
        warm_steps=arguments.warm_steps,
        critic_steps=arguments.critic_steps,
        num_rollouts=arguments.rollouts,
    )
    rows = MemorySequences(train, 1)
    yield "seqgan", SeqGan(rows, codec, settings, options)
    yield "constant_reward", SeqGan(rows, codec, settings, replace(options, reward="constant"))
    yield "relgan", RelGan(rows, codec, settings, RelGanOptions(likelihood_share=share))


def main() -> None:
    """Print all figures, or say why not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="oracle.npz")
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=120, help="of likelihood")
    parser.add_argument("--game-steps", type=int, default=200)
    parser.add_argument("--warm-steps", type=int, default=500, help="of the critic alone")
    parser.add_argument("--critic-steps", type=int, default=15, help="a step of the game")
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="a few steps of each, to see that all runs")
    arguments = parser.parse_args()
    if arguments.quick:
        quick = {"sequences": 128, "epochs": 2, "game_steps": 1, "warm_steps": 1, "critic_steps": 1}
        vars(arguments).update(quick, rollouts=1)
    if not arguments.data.is_file():
        sys.stderr.write(f"seqgan_oracle: left out, there is no {arguments.data}; pass --data FILE.\n")
        return
    run(arguments)


if __name__ == "__main__":
    main()
