//! pack/medium
