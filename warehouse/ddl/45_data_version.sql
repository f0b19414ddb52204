-- Which state of the data dashboards show: what Superset keeps of an answer counts for one version alone. Triggers, so
-- that nothing which changes a figure can forget to say so, and in its own transaction: a version that is seen is that
-- of data that are seen. One row for each table: whoever writes a table has its lock already, and keeps nobody waiting.
create table if not exists mart.data_version (
    table_name text primary key,
    version bigint not null
);
comment on table mart.data_version is
'How often each table behind the dashboards was written; together they say whether a figure may have changed.';
comment on column mart.data_version.table_name is 'The table; views: what a figure is was defined anew.';
comment on column mart.data_version.version is 'One more with each statement that wrote it.';

create or replace function mart.count_version() returns trigger language plpgsql as $$
begin
    insert into mart.data_version as known (table_name, version) values (tg_table_name, 1)
    on conflict (table_name) do update set version = known.version + 1;
    return null;
end
$$;
comment on function mart.count_version() is 'Counts a statement that wrote a table in mart.data_version.';

-- What the views of the mart read, but for those of the pipeline's own bookkeeping, which nobody keeps.
do $$
declare
    written text;
begin
    foreach written in array array[
        'mart.agg_order_month', 'mart.agg_product_month', 'mart.agg_subtype_month', 'mart.agg_customer_quarter',
        'dwh.dim_product', 'dwh.dim_customer', 'dwh.dim_order_status', 'dwh.fact_order', 'dwh.fact_review',
        'dwh.user_behavior_metric'
    ] loop
        execute format(
            'create or replace trigger count_version after insert or update or delete or truncate on %s '
            'for each statement execute function mart.count_version()', written
        );
    end loop;
end
$$;

-- Up to when orders are loaded says which months are over. The loads of other tables write here at the same time, and
-- are not kept waiting.
create or replace trigger count_version after insert or update on etl.stage_batch
for each row when (new.table_name = 'orders') execute function mart.count_version();
create or replace trigger count_removed_version after delete on etl.stage_batch
for each row when (old.table_name = 'orders') execute function mart.count_version();

insert into mart.data_version as known (table_name, version) values ('views', 1)
on conflict (table_name) do update set version = known.version + 1;
