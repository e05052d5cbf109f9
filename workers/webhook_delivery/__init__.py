"""Webhooks: a tenant's event becomes one signed POST per endpoint, tried again for three days, never lost."""
