//! All tests that need more than one module: stories (what a person did and saw) and edges (each source and platform
//! against its double, over real sockets). One binary, so that it is linked once.

#![allow(clippy::unwrap_used)]

mod architecture;
mod doubles;
mod edges;
mod harness;
mod stories;
