"""The sources of a corpus: files, data frames and iterators, all read as rows."""
