-- kind: select
-- grain: one row per address that changed, itself or in the name of its state
-- reads: stage.addresses, stage.states
-- rerun: gives the same rows
-- Takes stage.addresses after batch :addresses_after and stage.states after batch :states_after.
with

states as (select state_code, name from stage.states),

changed_states as (
    select state_code from stage.states
    where etl_batch > :states_after
),

addresses as (
    select * from stage.addresses
    where etl_batch > :addresses_after
    union all
    select * from stage.addresses
    where etl_batch <= :addresses_after and state_code in (select state_code from changed_states)
)

select
    addresses.address_id,
    addresses.street,
    coalesce(addresses.unit, 'Unknown') as unit,
    addresses.city,
    coalesce(addresses.postal_code, 'Unknown') as postal_code,
    coalesce(addresses.state_code, 'Unknown') as state_code,
    coalesce(states.name, 'Unknown') as state_name,
    addresses.country,
    addresses.etl_deleted_ts is not null as is_deleted
from addresses
left join states on addresses.state_code = states.state_code
