-- The layers between lake and star schema. Their tables follow the source, and the loads create them.
create schema if not exists delta;
comment on schema delta is 'What the newest extract of each source table brought.';
create schema if not exists stage;
comment on schema stage is 'Mirrors the source: the newest row of each key.';
create schema if not exists work;
comment on schema work is 'What the newest load of each dwh table changes: rows cleaned and keyed.';

-- The tables of other sources are the same in every warehouse. Feeds whose rows are stored unchanged get theirs from
-- the declarations in pipeline/vendors.
create table if not exists stage.movie_review (
    review_id text primary key,
    cid bigint not null,
    review_date date not null,
    positive_review boolean not null,
    classifier text not null,
    is_deleted boolean not null,
    etl_batch bigint not null
);
create index if not exists movie_review_etl_batch on stage.movie_review (etl_batch);
create index if not exists movie_review_cid on stage.movie_review (cid);
create index if not exists movie_review_review_date on stage.movie_review (review_date);
comment on table stage.movie_review is
'Classified reviews; is_deleted: no longer in the files of its date.';

create table if not exists stage.risk_score (
    customer_id bigint primary key,
    risk_score integer not null,
    date date not null,
    answered_ts timestamptz, -- NULL: an earlier version loaded it
    etl_batch bigint not null
);
create index if not exists risk_score_etl_batch on stage.risk_score (etl_batch);
comment on table stage.risk_score is 'The newest risk score of each customer, and the date it was asked for.';

create table if not exists stage.user_purchase (
    invoice_number text,
    stock_code text,
    detail text,
    quantity bigint not null,
    invoice_date timestamp not null,
    unit_price numeric,
    customer_id bigint,
    country text
);
create index if not exists user_purchase_invoice_date on stage.user_purchase (invoice_date);
create index if not exists user_purchase_customer_id on stage.user_purchase (customer_id);
comment on table stage.user_purchase is 'Purchases with a quantity above min_quantity, as extracted day by day.';
