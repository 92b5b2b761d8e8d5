"""Where the results of a corpus are kept: tables and the parts of an unfinished job."""
