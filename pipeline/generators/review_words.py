"""The words for names in braces: a sentence about a film holds {fine}, {film} or {snack}.

Besides these, the film at hand fills in `title`, `genre`, `premise`, `minutes`, `director`, `lead`, `she`, `her` and
`support`. A word may hold such names itself.
"""

WORDS: dict[str, tuple[str, ...]] = {
    # Of an actor: "is ..."
    "great": (
        *("excellent", "superb", "wonderful", "terrific", "quietly brilliant", "spot on", "a delight", "magnetic"),
        *("a revelation", "funny and sad at once", "very, very good", "better than ever", "an absolute joy"),
    ),
    "awful": (
        *("awful", "wooden", "badly miscast", "a bore", "all over the place", "unconvincing", "dreadful"),
        *("embarrassing to watch", "a disappointment", "hard to bear", "grating", "not good enough"),
    ),
    # Of pictures, sound and lines.
    "lovely": ("lovely", "superb", "wonderful", "terrific", "gorgeous", "beautiful", "not just good but brilliant"),
    "ugly": ("dreadful", "clumsy", "flat", "lifeless", "an insult", "laughable", "not good", "as stale as old bread"),
    # Of a film: "a ... film"
    "fine": (
        *("moving", "clever", "charming", "gripping", "thoughtful", "hilarious", "gorgeous", "tender", "inventive"),
        *("assured", "good", "good", "warm-hearted", "well-made", "memorable", "witty", "suspenseful", "brave"),
    ),
    "poor": (
        *("dull", "lazy", "clumsy", "forgettable", "lifeless", "tedious", "muddled", "hollow", "predictable"),
        *("overlong", "incoherent", "bland", "charmless", "joyless", "sloppy", "pretentious", "derivative"),
    ),
    "very": ("really", "genuinely", "truly", "surprisingly", "remarkably", "seriously"),
    "film": ("film", "film", "movie", "movie", "picture"),
    "friend": (
        *("my wife", "my husband", "my sister", "my dad", "a friend", "my teenage son", "the kids", "my flatmate"),
        *("my mother-in-law", "two colleagues", "my book club", "my grandmother, 84"),
    ),
    "when": (
        *("on a rainy Sunday", "on Friday night", "at a matinee", "on the plane to Lisbon", "in a half-empty cinema"),
        *("at our local", "on opening night", "at a festival", "on the sofa", "in a sold-out house"),
    ),
    "snack": ("popcorn", "nachos", "wine gums", "ice cream", "pretzels"),
    "set_up": (
        "It's about {premise}.",
        "The story: {premise}, more or less.",
        "If you've seen the trailer, you know the set-up: {premise}.",
    ),
    "visit": (
        "I saw it {when} with {friend}.",
        "We watched it {when}.",
        "I got the disc as a present, and watched it with {friend}.",
    ),
}
