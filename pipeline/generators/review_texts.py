"""Reviews of films in the words of customers: short or long, full of praise or of scorn, or undecided."""

import re
from random import Random
from typing import NamedTuple

from pipeline.generators import films, review_remarks, review_sentences, review_words

MOODS, MOOD_WEIGHTS = ("liked", "disliked", "torn"), (48, 34, 18)
LENGTHS, LENGTH_WEIGHTS = ("line", "short", "medium", "long", "list"), (22, 30, 28, 15, 5)
ASIDE = 0.35  # the share of reviewers with a clear opinion, and room for it, who see the other side too
LOUD, LOWER_CASE, WITH_EMOJI, WITH_RATING = 0.08, 0.06, 0.14, 0.12
VOWEL_AHEAD = re.compile(r"\b([Aa]) (?=[aeiou])")
SENTENCE_START = re.compile(r"(?:^|(?<=[^.][.!?] )|(?<=\n))[a-z]")


class Review(NamedTuple):
    """A text, and its writer's answer to the question whether the film is worth seeing."""

    text: str
    positive: bool


def write_review(rng: Random, cheer: float = 0) -> Review:
    """A review of one to some thirty sentences; line breaks in it are LF.

    `cheer` moves reviewers, per hundred, from those who disliked the film to those who liked it.
    """
    liked, disliked, torn = MOOD_WEIGHTS
    [mood] = rng.choices(MOODS, (liked + cheer, disliked - cheer, torn))
    positive = rng.random() < 0.5 if mood == "torn" else mood == "liked"
    [length] = rng.choices(LENGTHS, LENGTH_WEIGHTS)
    text = _LAYOUTS[length](rng, positive, mood == "torn").format_map(_Film(rng))
    text = VOWEL_AHEAD.sub(r"\1n ", text)
    text = SENTENCE_START.sub(lambda start: start[0].upper(), text)
    return Review(_in_a_manner(rng, text, positive), positive)


class _Film(dict[str, str]):
    """Words for the names in braces: the film's are the same throughout, other words are drawn each time."""

    def __init__(self, rng: Random) -> None:
        (lead, she, her), (support, _, _) = rng.sample(films.ACTORS, 2)
        super().__init__(
            title=rng.choice(films.TITLES),
            genre=rng.choice(films.GENRES),
            premise=rng.choice(films.PREMISES),
            minutes=rng.choice(films.RUNNING_TIMES),
            director=rng.choice(films.DIRECTORS),
            lead=lead,
            she=she,
            her=her,
            support=support,
        )
        self.rng = rng

    def __missing__(self, name: str) -> str:
        return self.rng.choice(review_words.WORDS[name]).format_map(self)


def _line(rng: Random, positive: bool, torn: bool) -> str:
    if torn:
        return f"{_remarks(rng, not positive, 1)[0]} {_verdict(rng, positive, torn)}"
    return rng.choice(review_sentences.ONE_LINERS[positive])


def _short(rng: Random, positive: bool, torn: bool) -> str:
    said = _remarks(rng, positive, rng.randint(1, 2))
    if torn:
        said = [*_remarks(rng, not positive, 1), rng.choice(review_sentences.BRIDGES[positive]), *said]
    elif rng.random() < 0.5:
        said.insert(0, rng.choice(review_sentences.OPENERS[positive]))
    return " ".join([*said, _verdict(rng, positive, torn)])


def _medium(rng: Random, positive: bool, torn: bool) -> str:
    start = _start(rng, positive, torn, rng.randint(1, 2))
    return " ".join([*start, *_argument(rng, positive, torn, 3), _verdict(rng, positive, torn)])


def _long(rng: Random, positive: bool, torn: bool) -> str:
    start = _start(rng, positive, torn, rng.randint(2, 3))
    said = _argument(rng, positive, torn, rng.randint(6, 11))
    cuts = sorted(rng.sample(range(2, len(said)), rng.randint(1, 3)))
    blocks = [said[first:last] for first, last in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    return "\n\n".join(" ".join(block) for block in [start, *blocks, [_verdict(rng, positive, torn)]])


def _list(rng: Random, positive: bool, torn: bool) -> str:
    points = [f"+ {remark}" for remark in _remarks(rng, True, 3 if positive else 1)]
    points += [f"- {remark}" for remark in _remarks(rng, False, 1 if positive else 3)]
    return "\n".join(["{title}, for those in a hurry:", *points, _verdict(rng, positive, torn)])


_LAYOUTS = {"line": _line, "short": _short, "medium": _medium, "long": _long, "list": _list}


def _start(rng: Random, positive: bool, torn: bool, count: int) -> list[str]:
    """`count` sentences before the first remark. A torn reviewer does not begin with an opinion."""
    facts = rng.sample(review_sentences.FACTS, count)
    return facts if torn else [rng.choice(review_sentences.OPENERS[positive]), *facts[1:]]


def _argument(rng: Random, positive: bool, torn: bool, count: int) -> list[str]:
    """`count` remarks, with some on the other side if the reviewer sees one. A torn reviewer begins with these."""
    said = _remarks(rng, positive, count)
    if torn:
        return [*_remarks(rng, not positive, count // 2), rng.choice(review_sentences.BRIDGES[positive]), *said]
    if rng.random() < ASIDE:
        return [*said, rng.choice(review_sentences.BRIDGES[not positive]), *_remarks(rng, not positive, 1)]
    return said


def _remarks(rng: Random, positive: bool, count: int) -> list[str]:
    """Remarks on `count` sides of the film; beyond its number of sides, second ones."""
    sides = rng.sample(list(review_remarks.ASPECTS), min(count, len(review_remarks.ASPECTS)))
    second = rng.sample(sides, count - len(sides))
    return [
        remark for side in sides for remark in rng.sample(review_remarks.ASPECTS[side][positive], 1 + (side in second))
    ]


def _verdict(rng: Random, positive: bool, torn: bool) -> str:
    return rng.choice((review_sentences.MIXED_VERDICTS if torn else review_sentences.VERDICTS)[positive])


def _in_a_manner(rng: Random, text: str, positive: bool) -> str:
    """The text with its writer's habits of typing."""
    if rng.random() < LOUD:
        text = text.removesuffix(".") + rng.choice(("!", "!!", "!!!"))
    if rng.random() < LOWER_CASE:
        text = text.lower()
    if rng.random() < WITH_RATING:
        text += rng.choice((" ", " ", "\n", "\n\n")) + rng.choice(review_sentences.RATINGS[positive])
    if rng.random() < WITH_EMOJI:
        text += " " + rng.choice(review_sentences.EMOJI[positive])
    return text
