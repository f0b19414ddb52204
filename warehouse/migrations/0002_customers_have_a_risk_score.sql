-- The score of each customer; none is known of those that are there.
alter table dwh.dim_customer add column if not exists risk_score integer;
