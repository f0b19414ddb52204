"""The reviewed films. None of them exists."""

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
