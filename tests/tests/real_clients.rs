//! Real clients against the simulated XAPI.
