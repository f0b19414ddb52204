-- Bookkeeping of the loads. Every statement may run again: it adds missing objects and changes nothing else.
create schema if not exists etl;

create table if not exists etl.migration (
    number integer primary key,
    name text not null,
    sha256 text not null,
    is_applied boolean not null,
    recorded_ts timestamptz not null default now()
);
comment on table etl.migration is 'The files of warehouse/migrations behind the warehouse.';
comment on column etl.migration.number is 'Number with which the file''s name begins; they run in this order.';
comment on column etl.migration.name is 'Name of the file without .sql.';
comment on column etl.migration.sha256 is 'Hash of the file; one that is another now is refused.';
comment on column etl.migration.is_applied is
'Whether it ran here; false: the warehouse was created as it would leave it.';
comment on column etl.migration.recorded_ts is 'When it ran, or the warehouse was created.';

-- A task is done if its row is here. The transaction of the load itself writes the row.
create table if not exists etl.marker (
    update_id text primary key,
    target_table text not null,
    load_date date,
    inserted timestamptz not null default now()
);
create index if not exists marker_load_date on etl.marker (load_date);
-- The markers of loads of a date under way, which hold the instant up to which they loaded.
create index if not exists marker_under_way on etl.marker (load_date) where update_id like '% until %';
comment on table etl.marker is 'One row per finished task: Luigi''s proof that it need not run again.';
comment on column etl.marker.update_id is
'Family and parameters of the task; those of a load of a date under way with its instant, after until.';
comment on column etl.marker.target_table is 'What the task loaded, with its schema.';
comment on column etl.marker.load_date is
'The date that was loaded; NULL: the marker is of the warehouse as a whole, not of a date.';
comment on column etl.marker.inserted is 'When the task finished, just before its commit.';

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
comment on column etl.stage_batch.table_name is 'The stage table, without its schema.';
comment on column etl.stage_batch.first_batch is 'Number of the load that made it, or of a feed''s first.';
comment on column etl.stage_batch.last_batch is 'Number of the newest load that changed a row.';
comment on column etl.stage_batch.loaded_to is
'It has all changes of the source up to this instant; of a feed: when it last brought a change.';
comment on column etl.stage_batch.loaded_lsn is
'The position up to which it has all changes of the source''s log; NULL: it was never loaded from the log.';
comment on column etl.stage_batch.source_columns is
'The columns and types of the table in the changes that were loaded last from the log, as JSON; NULL: none were.';
comment on column etl.stage_batch.is_on_lake is
'Whether the star is on the lake alone, and stage in PostgreSQL has no rows of what was taken in.';

create table if not exists etl.stage_load (
    table_name text not null,
    folder text not null,
    batch bigint not null,
    bound timestamptz not null,
    made_at timestamptz not null,
    loaded_ts timestamptz not null default now(),
    lsn pg_lsn not null default '0/0',
    primary key (table_name, folder)
);
create index if not exists stage_load_place on etl.stage_load (table_name, bound, made_at);
comment on table etl.stage_load is
'The extracts, windows and repairs that each stage table has taken in; their order is that of bound, lsn and made_at.';
comment on column etl.stage_load.table_name is 'The stage table, without its schema.';
comment on column etl.stage_load.folder is 'Where the extract, window or repair lies on the lake.';
comment on column etl.stage_load.batch is 'Number of the load that took it in last, as in the rows that it changed.';
comment on column etl.stage_load.bound is 'The instant at which it ends.';
comment on column etl.stage_load.made_at is 'When a repair was made; -infinity of an extract.';
comment on column etl.stage_load.loaded_ts is 'When it was first loaded.';
comment on column etl.stage_load.lsn is
'The position at which a window of the log ends, or that a repair is of; 0/0 of others.';

create table if not exists etl.watermark (
    table_name text primary key,
    watermark bigint not null
);
comment on table etl.watermark is
'How far each table of dwh has read its stage tables, and each fact the members of its dimensions.';
comment on column etl.watermark.table_name is '<target>.<stage table>, or <fact>.<dimension>.';
comment on column etl.watermark.watermark is
'The newest batch that was read, or the newest surrogate key that was seen; of dim_date the number of its days.';

create table if not exists etl.reprocessing_queue (
    fact_table text not null,
    business_key text not null,
    dimension text not null,
    queued_ts timestamptz not null default now(),
    attempts integer not null default 1,
    resolved_ts timestamptz,
    dimension_key text
);
create unique index if not exists reprocessing_queue_open
on etl.reprocessing_queue (fact_table, business_key, dimension) where resolved_ts is null;
-- A load joins new members with the rows that wait for them, and does not read the rest.
create index if not exists reprocessing_queue_waits_for
on etl.reprocessing_queue (fact_table, dimension_key, dimension) where resolved_ts is null;
comment on table etl.reprocessing_queue is
'Facts to look at again, as the row of a dimension was missing or has moved; closed once the key is set.';
comment on column etl.reprocessing_queue.fact_table is 'The fact table, without its schema.';
comment on column etl.reprocessing_queue.business_key is
'Key of the row: order_id, order_id/line_number, review_id, or a partner''s order_id and item_id as JSON.';
comment on column etl.reprocessing_queue.dimension is
'Whose row is missing or has moved; fact_order: a line waits for its order.';
comment on column etl.reprocessing_queue.queued_ts is 'Since when it waits.';
comment on column etl.reprocessing_queue.attempts is 'How many loads have looked at the row.';
comment on column etl.reprocessing_queue.resolved_ts is 'When it was closed; NULL: it waits.';
comment on column etl.reprocessing_queue.dimension_key is
'The source''s key of the missing row, empty if there can be none; NULL: the next load looks at it in any case.';

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
comment on column etl.queue_count.fact_table is 'The fact table, without its schema.';
comment on column etl.queue_count.dimension is 'Whose rows are missing.';
comment on column etl.queue_count.queued_ts is
'Since when they wait: all rows that one load queues have the same instant.';
comment on column etl.queue_count.waiting_rows is 'How many wait; none: there is no row here.';

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
    rejected_ts timestamptz default now(),
    row_key text
);
create index if not exists rejected_row_source on etl.rejected_row (source, date);
-- The summary looks up a date, the alert the newest rejected rows.
create index if not exists rejected_row_date on etl.rejected_row (date);
create index if not exists rejected_row_rejected_ts on etl.rejected_row using brin (rejected_ts);
-- Comparisons look up keys. By hash: a key may be longer than a page of another index.
create index if not exists rejected_row_key on etl.rejected_row using hash (row_key);
comment on table etl.rejected_row is 'Input rows that cannot be loaded, kept as they came.';
comment on column etl.rejected_row.source is 'The source table, with its schema, or the feed that it came from.';
comment on column etl.rejected_row.date is 'The date of the extract or of the file.';
comment on column etl.rejected_row.line is
'Where the row begins in the file, whose header is line 1; of an answer: its place in the list, from 1.';
comment on column etl.rejected_row.reason is 'Why it cannot be loaded.';
comment on column etl.rejected_row.row is 'The row as it came, of the source as JSON; a long one is cut.';
comment on column etl.rejected_row.file is
'Where the file lies on the lake; NULL: it was rejected before this column existed.';
comment on column etl.rejected_row.rejected_ts is 'When it was rejected; NULL: before this column existed.';
comment on column etl.rejected_row.row_key is
'The key of a row of the source, as a JSON array. NULL: it has no key, or an earlier version rejected it.';

create table if not exists etl.lake_table (
    table_name text primary key,
    folders bigint not null,
    sha256 text not null,
    batch bigint not null,
    loaded_to timestamptz
);
comment on table etl.lake_table is 'How far each stage table of the star on the lake is.';
comment on column etl.lake_table.table_name is 'The stage table, without its schema.';
comment on column etl.lake_table.folders is 'How many extracts, windows and repairs it has taken in; 0 of a feed.';
comment on column etl.lake_table.sha256 is
'A hash of the names of their folders in their order: it is another one when one of them came late.';
comment on column etl.lake_table.batch is 'The newest batch of a feed that it has taken in; -1: none.';
comment on column etl.lake_table.loaded_to is
'The watermark up to which it has all changes of the source, as the load found it; NULL of a feed.';

create table if not exists etl.lake_star (
    is_known boolean primary key default true check (is_known),
    warehouse_id uuid not null default gen_random_uuid(),
    place text not null,
    plan_sha256 text
);
comment on table etl.lake_star is 'The star on the lake, which this warehouse owns.';
comment on column etl.lake_star.is_known is 'Always true, so that there is one row at most.';
comment on column etl.lake_star.warehouse_id is 'The id by which the lake knows whose star it is.';
comment on column etl.lake_star.place is
'Where it lies: the catalog, what names in it begin with, and where the files are.';
comment on column etl.lake_star.plan_sha256 is 'A hash of what the running job was told; NULL: none runs.';

create table if not exists etl.lake_published (
    table_name text primary key,
    snapshot bigint
);
comment on table etl.lake_published is
'The commit of each table of a star on the lake alone up to which PostgreSQL has taken it over, or it was checked.';
comment on column etl.lake_published.table_name is
'The table, with its schema, after checked if it was checked and not taken over.';
comment on column etl.lake_published.snapshot is 'Iceberg''s id of the commit; NULL: the table had none.';

create table if not exists etl.text_column (
    table_name text not null,
    column_name text not null,
    source_type text not null,
    noted_ts timestamptz not null default now(),
    primary key (table_name, column_name, source_type)
);
comment on table etl.text_column is
'The columns that stage keeps as text although they are of another type in the source, each said once in the log.';
comment on column etl.text_column.table_name is 'The stage table, without its schema.';
comment on column etl.text_column.column_name is 'The column.';
comment on column etl.text_column.source_type is 'The other type that it has or had in the source.';
comment on column etl.text_column.noted_ts is 'When a load first found it.';

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
comment on column etl.feed_date.feed is 'The feed, as its stage table is called.';
comment on column etl.feed_date.date is 'The date of its files, or of the answer.';
comment on column etl.feed_date.version is
'A hash of the names, sizes and hashes of the files, of reviews with the classifier; empty of risk scores.';
comment on column etl.feed_date.rows is 'How many rows can be loaded.';
comment on column etl.feed_date.rejected is 'How many cannot.';
comment on column etl.feed_date.loaded_ts is 'When the date was loaded last.';

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
comment on column etl.unread_file.folder is 'The folder on the lake.';
comment on column etl.unread_file.reason is 'Why they are not read.';
comment on column etl.unread_file.files is 'How many there are.';
comment on column etl.unread_file.names is 'The first five names; … stands for more.';
comment on column etl.unread_file.noted_ts is 'When the load looked.';

create table if not exists etl.review_model (
    model text primary key,
    sha256 text not null,
    trained_ts timestamptz not null default now()
);
comment on table etl.review_model is
'The classifiers of reviews that were trained, each with the hash over its files on the lake: no other is used.';
comment on column etl.review_model.model is 'Name of the model: the first digits of a hash of what it was trained on.';
comment on column etl.review_model.sha256 is 'Hash of the names and contents of its files.';
comment on column etl.review_model.trained_ts is 'When it was trained last.';

create table if not exists etl.user_purchase_day (
    day date primary key,
    min_quantity integer not null,
    loaded_to timestamp not null,
    rows bigint not null,
    without_customer bigint not null
);
comment on table etl.user_purchase_day is
'The days of retail.user_purchase that are loaded, each with the min_quantity it was loaded with and how far.';
comment on column etl.user_purchase_day.day is 'Day of the purchases (UTC).';
comment on column etl.user_purchase_day.min_quantity is 'Only purchases of more pieces were loaded.';
comment on column etl.user_purchase_day.loaded_to is
'It has the purchases up to this time (UTC, without a zone); the next midnight: all of the day.';
comment on column etl.user_purchase_day.rows is 'Purchases of the day in stage.';
comment on column etl.user_purchase_day.without_customer is
'Those of nobody known, which dwh.user_behavior_metric leaves out.';

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
comment on column etl.check_result.check_name is 'Name of the check, as of its file in warehouse/checks.';
comment on column etl.check_result.severity is 'error: the load fails; warn: it does not.';
comment on column etl.check_result.whole is
'Whether the check looked at the whole warehouse; false: at what the newest loads wrote.';
comment on column etl.check_result.load_date is 'The date whose load was checked.';
comment on column etl.check_result.checked_ts is 'When the check ran.';
comment on column etl.check_result.failures is 'How many rows it found, which must not exist.';
comment on column etl.check_result.query is 'Shows these rows, in the whole warehouse.';

create table if not exists etl.whole_pass (
    kind text not null check (kind in ('check', 'comparison')),
    name text not null,
    load_date date,
    passed_ts timestamptz,
    is_owed boolean not null,
    primary key (kind, name)
);
comment on table etl.whole_pass is
'With which date each check last passed on the whole warehouse, and each source table was last the same as stage.';
comment on column etl.whole_pass.kind is 'check, or comparison of a source table.';
comment on column etl.whole_pass.name is 'The check, or the source table that was compared.';
comment on column etl.whole_pass.load_date is 'The date whose load last passed it; NULL: it has never passed.';
comment on column etl.whole_pass.passed_ts is 'When that was; NULL: never.';
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
'The newest comparison of each date: source against stage, and stage against dwh.';
comment on column etl.reconciliation.load_date is 'The date for which it was run.';
comment on column etl.reconciliation.table_name is 'The source table, with its schema.';
comment on column etl.reconciliation.compared_ts is 'When they were compared.';
comment on column etl.reconciliation.source_rows is
'Rows of the source that were compared: without those changed since the load.';
comment on column etl.reconciliation.stage_rows is 'Rows of stage that were compared, likewise.';
comment on column etl.reconciliation.missing is 'Keys that stage lacks.';
comment on column etl.reconciliation.changed is 'Keys whose rows are not the same in stage.';
comment on column etl.reconciliation.vanished is 'Keys that only stage has.';
comment on column etl.reconciliation.dwh_missing is
'Keys of stage that dwh lacks; 0 of a table that dwh has no rows of.';
comment on column etl.reconciliation.dwh_changed is 'Keys whose compared columns are not the same in dwh.';
comment on column etl.reconciliation.dwh_vanished is 'Keys that only dwh has.';

create table if not exists etl.difference (
    load_date date not null,
    table_name text not null,
    kind text not null check (kind in ('missing', 'changed', 'vanished')),
    key text not null,
    primary key (load_date, table_name, kind, key)
);
comment on table etl.difference is
'The keys in which source and stage differed in the newest comparison of each date.';
comment on column etl.difference.load_date is 'The date for which they were compared.';
comment on column etl.difference.table_name is 'The source table, with its schema.';
comment on column etl.difference.kind is
'missing: stage lacks it; changed: the rows are not the same; vanished: the source lacks it.';
comment on column etl.difference.key is 'The key as a JSON array.';

create table if not exists etl.deletion (
    load_date date not null,
    table_name text not null,
    marked_ts timestamptz not null default now(),
    rows bigint not null,
    was_allowed boolean not null,
    primary key (load_date, table_name, marked_ts)
);
comment on table etl.deletion is 'Each time that a comparison marked rows as deleted.';
comment on column etl.deletion.load_date is 'The date for which it was run.';
comment on column etl.deletion.table_name is 'The source table, with its schema.';
comment on column etl.deletion.marked_ts is 'When they were marked.';
comment on column etl.deletion.rows is 'How many rows were marked.';
comment on column etl.deletion.was_allowed is 'Whether --allow-deletes let any number of them pass.';

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
    is_known boolean primary key default true check (is_known),
    server text,
    database_oid bigint not null,
    database_name text not null,
    known_ts timestamptz not null default now()
);
comment on table etl.source is
'The source that the warehouse was loaded from; another one is refused until somebody confirms it.';
comment on column etl.source.is_known is 'Always true, so that there is one row at most.';
comment on column etl.source.server is 'The identifier of the cluster; NULL: the extracting role may not read it.';
comment on column etl.source.database_oid is 'The oid of the database, which a renamed one keeps.';
comment on column etl.source.database_name is 'The name of the database, which a restored one keeps.';
comment on column etl.source.known_ts is 'Since when the warehouse knows it as this.';

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
comment on column etl.task_run.task is 'The task''s family.';
comment on column etl.task_run.params is 'Its parameters, as texts by their names.';
comment on column etl.task_run.started is 'When the run began.';
comment on column etl.task_run.finished is 'When it ended.';
comment on column etl.task_run.status is 'done, or failed, also of a failure that was held back.';
comment on column etl.task_run.rows is 'Rows that it moved; NULL: it moves none.';
comment on column etl.task_run.bytes is 'Bytes that it moved, as they lie on the lake; NULL: it does not count any.';
comment on column etl.task_run.error is 'Why it failed; NULL: it did not.';

create table if not exists etl.following (
    is_known boolean primary key default true check (is_known),
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
comment on column etl.following.is_known is 'Always true, so that there is one row at most.';
comment on column etl.following.every_seconds is 'Seconds from the start of a round to that of the next.';
comment on column etl.following.load_date is 'The date that the last round loaded.';
comment on column etl.following.begun_ts is 'When the last round began.';
comment on column etl.following.ended_ts is 'When it ended.';
comment on column etl.following.is_done is 'Whether it succeeded.';
comment on column etl.following.rounds is 'How many rounds of the date there were.';
comment on column etl.following.failed is 'How many of these failed.';
