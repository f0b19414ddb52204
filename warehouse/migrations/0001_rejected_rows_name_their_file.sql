-- Where a rejected row stood, and since when it is known. Both are unknown of the rows that are there.
alter table etl.rejected_row add column if not exists file text;
alter table etl.rejected_row add column if not exists rejected_ts timestamptz;
alter table etl.rejected_row alter column rejected_ts set default now();
