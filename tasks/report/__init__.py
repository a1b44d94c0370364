"""The morning page: its data, its HTML file, and the page of a night that failed."""
