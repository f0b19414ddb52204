-- Parquet has no intervals, so the star on the lake could not hold them. The views that read the column are made again.
drop view if exists
mart.kpi_monthly, mart.kpi_monthly_country, mart.kpi_quarterly, mart.kpi_quarterly_country, mart.sales_by_country;
do $$
begin
    if to_regclass('mart.agg_order_month') is not null then
        alter table mart.agg_order_month
        alter column fulfilment type bigint using (extract(epoch from fulfilment) * 1000000)::bigint;
    end if;
end
$$;
