-- Nothing is known to be deleted yet; ReconcileSource finds out. Not every table is in every warehouse.
do $$
declare
    name text;
begin
    foreach name in array array[
        'order_lines', 'orders', 'customers', 'addresses', 'customers_addresses', 'products', 'product_subtypes',
        'product_types', 'suppliers', 'payment_methods', 'order_statuses', 'states'
    ]
    loop
        execute format('alter table if exists stage.%I add column if not exists etl_deleted_ts timestamptz', name);
    end loop;
end
$$;
alter table dwh.dim_customer add column if not exists is_deleted boolean not null default false;
alter table dwh.dim_address add column if not exists is_deleted boolean not null default false;
alter table dwh.dim_payment_method add column if not exists is_deleted boolean not null default false;
alter table dwh.dim_order_status add column if not exists is_deleted boolean not null default false;
alter table dwh.dim_supplier add column if not exists is_deleted boolean not null default false;
alter table dwh.dim_product add column if not exists is_deleted boolean not null default false;
alter table dwh.fact_order add column if not exists is_deleted boolean not null default false;
alter table dwh.fact_order_line add column if not exists is_deleted boolean not null default false;
alter table if exists mart.order_before add column if not exists is_deleted boolean;
alter table if exists mart.line_before add column if not exists is_deleted boolean;
