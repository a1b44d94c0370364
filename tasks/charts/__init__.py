"""Charts and drawings as SVG markup."""
