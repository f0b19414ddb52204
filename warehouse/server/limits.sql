-- Limits the functions that the roles of a database may execute. The operator of the server runs it in the warehouse
-- and in the simulated shop, any number of times. PostgreSQL lets everybody execute nearly all of its functions. Some
-- of them make others wait, write, or run a query given as text, even for a role that may only send an expression.
--
-- The rule is by kind, so that it covers functions of a later version: nobody executes functions of pg_catalog that are
-- volatile or turn queries into XML, except those that only compute or show something (spared below). Functions that
-- PostgreSQL calls by itself, such as triggers and handlers, cannot be called in a query and keep their rights. The
-- owner of the database gets back the functions that loads, the simulator and pg_dump need.
--
-- Only the owner may use PL/pgSQL: a block of it can fill the disk with the server's log. Existing functions in it,
-- such as triggers, still run for everybody.
do $$
declare
    -- Sequences have privileges of their own. The rest is random, or describes the server and its relations: views of
    -- the catalogue, drivers and psql call it with the rights of their user.
    spared constant text := '^('
        'random|random_normal|array_sample|array_shuffle|gen_random_uuid|uuidv[0-9]'
        '|clock_timestamp|timeofday|current_query|nextval|currval|lastval|setval'
        '|pg_[a-z]+_size|pg_get_.+|pg_stat_get_.+|pg_sequence_last_value|pg_partition_(tree|ancestors)'
        '|pg_is_in_recovery|pg_is_wal_replay_paused|pg_(current|last)_wal_.+|pg_last_xact_replay_timestamp'
        '|pg_lock_status|pg_blocking_pids|pg_prepared_xact|pg_xact_.+|txid_status|pg_notification_queue_usage'
        '|pg_jit_available|pg_control_system|pg_(database_)?collation_actual_version'
        ')$';
    for_owner constant text := '^(pg_(try_)?advisory_.+|set_config|pg_export_snapshot|pg_(cancel|terminate)_backend)$';
    database_owner constant regrole := (select datdba from pg_database where datname = current_database());
    open_to_all text;
    missing text;
    kept_open integer;
    owns_plpgsql constant boolean := (
        select pg_has_role(lanowner, 'usage') from pg_language where lanname = 'plpgsql'
    );
begin
    select
        string_agg(oid::regprocedure::text, ', ') filter (where pg_has_role(proowner, 'usage')),
        count(*) filter (where not pg_has_role(proowner, 'usage'))
    into open_to_all, kept_open
    from pg_proc
    where
        pronamespace = 'pg_catalog'::regnamespace
        and prokind in ('f', 'p')
        and (provolatile = 'v' or proname ~ '_to_xml')
        and proname !~ spared
        and exists (
            select from aclexplode(coalesce(proacl, acldefault('f', proowner))) as granted
            where granted.grantee = 0 and granted.privilege_type = 'EXECUTE'
        )
        -- Pseudo-types that no query can pass or receive: triggers, handlers, internals.
        and not exists (
            select from unnest(array_append(proargtypes::oid[], prorettype)) as used (type_oid)
            inner join pg_type on pg_type.oid = used.type_oid
            where
                pg_type.typtype = 'p'
                and pg_type.typname !~ '^(any|void$|record$)'
        );
    if open_to_all is not null then
        execute format('revoke execute on function %s from public', open_to_all);
    end if;

    select string_agg(oid::regprocedure::text, ', ') into missing
    from pg_proc
    where
        pronamespace = 'pg_catalog'::regnamespace
        and proname ~ for_owner
        and pg_has_role(proowner, 'usage')
        and not has_function_privilege(database_owner, oid, 'execute');
    if missing is not null then
        execute format('grant execute on function %s to %s', missing, database_owner);
    end if;

    -- Loads recognise a source by the identifier of its cluster. Earlier versions of this file revoked this right.
    if (select pg_has_role(proowner, 'usage') from pg_proc where oid = 'pg_control_system()'::regprocedure) then
        grant execute on function pg_control_system() to public;
    end if;

    if owns_plpgsql then
        revoke usage on language plpgsql from public;
        execute format('grant usage on language plpgsql to %s', database_owner);
    else
        raise warning 'language plpgsql stays as it is, as its owner alone may revoke it';
    end if;
    if kept_open > 0 then
        raise warning '% functions stay open to everybody, as their owner alone may revoke them', kept_open;
    end if;
end
$$;
