"""Deployments: what a traffic needs, what would be made, and what runs behind each alias."""
