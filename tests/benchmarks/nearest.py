"""Lists from an index of items beside the ranking of them all: a large catalogue of clustered vectors."""

import time

import numpy as np
import torch

from benchmarks.lines import print_line
from clicksmith.recommenders.next_item.nearest import NearestItems
from clicksmith.recommenders.next_item.recommend import recommend
from clicksmith.recommenders.next_item.sequence import SequenceNetwork

NUM_CLUSTERS = 2000
NUM_USERS = 512
K = 20


def nearest(num_items: int, seed: int = 0) -> None:
    """Seconds a list, seconds to build the index, and the share of the exact lists' items found."""
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(seed)
    log_popularity = -torch.arange(num_items).float().log1p()
    network = SequenceNetwork("two_tower", log_popularity, 50, 64, 1, 1, 0.0, seed).eval()
    centres = torch.randn(NUM_CLUSTERS, 64, generator=random)
    cluster = torch.randint(NUM_CLUSTERS, (num_items,), generator=random)
    with torch.no_grad():
        noise = 0.5 * torch.randn(num_items, 64, generator=random)
        network.items.ids.weight.copy_(centres[cluster] + noise)
    draw = np.random.default_rng(seed)
    histories = [draw.integers(1, num_items, draw.integers(1, 50)) for _ in range(NUM_USERS)]
    started = time.perf_counter()
    index = NearestItems.of(network)
    built = time.perf_counter()
    found = index.recommend(histories, K, filter_viewed=False)
    searched = time.perf_counter()
    exact = recommend(network, histories, K, filter_viewed=False)
    ranked = time.perf_counter()
    shared = np.mean([np.isin(one, other).mean() for one, other in zip(exact, found, strict=True)])
    print_line("recommenders", "nearest.build_s", built - started, "s")
    ours, theirs = (searched - built) / NUM_USERS * 1e3, (ranked - searched) / NUM_USERS * 1e3
    print_line("recommenders", "nearest.list_ms", ours, "ms", "all_items", theirs)
    print_line("recommenders", f"nearest.recall@{K}", float(shared), "1", "all_items", 1.0)
