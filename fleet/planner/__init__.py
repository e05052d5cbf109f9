"""What a traffic needs and costs: rates, concurrency for both doors, capacity units, the month's bill."""
