-- Bookkeeping of the loads. Every statement may run again: it adds missing objects and changes nothing else.
create schema if not exists etl;

create table if not exists etl.migration (
    number integer primary key,
    name text not null,
    sha256 text not null,
    is_applied boolean not null,
    recorded_ts timestamptz not null default now()
);
comment on table etl.migration is
'The files of warehouse/migrations behind the warehouse; not is_applied: it was created as they would leave it.';

-- A task is done if its row is here. The transaction of the load itself writes the row.
create table if not exists etl.marker (
    update_id text primary key,
    target_table text not null,
    load_date date, -- NULL: the marker is of the warehouse as a whole, not of a date
    inserted timestamptz not null default now()
);
create index if not exists marker_load_date on etl.marker (load_date);
-- The markers of loads of a date under way, which hold the instant up to which they loaded.
create index if not exists marker_under_way on etl.marker (load_date) where update_id like '% until %';
comment on table etl.marker is 'One row per finished task: Luigi''s proof that it need not run again.';

-- Numbers the loads of stage tables. A load draws its number while it holds the lock of the stage table. So within one
-- table the order of numbers is the order of commits.
create sequence if not exists etl.batch;

create table if not exists etl.stage_batch (
    table_name text primary key,
    first_batch bigint not null,
    last_batch bigint not null,
    loaded_to timestamptz not null,
    loaded_lsn pg_lsn,
    source_columns text,
    is_on_lake boolean not null default false
);
comment on table etl.stage_batch is
'First and newest batch of each stage table, and the watermark up to which it has all changes of the source.';
comment on column etl.stage_batch.is_on_lake is
'Whether the star is on the lake alone, and stage in PostgreSQL has no rows of what was taken in.';
comment on column etl.stage_batch.loaded_lsn is
'The position up to which it has all changes of the source''s log; NULL: it was never loaded from the log.';
comment on column etl.stage_batch.source_columns is
'The columns and types of the table in the changes that were loaded last from the log, as JSON.';

create table if not exists etl.stage_load (
    table_name text not null,
    folder text not null,
    batch bigint not null,
    bound timestamptz not null,
    made_at timestamptz not null, -- of a repair; -infinity of an extract
    loaded_ts timestamptz not null default now(),
    lsn pg_lsn not null default '0/0', -- the position at which a window of the log ends, or that a repair is of
    primary key (table_name, folder)
);
create index if not exists stage_load_place on etl.stage_load (table_name, bound, made_at);
comment on table etl.stage_load is
'The extracts, windows and repairs that each stage table has taken in; their order is that of bound, lsn and made_at.';

create table if not exists etl.watermark (
    table_name text primary key,
    watermark bigint not null
);
comment on table etl.watermark is
'How far each dimension and fact has read: the newest batch of a stage table, named <target>.<stage table>.';

create table if not exists etl.reprocessing_queue (
    fact_table text not null,
    business_key text not null,
    dimension text not null,
    queued_ts timestamptz not null default now(),
    attempts integer not null default 1,
    resolved_ts timestamptz,
    dimension_key text -- NULL: the next load of the fact looks at the row, even without new members
);
create unique index if not exists reprocessing_queue_open
on etl.reprocessing_queue (fact_table, business_key, dimension) where resolved_ts is null;
-- A load joins new members with the rows that wait for them, and does not read the rest.
create index if not exists reprocessing_queue_waits_for
on etl.reprocessing_queue (fact_table, dimension_key, dimension) where resolved_ts is null;
comment on table etl.reprocessing_queue is
'Facts that were loaded with key -1 because a row of the dimension was missing; closed when the key is set.';
comment on column etl.reprocessing_queue.attempts is 'How many loads have looked at the row.';
comment on column etl.reprocessing_queue.dimension_key is 'The source''s key of the missing row.';

-- The number of waiting rows, so that nothing has to count them. All rows that a load queues have the same queued_ts.
-- So there are as many rows here as loads with waiting rows. Triggers keep it, because rows are closed by hand too.
create table if not exists etl.queue_count (
    fact_table text not null,
    dimension text not null,
    queued_ts timestamptz not null,
    waiting_rows bigint not null,
    primary key (fact_table, dimension, queued_ts)
);
comment on table etl.queue_count is
'How many rows of etl.reprocessing_queue wait, by fact, dimension and since when; triggers of that table keep it.';

create or replace function etl.count_queue() returns trigger language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' then
        delete from etl.queue_count;
        return null;
    end if;
    if tg_op in ('UPDATE', 'DELETE') then
        update etl.queue_count as total set waiting_rows = total.waiting_rows - closed.waiting_rows
        from (
            select fact_table, dimension, queued_ts, count(*) as waiting_rows from before
            where resolved_ts is null
            group by fact_table, dimension, queued_ts
        ) as closed
        where (total.fact_table, total.dimension, total.queued_ts)
            = (closed.fact_table, closed.dimension, closed.queued_ts);
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        insert into etl.queue_count as total (fact_table, dimension, queued_ts, waiting_rows)
        select fact_table, dimension, queued_ts, count(*) from after
        where resolved_ts is null
        group by fact_table, dimension, queued_ts
        on conflict (fact_table, dimension, queued_ts)
        do update set waiting_rows = total.waiting_rows + excluded.waiting_rows;
    end if;
    if tg_op in ('UPDATE', 'DELETE') then
        delete from etl.queue_count where waiting_rows = 0;
    end if;
    return null;
end
$$;
comment on function etl.count_queue() is 'Keeps etl.queue_count as etl.reprocessing_queue is written.';
create or replace trigger count_opened after insert on etl.reprocessing_queue
referencing new table as after for each statement execute function etl.count_queue();
create or replace trigger count_changed after update on etl.reprocessing_queue
referencing old table as before new table as after for each statement execute function etl.count_queue();
create or replace trigger count_deleted after delete on etl.reprocessing_queue
referencing old table as before for each statement execute function etl.count_queue();
create or replace trigger count_truncated after truncate on etl.reprocessing_queue
for each statement execute function etl.count_queue();

-- The rows that waited before this table existed.
insert into etl.queue_count (fact_table, dimension, queued_ts, waiting_rows)
select
    fact_table,
    dimension,
    queued_ts,
    count(*) as waiting_rows
from etl.reprocessing_queue
where resolved_ts is null and not exists (select from etl.queue_count)
group by fact_table, dimension, queued_ts;

create table if not exists etl.rejected_row (
    source text not null,
    date date not null,
    line bigint,
    reason text not null,
    row text,
    file text,
    rejected_ts timestamptz default now(), -- NULL: it was rejected before this column existed
    row_key text
);
create index if not exists rejected_row_source on etl.rejected_row (source, date);
-- The summary looks up a date, the alert the newest rejected rows.
create index if not exists rejected_row_date on etl.rejected_row (date);
create index if not exists rejected_row_rejected_ts on etl.rejected_row using brin (rejected_ts);
-- Comparisons look up keys. By hash: a key may be longer than a page of another index.
create index if not exists rejected_row_key on etl.rejected_row using hash (row_key);
comment on table etl.rejected_row is 'Input rows that cannot be loaded, kept as they came.';
comment on column etl.rejected_row.row_key is
'The key of a row of the source, as a JSON array. NULL: it has no key, or an earlier version rejected it.';

create table if not exists etl.lake_table (
    table_name text primary key,
    folders bigint not null,
    sha256 text not null,
    batch bigint not null,
    loaded_to timestamptz
);
comment on column etl.lake_table.loaded_to is
'The watermark up to which it has all changes of the source, as the load found it; NULL of a feed.';
comment on table etl.lake_table is
'How far each stage table of the star on the lake is: so many extracts and repairs, or the newest batch of a feed.';
comment on column etl.lake_table.sha256 is
'A hash of the names of their folders in their order: it is another one when one of them came late.';

create table if not exists etl.lake_star (
    is_known boolean primary key default true check (is_known), -- at most one row
    warehouse_id uuid not null default gen_random_uuid(),
    place text not null,
    plan_sha256 text
);
comment on table etl.lake_star is
'The star on the lake: where it lies, and the id by which the lake knows whose it is.';
comment on column etl.lake_star.plan_sha256 is
'A hash of what the running job was told; NULL: none runs.';

create table if not exists etl.lake_published (
    table_name text primary key,
    snapshot bigint
);
comment on table etl.lake_published is
'The commit of each table of a star on the lake alone up to which PostgreSQL has taken it over, or it was checked.';

create table if not exists etl.text_column (
    table_name text not null,
    column_name text not null,
    source_type text not null,
    noted_ts timestamptz not null default now(),
    primary key (table_name, column_name, source_type)
);
comment on table etl.text_column is
'The columns that stage keeps as text although they are of another type in the source, each said once in the log.';

create table if not exists etl.feed_date (
    feed text not null,
    date date not null,
    version text not null,
    rows bigint not null,
    rejected bigint not null,
    loaded_ts timestamptz not null default now(),
    primary key (feed, date)
);
comment on table etl.feed_date is
'What was loaded of each date of a vendor''s feed; the version changes when a file comes late or is replaced.';

create table if not exists etl.unread_file (
    folder text not null,
    reason text not null,
    files bigint not null,
    names text not null,
    noted_ts timestamptz not null default now(),
    primary key (folder, reason)
);
comment on table etl.unread_file is
'What the newest load found in the folders of vendors and does not read: how many files, and the first names.';

create table if not exists etl.review_model (
    model text primary key,
    sha256 text not null,
    trained_ts timestamptz not null default now()
);
comment on table etl.review_model is
'The classifiers of reviews that were trained, each with the hash over its files on the lake: no other is used.';

create table if not exists etl.user_purchase_day (
    day date primary key,
    min_quantity integer not null,
    loaded_to timestamp not null,
    rows bigint not null,
    without_customer bigint not null
);
comment on table etl.user_purchase_day is
'The days of retail.user_purchase that are loaded, each with the min_quantity it was loaded with and how far.';

create table if not exists etl.check_result (
    check_name text not null,
    severity text not null check (severity in ('error', 'warn')),
    whole boolean not null,
    load_date date not null,
    checked_ts timestamptz not null default now(),
    failures bigint not null,
    query text not null,
    primary key (load_date, check_name)
);
comment on table etl.check_result is
'What the newest checks of each date found: how many rows, and a query that shows them.';

create table if not exists etl.whole_pass (
    kind text not null check (kind in ('check', 'comparison')),
    name text not null,
    load_date date, -- NULL: it has never passed
    passed_ts timestamptz,
    is_owed boolean not null,
    primary key (kind, name)
);
comment on table etl.whole_pass is
'With which date each check last passed on the whole warehouse, and each source table was last the same as stage.';
comment on column etl.whole_pass.name is 'The check, or the source table that was compared.';
comment on column etl.whole_pass.is_owed is 'It failed or was left out since: the next load does it again.';

create table if not exists etl.reconciliation (
    load_date date not null,
    table_name text not null,
    compared_ts timestamptz not null default now(),
    source_rows bigint not null,
    stage_rows bigint not null,
    missing bigint not null,
    changed bigint not null,
    vanished bigint not null,
    dwh_missing bigint not null,
    dwh_changed bigint not null,
    dwh_vanished bigint not null,
    primary key (load_date, table_name)
);
comment on table etl.reconciliation is
'The newest comparison of each date: rows of source and stage, and how many keys are not the same; dwh against stage.';

create table if not exists etl.difference (
    load_date date not null,
    table_name text not null,
    kind text not null check (kind in ('missing', 'changed', 'vanished')),
    key text not null,
    primary key (load_date, table_name, kind, key)
);
comment on table etl.difference is
'The keys in which source and stage differed, as a JSON array; vanished: from the source.';

create table if not exists etl.deletion (
    load_date date not null,
    table_name text not null,
    marked_ts timestamptz not null default now(),
    rows bigint not null,
    was_allowed boolean not null,
    primary key (load_date, table_name, marked_ts)
);
comment on table etl.deletion is
'Each time that a comparison marked rows as deleted; was_allowed: with --allow-deletes, whatever their number.';

create table if not exists etl.kpi_alert (
    rule text not null,
    month date not null,
    country text not null,
    told_ts timestamptz not null default now(),
    primary key (rule, month, country)
);
comment on table etl.kpi_alert is 'The limits of KPIs that were passed, and that an alert has told of.';
comment on column etl.kpi_alert.rule is 'The rule''s name in warehouse/kpi_alerts.toml.';
comment on column etl.kpi_alert.month is 'First day of the month whose KPI has passed the limit.';
comment on column etl.kpi_alert.country is 'The country; empty where all countries count together.';
comment on column etl.kpi_alert.told_ts is 'When the alert was sent.';

create table if not exists etl.source (
    is_known boolean primary key default true check (is_known), -- at most one row
    server text, -- the identifier of the cluster; NULL: the extracting role may not read it
    database_oid bigint not null,
    database_name text not null,
    known_ts timestamptz not null default now()
);
comment on table etl.source is
'The source that the warehouse was loaded from; another one is refused until somebody confirms it.';

create table if not exists etl.task_run (
    task text not null,
    params jsonb not null,
    started timestamptz not null,
    finished timestamptz not null,
    status text not null check (status in ('done', 'failed')),
    rows bigint,
    bytes bigint,
    error text
);
create index if not exists task_run_started on etl.task_run using brin (started);
create index if not exists task_run_date on etl.task_run ((params ->> 'date'));
comment on table etl.task_run is 'Every run of every task: how long it took, what it moved, why it failed.';

create table if not exists etl.following (
    is_known boolean primary key default true check (is_known), -- at most one row
    every_seconds float8 not null,
    load_date date not null,
    begun_ts timestamptz not null,
    ended_ts timestamptz not null,
    is_done boolean not null,
    rounds bigint not null,
    failed bigint not null
);
comment on table etl.following is
'The last round of `python -m pipeline follow`, and how many rounds of its date there were and failed.';
