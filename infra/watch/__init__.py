"""What tells people how a stage is: alarms, dashboards, saved queries."""
