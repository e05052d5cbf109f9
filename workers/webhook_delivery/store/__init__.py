"""The webhooks table: how it is spelled, read and written."""
