"""What a network has to beat: popularity, item neighbours, and EASE; saving and loading any of them."""

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from clicksmith.errors import ContractError
from clicksmith.lakehouse import storage
from clicksmith.recommenders.ease import EASE, DualEASE
from clicksmith.recommenders.histories import Arrays, Floats, history_matrix, history_sets
from clicksmith.recommenders.recommend import Histories


@dataclass(frozen=True)
class Popularity:
    """The same scores for every user.

    Attributes:
        counts: shape (V,).
        personal: what the user took before comes first, by how often: hard to beat where people buy again.
    """

    counts: NDArray[np.float64]
    personal: bool = False

    @property
    def num_items(self) -> int:
        """V."""
        return len(self.counts)

    @property
    def num_events(self) -> int:
        """See `NextItemModel`."""
        return self.num_items

    def score(self, histories: Histories) -> NDArray[np.float64]:
        """See `NextItemModel`."""
        scores = np.tile(self.counts / (self.counts.max() + 1), (len(histories), 1))
        if self.personal:
            for row, history in enumerate(histories):
                np.add.at(scores[row], history, 1.0)
        return scores

    def to_arrays(self) -> Arrays:
        """What `from_arrays` reads."""
        return {"counts": self.counts, "personal": np.array([self.personal])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Popularity":
        """The inverse of `to_arrays`."""
        return cls(np.asarray(arrays["counts"], np.float64), bool(arrays["personal"][0]))


@dataclass(frozen=True)
class ItemNeighbours:
    """Item-kNN: the cosine of items' sets of users, summed over the history (Sarwar et al. 2001).

    Attributes:
        similarity: shape (V, V), the nearest neighbours of each row's item.
        half_life: in items: how far back a taken item counts half as much; None: all count alike.
    """

    similarity: sparse.csr_array
    half_life: float | None = None

    @property
    def num_items(self) -> int:
        """V."""
        return int(self.similarity.shape[0])

    @classmethod
    def fit(
        cls,
        histories: Histories,
        num_items: int,
        num_neighbours: int = 100,
        shrink: float = 10.0,
        half_life: float | None = None,
    ) -> "ItemNeighbours":
        """Count users who took both items.

        Args:
            histories: item indices of each training user.
            num_items: V.
            num_neighbours: kept of each item; bounds the memory.
            shrink: added to the norm: few common users are little evidence.
            half_life: see the class.
        """
        taken = history_sets(histories, num_items)
        both = (taken.T @ taken).tocsr()
        own = both.diagonal()
        rows = np.repeat(np.arange(num_items), np.diff(both.indptr))
        both.data /= np.sqrt(own[rows] * own[both.indices]) + shrink
        both.setdiag(0.0)
        return cls(_nearest(both, num_neighbours), half_life)

    @property
    def num_events(self) -> int:
        """See `NextItemModel`."""
        return self.num_items

    def score(self, histories: Histories) -> Floats:
        """See `NextItemModel`."""
        return np.asarray(
            (history_matrix(histories, self.similarity.shape[0], self.half_life) @ self.similarity).toarray()
        )

    def to_arrays(self) -> Arrays:
        """What `from_arrays` reads."""
        part = self.similarity
        half_life = np.array([np.nan if self.half_life is None else self.half_life])
        return {"data": part.data, "indices": part.indices, "indptr": part.indptr, "half_life": half_life}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "ItemNeighbours":
        """The inverse of `to_arrays`."""
        size = len(arrays["indptr"]) - 1
        similarity = sparse.csr_array(
            (arrays["data"], arrays["indices"], arrays["indptr"]), shape=(size, size)
        )
        half_life = float(arrays["half_life"][0])
        return cls(similarity, None if np.isnan(half_life) else half_life)


Baseline = Popularity | ItemNeighbours | EASE | DualEASE
_KINDS: dict[str, type[Baseline]] = {
    "popularity": Popularity,
    "item_knn": ItemNeighbours,
    "ease": EASE,
    "dual_ease": DualEASE,
}


def save_baseline(model: Baseline, uri: str) -> None:
    """Write a fitted baseline to one file."""
    [kind] = [name for name, one in _KINDS.items() if isinstance(model, one)]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, kind=np.array([kind]), **model.to_arrays())  # type: ignore[arg-type]
    storage.write_bytes(uri, buffer.getvalue())


def load_baseline(uri: str) -> Baseline:
    """The inverse of `save_baseline`.

    Raises:
        ContractError: the file is not of a baseline, or is damaged.
    """
    try:
        arrays = dict(np.load(io.BytesIO(storage.read_bytes(uri)), allow_pickle=False))
        return _KINDS[str(arrays.pop("kind")[0])].from_arrays(arrays)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ContractError(
            f"{uri} is not a baseline that save_baseline wrote: {str(error)[:200]}.",
            "Fit it again and save it.",
        ) from error


def _nearest(similarity: sparse.csr_array, count: int) -> sparse.csr_array:
    """Each row's largest values, ties to the lower index."""
    kept = np.zeros(similarity.nnz, bool)
    rows = zip(similarity.indptr[:-1], similarity.indptr[1:], strict=True)
    for start, stop in rows:
        order = np.lexsort((similarity.indices[start:stop], -similarity.data[start:stop]))[:count]
        kept[start + order] = similarity.data[start + order] > 0
    row = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))[kept]
    values, columns = similarity.data[kept].astype(np.float32), similarity.indices[kept]
    nearest: sparse.csr_array = sparse.coo_array((values, (row, columns)), shape=similarity.shape).tocsr()
    return nearest
