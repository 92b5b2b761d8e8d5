"""Store the results of a corpus: tables, and the parts of an unfinished job."""
