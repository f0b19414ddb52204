"""What is expected of sales and orders in the next 90 days, by country."""
