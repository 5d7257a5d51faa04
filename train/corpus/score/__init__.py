"""How good a document is: perplexity under a character n-gram model of trusted text, cut into buckets (as CCNet)."""

from lilm.train.corpus.score.buckets import Cuts, bucket_of, buckets_of, cuts, figures, histogram, merge
from lilm.train.corpus.score.models import train_models
from lilm.train.corpus.score.scorer import Scorer

__all__ = ["Cuts", "Scorer", "bucket_of", "buckets_of", "cuts", "figures", "histogram", "merge", "train_models"]
