"""Film reviews. LoadReviews loads them, because it makes the key and the class of each review."""

from pipeline.vendors.vendor_fields import Feed, Field

FEED = Feed(
    "movie_review",
    (Field("cid", "integer"), Field("review_str", "text", longest=20_000)),
    instants=("review_date",),
    made_key=("review_id",),
)
