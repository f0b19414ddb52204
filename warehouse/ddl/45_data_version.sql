-- Which state of the data dashboards show: what Superset keeps of an answer counts for one version alone. Triggers, so
-- that nothing which changes a figure can forget to say so, and in its own transaction: a version that is seen is that
-- of data that are seen. One row for each table: whoever writes a table has its lock already, and keeps nobody waiting.
create table if not exists mart.data_version (
    table_name text primary key,
    version bigint not null
);
comment on table mart.data_version is
'Which transaction wrote each table behind the dashboards last; together they say whether a figure may have changed.';
comment on column mart.data_version.table_name is 'The table; views: what a figure is was defined anew.';
comment on column mart.data_version.version is
'Number of that transaction. No later one has it, also where the schema was dropped in between.';

create or replace function mart.note_version() returns trigger language plpgsql as $$
begin
    insert into mart.data_version (table_name, version) values (tg_table_name, pg_current_xact_id()::text::bigint)
    on conflict (table_name) do update set version = excluded.version;
    return null;
end
$$;
comment on function mart.note_version() is 'Notes in mart.data_version which transaction writes a table.';

-- What the views of the mart read, but for those of the pipeline's own bookkeeping, which nobody keeps.
do $$
declare
    written text;
begin
    foreach written in array array[
        'mart.agg_order_month', 'mart.agg_order_day', 'mart.agg_product_month', 'mart.agg_subtype_month', 'mart.agg_customer_quarter',
        'mart.agg_customer_month', 'mart.agg_risk_month', 'mart.agg_risk_customer', 'mart.agg_review_month',
        'mart.agg_behavior_day', 'mart.product_label', 'mart.order_status', 'mart.forecast_run', 'mart.sales_forecast',
        'analyst.country_access'
    ] loop
        execute format(
            'create or replace trigger note_version after insert or update or delete or truncate on %s '
            'for each statement execute function mart.note_version()', written
        );
    end loop;
end
$$;

-- Up to when orders are loaded says which months are over. The loads of other tables write here at the same time, and
-- are not kept waiting.
create or replace trigger note_version after insert or update on etl.stage_batch
for each row when (new.table_name = 'orders') execute function mart.note_version();
create or replace trigger note_removed_version after delete on etl.stage_batch
for each row when (old.table_name = 'orders') execute function mart.note_version();
create or replace trigger note_version after insert or update on etl.lake_table
for each row when (new.table_name = 'orders') execute function mart.note_version();

insert into mart.data_version (table_name, version) values ('views', pg_current_xact_id()::text::bigint)
on conflict (table_name) do update set version = excluded.version;
