-- The layers between lake and star schema. Their tables follow the source, and the loads create them.
create schema if not exists delta;
comment on schema delta is 'What the newest extract of each source table brought.';
create schema if not exists stage;
comment on schema stage is 'Mirrors the source: the newest row of each key.';
create schema if not exists work;
comment on schema work is 'What the newest load of each dwh table changes: rows cleaned and keyed.';

-- Stage's own columns, also of the tables that the first load of a source table makes.
create or replace function etl.describe_stage(described regclass) returns void language plpgsql as $$
declare
    own record;
begin
    for own in
        select
            held.attname,
            said.text
        from (
            values
            ('etl_batch', 'Number, drawn from etl.batch, of the load that changed the row last.'),
            ('etl_deleted_ts', 'When the row was deleted in the source, or a comparison missed it; NULL: it is there.')
        ) as said (name, text)
        inner join pg_attribute as held on said.name = held.attname
        where
            held.attrelid = described and not held.attisdropped
            and col_description(described, held.attnum) is distinct from said.text
    loop
        execute format('comment on column %s.%I is %L', described, own.attname, own.text);
    end loop;
end
$$;
comment on function etl.describe_stage(regclass) is 'Says of a stage table what its own columns mean.';

-- Those of an earlier version.
do $$
declare
    made regclass;
begin
    for made in select oid from pg_class where relnamespace = 'stage'::regnamespace and relkind = 'r' loop
        perform etl.describe_stage(made);
    end loop;
end
$$;

-- The tables of other sources are the same in every warehouse. Feeds whose rows are stored unchanged get theirs from
-- the contracts in pipeline/vendors.
create table if not exists stage.movie_review (
    review_id text primary key,
    cid bigint not null,
    review_date date not null,
    positive_review boolean not null,
    classifier text not null,
    positive_probability double precision,
    is_deleted boolean not null,
    etl_batch bigint not null
);
create index if not exists movie_review_etl_batch on stage.movie_review (etl_batch);
create index if not exists movie_review_cid on stage.movie_review (cid);
create index if not exists movie_review_review_date on stage.movie_review (review_date);
comment on table stage.movie_review is 'Classified reviews.';
comment on column stage.movie_review.review_id is
'A hash of date, customer and text, and of a number where these come again; the vendor gives no key.';
comment on column stage.movie_review.cid is 'The source''s key of the customer, as the vendor gives it.';
comment on column stage.movie_review.review_date is 'The date of the vendor''s files in which it came.';
comment on column stage.movie_review.positive_review is 'Whether the classifier calls it positive.';
comment on column stage.movie_review.classifier is 'What decided: keyword, lexicon or trained.';
comment on column stage.movie_review.positive_probability is
'How sure trained is that it is positive, 0 to 1; NULL: keyword, lexicon or an earlier version decided.';
comment on column stage.movie_review.is_deleted is 'Whether it is no longer in the files of its date.';
select etl.describe_stage('stage.movie_review');

create table if not exists stage.risk_score (
    customer_id bigint primary key,
    risk_score integer not null,
    date date not null,
    answered_ts timestamptz,
    etl_batch bigint not null
);
create index if not exists risk_score_etl_batch on stage.risk_score (etl_batch);
comment on table stage.risk_score is 'The newest risk score of each customer, and the date it was asked for.';
comment on column stage.risk_score.customer_id is 'The source''s key of the customer.';
comment on column stage.risk_score.risk_score is '1 to 100.';
comment on column stage.risk_score.date is 'The date for which the newest answer was asked for.';
comment on column stage.risk_score.answered_ts is
'When that came, by the service''s own clock; NULL: an earlier version loaded it.';
comment on column stage.risk_score.etl_batch is
'Number, drawn from etl.batch, of the load that changed the score last; the same score again is no change.';

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
comment on column stage.user_purchase.invoice_number is 'Number of the invoice; NULL: the source has none.';
comment on column stage.user_purchase.stock_code is
'Number under which the product is sold; NULL: the source has none.';
comment on column stage.user_purchase.detail is 'What the product is called; NULL: the source does not say.';
comment on column stage.user_purchase.quantity is 'How many pieces, more than min_quantity.';
comment on column stage.user_purchase.invoice_date is 'When it was bought (UTC, without a zone).';
comment on column stage.user_purchase.unit_price is
'Price of one piece, in the shop''s currency; NULL: the source has none, and it adds to no amount.';
comment on column stage.user_purchase.customer_id is
'Who bought, by the source''s key; NULL: not known, and left out of dwh.user_behavior_metric.';
comment on column stage.user_purchase.country is 'Where it is delivered to; NULL: the source does not say.';
