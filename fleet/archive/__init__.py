"""The audit archive, compacted into Parquet and searched; nothing here changes what the worker wrote."""
