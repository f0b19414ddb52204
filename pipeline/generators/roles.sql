-- Grants the right to read the simulated shop, if the role and the schema exist. The shop's owner runs it, any number
-- of times. The operator of the server creates the role (`create role etl_extract login`).
do $$
declare
    source_schema name;
begin
    if exists (select from pg_roles where rolname = 'etl_extract') then
        for source_schema in
            select nspname from pg_namespace
            where
                nspname in ('ops', 'retail') and pg_has_role(nspowner, 'usage')
                and not has_schema_privilege('etl_extract', oid, 'usage')
        loop
            -- Extraction reads the tables of the source, but not the simulator's own state.
            execute format('grant select on all tables in schema %I to etl_extract', source_schema);
            execute format('alter default privileges in schema %I grant select on tables to etl_extract', source_schema);
            execute format('grant usage on schema %I to etl_extract', source_schema);
        end loop;
    end if;
end
$$;
