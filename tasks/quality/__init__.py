"""Data quality: structural checks, contract checks, Great Expectations rules, and the quarantine of rejected rows."""
