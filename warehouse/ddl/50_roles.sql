-- Who may read what. Roles belong to the server, not to a database: where one does not exist, whoever runs the server
-- creates it (`create role bi_reader login`) and runs this file again.
do $$
begin
    if exists (select from pg_roles where rolname = 'bi_reader') then
        -- Dashboards: schema mart and nothing else.
        grant usage on schema mart to bi_reader;
        grant select on all tables in schema mart to bi_reader;
        alter default privileges in schema mart grant select on tables to bi_reader;
    end if;
end
$$;
