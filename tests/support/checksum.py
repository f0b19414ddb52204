"""A checksum that is equal for warehouses with the same contents."""

CHECKSUM = "select count(*), coalesce(md5(string_agg(md5(t::text), '' order by t::text)), '') from ({}) as t"


PRODUCT = "(select product_id || ' ' || valid_from from dwh.dim_product where product_key = f.product_key)"


# Two warehouses have different surrogate keys, but the same rows behind them.
CONTENTS = {
    "dim_date": "select * from dwh.dim_date",
    "dim_customer": "select to_jsonb(t) - 'customer_key' from dwh.dim_customer as t",
    "dim_address": "select to_jsonb(t) - 'address_key' from dwh.dim_address as t",
    "dim_payment_method": "select to_jsonb(t) - 'payment_method_key' from dwh.dim_payment_method as t",
    "dim_order_status": "select to_jsonb(t) - 'order_status_key' from dwh.dim_order_status as t",
    "dim_supplier": "select to_jsonb(t) - 'supplier_key' from dwh.dim_supplier as t",
    "dim_product": "select to_jsonb(t) - 'product_key' from dwh.dim_product as t",
    "fact_order": """
        select
            order_id, ordered_ts, delivered_ts, ordered_date_key, delivered_date_key, line_count, is_deleted,
            trim_scale(order_amount) as order_amount,
            (select customer_id from dwh.dim_customer where customer_key = f.customer_key) as customer,
            (select address_id from dwh.dim_address where address_key = f.address_key) as address,
            (select payment_method_id from dwh.dim_payment_method
             where payment_method_key = f.payment_method_key) as payment_method,
            (select order_status_id from dwh.dim_order_status
             where order_status_key = f.order_status_key) as order_status
        from dwh.fact_order as f""",
    "fact_order_line": f"""
        select
            order_id, line_number, ordered_date_key, is_deleted, quantity, trim_scale(unit_price) as unit_price,
            trim_scale(line_amount) as line_amount, {PRODUCT} as version,
            (select supplier_id from dwh.dim_supplier where supplier_key = f.supplier_key) as supplier
        from dwh.fact_order_line as f""",
    "fact_review": """
        select
            to_jsonb(f) - array['review_key', 'customer_key'] as review,
            (select customer_id from dwh.dim_customer where customer_key = f.customer_key) as customer
        from dwh.fact_review as f""",
    "fact_partner_order": """
        select
            to_jsonb(f) - 'customer_key' as item,
            (select customer_id from dwh.dim_customer where customer_key = f.customer_key) as customer
        from dwh.fact_partner_order as f""",
    "user_behavior_metric": """
        select customerid, trim_scale(amount_spent) as amount_spent, review_score, review_count, insert_date
        from dwh.user_behavior_metric""",
    "kpi_monthly": """
        select month, trim_scale(sales), orders, round(average_order_value, 9), round(lost_order_rate, 9),
            round(average_fulfilment_days, 9), unique_customers
        from mart.kpi_monthly""",
    "kpi_quarterly_country": """
        select
            quarter, country, orders, lost_orders, trim_scale(sales), delivered_orders, round(fulfilment_days, 9),
            unique_customers, unique_customers_everywhere
        from mart.kpi_quarterly_country""",
    "sales_by_product": "select month, country, label, trim_scale(sales), orders from mart.sales_by_product",
    "sales_by_subtype": "select month, country, label, trim_scale(sales), orders from mart.sales_by_subtype",
    "open_queue": """
        select fact_table, business_key, dimension from etl.reprocessing_queue where resolved_ts is null""",
}
