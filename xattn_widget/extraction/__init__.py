"""From sentences to records, and what needs the model as well as a record."""
