//! The parts of the binary `postroom`.

pub mod data_dir;
pub mod entries;
pub mod ports;
pub mod seal;
pub mod store;
