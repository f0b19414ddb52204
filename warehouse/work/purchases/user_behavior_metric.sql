-- kind: select
-- grain: one row per customer and day in changed
-- reads: changed, stage.movie_review, stage.user_purchase
-- rerun: gives the same rows
-- Sums the customer's spending on that day, and counts the customer's reviews received by then. Purchases and reviews
-- are each summed before the join, which would multiply both. Leaves out customers without a review.
with

purchases as (
    select
        changed.customerid,
        changed.insert_date,
        sum(purchase.quantity * purchase.unit_price) as amount_spent
    from changed
    inner join stage.user_purchase as purchase
        on
            changed.customerid = purchase.customer_id
            and changed.insert_date <= purchase.invoice_date
            and purchase.invoice_date < changed.insert_date + 1
    group by changed.customerid, changed.insert_date
),

reviews as (
    select
        changed.customerid,
        changed.insert_date,
        count(*) filter (where review.positive_review) as review_score,
        count(*) as review_count
    from changed
    inner join stage.movie_review as review
        on changed.customerid = review.cid and changed.insert_date >= review.review_date
    where not review.is_deleted
    group by changed.customerid, changed.insert_date
)

select
    purchases.customerid,
    coalesce(purchases.amount_spent, 0) as amount_spent,
    reviews.review_score,
    reviews.review_count,
    purchases.insert_date
from purchases
inner join reviews on purchases.customerid = reviews.customerid and purchases.insert_date = reviews.insert_date
