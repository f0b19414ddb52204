"""The invented world of OceanRecords: countries, goods and the words of their names."""

from typing import NamedTuple


class Country(NamedTuple):
    """A country with customers, its share of them, and Faker's locale for its names."""

    name: str
    locale: str
    weight: int
    calling_code: int


COUNTRIES = (
    Country("United States", "en_US", 34, 1),
    Country("United Kingdom", "en_GB", 17, 44),
    Country("Germany", "de_DE", 12, 49),
    Country("France", "fr_FR", 9, 33),
    Country("Japan", "ja_JP", 7, 81),
    Country("Netherlands", "nl_NL", 6, 31),
    Country("Canada", "en_CA", 5, 1),
    Country("Australia", "en_AU", 4, 61),
    Country("Brazil", "pt_BR", 3, 55),
    Country("Sweden", "sv_SE", 2, 46),
    Country("Portugal", "pt_PT", 1, 351),
)
UNITED_STATES = COUNTRIES[0].name
GROWING = "Brazil"  # from which more of the new customers come each month

STATES = (
    *(("AL", "Alabama"), ("AK", "Alaska"), ("AZ", "Arizona"), ("AR", "Arkansas"), ("CA", "California")),
    *(("CO", "Colorado"), ("CT", "Connecticut"), ("DE", "Delaware"), ("FL", "Florida"), ("GA", "Georgia")),
    *(("HI", "Hawaii"), ("ID", "Idaho"), ("IL", "Illinois"), ("IN", "Indiana"), ("IA", "Iowa")),
    *(("KS", "Kansas"), ("KY", "Kentucky"), ("LA", "Louisiana"), ("ME", "Maine"), ("MD", "Maryland")),
    *(
        ("MA", "Massachusetts"),
        ("MI", "Michigan"),
        ("MN", "Minnesota"),
        ("MS", "Mississippi"),
        ("MO", "Missouri"),
    ),
    *(("MT", "Montana"), ("NE", "Nebraska"), ("NV", "Nevada"), ("NH", "New Hampshire"), ("NJ", "New Jersey")),
    *(
        ("NM", "New Mexico"),
        ("NY", "New York"),
        ("NC", "North Carolina"),
        ("ND", "North Dakota"),
        ("OH", "Ohio"),
    ),
    *(
        ("OK", "Oklahoma"),
        ("OR", "Oregon"),
        ("PA", "Pennsylvania"),
        ("RI", "Rhode Island"),
        ("SC", "South Carolina"),
    ),
    *(("SD", "South Dakota"), ("TN", "Tennessee"), ("TX", "Texas"), ("UT", "Utah"), ("VT", "Vermont")),
    *(
        ("VA", "Virginia"),
        ("WA", "Washington"),
        ("WV", "West Virginia"),
        ("WI", "Wisconsin"),
        ("WY", "Wyoming"),
    ),
)

PAYMENT_METHODS = ("Credit card", "PayPal", "Debit card", "Bank transfer", "Gift card", "Invoice")
PAYMENT_WEIGHTS = (44, 26, 14, 8, 5, 3)


class Goods(NamedTuple):
    """A product type: its subtypes, the pattern of its products' names, its lowest and highest price."""

    name: str
    subtypes: tuple[str, ...]
    pattern: str
    cheapest: float
    dearest: float


GOODS = (
    Goods("Vinyl records", ("Sea shanties", "Surf rock", "Dub", "Ambient"), '{who}: "{a} {n}" (LP)', 14, 42),
    Goods("Compact discs", ("Whale song", "Folk", "Jazz", "Soundtracks"), '{who}: "{a} {n}" (CD)', 7, 19),
    Goods("Cassettes", ("Demos", "Field recordings", "Post-punk", "Mixtapes"), "{who}'s {a} {n}, tape", 5, 13),
    Goods("Turntables", ("Belt drive", "Direct drive", "Portable", "Parts"), "{a} {n} turntable", 49, 390),
    Goods("Speakers", ("Bookshelf", "Waterproof", "Headphones", "Cables"), "{a} {n}, pair", 12, 240),
    Goods(
        "Posters",
        ("Gig posters", "Sea charts", "Album art", "Species charts"),
        "Poster: {a} {n}, 50 x 70",
        8,
        35,
    ),
    Goods(
        "Books",
        ("Biographies", "Natural history", "Songbooks", "Children's books"),
        "The {a} {n}, by {who}",
        9,
        48,
    ),
    Goods("Clothing", ("T-shirts", "Fisherman's jumpers", "Caps", "Rain gear"), "{a} {n} by {who}", 15, 120),
    Goods("Shells and glass", ("Seashells", "Sea glass", "Fossils", "Sand"), "{a} {n}, hand picked", 0.625, 28),
    Goods("Home and galley", ("Mugs", "Lamps", "Rope work", "Enamelware"), "{a} {n} for the galley", 6, 85),
    Goods("Diving gear", ("Masks", "Fins", "Snorkels", "Dry bags"), '{a} {n}, 7" strap', 11, 160),
    Goods("Toys", ("Plush animals", "Puzzles", "Model ships", "Bath toys"), "{who}'s {a} {n}", 4, 65),
)

ADJECTIVES = (
    *("Abyssal", "Briny", "Coral", "Drifting", "Ebbing", "Foaming", "Glittering", "Hollow", "Indigo", "Jade"),
    *(
        "Kelp-Green",
        "Lonely",
        "Moonlit",
        "Northern",
        "Opaline",
        "Pelagic",
        "Quiet",
        "Rolling",
        "Salt-Worn",
        "Tidal",
    ),
    *(
        "Uncharted",
        "Velvet",
        "Windward",
        "Sunken",
        "Silver",
        "Thundering",
        "Far",
        "Midnight",
        "Sleepless",
        "Weathered",
    ),
)
NOUNS = (
    *(
        "Albatross",
        "Breakwater",
        "Cuttlefish",
        "Dolphin",
        "Estuary",
        "Fjord",
        "Gulf",
        "Harbour",
        "Island",
        "Jellyfish",
    ),
    *("Kraken", "Lighthouse", "Manta", "Narwhal", "Octopus", "Pilot", "Quay", "Reef", "Squall", "Trawler"),
    *("Urchin", "Voyage", "Whale", "Anchor", "Buoy", "Cove", "Current", "Lagoon", "Mermaid", "Tempest"),
)
BANDS = (
    *(
        "The Barnacles",
        "Nordsee Dub",
        "Señora Marea",
        "Les Mouettes",
        "Captain O'Hara",
        "Smith, Jones & Sturgeon",
    ),
    *(
        "Café Océan",
        "波の音",
        "Sjöjungfru",
        "DJ Plankton",
        "The Second Mates",
        "Maré Alta",
        "Käpt'n Blau",
        "Lady Krill",
    ),
)
CORRECTIONS = (", second pressing", " (signed)", ", large", " — limited edition", ", boxed")
