"""How alike texts are, word by word."""

import re
from collections.abc import Sequence

from rapidfuzz.distance import Indel

from ..replies.reply import Reply

# Characters and words of each text that are compared: the time grows with their square.
_MOST_CHARACTERS = 64 * 1024
_MOST_WORDS = 4_000
# A word, or a character of a script that has no spaces between words, or a mark.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
# Of texts that differ by their spaces only, or beyond what is compared.
_NEARLY = 0.999


def words_of(text: str) -> list[str]:
    """The words and marks of a text's beginning, in order."""
    return _WORD.findall(text[:_MOST_CHARACTERS])[:_MOST_WORDS]


class Similarities:
    """The similarities of Vast's runs to the provider's answer, and to each other, from 0 to 1.

    A similarity of 1 means equal texts. Otherwise it is twice the length of the longest common
    subsequence of words, divided by the number of all words. None if a text is empty.
    """

    def __init__(self, provider: Reply | None, replies: Sequence[Reply]) -> None:
        self._provider = provider.text if provider else ""
        self._texts = [reply.text for reply in replies]
        self._words: dict[str, list[str]] = {}
        self._known: dict[tuple[str, str], float] = {}

    def to_provider(self, run: int) -> float | None:
        """How alike a run's text and the provider's are."""
        return self._of(self._texts[run], self._provider)

    def between(self, run: int, other: int) -> float | None:
        """How alike the texts of two runs are."""
        return self._of(self._texts[run], self._texts[other])

    def _of(self, one: str, other: str) -> float | None:
        if not one.strip() or not other.strip():
            return None
        if one == other:
            return 1.0
        pair = (one, other) if one < other else (other, one)
        if pair not in self._known:
            words = (self._words_of(each) for each in pair)
            self._known[pair] = min(Indel.normalized_similarity(*words), _NEARLY)
        return self._known[pair]

    def _words_of(self, text: str) -> list[str]:
        if text not in self._words:
            self._words[text] = words_of(text)
        return self._words[text]
