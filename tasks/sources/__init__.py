"""Read a table from files, a database or a function, as canonical columns of text, numbers and UTC times."""
