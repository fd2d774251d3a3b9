//! Hubris build archives, cabooses and CoRIM documents.
