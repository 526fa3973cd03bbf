//! URLs and names that try to be something else, one a line.
