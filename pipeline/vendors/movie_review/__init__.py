"""Film reviews, which LoadReviews loads: the key and the class of a review are made on the way."""

from pipeline.vendors.vendor_fields import Feed, Field

FEED = Feed(
    "movie_review",
    (Field("cid", "integer"), Field("review_str", "text", longest=20_000)),
    instants=("review_date",),
    made_key=("review_id",),
)
