"""What a text must be like to be kept: small rules, each a figure and its limit in the recipe.

`refusals` says who refuses each of many texts, and why, `spans` where in it; `verdicts` what every rule says of one;
`without_boilerplate` takes the lines of a web page that are no text; `mask_pii` hides what names a person.
"""

from lilm.train.corpus.rules.boilerplate import Cleaned, without_boilerplate
from lilm.train.corpus.rules.judge import RULES, Refusal, Verdict, refusals, verdicts
from lilm.train.corpus.rules.pii import mask_pii
from lilm.train.corpus.rules.spans import spans

__all__ = ["RULES", "Cleaned", "Refusal", "Verdict", "mask_pii", "refusals", "spans", "verdicts", "without_boilerplate"]
