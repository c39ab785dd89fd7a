//! The rehearsal does what real rpm and dnf do.
