//! The parts of the binary `postroom`. Nothing depends on this crate; it is a library so that its tests can reach in.

#![recursion_limit = "512"]

pub mod access;
pub mod activity;
pub mod backend;
pub mod backup;
pub mod certificate;
pub mod cli;
pub mod control;
pub mod couriers;
pub mod data;
pub mod data_dir;
pub mod entries;
pub mod exchange;
pub mod files;
pub mod hardening;
pub mod key_file;
pub mod links;
pub mod mailer;
pub mod ports;
pub mod rotation;
pub mod runs;
pub mod seal;
pub mod sign_ins;
pub mod store;
pub mod submissions;
pub mod trust;
pub mod vault;
pub mod web;
