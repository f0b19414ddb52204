"""Sentences on a film as a whole, by their place in a review. Names in braces are those of review_words."""

# First sentences, if more follow.
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

# Events, without a judgement.
FACTS = (
    "{set_up}",
    "{visit}",
    "{lead} plays the lead, with {support} as the best friend, the rival and, briefly, the ghost.",
    "It's {director}'s first {genre}, after a string of documentaries.",
    "It runs for {minutes}, credits included.",
    "It is based on a novel that I haven't read.",
    'The title, "{title}", is explained about an hour in.',
)

# Sentences before one that speaks against the rest.
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

# Last sentences.
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

# Complete reviews of one sentence.
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

# Endings after the last sentence.
EMOJI = {
    True: ("😍", "👍", "❤️", "🎬🍿", "😂😂", "👏👏👏", "🥹", "🔥", "😭❤️", "⭐⭐⭐⭐⭐"),
    False: ("👎", "😴", "🙄", "😡", "🤮", "💤💤💤", "🤦‍♀️", "😬", "🗑️", "⭐"),
}
RATINGS = {
    True: ("8/10", "9/10", "10/10", "4 out of 5", "★★★★☆", "★★★★★", "A-", "7.5/10"),
    False: ("2/10", "3/10", "1/10", "2 out of 5", "★☆☆☆☆", "★★☆☆☆", "D+", "4/10"),
}
