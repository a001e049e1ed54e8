"""The autoregressive network: each column given any set of the others.

Every value is a category. For column k the embeddings of the columns before it are projected and
summed, then pass a ReLU, one residual layer and a linear head whose bias starts at the column's log
frequencies. "Before" is a matter of a mask on one matrix that holds the projections of all columns, so
the order of the columns can change with every batch (any-order training, Uria et al. 2014).

Codes of a numeric column have an order, and neighbours mean nearly the same. Their embeddings and heads
are piecewise linear in the value's rank, with few knots, plus a vector of each code's own. What a code
says of later columns its embedding may learn from a few rows (a rare capital gain says much about
income). Of its own probability a few rows say next to nothing: heads shrink the own vectors of rare codes.

Shapes: B rows, C columns, E embedding, H hidden, S sum of the cardinalities, M knots.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.tabular.fixing import check_codes
from clicksmith.ranks import sum_over_ranks
from clicksmith.seeds import counter_uniform

EMBEDDING = 16
HIDDEN = 64
NUM_KNOTS = 16
PRIOR_ROWS = 3.0
"""Rows of a code that calibration takes to be as probable as they should, whatever a sample says."""
SHRINKAGE = 100.0
"""Rows at which the own head vector of a numeric column's code counts by half."""


class CodeTable(nn.Module):
    """A vector for each code of each column, smooth along numeric columns.

    Args:
        codec: of the rows.
        dim: D, length of a vector.
        std: of the initial values.
    """

    def __init__(self, codec: TableCodec, dim: int, std: float) -> None:
        super().__init__()
        self.cardinalities = codec.cardinalities
        self.own = nn.Parameter(torch.randn(sum(self.cardinalities), dim) * std)
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(len(self.own), 1))
        self.knots = nn.ParameterDict()
        self.bases: dict[int, Tensor] = {}
        ends = np.cumsum(self.cardinalities)
        for index, ranks in enumerate(value_ranks(codec)):
            if ranks is not None and len(ranks) > 2 * NUM_KNOTS:
                self.bases[index] = hat_functions(ranks)
                self.knots[str(index)] = nn.Parameter(torch.randn(NUM_KNOTS, dim) * std)
                self.own.data[ends[index] - len(ranks) : ends[index]] = 0.0

    def shrink(self, counts: Sequence[NDArray[np.int64]]) -> None:
        """Let the own vectors along smooth columns count the less, the fewer rows a code has."""
        scales = torch.split(self.scale, self.cardinalities)
        for index in self.bases:
            rows = torch.from_numpy(counts[index])[:, None]
            scales[index].copy_(rows / (rows + SHRINKAGE))

    def forward(self) -> Tensor:
        """All vectors, shape (S, D)."""
        parts = list(torch.split(self.own * self.scale, self.cardinalities))
        for index, basis in self.bases.items():
            parts[index] = parts[index] + basis.to(self.own.device) @ self.knots[str(index)]
        return torch.cat(parts)


class AutoregressiveNetwork(Sampler[Encoded]):
    """The network; its forward pass is the training loss.

    Args:
        codec: of the rows; its columns are generated in their order, but for those that are given.
        mixed_precision: whether training's hidden layers are of bfloat16 where the device multiplies it
            faster.
    """

    def __init__(self, codec: TableCodec, mixed_precision: bool = True) -> None:
        super().__init__()
        self.mixed_precision = mixed_precision
        self.cardinalities = codec.cardinalities
        num_columns, num_codes = len(self.cardinalities), sum(self.cardinalities)
        self.offsets: Tensor
        self.seen: Tensor
        starts = np.cumsum([0, *self.cardinalities[:-1]])
        self.register_buffer("offsets", torch.from_numpy(starts), persistent=False)
        self.register_buffer("seen", torch.ones(num_codes, dtype=torch.bool))
        self.embedding = CodeTable(codec, EMBEDDING, std=0.5)
        self.head = CodeTable(codec, HIDDEN, std=0.3 / HIDDEN**0.5)
        self.head_bias = nn.Parameter(torch.zeros(num_codes))
        # One matrix a reading column, so that sampling finds its first rows side by side.
        self.project = nn.Parameter(torch.randn(num_columns, num_columns * EMBEDDING, HIDDEN))
        fan_in = (torch.arange(num_columns) * EMBEDDING).clamp(min=1)
        self.project.data *= (2.0 / fan_in).sqrt()[:, None, None]
        self.project_bias = nn.Parameter(torch.zeros(num_columns, 1, HIDDEN))
        self.residual = nn.Parameter(torch.randn(num_columns, HIDDEN, HIDDEN) / HIDDEN**0.5)

    @property
    def device(self) -> torch.device:
        """Where it lives."""
        return self.head_bias.device

    def set_frequencies(self, counts: Sequence[NDArray[np.int64]]) -> None:
        """Start each head at the log frequencies of its column; codes never seen are never sampled."""
        self.head_bias.data = torch.from_numpy(
            np.log(np.concatenate([(c + 1) / (c + 1).sum() for c in counts]))
        ).float()
        self.seen.copy_(torch.from_numpy(np.concatenate(counts) > 0))
        self.head.shrink(counts)

    def forward(
        self,
        codes_BC: Tensor,
        order_C: Tensor | None = None,
        keep: Tensor | None = None,
        drawn: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Mean nats of each column, shape (C,).

        Arguments may lie on any device.

        Args:
            codes_BC: encoded rows.
            order_C: columns in the order of generation; None is the codec's.
            keep: factors of the embeddings, shape (B, C * E), 0 where dropout acts; None drops nothing.
            drawn: rows that the network drew itself, shape (D, C), and their rewards (D,): the mean of their
                nats times their rewards is added. They are scored in the codec's order, in which they
                were drawn: in another one the network would give them another probability.
        """
        nats_CB = self._nats(codes_BC, order_C, keep)
        if drawn is None:
            return nats_CB.mean(1)
        drawn_DC, reward_D = drawn
        return nats_CB.mean(1) + self._nats(drawn_DC, None, None) @ reward_D.to(self.device) / len(drawn_DC)

    def row_nats(self, codes_BC: Tensor) -> Tensor:
        """Of each row in the codec's order, shape (B,)."""
        return self._nats(codes_BC, None, None).sum(0)

    def _nats(self, codes_BC: Tensor, order_C: Tensor | None, keep: Tensor | None) -> Tensor:
        """Of each row in each column, shape (C, B)."""
        codes_BC = codes_BC.to(self.device)
        pairs = zip(self._logits(codes_BC, order_C, keep), codes_BC.unbind(1), strict=True)
        return torch.stack([F.cross_entropy(logits, target, reduction="none") for logits, target in pairs])

    def _logits(self, codes_BC: Tensor, order_C: Tensor | None, keep: Tensor | None) -> list[Tensor]:
        """Of each column's codes, given the columns before it; shapes (B, cardinality)."""
        num_columns = codes_BC.shape[1]
        rank_C = (torch.arange(num_columns) if order_C is None else order_C.argsort()).to(self.device)
        mask_CC = (rank_C < rank_C[:, None]).float()  # [k, j]: column k reads column j
        project = self.project * mask_CC.repeat_interleave(EMBEDDING, 1)[:, :, None]
        x_BE = F.embedding(codes_BC + self.offsets, self.embedding()).flatten(1)
        if keep is not None:
            x_BE = x_BE * keep.to(self.device)
        mixed = self.mixed_precision and self.training and multiplies_bfloat16(self.device)
        dtype = torch.bfloat16 if mixed else torch.float32
        # One product for all columns: as a batch of them, its gradient would be as large as C inputs.
        flat = project.transpose(0, 1).flatten(1).to(dtype)
        hidden = F.relu(torch.addmm(self.project_bias.flatten().to(dtype), x_BE.to(dtype), flat))
        inner = self.residual.to(dtype).unbind(0)
        heads = torch.split(self.head(), self.cardinalities)
        biases = torch.split(self.head_bias, self.cardinalities)
        logits_C = []
        for h_BH, inner_HH, head, bias in zip(
            torch.split(hidden, HIDDEN, 1), inner, heads, biases, strict=True
        ):
            logits_C.append(F.linear((h_BH + F.relu(h_BH @ inner_HH)).float(), head, bias))
        return logits_C

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Tensor], counts: Sequence[NDArray[np.int64]]) -> None:
        """Shift the heads' biases so that codes become as probable on average as they are frequent.

        Dropout and the chance of the last batches leave shares off by two or three times the chance of
        a sample. One step of iterative proportional fitting, in the codec's order.

        The network is read on a sample of the rows, whose own shares are off by chance; those of all rows
        are known. What the network would say on all rows is the regression estimate (Cochran 1977, chapter
        7): its mean on the sample, less what follows from the sample holding too many or too few of the
        code. A code of few rows in the sample is shifted less: `PRIOR_ROWS` are taken to be right already.

        Args:
            batches: codes of this rank's part of a sample of the training rows, each of shape (B, C).
            counts: training rows of each code of each column.
        """
        self.eval()
        mean_S = torch.zeros_like(self.head_bias, dtype=torch.float64)
        share_S, both_S = torch.zeros_like(mean_S), torch.zeros_like(mean_S)
        num_rows = torch.zeros_like(mean_S)
        for part in (batch.to(self.device) for batch in batches):
            p_BS = torch.cat([logits.softmax(1) for logits in self._logits(part, None, None)], dim=1)
            index_BC = part + self.offsets
            mean_S += p_BS.sum(0)
            share_S += torch.bincount(index_BC.flatten(), minlength=len(share_S))
            both_S.index_add_(0, index_BC.flatten(), p_BS.gather(1, index_BC).flatten().double())
            num_rows += len(part)
        mean_S, share_S, both_S, num_rows = sum_over_ranks(torch.stack([mean_S, share_S, both_S, num_rows]))
        mean_S, share_S, both_S = mean_S / num_rows, share_S / num_rows, both_S / num_rows
        true_S = torch.from_numpy(np.concatenate([count / count.sum() for count in counts])).to(mean_S)
        variance_S = share_S * (1 - share_S)
        slope_S = torch.where(variance_S > 0, (both_S - mean_S * share_S) / variance_S, 0.0)
        mean_S = (mean_S - slope_S * (share_S - true_S)).clamp(min=0.0)
        prior_S = PRIOR_ROWS / num_rows
        self.head_bias.add_(((true_S + prior_S) / (mean_S + prior_S)).log())

    @torch.inference_mode()
    def sample(
        self,
        seed: int,
        row_ids: NDArray[np.int64],
        fixed: dict[int, NDArray[np.int64]] | None = None,
        allowed: Mapping[int, NDArray[np.bool_]] | None = None,
    ) -> Encoded:
        """Column by column by inverse cumulated probability, one uniform a cell. See `Sampler.sample`.

        Columns with fixed codes come first, so that all others are drawn given them. Next come those of
        `allowed`, in which only some codes may come up, shape (N, cardinality): in each row one at least that
        was seen.
        """
        self.eval()
        fixed, allowed = fixed or {}, allowed or {}
        num_columns = len(self.cardinalities)
        starts = self.offsets.tolist()
        seen = torch.split(self.seen.cpu(), self.cardinalities)
        for column, codes in fixed.items():
            check_codes(column, codes, seen[column].numpy())
        uniform = counter_uniform(seed, row_ids, 2 * num_columns).astype(np.float32)
        # Far enough below 1 that the cumulated probability exceeds it, at a code that has any.
        pick_CB = torch.from_numpy(uniform[:, :num_columns].T.copy()).clamp_(max=1 - 2**-22).to(self.device)
        embeddings = torch.split(self.embedding(), self.cardinalities)
        blocks = torch.split(self.project, EMBEDDING, 1)
        heads = torch.split(self.head(), self.cardinalities)
        biases = torch.split(self.head_bias.masked_fill(~self.seen, -torch.inf), self.cardinalities)
        first = sorted({*fixed, *allowed}, key=lambda k: (k not in fixed, k))
        order = [*first, *(k for k in range(num_columns) if k not in first)]
        codes_CB = torch.empty(num_columns, len(row_ids), dtype=torch.int64, device=self.device)
        # What each code of a column adds to the columns after it: rows look it up instead of multiplying.
        # Every row has one more code, the last, which adds the biases.
        num_codes = len(self.head_bias)
        terms_CSH = pick_CB.new_empty(num_columns, num_codes + 1, HIDDEN)
        terms_CSH[:, num_codes:] = self.project_bias
        index_BC = codes_CB.new_full((len(row_ids), num_columns + 1), num_codes)
        # Written over by each column: new memory for each result would take as long as the products.
        inner_BH = pick_CB.new_empty(len(row_ids), HIDDEN)
        space = pick_CB.new_empty(len(row_ids) * max(self.cardinalities))
        for num_known, k in enumerate(order):
            if k in fixed:
                codes_CB[k] = torch.from_numpy(fixed[k])
            else:
                hidden_BH = F.embedding_bag(index_BC[:, : num_known + 1], terms_CSH[k], mode="sum").relu_()
                torch.mm(hidden_BH, self.residual[k], out=inner_BH)
                hidden_BH += inner_BH.relu_()
                total = space[: len(row_ids) * self.cardinalities[k]].view(len(row_ids), -1)
                torch.addmm(biases[k], hidden_BH, heads[k].T, out=total)
                if k in allowed:
                    total.masked_fill_(torch.from_numpy(~allowed[k]).to(self.device), -torch.inf)
                total.sub_(total.amax(1, keepdim=True)).exp_().cumsum_(1)
                pick = pick_CB[k, :, None] * total[:, -1:]
                codes_CB[k] = torch.searchsorted(total, pick, right=True)[:, 0]
            start, end = starts[k], starts[k] + self.cardinalities[k]
            after = 0 if k in first else k + 1
            torch.matmul(embeddings[k], blocks[k][after:], out=terms_CSH[after:, start:end])
            torch.add(codes_CB[k], start, out=index_BC[:, num_known + 1])
        return Encoded(codes_CB.T.cpu().numpy(), uniform[:, num_columns:])


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has units for products of bfloat16: GPUs, and CPUs with AMX."""
    if device.type == "cpu":
        return bool(torch.cpu.get_capabilities().get("amx_bf16"))
    return device.type == "cuda"


def value_ranks(codec: TableCodec) -> list[NDArray[np.int64] | None]:
    """For each sub-column the rank of each code's value, code 0 (missing) lowest; None for categories."""
    ranks: list[NDArray[np.int64] | None] = []
    for column, slot in zip(codec.columns, codec.slots, strict=True):
        if isinstance(column, NumericCodec):
            values = [-np.inf, *column.atoms, *column.edges[:-1]]
            ranks.append(np.argsort(np.argsort(values, kind="stable"), kind="stable"))
        else:
            ranks += [None] * (slot.stop - slot.start)
    return ranks


def hat_functions(ranks: NDArray[np.int64]) -> Tensor:
    """Piecewise linear basis of the codes with these ranks, (N, M); 0 for code 0.

    Each row sums to 1: a value lies between two knots, which are evenly spaced over the ranks.
    """
    place = (ranks - 1) / (len(ranks) - 2) * (NUM_KNOTS - 1)
    hats = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(NUM_KNOTS)))
    hats[0] = 0.0
    return torch.from_numpy(hats.astype(np.float32))
