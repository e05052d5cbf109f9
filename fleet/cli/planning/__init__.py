"""Before anything is deployed: what a traffic needs, and what a deployment would make."""
