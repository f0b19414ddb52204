-- How the pipeline does, from its own bookkeeping.
create view mart.task_run as
select
    task,
    coalesce(params ->> 'table', params ->> 'feed', '') as table_name,
    (params ->> 'date')::date as load_date,
    started,
    finished,
    extract(epoch from finished - started) as seconds,
    status,
    rows,
    bytes,
    error
from etl.task_run;

comment on view mart.task_run is 'Every run of every task.';
comment on column mart.task_run.task is 'The task''s family, as luigid shows it.';
comment on column mart.task_run.table_name is 'The table it ran for; empty where it is for none.';
comment on column mart.task_run.load_date is 'The date that was loaded; NULL for a task of no date.';
comment on column mart.task_run.started is 'When the run began.';
comment on column mart.task_run.finished is 'When the run ended.';
comment on column mart.task_run.seconds is 'How long the run took.';
comment on column mart.task_run.status is 'done or failed.';
comment on column mart.task_run.rows is 'Rows that it moved.';
comment on column mart.task_run.bytes is 'Bytes that it moved.';
comment on column mart.task_run.error is 'Why it failed.';

create view mart.step_day as
select
    load_date,
    task,
    sum(seconds) as seconds,
    coalesce(sum(rows), 0) as rows,
    count(*) as runs
from mart.task_run
where load_date is not null
group by load_date, task;

comment on view mart.step_day is 'Duration and rows of each kind of task by the date that was loaded.';
comment on column mart.step_day.load_date is 'The date that was loaded.';
comment on column mart.step_day.task is 'The task''s family, as luigid shows it.';
comment on column mart.step_day.seconds is 'Seconds of all its runs for the date.';
comment on column mart.step_day.rows is 'Rows that these runs moved.';
comment on column mart.step_day.runs is 'How many runs there were.';

create view mart.layer_rows as
select
    step_day.load_date,
    layer.name as layer,
    sum(step_day.rows) as rows
from mart.step_day
-- Each task of pipeline/catalog.py that moves rows into a layer, with that layer and its place.
inner join :task_layers as layer (task, name) on step_day.task = layer.task
group by step_day.load_date, layer.name;

comment on view mart.layer_rows is 'Rows that each layer received by the date that was loaded.';
comment on column mart.layer_rows.load_date is 'The date that was loaded.';
comment on column mart.layer_rows.layer is 'extract, stage or dwh, numbered in their order.';
comment on column mart.layer_rows.rows is 'Rows extracted, new or newer in stage, inserted or updated in dwh.';

create view mart.rejected_rows as
select
    source,
    date as load_date,
    reason,
    count(*) as rows
from etl.rejected_row
group by source, date, reason;

comment on view mart.rejected_rows is 'Input rows that could not be loaded.';
comment on column mart.rejected_rows.source is 'The table or feed they came from.';
comment on column mart.rejected_rows.load_date is 'The date of the input.';
comment on column mart.rejected_rows.reason is 'Why they could not be loaded.';
comment on column mart.rejected_rows.rows is 'How many there are.';

create view mart.queue_depth as
select
    fact.name as fact_table,
    coalesce(sum(queue.waiting_rows), 0)::bigint as waiting_rows,
    min(queue.queued_ts) as oldest_ts,
    coalesce(extract(epoch from now() - min(queue.queued_ts)) / 3600, 0) as age_hours
-- Each fact table of pipeline/catalog.py.
from :facts as fact (name)
left join etl.queue_count as queue on fact.name = queue.fact_table
group by fact.name;

comment on view mart.queue_depth is 'Facts that wait for a row of a dimension.';
comment on column mart.queue_depth.fact_table is 'The fact table, listed even if none of its rows waits.';
comment on column mart.queue_depth.waiting_rows is 'Keys that are -1 until the dimension has their row.';
comment on column mart.queue_depth.oldest_ts is 'Since when the oldest of them waits.';
comment on column mart.queue_depth.age_hours is 'The same in hours until now; 0 where none waits.';

create view mart.watermark_lag as
select
    table_name,
    loaded_to,
    extract(epoch from now() - loaded_to) / 3600 as lag_hours
from etl.stage_batch;

comment on view mart.watermark_lag is 'How far stage is behind the clock.';
comment on column mart.watermark_lag.table_name is 'The stage table.';
comment on column mart.watermark_lag.loaded_to is 'It has all changes of the source up to this instant.';
comment on column mart.watermark_lag.lag_hours is 'Hours from then until now.';

create view mart.load_day as
with

runs as (
    select
        load_date,
        count(*) as task_runs,
        sum(seconds) as seconds,
        count(*) filter (where status = 'failed') as failed_tasks
    from mart.task_run
    where load_date is not null
    group by load_date
),

layers as (
    select
        load_date,
        sum(rows) filter (where layer = '1 extract') as extracted,
        sum(rows) filter (where layer = '2 stage') as stage,
        sum(rows) filter (where layer = '3 dwh') as dwh
    from mart.layer_rows
    group by load_date
),

rejected as (
    select
        load_date,
        sum(rows) as rows
    from mart.rejected_rows
    group by load_date
)

select
    runs.load_date,
    runs.task_runs,
    runs.seconds,
    runs.failed_tasks,
    coalesce(layers.extracted, 0) as rows_extracted,
    coalesce(layers.stage, 0) as rows_stage,
    coalesce(layers.dwh, 0) as rows_dwh,
    coalesce(rejected.rows, 0) as rejected_rows
from runs
left join layers on runs.load_date = layers.load_date
left join rejected on runs.load_date = rejected.load_date;

comment on view mart.load_day is 'What each date''s load took and moved.';
comment on column mart.load_day.load_date is 'The date that was loaded.';
comment on column mart.load_day.task_runs is 'Runs of tasks for the date.';
comment on column mart.load_day.seconds is 'Seconds of all these runs; with several workers they overlap.';
comment on column mart.load_day.failed_tasks is 'Runs that failed.';
comment on column mart.load_day.rows_extracted is 'Rows extracted.';
comment on column mart.load_day.rows_stage is 'Rows new or newer in stage.';
comment on column mart.load_day.rows_dwh is 'Rows inserted or updated in dwh.';
comment on column mart.load_day.rejected_rows is 'Input rows of the date that could not be loaded.';
