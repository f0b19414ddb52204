-- The operational database of the simulated shop: the twelve tables of the source contract, indexes for readers and for
-- the simulator, and the simulator's own state.
-- A rerun changes nothing.

create schema if not exists ops;

create table if not exists ops.states (
    state_code varchar(8) primary key,
    name varchar(80) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.addresses (
    address_id bigint primary key,
    street varchar(200) not null,
    unit varchar(80),
    city varchar(120) not null,
    postal_code varchar(20),
    state_code varchar(8) references ops.states,
    country varchar(80) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.customers (
    customer_id bigint primary key,
    first_name varchar(80) not null,
    last_name varchar(80) not null,
    email varchar(200),
    phone varchar(40),
    birth_date date,
    registered_on date not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.customers_addresses (
    customer_id bigint not null references ops.customers,
    address_id bigint not null references ops.addresses,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now(),
    primary key (customer_id, address_id)
);

create table if not exists ops.suppliers (
    supplier_id bigint primary key,
    name varchar(160) not null,
    contact_email varchar(200),
    country varchar(80) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.product_types (
    product_type_id bigint primary key,
    name varchar(120) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.product_subtypes (
    product_subtype_id bigint primary key,
    product_type_id bigint not null references ops.product_types,
    name varchar(120) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.products (
    product_id bigint primary key,
    sku varchar(20) not null unique,
    name varchar(1000) not null,
    product_subtype_id bigint not null references ops.product_subtypes,
    supplier_id bigint not null references ops.suppliers,
    unit_price numeric(10, 3) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.payment_methods (
    payment_method_id bigint primary key,
    name varchar(60) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

-- A lost order was cancelled, refunded, returned or never arrived.
create table if not exists ops.order_statuses (
    order_status_id bigint primary key,
    name varchar(60) not null,
    is_lost boolean not null default false,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.orders (
    order_id bigint primary key,
    customer_id bigint not null references ops.customers,
    address_id bigint not null references ops.addresses,
    payment_method_id bigint not null references ops.payment_methods,
    order_status_id bigint not null references ops.order_statuses,
    ordered_ts timestamptz not null,
    delivered_ts timestamptz,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);

create table if not exists ops.order_lines (
    order_id bigint not null references ops.orders,
    line_number integer not null,
    product_id bigint not null references ops.products,
    quantity integer not null,
    unit_price numeric(10, 3) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now(),
    primary key (order_id, line_number)
);

-- The daily extract reads the changed rows, not all rows.
create index if not exists addresses_updated_ts_idx on ops.addresses (updated_ts);
create index if not exists customers_updated_ts_idx on ops.customers (updated_ts);
create index if not exists customers_addresses_updated_ts_idx on ops.customers_addresses (updated_ts);
create index if not exists orders_updated_ts_idx on ops.orders (updated_ts);
create index if not exists order_lines_updated_ts_idx on ops.order_lines (updated_ts);

-- Open orders: placed, paid or shipped. Small at any age of the shop.
create index if not exists orders_open_idx on ops.orders (order_id) where order_status_id < 4;

-- A day of retail.user_purchase, by its invoice_date. A brin index does not work here: new orders fill the space that
-- vacuum freed among old ones.
create index if not exists orders_invoice_date_idx on ops.orders ((ordered_ts at time zone 'UTC'));

create schema if not exists retail;

-- Grain: one row per order line. Columns are those of the public Online Retail data.
create or replace view retail.user_purchase as
select
    orders.order_id::varchar(20) as invoice_number,
    products.sku as stock_code,
    products.name as detail,
    order_lines.quantity,
    orders.ordered_ts at time zone 'UTC' as invoice_date,
    order_lines.unit_price,
    orders.customer_id,
    addresses.country
from ops.orders
inner join ops.order_lines on orders.order_id = order_lines.order_id
inner join ops.products on order_lines.product_id = products.product_id
inner join ops.addresses on orders.address_id = addresses.address_id;

create schema if not exists simulator;

-- The settings with which the shop was opened; one row.
create table if not exists simulator.shop (
    only_one boolean primary key default true check (only_one),
    seed bigint not null,
    scale double precision not null,
    opened_on date not null
);

-- The marker of each business day that is done, with the last key of each table at its end.
create table if not exists simulator.business_day (
    business_date date primary key,
    rows_written bigint not null,
    last_customer_id bigint not null,
    last_address_id bigint not null,
    last_product_id bigint not null,
    last_order_id bigint not null,
    simulated_ts timestamptz not null default clock_timestamp()
);
