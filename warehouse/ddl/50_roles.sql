-- The rights to read. Roles belong to the server, not to a database. If one is missing, the operator of the server
-- creates it (`create role bi_reader login`), and then the warehouse's owner runs this file again.

-- For analysts, who need not know who a customer is. RebuildWarehouse keeps the schema; the objects that depend on dwh
-- are created again here.
-- The views have the rights of their owner. With those of the reader, who may not see the values, a view could not tell
-- whether a masked value is known. So row-level security does not apply to them. The view of addresses has the
-- condition of their policy itself, with a security barrier, which no function in a query gets past.
drop view if exists analyst.dim_customer, analyst.dim_supplier, analyst.dim_address;

create view analyst.dim_customer as
select
    customer_key,
    customer_id,
    case first_name when 'Unknown' then 'Unknown' else 'masked' end as first_name,
    case last_name when 'Unknown' then 'Unknown' else 'masked' end as last_name,
    case email when 'Unknown' then 'Unknown' else 'masked' end as email,
    case phone when 'Unknown' then 'Unknown' else 'masked' end as phone,
    date_trunc('year', birth_date)::date as birth_date,
    registered_on,
    risk_score,
    is_deleted
from dwh.dim_customer;
comment on view analyst.dim_customer is
'dwh.dim_customer without who it is: names, email and phone are masked, birth_date is the first day of its year.';
comment on column analyst.dim_customer.customer_key is
'Surrogate key, as in dwh.dim_customer; -1 is the unknown customer.';
comment on column analyst.dim_customer.customer_id is 'The source''s key.';
comment on column analyst.dim_customer.first_name is 'The word masked; Unknown of the unknown customer.';
comment on column analyst.dim_customer.last_name is 'The word masked; Unknown of the unknown customer.';
comment on column analyst.dim_customer.email is 'The word masked; Unknown where there is none.';
comment on column analyst.dim_customer.phone is 'The word masked; Unknown where there is none.';
comment on column analyst.dim_customer.birth_date is 'First day of the year of birth; NULL where none is known.';
comment on column analyst.dim_customer.registered_on is
'Day on which the customer registered; NULL where none is known.';
comment on column analyst.dim_customer.risk_score is
'1 to 100, as the risk-score service last gave it; NULL where none is known.';
comment on column analyst.dim_customer.is_deleted is 'Whether the source no longer has the customer.';

create view analyst.dim_supplier as
select
    supplier_key,
    supplier_id,
    name,
    case contact_email when 'Unknown' then 'Unknown' else 'masked' end as contact_email,
    country,
    is_deleted
from dwh.dim_supplier;
comment on view analyst.dim_supplier is 'dwh.dim_supplier with its contact_email masked.';
comment on column analyst.dim_supplier.supplier_key is
'Surrogate key, as in dwh.dim_supplier; -1 is the unknown supplier.';
comment on column analyst.dim_supplier.supplier_id is 'The source''s key.';
comment on column analyst.dim_supplier.name is 'Name of the company.';
comment on column analyst.dim_supplier.contact_email is 'The word masked; Unknown where there is none.';
comment on column analyst.dim_supplier.country is 'Where the company is.';
comment on column analyst.dim_supplier.is_deleted is 'Whether the source no longer has the supplier.';

create view analyst.dim_address with (security_barrier) as
select
    address_key,
    address_id,
    case street when 'Unknown' then 'Unknown' else 'masked' end as street,
    case unit when 'Unknown' then 'Unknown' else 'masked' end as unit,
    city,
    postal_code,
    state_code,
    state_name,
    country,
    is_deleted
from dwh.dim_address
where (select analyst.countries()) && array['*', country];
comment on view analyst.dim_address is
'dwh.dim_address with street and unit masked, in the countries of analyst.country_access.';
comment on column analyst.dim_address.address_key is
'Surrogate key, as in dwh.dim_address; -1 is the unknown address.';
comment on column analyst.dim_address.address_id is 'The source''s key.';
comment on column analyst.dim_address.street is 'The word masked; Unknown of the unknown address.';
comment on column analyst.dim_address.unit is 'The word masked; Unknown where there is none.';
comment on column analyst.dim_address.city is 'Town or city.';
comment on column analyst.dim_address.postal_code is 'Postal code; Unknown where there is none.';
comment on column analyst.dim_address.state_code is 'Short form of the state, such as CA; Unknown where there is none.';
comment on column analyst.dim_address.state_name is 'Full name of the state; Unknown where there is none.';
comment on column analyst.dim_address.country is
'Name of the country, one of those that analyst.country_access lets the reader see.';
comment on column analyst.dim_address.is_deleted is 'Whether the source no longer has the address.';

do $$
declare
    reader name;
begin
    if exists (select from pg_roles where rolname = 'bi_reader') then
        -- Dashboards: schema mart and nothing else.
        grant usage on schema mart to bi_reader;
        grant select on all tables in schema mart to bi_reader;
        alter default privileges in schema mart grant select on tables to bi_reader;
    end if;

    -- Dashboards of one country each read only the views that hide other countries. They get no other view.
    for reader in select rolname from pg_roles where rolname like 'bi\_reader\_%' loop
        execute format('grant usage on schema mart to %I', reader);
        execute format(
            'grant select on mart.kpi_monthly_country, mart.kpi_quarterly_country, mart.sales_by_country, '
            'mart.sales_by_product, mart.sales_by_subtype, mart.sales_by_day, mart.sales_outlook, mart.forecast_error, '
            'mart.forecast_state to %I', reader
        );
    end loop;

    if exists (select from pg_roles where rolname = 'bi_analyst') then
        -- Table by table: nobody reads a new table until somebody has checked it for personal data.
        grant usage on schema analyst, dwh to bi_analyst;
        grant select on all tables in schema analyst to bi_analyst;
        grant select on
        dwh.dim_date, dwh.dim_payment_method, dwh.dim_order_status, dwh.dim_product,
        dwh.fact_order, dwh.fact_order_line, dwh.fact_review, dwh.fact_partner_order, dwh.user_behavior_metric
        to bi_analyst;
        -- Columns in the policy of orders.
        grant select (address_key, country) on dwh.dim_address to bi_analyst;

        -- Row-level security by country of delivery. It does not apply to the tables' owner, and so not to loads,
        -- checks and the views of mart, nor to a superuser. Any other role without a policy sees no rows.
        alter table dwh.dim_address enable row level security;
        drop policy if exists by_country on dwh.dim_address;
        create policy by_country on dwh.dim_address for select to bi_analyst
        using ((select analyst.countries()) && array['*', country]);

        alter table dwh.fact_order enable row level security;
        drop policy if exists by_country on dwh.fact_order;
        create policy by_country on dwh.fact_order for select to bi_analyst
        using (
            (select analyst.countries()) @> array['*']
            or exists (
                select from dwh.dim_address as address where address.address_key = fact_order.address_key
            )
        );

        alter table dwh.fact_order_line enable row level security;
        drop policy if exists by_country on dwh.fact_order_line;
        create policy by_country on dwh.fact_order_line for select to bi_analyst
        using (
            (select analyst.countries()) @> array['*']
            or exists (
                select from dwh.fact_order as placed where placed.order_id = fact_order_line.order_id
            )
        );
    end if;
end
$$;
