"""Partners' orders, item by item."""

from pipeline.vendors.vendor_fields import Feed, Field

FEED = Feed(
    "partner_orders",
    (
        Field("order_id", "text", is_key=True),
        Field("customer_id", "integer", required=False),
        Field("item_id", "text", is_key=True),
        Field("item_name", "text", required=False),
        Field("delivered_on", "timestamp", required=False),
    ),
    says="Items of partners' orders: of several rows for one, that delivered last.",
    instants=("delivered_on",),
)
