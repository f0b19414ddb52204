"""What reviewers of films that do not exist say about them.

Names in braces stand for the film at hand (`title`, `genre`, `premise`, `minutes`, `director`, `lead`, `she`,
`her`, `support`) or for words drawn anew each time (the keys of WORDS).
"""

TITLES = (
    *("Salt Hour", "The Last Ferry to Lund", "Eleven Kinds of Rain", "Paper Harbour", "Nobody Calls on Sundays"),
    *("The Clockmaker's Debt", "Mercy, Ohio", "A Door in the Tide", "Seven Minutes of Snow", "Good Night, Admiral"),
    *("The Understudy", "Low Season", "What the Lamplighter Saw", "Borrowed Horses", "Orchard Street, Upstairs"),
    *("The Bad Year", "Glass Mountain", "Hello, Stranger, Hello", "Café Zenith", "Two Left Shoes", "The Quiet Quarter"),
    *("Unit 9", "All the King's Plumbers", "Somewhere South of Good", "Fog Signal", "The Beekeeper's Alibi"),
    *("Where Were You, Elsie?", "The Perfect Tenant", "Underwater Piano", "Thirteen Ways Home", "Ash & Honey"),
    *("Not My Circus", "The Longest Encore", "Señor Invierno", "Cold Kitchen", "The Night Bus", "Wolves of Pearl Lane"),
    *("Half a Kingdom", "The Great Ernesto", "Dead Letter Office", "Rust", "Midwinter, Again", "Love in a Lay-By"),
)
GENRES = (
    *("thriller", "comedy", "drama", "western", "horror film", "romance", "space opera", "heist film", "whodunnit"),
    *("road movie", "coming-of-age story", "ghost story", "courtroom drama", "family film", "musical", "war film"),
)
PREMISES = (
    "a lighthouse keeper who stops answering the radio",
    "two sisters who inherit a bankrupt circus",
    "a retired safecracker, a wedding and a missing violin",
    "a night nurse who can't forget one particular patient",
    "a village that votes on whether to leave its valley",
    "the worst football team in Belgium",
    "an astronaut on her way home to a planet that stopped calling",
    "a piano tuner with a secret in every house he works in",
    "three brothers, one boat and a great deal of unpaid tax",
    "a substitute teacher who is mistaken for somebody famous",
    "a hotel where it is always the same Tuesday",
    "a young widow who learns to drive a lorry",
    "a detective who solves the case in the first ten minutes and then can't prove it",
    "a divorced couple stuck in a lift on New Year's Eve",
)
# Name, "she" or "he", "her" or "him".
ACTORS = (
    *(("Marla Quist", "she", "her"), ("Idris Vane", "he", "him"), ("Tove Alder", "she", "her")),
    *(("Benedikt Oso", "he", "him"), ("Priya Lanark", "she", "her"), ("Colm Aherne-Walsh", "he", "him")),
    *(("Josephine Tull", "she", "her"), ("Rafael Montjoy", "he", "him"), ("Yuki Harrow", "she", "her")),
    *(("Desmond Pike", "he", "him"), ("Céline Farrow-Dubé", "she", "her"), ("Oskar Lind", "he", "him")),
    *(("Nomvula Grant", "she", "her"), ("Teddy Marchetti", "he", "him"), ("Ingrid Bellweather", "she", "her")),
    *(("Hal O'Dowd", "he", "him"), ("Samira Kestrel", "she", "her"), ("Luis Ferreira Pond", "he", "him")),
)
DIRECTORS = (
    *("Anders Holloway", "Beatriz Calder", "J. P. Osterman", "Wen Lidell", "Frances Okoro", "Matti Saarela"),
    *("Greta Vandermeer", "Tomás Ibarra-Lowe", "Delphine Roux", "Kit Abernathy", "Sunil Marsh", "Roberta Finch"),
)

RUNNING_TIMES = ("ninety minutes", "two hours", "a hundred minutes", "nearly three hours", "two and a half hours")

WORDS: dict[str, tuple[str, ...]] = {
    # Said of an actor: "is ..."
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

# What a reviewer starts with, where there is more to come.
OPENERS = {
    True: (
        "What a {fine} {film}.",
        "I went in expecting nothing and came out with a new favourite.",
        '"{title}" may be the best {genre} I have seen in years.',
        "Good films still get made, and this is one of them.",
        "It really is as good as everybody says.",
        "I can't stop thinking about {title}.",
        "Not your usual {genre}, and all the better for it.",
        "Wow. Just wow.",
        "Don't be put off by the poster: this is a {fine} {film}.",
        "It isn't often that a {genre} makes me laugh and cry in the same scene.",
        "{director} has done it again.",
        "I was not ready for how {fine} this would be.",
        "Finally, a {genre} for grown-ups.",
        "I didn't want it to end, and how often can you say that?",
        "Ignore the critics, this isn't bad at all; it's {very} {fine}.",
    ),
    False: (
        "What a {poor} {film}.",
        "I wanted to like this. I really did.",
        '"{title}" is not good, and no amount of hype will change that.',
        "Oh dear.",
        "Save your money.",
        "How do you start with an idea like that and end up with something this {poor}?",
        "I can't remember the last time I looked at my watch so often.",
        "{director} used to make good films. This isn't one of them.",
        "Well, that's {minutes} I'll never get back.",
        "The trailer was good. The trailer was also the only good thing about it.",
        "I don't understand the five-star reviews at all.",
        "Nothing about {title} works.",
        "My expectations were low and it still didn't meet them.",
    ),
}

# What happened, without a judgement.
FACTS = (
    "{set_up}",
    "{visit}",
    "{lead} plays the lead, with {support} as the best friend, the rival and, briefly, the ghost.",
    "It's {director}'s first {genre}, after a string of documentaries.",
    "It runs for {minutes}, credits included.",
    "It is based on a novel that I haven't read.",
    'The title, "{title}", is explained about an hour in.',
)

# For each side of a film what is said for it and against it.
ASPECTS: dict[str, dict[bool, tuple[str, ...]]] = {
    "acting": {
        True: (
            "{lead} is {great} in the lead, and {support} nearly steals the {film} in three short scenes.",
            "I've never been a fan of {lead}, but {she} won me over completely here.",
            "{lead} and {support} have the kind of chemistry that can't be rehearsed.",
            "There isn't a single weak performance in the whole cast.",
            "{support} says more with one raised eyebrow than others do with a page of dialogue.",
            "The acting isn't just good, it's {lovely}.",
            "{lead} is good, and {support} is even better.",
            "You never once catch {lead} acting.",
            "Even the child actors, usually my cue to look at the ceiling, are {great}.",
            "{lead}, on screen for almost every minute, is {great}, and nobody around {her} is far behind.",
        ),
        False: (
            "{lead} looks as if {she} would rather be anywhere else, and I couldn't blame {her}.",
            "The acting is not good, and {support} in particular seems to be reading from cue cards.",
            "{lead} has two expressions, and one of them is blinking.",
            "There is no chemistry between {lead} and {support}, none whatsoever.",
            "{support} is {awful}, though it doesn't help that there is nothing to play.",
            "I usually love {lead}, which makes this harder to write: {she} is {awful}.",
            "Good actors can save a bad script; nobody here even tries.",
            "Nobody in this cast is having a good time, least of all {lead}.",
            "{lead} shouts, {support} whispers, and I believed neither of them.",
        ),
    },
    "plot": {
        True: (
            "The plot isn't new, but it's told with such care that I didn't mind for a second.",
            "Every loose end is tied up, and not one of them the way I expected.",
            "I never guessed the twist, and I always guess the twist.",
            "The story is simple, and that turns out to be plenty.",
            "It's a {fine} story, and it trusts you to keep up.",
            "The script never cheats, never explains too much, never talks down to you.",
            "What could have been just another {genre} becomes something {very} {fine}.",
            "A good story, well told: that is all I ask.",
        ),
        False: (
            "The plot makes no sense, and the longer you think about it the less it makes.",
            "I guessed the twist in the first ten minutes and hoped, for two hours, that I was wrong.",
            "The story has holes that you could sail a ferry through.",
            "There's a good idea in here somewhere, but the script never finds it.",
            "It's every {genre} you have ever seen, only more {poor}.",
            "Characters appear, say something meaningful and are never heard of again.",
            "The script isn't clever, it just thinks it is.",
            "I didn't care about anybody in it, and I don't think the writers did either.",
        ),
    },
    "pace": {
        True: (
            "{minutes} have never gone by so fast.",
            "It takes its time, but it's never boring.",
            "There isn't an ounce of fat on it.",
            "It starts slowly, no question, and then it doesn't let go of you.",
            "I forgot about {snack} entirely, which has not happened before.",
            "Not a dull moment from the first shot to the last.",
            "I never once looked at my watch, which is always a good sign.",
        ),
        False: (
            "It drags. And drags. And then there's a flashback.",
            "At {minutes} it's at least forty minutes too long.",
            "The middle hour could be cut and nobody would notice.",
            "By the end I was counting the seats in front of me (there are 114).",
            "I fell asleep twice, and both times nothing had happened when I woke up.",
            "It's never exciting, not even when things explode.",
            "People around us left, and I envied them.",
        ),
    },
    "pictures": {
        True: (
            "It looks {lovely}: every frame could hang on a wall.",
            "The camera work alone is worth the ticket.",
            "The harbour at dawn, the long shot through the kitchen... I won't forget those.",
            "The effects aren't flashy, and they don't need to be.",
            "See it on the biggest screen you can find.",
            "{director} shoots faces the way others shoot landscapes.",
        ),
        False: (
            "It looks cheap, and not in a good way.",
            "Half of it is so dark that I couldn't tell who was who.",
            "The effects wouldn't have impressed anyone in 1995.",
            "The camera never stops shaking, and neither did my head.",
            "It's all grey. Grey sea, grey coats, grey people.",
            "Pretty pictures do not make a good {film}, and these aren't even that pretty.",
        ),
    },
    "music": {
        True: (
            "And the music! I've had the main theme in my head for days.",
            "The score is {lovely}, and it knows when to be silent.",
            "I bought the soundtrack on the way home.",
            "There's a scene with nothing but a cello, and I didn't dare to breathe.",
        ),
        False: (
            "The music tells you what to feel, loudly, every thirty seconds.",
            "The score is {ugly}; I wished for ear plugs.",
            "If I never hear that ukulele again it will be too soon.",
            "You can't hear the dialogue over the music, which may be for the best.",
        ),
    },
    "talk": {
        True: (
            "The dialogue crackles. \"I'm not lost, I'm early\" is a line I'll be stealing.",
            "It's quotable from start to finish.",
            'When {lead} says "we could have been happy, you know", the whole cinema went quiet.',
            "People talk over each other, mishear, give up, exactly as in life.",
            "I laughed, out loud, in a room full of strangers.",
        ),
        False: (
            'Nobody talks like this. "Time is a river, and you are the dam"? Please.',
            "The dialogue is {ugly}.",
            "The jokes aren't funny, and there are a lot of them.",
            "I laughed once, and I don't think I was supposed to.",
            'Somebody got paid to write "it\'s quiet... too quiet", in this day and age.',
            "Everyone explains everything, twice, in case you were asleep (I was).",
        ),
    },
    "end": {
        True: (
            "The ending left me speechless.",
            "I cried at the end, I don't mind admitting it.",
            "The last shot is perfect, no other word for it.",
            "It doesn't take the easy way out, and the ending is all the stronger for it.",
            "When the lights came up nobody moved.",
        ),
        False: (
            "The ending is a slap in the face.",
            "And then it just stops, as if they had run out of money or ideas.",
            "The ending isn't sad or happy, it's merely late.",
            "Without giving it away: the ending ruins what little there was.",
            "They clearly want a sequel. I don't.",
        ),
    },
}

# Before something that speaks against the rest.
BRIDGES = {
    True: (
        "To be fair, it's not all bad.",
        "Credit where it's due.",
        "That said, it has its moments.",
        "It isn't a complete disaster, though.",
        "There are things to like, I admit.",
    ),
    False: (
        "It isn't perfect.",
        "Not everything works, mind you.",
        "A few complaints, though.",
        "Now for the bad news.",
        "I do have one or two problems with it.",
    ),
}

# What a reviewer ends with.
VERDICTS = {
    True: (
        "Highly recommended.",
        "I'd see it again tomorrow.",
        "You won't regret it.",
        "Not to be missed.",
        "Go and see it.",
        "I can't recommend it enough.",
        "One of the best things I have seen this year.",
        "A {fine} {film}, and not only for fans of the {genre}.",
        "Not bad. Not bad at all.",
        "I have nothing to complain about, and I always do.",
        "It may not change your life, but it made my week.",
        "Already ordered the disc for my brother.",
        "All in all a {very} good {film}.",
        "Good, good, good.",
        "As good as it gets.",
    ),
    False: (
        "Avoid.",
        "I wouldn't watch it again if you paid me.",
        "I can't recommend it to anyone.",
        "Don't bother.",
        "A waste of time, money and {snack}.",
        "Not worth the ticket.",
        "One of the worst things I have seen this year.",
        "A {poor} {film}, and fans of the {genre} deserve better.",
        "Sorry, but this was not good.",
        "I want my money back.",
        "{director} can do better. Anyone can.",
        "Watch something else, watch anything else.",
        "All in all it's hardly what I would call a good {film}.",
    ),
}
MIXED_VERDICTS = {
    True: (
        "Flawed, yes, but I'm glad I saw it.",
        "Not great, not terrible, and in the end I liked it more than I expected to.",
        "Worth a look, if not a second one.",
        "Despite all that, I'd recommend it.",
        "It's a mess, but a lovable one.",
        "Not everybody's cup of tea; it was mine, just about.",
    ),
    False: (
        "A pity, there is a good {film} in there somewhere.",
        "Nice try, but no.",
        "In the end the good bits aren't good enough.",
        "I wouldn't call it bad, but I can't call it good either.",
        "Wait until it's on television.",
        "So close, and yet I left disappointed.",
    ),
}

# All that some reviewers have to say.
ONE_LINERS = {
    True: (
        "Loved it, loved it, loved it.",
        "Not bad at all!",
        "{lead} is {great}, the rest isn't far behind.",
        '"{title}" is a {fine} {genre} that never forgets to be fun.',
        "A {fine}, {fine} {film} about {premise}.",
        "I laughed, I cried, I forgot about {snack}.",
        "Better than the book, and I don't say that often.",
        "Good fun for the whole family.",
        "You'd have to be made of stone not to enjoy this one.",
        "I didn't think I'd like a {genre}, but this was {very} {fine}.",
        "Can't fault it.",
        "{director} makes it look easy, and it never is.",
        "Came for {lead}, stayed for the story.",
        "Saw it {when} with {friend}, and we couldn't stop talking about it.",
        "What a good {film} can be when nobody is trying to sell you a toy.",
        "Simple, {fine}, and over before you want it to be.",
        "Not since I was a child have I enjoyed a {genre} this much.",
        "Five stars, would give six.",
    ),
    False: (
        "Boring.",
        "Not good.",
        "Not even {lead} can save this one.",
        '"{title}" is a {poor} {genre} with nothing to say and {minutes} to say it in.',
        "A {poor}, {poor} {film} about {premise}.",
        "I've had more fun at the dentist.",
        "The book was so good, what happened?",
        "Good grief, who thought this was a good idea?",
        "You won't laugh, you won't cry, you will check your phone.",
        "I like a {genre}, but this was {very} {poor}.",
        "Couldn't finish it.",
        "{director} should be ashamed of this.",
        "Came for {lead}, left after half an hour.",
        "Saw it {when} with {friend}, and we're still apologising to each other.",
        "All that money and nobody could afford a script?",
        "Slow, {poor}, and nowhere near as good as people say.",
        "I can't think of one good reason to watch this.",
        "Two stars, and one of them is for the {snack}.",
    ),
}

EMOJI = {
    True: ("😍", "👍", "❤️", "🎬🍿", "😂😂", "👏👏👏", "🥹", "🔥", "😭❤️", "⭐⭐⭐⭐⭐"),
    False: ("👎", "😴", "🙄", "😡", "🤮", "💤💤💤", "🤦‍♀️", "😬", "🗑️", "⭐"),
}
RATINGS = {
    True: ("8/10", "9/10", "10/10", "4 out of 5", "★★★★☆", "★★★★★", "A-", "7.5/10"),
    False: ("2/10", "3/10", "1/10", "2 out of 5", "★☆☆☆☆", "★★☆☆☆", "D+", "4/10"),
}
