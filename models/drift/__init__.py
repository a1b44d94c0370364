"""Whether the newest part of a panel differs from the seasons before it, with a stated rate of false alarms."""
