"""Reviews that a reader believes, and that give a classifier something to do."""

import datetime as dt
from itertools import chain
from random import Random

import pytest

from pipeline.generators import review_remarks, review_sentences, review_words
from pipeline.generators.review_texts import _Film, write_review
from pipeline.generators.seasons import cheer

REVIEWS = [write_review(Random(f"test:{number}")) for number in range(2000)]
LIKED, DISLIKED = ([review.text for review in REVIEWS if review.positive is positive] for positive in (True, False))


def share(texts: list[str], *parts: str) -> float:
    return sum(any(part in text for part in parts) for text in texts) / len(texts)


def test_the_same_randomness_gives_the_same_review() -> None:
    assert [write_review(Random(f"test:{number}")) for number in range(20)] == REVIEWS[:20]
    assert len({review.text for review in REVIEWS}) > 0.85 * len(REVIEWS)


@pytest.mark.parametrize(
    "sentences",
    [
        *(
            said
            for kind in (
                review_sentences.OPENERS,
                review_sentences.BRIDGES,
                review_sentences.VERDICTS,
                review_sentences.MIXED_VERDICTS,
            )
            for said in kind.values()
        ),
        *(said for side in review_remarks.ASPECTS.values() for said in side.values()),
        *review_sentences.ONE_LINERS.values(),
        *review_words.WORDS.values(),
        review_sentences.FACTS,
    ],
)
def test_every_name_in_braces_stands_for_something(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        text = sentence.format_map(_Film(Random(sentence)))
        assert text.strip() == text != ""
        assert not set(text) & set("{}")


def test_reviews_are_a_word_a_sentence_or_many_paragraphs_long() -> None:
    lengths = [len(review.text.split()) for review in REVIEWS]
    assert min(lengths) <= 3
    assert 40 < sum(lengths) / len(lengths) < 100
    assert max(lengths) > 200
    assert 0.05 < share([review.text for review in REVIEWS], "\n\n") < 0.4


def test_most_reviews_are_positive_and_many_are_not() -> None:
    assert 0.5 < len(LIKED) / len(REVIEWS) < 0.65


def test_reviewers_who_wait_for_their_parcels_like_fewer_films() -> None:
    summer, winter = cheer(dt.date(2026, 6, 15)), cheer(dt.date(2026, 12, 15))

    def liked(cheer: float) -> int:
        return sum(write_review(Random(f"test:{number}"), cheer).positive for number in range(2000))

    assert liked(summer) - liked(winter) > 400
    assert liked(winter) < sum(review.positive for review in REVIEWS) < liked(summer)


def test_single_words_do_not_tell_who_liked_the_film() -> None:
    """Where "good" stands it is often denied, and "bad" too."""
    for word in ("good", "bad", "not ", "n't"):
        assert share(LIKED, word) > 0.02
        assert share(DISLIKED, word) > 0.02
    keyword = share(LIKED, "good") * len(LIKED) + (1 - share(DISLIKED, "good")) * len(DISLIKED)
    assert 0.35 < keyword / len(REVIEWS) < 0.65
    for denied, texts in {"not good": DISLIKED, "isn't bad at all": LIKED, "Not bad at all": LIKED}.items():
        assert share(texts, denied) > 0


def test_reviews_hold_quotes_commas_emoji_and_letters_beyond_ascii() -> None:
    texts = [review.text for review in REVIEWS]
    for part in ('"', ",", "'", "...", "ñ", "é"):
        assert share(texts, part) > 0.005
    assert 0.05 < share(texts, *chain(*review_sentences.EMOJI.values())) < 0.3


def test_articles_fit_and_sentences_begin_with_a_capital_unless_all_is_lower_case() -> None:
    for review in REVIEWS:
        assert not [bad for bad in (" a a", " a e", " a i", " a o", " a u") if bad in review.text]
        assert review.text[0] == review.text[0].upper() or review.text.split("\n")[0].islower()
