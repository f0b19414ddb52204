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
comment on table ops.states is 'The states of the United States; addresses elsewhere have none.';
comment on column ops.states.state_code is 'Short form of the name, such as CA.';
comment on column ops.states.name is 'Full name.';
comment on column ops.states.created_ts is 'When the row came into being.';
comment on column ops.states.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

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
comment on table ops.addresses is 'Addresses that orders are delivered to; several customers may share one.';
comment on column ops.addresses.address_id is 'Key of the address.';
comment on column ops.addresses.street is 'Street and house number.';
comment on column ops.addresses.unit is 'Flat, floor or the like; NULL: none.';
comment on column ops.addresses.city is 'Town or city.';
comment on column ops.addresses.postal_code is 'Postal code; NULL: not given.';
comment on column ops.addresses.state_code is 'The state; NULL: not in the United States.';
comment on column ops.addresses.country is 'Name of the country.';
comment on column ops.addresses.created_ts is 'When the row came into being.';
comment on column ops.addresses.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

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
comment on table ops.customers is 'People who registered with the shop.';
comment on column ops.customers.customer_id is 'Key of the customer.';
comment on column ops.customers.first_name is 'Given name.';
comment on column ops.customers.last_name is 'Family name, which is corrected at times.';
comment on column ops.customers.email is 'E-mail address; NULL: not given.';
comment on column ops.customers.phone is 'Telephone number with the country''s code; NULL: not given.';
comment on column ops.customers.birth_date is 'Day of birth; NULL: not given.';
comment on column ops.customers.registered_on is 'Day of registration (UTC).';
comment on column ops.customers.created_ts is 'When the row came into being.';
comment on column ops.customers.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

create table if not exists ops.customers_addresses (
    customer_id bigint not null references ops.customers,
    address_id bigint not null references ops.addresses,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now(),
    primary key (customer_id, address_id)
);
comment on table ops.customers_addresses is 'Which addresses a customer has; an order goes to one of them.';
comment on column ops.customers_addresses.customer_id is 'The customer.';
comment on column ops.customers_addresses.address_id is 'One of the customer''s addresses.';
comment on column ops.customers_addresses.created_ts is 'When the row came into being.';
comment on column ops.customers_addresses.updated_ts is
'When the row was last changed; extracts find changed rows by it.';

create table if not exists ops.suppliers (
    supplier_id bigint primary key,
    name varchar(160) not null,
    contact_email varchar(200),
    country varchar(80) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);
comment on table ops.suppliers is 'Companies from which the shop buys its products.';
comment on column ops.suppliers.supplier_id is 'Key of the supplier.';
comment on column ops.suppliers.name is 'Name of the company.';
comment on column ops.suppliers.contact_email is 'Where orders are sent to; NULL: not given.';
comment on column ops.suppliers.country is 'Where the company is.';
comment on column ops.suppliers.created_ts is 'When the row came into being.';
comment on column ops.suppliers.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

create table if not exists ops.product_types (
    product_type_id bigint primary key,
    name varchar(120) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);
comment on table ops.product_types is 'The kinds of goods that the shop sells.';
comment on column ops.product_types.product_type_id is 'Key of the type.';
comment on column ops.product_types.name is 'What the shop calls it.';
comment on column ops.product_types.created_ts is 'When the row came into being.';
comment on column ops.product_types.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

create table if not exists ops.product_subtypes (
    product_subtype_id bigint primary key,
    product_type_id bigint not null references ops.product_types,
    name varchar(120) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);
comment on table ops.product_subtypes is 'The kinds of products within a type.';
comment on column ops.product_subtypes.product_subtype_id is 'Key of the subtype.';
comment on column ops.product_subtypes.product_type_id is 'The type that it belongs to.';
comment on column ops.product_subtypes.name is 'What the shop calls it.';
comment on column ops.product_subtypes.created_ts is 'When the row came into being.';
comment on column ops.product_subtypes.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

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
comment on table ops.products is 'What the shop sells, at its present price.';
comment on column ops.products.product_id is 'Key of the product.';
comment on column ops.products.sku is 'Number under which it is sold.';
comment on column ops.products.name is 'What it is called, which is corrected at times.';
comment on column ops.products.product_subtype_id is 'What kind of product it is.';
comment on column ops.products.supplier_id is 'Who supplies it.';
comment on column ops.products.unit_price is
'Present price of one piece, in the shop''s currency; earlier prices are not kept.';
comment on column ops.products.created_ts is 'When the row came into being.';
comment on column ops.products.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

create table if not exists ops.payment_methods (
    payment_method_id bigint primary key,
    name varchar(60) not null,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);
comment on table ops.payment_methods is 'The ways to pay.';
comment on column ops.payment_methods.payment_method_id is 'Key of the method.';
comment on column ops.payment_methods.name is 'What the shop calls it.';
comment on column ops.payment_methods.created_ts is 'When the row came into being.';
comment on column ops.payment_methods.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

create table if not exists ops.order_statuses (
    order_status_id bigint primary key,
    name varchar(60) not null,
    is_lost boolean not null default false,
    created_ts timestamptz not null default now(),
    updated_ts timestamptz not null default now()
);
comment on table ops.order_statuses is 'How far an order can be, from placed to delivered or lost.';
comment on column ops.order_statuses.order_status_id is 'Key of the status.';
comment on column ops.order_statuses.name is 'What the shop calls it.';
comment on column ops.order_statuses.is_lost is
'Whether an order of it was cancelled, refunded or returned, or never arrived.';
comment on column ops.order_statuses.created_ts is 'When the row came into being.';
comment on column ops.order_statuses.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

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
comment on table ops.orders is 'One row per order, updated as it moves from status to status.';
comment on column ops.orders.order_id is 'Key of the order.';
comment on column ops.orders.customer_id is 'Who ordered.';
comment on column ops.orders.address_id is 'Where it is delivered to.';
comment on column ops.orders.payment_method_id is 'How it is paid.';
comment on column ops.orders.order_status_id is 'How far it is now.';
comment on column ops.orders.ordered_ts is 'When it was placed.';
comment on column ops.orders.delivered_ts is 'When it was delivered; NULL: it was not.';
comment on column ops.orders.created_ts is 'When the row came into being.';
comment on column ops.orders.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

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
comment on table ops.order_lines is 'One row per line of an order: a product, and how many pieces of it.';
comment on column ops.order_lines.order_id is 'The order.';
comment on column ops.order_lines.line_number is 'Its number in the order, from 1.';
comment on column ops.order_lines.product_id is 'What was ordered.';
comment on column ops.order_lines.quantity is 'How many pieces.';
comment on column ops.order_lines.unit_price is
'Price of one piece when the order was placed, in the shop''s currency.';
comment on column ops.order_lines.created_ts is 'When the row came into being.';
comment on column ops.order_lines.updated_ts is 'When the row was last changed; extracts find changed rows by it.';

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
comment on view retail.user_purchase is 'One row per order line, with the columns of the public Online Retail data.';
comment on column retail.user_purchase.invoice_number is 'The order''s key, as text.';
comment on column retail.user_purchase.stock_code is 'The product''s sku.';
comment on column retail.user_purchase.detail is 'What the product is called now.';
comment on column retail.user_purchase.quantity is 'How many pieces.';
comment on column retail.user_purchase.invoice_date is 'When the order was placed, in UTC without a zone.';
comment on column retail.user_purchase.unit_price is
'Price of one piece when the order was placed, in the shop''s currency.';
comment on column retail.user_purchase.customer_id is 'Who ordered.';
comment on column retail.user_purchase.country is 'Where it is delivered to.';

create schema if not exists simulator;

create table if not exists simulator.shop (
    only_one boolean primary key default true check (only_one),
    seed bigint not null,
    scale double precision not null,
    opened_on date not null
);
comment on table simulator.shop is 'The settings with which the shop was opened; one row.';
comment on column simulator.shop.only_one is 'Always true, so that there is one row at most.';
comment on column simulator.shop.seed is 'What all that happens by chance is drawn from.';
comment on column simulator.shop.scale is 'Size of the shop; 1 is about 150 orders a day at the opening.';
comment on column simulator.shop.opened_on is 'Its first business day (UTC).';

create table if not exists simulator.business_day (
    business_date date primary key,
    rows_written bigint not null,
    last_customer_id bigint not null,
    last_address_id bigint not null,
    last_product_id bigint not null,
    last_order_id bigint not null,
    simulated_ts timestamptz not null default clock_timestamp()
);
comment on table simulator.business_day is
'The marker of each business day that is done, with the last key of each table at its end.';
comment on column simulator.business_day.business_date is 'The day (UTC).';
comment on column simulator.business_day.rows_written is 'Rows that the day inserted or updated.';
comment on column simulator.business_day.last_customer_id is 'The newest customer at its end.';
comment on column simulator.business_day.last_address_id is 'The newest address at its end.';
comment on column simulator.business_day.last_product_id is 'The newest product at its end.';
comment on column simulator.business_day.last_order_id is 'The newest order at its end.';
comment on column simulator.business_day.simulated_ts is 'When the simulator did it, by the server''s clock.';
