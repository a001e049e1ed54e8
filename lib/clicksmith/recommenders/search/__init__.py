"""Search by words and by text embeddings."""
