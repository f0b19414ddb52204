-- The layers between lake and star schema. Their tables follow the source and are made by the loads themselves.
create schema if not exists delta;
comment on schema delta is 'What the newest extract of each source table brought.';
create schema if not exists stage;
comment on schema stage is 'Mirrors the source: the newest row of each key.';
create schema if not exists work;
comment on schema work is 'What the newest load of each dwh table changes: rows cleaned and keyed.';
