"""What there is: the source tables with their keys, and the tables of the star schema with what each reads.

Column types are not written here: they come from the source's own catalogue at each extract.
"""

from dataclasses import dataclass

from pipeline.vendors.declared_feeds import CONTRACTS


@dataclass(frozen=True)
class SourceTable:
    """A table or view of the source.

    `columns` are those of the contract, all needed downstream; a source may have more. A row without a value for
    one of `required` cannot be loaded. `history` names a column of which every observed value is kept, not only
    the newest (a price, for SCD type 2). `label` names a text that is part of a key in the warehouse, whose index holds
    no long ones. `is_busy`: most of the rows that change in a day are its.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    required: tuple[str, ...]
    watermark: str = "updated_ts"
    history: str | None = None
    label: str | None = None
    is_busy: bool = False

    @property
    def short(self) -> str:
        """The name without its schema: what the table is called in delta and stage."""
        return self.name.split(".", 1)[1]


@dataclass(frozen=True)
class Dimension:
    """A dimension: `key` is the source's key, `sources` the stage tables whose changes it follows.

    The first of the sources is the one whose rows it holds; columns in `compared` are the same in both, so that source
    and warehouse can be compared. `versions_of` is the source's key where rows are versions (SCD type 2); `key` is then
    the surrogate key.
    `instants` are columns of feeds, each after its stage table, whose days the dimension must have: its select reads
    them as `:instants`.
    `warehouse/work/aggregate/<before>.sql` says for the mart, which counts facts by an attribute of their members, how
    it was before.
    `reopens` names facts whose rows another version or attribute may move, each with the select of
    `warehouse/work/queue/` that finds these rows before the dimension is written.
    """

    name: str
    key: tuple[str, ...]
    sources: tuple[str, ...]
    compared: tuple[str, ...] = ()
    versions_of: tuple[str, ...] = ()
    instants: tuple[tuple[str, str], ...] = ()
    before: str | None = None
    reopens: tuple[tuple[str, str], ...] = ()

    @property
    def surrogate(self) -> str:
        """The column that facts have: `dim_customer` -> `customer_key`."""
        return f"{self.name.removeprefix('dim_')}_key"

    @property
    def member(self) -> str:
        """The column with the source's key, by which facts wait for a row."""
        [column] = self.versions_of or self.key
        return column

    @property
    def is_numbered(self) -> bool:
        """Whether surrogate keys are drawn as rows come; those of days are the days."""
        return self.member != self.surrogate


@dataclass(frozen=True)
class Fact:
    """A fact table: `key` is its grain, `dimensions` what it looks its keys up in, `is_busy` as of a source table.

    The first of the stage tables `sources` is the one whose rows it holds, with `compared` as of a dimension. Rows of
    the facts `parts` are what a row of this one sums up: what changes one of them changes it.

    A daily load looks at what `warehouse/work/fact/<changed>.sql` finds: rows of the columns `changed_by`, by which the
    stage tables `sources` are then read. Rows whose keys `warehouse/work/fact/<deleted>.sql` then finds are deleted.
    `warehouse/work/aggregate/<before>.sql` says for the mart, which counts the fact, how rows stood before.
    """

    name: str
    key: tuple[str, ...]
    sources: tuple[str, ...]
    dimensions: tuple[str, ...]
    changed: str
    changed_by: tuple[str, ...]
    compared: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    before: str | None = None
    deleted: str | None = None
    is_busy: bool = False


def _ops(
    name: str, key: str, columns: str, *, history: str | None = None, label: str | None = None, is_busy: bool = False
) -> SourceTable:
    """A table of schema ops; a column marked `?` may be empty."""
    marked = (*key.split(), *columns.split(), "created_ts", "updated_ts")
    required = tuple(column for column in marked if not column.endswith("?") and column != "created_ts")
    columns_of_table = tuple(column.rstrip("?") for column in marked)
    return SourceTable(
        f"ops.{name}",
        tuple(key.split()),
        columns_of_table,
        required,
        history=history,
        label=label,
        is_busy=is_busy,
    )


# Large tables first: with several workers the longest chain begins at once.
SOURCE_TABLES = {
    table.name: table
    for table in (
        _ops("order_lines", "order_id line_number", "product_id? quantity unit_price", is_busy=True),
        _ops(
            "orders",
            "order_id",
            "customer_id? address_id? payment_method_id? order_status_id? ordered_ts delivered_ts?",
        ),
        _ops("customers", "customer_id", "first_name last_name email? phone? birth_date? registered_on?"),
        _ops("addresses", "address_id", "street unit? city postal_code? state_code? country", label="country"),
        _ops("customers_addresses", "customer_id address_id", ""),
        _ops(
            "products",
            "product_id",
            "sku name product_subtype_id? supplier_id? unit_price",
            history="unit_price",
        ),
        _ops("product_subtypes", "product_subtype_id", "product_type_id? name", label="name"),
        _ops("product_types", "product_type_id", "name"),
        _ops("suppliers", "supplier_id", "name contact_email? country"),
        _ops("payment_methods", "payment_method_id", "name"),
        _ops("order_statuses", "order_status_id", "name is_lost"),
        _ops("states", "state_code", "name", label="state_code"),
    )
}

# Extracted by the day of the invoice: it has no key and no time of change.
USER_PURCHASE = SourceTable(
    "retail.user_purchase",
    key=(),
    columns=(
        *("invoice_number", "stock_code", "detail", "quantity"),
        *("invoice_date", "unit_price", "customer_id", "country"),
    ),
    required=(),
    watermark="invoice_date",
)

# Who somebody is, by table. What the values of these columns go into holds personal data too.
PERSONAL = {
    "ops.customers": ("first_name", "last_name", "email", "phone", "birth_date"),
    "ops.addresses": ("street", "unit"),
    "ops.suppliers": ("contact_email",),
    **{f"feed.{name}": contract.feed.personal for name, contract in CONTRACTS.items()},
}

# Vendors' feeds of files by their names: folders of pipeline/vendors.
VENDOR_FEEDS = {name: contract.feed for name, contract in CONTRACTS.items() if contract.form == "csv"}
# Stage tables of what comes from elsewhere than the source, vendors' files and the risk-score service: their keys.
FEEDS = {name: contract.feed.key for name, contract in CONTRACTS.items()}
INSTANTS = tuple((name, column) for name, feed in VENDOR_FEEDS.items() for column in feed.instants)

DIMENSIONS = {
    dimension.name: dimension
    for dimension in (
        Dimension(
            "dim_date", ("date_key",), ("orders", *dict.fromkeys(name for name, _ in INSTANTS)), instants=INSTANTS
        ),
        Dimension(
            "dim_customer",
            ("customer_id",),
            ("customers", "risk_score"),
            ("first_name", "last_name"),
            before="customer_before",
        ),
        Dimension(
            "dim_address",
            ("address_id",),
            ("addresses", "states"),
            ("street", "city", "country"),
            before="address_before",
        ),
        Dimension("dim_payment_method", ("payment_method_id",), ("payment_methods",), ("name",)),
        Dimension("dim_order_status", ("order_status_id",), ("order_statuses",), ("name", "is_lost")),
        Dimension("dim_supplier", ("supplier_id",), ("suppliers",), ("name", "country")),
        # Its rows are versions: one source key has many, so a row is known by its surrogate key.
        Dimension(
            "dim_product",
            ("product_key",),
            ("products", "product_subtypes", "product_types"),
            ("sku", "name"),
            versions_of=("product_id",),
            before="product_before",
            reopens=(("fact_order_line", "reopened_order_line"),),
        ),
    )
}

FACTS = {
    fact.name: fact
    for fact in (
        Fact(
            "fact_order_line",
            ("order_id", "line_number"),
            ("order_lines", "orders"),
            ("dim_date", "dim_product", "dim_supplier"),
            changed="changed_order",
            changed_by=("order_id",),
            compared=("quantity", "unit_price"),
            before="line_before",
            is_busy=True,
        ),
        Fact(
            "fact_order",
            ("order_id",),
            ("orders", "order_lines"),
            ("dim_date", "dim_customer", "dim_address", "dim_payment_method", "dim_order_status"),
            changed="changed_order",
            changed_by=("order_id",),
            compared=("ordered_ts", "delivered_ts"),
            parts=("fact_order_line",),
            before="order_before",
        ),
        Fact(
            "fact_review",
            ("review_id",),
            ("movie_review",),
            ("dim_date", "dim_customer"),
            changed="changed_review",
            changed_by=("review_id",),
            deleted="deleted_review",
        ),
        Fact(
            "fact_partner_order",
            ("order_id", "item_id"),
            ("partner_orders",),
            ("dim_date", "dim_customer"),
            changed="changed_partner_order",
            changed_by=("order_id", "item_id"),
        ),
    )
}

# All tables of the star schema that are made from stage, in the order in which loads lock them.
STAR: tuple[Dimension | Fact, ...] = (*DIMENSIONS.values(), *FACTS.values())

LAYERS = ("extract", "stage", "dwh")


@dataclass(frozen=True)
class Moves:
    """What a task moves rows to: a layer, and the table where its parameters do not name that."""

    layer: str
    table: str = ""


# By the family of the task, as the run log has it.
TASKS = {
    "ExtractTable": Moves("extract"),
    "ExtractLog": Moves("extract", "log"),
    "CopySource": Moves("extract", "copies"),
    "ExtractPurchases": Moves("extract", USER_PURCHASE.short),
    "ExtractRiskScores": Moves("extract", "risk_score"),
    "ClassifyReviews": Moves("extract", "movie_review"),
    "LoadStage": Moves("stage"),
    "LoadFeed": Moves("stage"),
    "LoadReviews": Moves("stage", "movie_review"),
    "LoadPartnerOrders": Moves("stage", "partner_orders"),
    "LoadRiskScores": Moves("stage", "risk_score"),
    "LoadDimension": Moves("dwh"),
    "LoadFact": Moves("dwh"),
    "LoadUserBehavior": Moves("dwh", "user_behavior_metric"),
}


def tasks(*, is_alone: bool) -> dict[str, Moves]:
    """The tasks that move rows; where the star is on the lake alone, its load stands for those of dwh."""
    return {**TASKS, "LoadLakeStar": Moves("dwh", "star")} if is_alone else TASKS


def source_of(stage_table: str) -> str:
    """The source table behind a stage table: `orders` -> `ops.orders`.

    >>> source_of("orders")
    'ops.orders'
    """
    [name] = [table.name for table in SOURCE_TABLES.values() if table.short == stage_table]
    return name
