//! A finished pack, held to the rules of everything that reads it.
