"""Where a corpus comes from: files, data frames and iterators, read as rows."""
