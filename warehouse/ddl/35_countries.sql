-- The countries that a login sees. Separate from the rights in 50_roles.sql, because the views of mart need it.
-- RebuildWarehouse keeps the schema and the table.
create schema if not exists analyst;
comment on schema analyst is 'What bi_analyst reads instead of the tables of dwh that hold personal data.';

do $$
begin
    if to_regclass('analyst.country_access') is null then
        create table analyst.country_access (
            role_name name not null,
            country text not null,
            primary key (role_name, country)
        );
        insert into analyst.country_access values ('bi_analyst', '*');
    end if;
    -- Once only, because each run would give back a right that was taken away. A warehouse of the version before
    -- has the table without the function.
    if to_regprocedure('analyst.sees_every_country()') is null then
        insert into analyst.country_access values ('bi_reader_germany', 'Germany') on conflict do nothing;
    end if;
end
$$;
comment on table analyst.country_access is
'Whose figures, addresses, orders and order lines a role sees; one that needs a row here and has none sees none.';
comment on column analyst.country_access.role_name is 'The role that logs in.';
comment on column analyst.country_access.country is 'A country of delivery, as in dim_address; * is every country.';

-- By login and not by current_user: a member of bi_analyst that is limited to a country may run
-- `set role bi_analyst`, which sees all countries. With its owner's rights, because the readers of mart may not read
-- the table.
create or replace function analyst.countries() returns text[] stable parallel safe security definer
return (
    select array_agg(access.country) from analyst.country_access as access where access.role_name = session_user
);
comment on function analyst.countries() is 'The countries in analyst.country_access of the role that logged in.';

-- A role that may read the aggregates sees every country. The table is named in a text, so that RebuildWarehouse may
-- drop it and keep this function.
create or replace function analyst.sees_every_country() returns boolean stable parallel safe
return (
    select
        has_table_privilege(session_user, 'mart.agg_order_month', 'select')
        or coalesce('*' = any(analyst.countries()), false)
);
comment on function analyst.sees_every_country() is
'Whether the views of mart hide no country from who logged in: it may read mart.agg_order_month, or has the country *.';
