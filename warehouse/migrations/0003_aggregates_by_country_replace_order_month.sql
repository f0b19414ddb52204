-- The mart counts by month and country from now on, and anew from all facts as it has no aggregates yet.
drop view if exists mart.kpi_monthly;
drop table if exists mart.order_month;
