"""Times of a source: formats, periods, zones and times in several columns, as instants in UTC."""
